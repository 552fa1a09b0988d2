# SPDX-License-Identifier: Apache-2.0
"""Depth images as they come, broken ones among them, and as they belong to a view's picture."""

from types import SimpleNamespace

import numpy as np
import pytest

from wall_oss_ros.perception.depth import DepthError, depth_counts, millimetres
from wall_oss_ros.perception.framing import Framing
from wall_oss_ros.perception.lens import Lens
from wall_oss_ros.perception.registered import MOST, RegisteredDepth
from wall_oss_ros.robots.components import View

K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
LENS = Lens(K, 48, 64)


def image(values: np.ndarray, frame: str = "lens", **fields) -> SimpleNamespace:
    """A sensor_msgs/Image with these rows, uint16 mm or float32 m."""
    encoding = {"u": "16UC1", "f": "32FC1"}[values.dtype.kind]
    height, width = values.shape
    made = {
        "height": height, "width": width, "step": values.strides[0], "encoding": encoding, "data": values.tobytes(),
        "is_bigendian": int(values.dtype.str[0] == ">"), "header": SimpleNamespace(frame_id=frame),
    }  # fmt: skip
    return SimpleNamespace(**{**made, **fields})


def read(message) -> np.ndarray:
    return millimetres(*depth_counts(message))


@pytest.mark.parametrize("kind", ["<u2", ">u2", "<f4", ">f4"])
def test_millimetres_in_either_encoding_and_byte_order(kind):
    mm = np.array([[0, 700, 1234], [50, 9999, 10_000]])
    values = (mm / 1000 if "f" in kind else mm).astype(kind)
    assert read(image(values)).tolist() == mm.tolist() and read(image(values)).dtype == np.uint16


def test_what_is_no_distance_is_nothing():
    values = np.array([[np.nan, np.inf, -np.inf, -1.0, 0.0, 1e30, 0.049, 10.1, 0.7]], np.float32)
    assert read(image(values)).tolist() == [[0] * 8 + [700]]
    assert read(image(np.array([[65535, 49, 10_001, 0, 700]], np.uint16))).tolist() == [[0, 0, 0, 0, 700]]


def test_rows_may_be_padded():
    wide = np.arange(1000, 1024, dtype=np.uint16).reshape(4, 6)
    assert read(image(wide, width=5)).tolist() == wide[:, :5].tolist(), "step counts, not width"
    for more in (1, 3):  # by no whole number of numbers
        rows = b"".join(row.tobytes() + b"\xff" * more for row in wide)
        assert read(image(wide, step=12 + more, data=rows)).tolist() == wide.tolist()


@pytest.mark.filterwarnings("error")
def test_a_distance_beyond_all_numbers_is_nothing_and_worth_no_word():
    assert read(image(np.array([[3e38, -3e38, 0.7]], np.float32))).tolist() == [[0, 0, 700]]


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"encoding": "rgb8"}, "16UC1"),
        ({"encoding": "mono8"}, "16UC1"),
        ({"encoding": "16UC3"}, "16UC1"),
        ({"encoding": ""}, "16UC1"),
        ({"encoding": "32FC1"}, "do not fit"),
        ({"step": 11}, "do not fit"),
        ({"step": 13}, "do not fit"),
        ({"step": 0}, "do not fit"),
        ({"step": 2**32 - 2}, "do not fit"),
        ({"height": 5}, "do not fit"),
        ({"width": 7}, "do not fit"),
        ({"width": 0}, "0 x 4 pixels"),
        ({"height": 0}, "6 x 0 pixels"),
        ({"height": 2**32 - 1, "width": 2**32 - 1}, "pixels"),
        ({"data": b""}, "do not fit"),
    ],
)
def test_what_is_no_depth_image_is_refused_in_words(fields, said):
    with pytest.raises(DepthError, match=said):
        depth_counts(image(np.full((4, 6), 700, np.uint16), **fields))


# Of a view's picture.


def source(tolerance: float = 0.1, **fields) -> RegisteredDepth:
    topics = {"image_topic": "/camera/image_raw", "camera_info_topic": "/camera/camera_info"}
    view = View(name="face", prompt="face", optical_frame="lens", **topics, **fields)
    return RegisteredDepth(Framing(view), tolerance, "/camera/depth")


def slope(height: int = 48, width: int = 64) -> np.ndarray:
    """Every pixel has another distance: 1000 + 100 * row + column, in mm, of a picture of 48 x 64."""
    rows, columns = np.mgrid[:height, :width]
    return (1000 + 100 * (rows * 48 // height) + columns * 64 // width).astype(np.uint16)


def seen(depth: RegisteredDepth, stamp: float = 5.0, frame: str = "lens", lens=LENS, size: int = 0):
    return depth.view(stamp, frame, lens, 48, 64, size)


def test_depth_goes_the_way_of_its_picture():
    """Cut, turned and fitted alike: the picture's red and green are the rows and columns of the depth."""
    rows, columns = np.mgrid[:48, :64]
    picture = np.stack([rows, columns, np.full_like(rows, 255)], axis=-1).astype(np.uint8)
    for fields in ({}, {"rotate": 90}, {"rotate": 180}, {"crop": {"left": 0.25, "bottom": 0.5}, "rotate": 270},
                   {"fit": "crop"}, {"fit": "stretch"}):  # fmt: skip
        for size in (0, 64):
            depth = source(**fields)
            depth.add(5.0, image(slope()))
            found, model = seen(depth, size=size).astype(int), depth._framing.picture(picture, size).astype(int)
            assert found.shape == model.shape[:2], fields
            known = (found > 0) & (model[..., 2] == 255)
            off = np.abs((found - 1000) - (100 * model[..., 0] + model[..., 1]))[known]
            assert known.sum() > 0.4 * found.size and np.median(off % 100) <= 1 and (off // 100 <= 1).mean() > 0.95
            assert not found[model[..., 2] == 0].any(), "black bars are nowhere"


def test_another_resolution_is_laid_over_the_picture():
    for shape in ((48, 64), (24, 32), (96, 128)):
        depth = source()
        depth.add(5.0, image(slope(*shape)))
        found = seen(depth)
        assert np.abs(found[10, 20].astype(int) - 2020) <= 101, shape


def test_a_depth_camera_that_sees_more_is_laid_over_by_both_lenses():
    """Its picture is 80 x 60 of the same focal length: the colour camera sees its middle."""
    depth = source()
    depth.add(5.0, image(np.pad(slope(), ((6, 6), (8, 8)))))
    wider = K + [[0, 0, 8], [0, 0, 6], [0, 0, 0]]
    depth.hear(Lens(wider, 60, 80))
    assert np.array_equal(seen(depth), slope())
    depth.hear(Lens(np.diag([2.0, 2, 1]) @ wider, 120, 160))
    assert np.array_equal(seen(depth), slope()), "calibrated at twice the size"
    assert seen(depth, lens=None) is not None, "of the same proportions: then it is taken to see the same"


def test_large_depth_is_thinned():
    depth = source()
    depth.add(5.0, image(np.full((480, 640), 700, np.uint16)))
    found = depth.view(5.0, "lens", None, 480, 640, 0)
    assert found.shape == (MOST * 3 // 4, MOST) and (found == 700).all()


@pytest.mark.parametrize(
    "given, said",
    [
        ({}, "nothing on /camera/depth"),
        ({"stamp": 5.0, "message": image(slope(), frame="camera_depth_optical_frame")}, "camera_depth_optical_frame"),
        ({"stamp": 4.8, "message": image(slope())}, "0.20 s before the picture"),
        ({"stamp": 5.3, "message": image(slope())}, "0.30 s after the picture"),
        ({"stamp": 0.0, "message": image(slope())}, "5.00 s before"),
        ({"stamp": float("nan"), "message": image(slope())}, "are allowed"),
        ({"stamp": 5.0, "message": image(slope(), encoding="bgr8")}, "bgr8"),
        ({"stamp": 5.0, "message": image(slope(48, 48))}, "set depth_info_topic"),
        ({"stamp": 5.0, "message": image(slope()), "lens": Lens(K, 100, 100)}, "CameraInfo is for 100 x 100"),
    ],
)
def test_what_does_not_belong_to_the_picture_is_not_used(given, said):
    depth = source()
    if "lens" in given:
        depth.hear(given["lens"])
    if "message" in given:
        depth.add(given["stamp"], given["message"])
    assert seen(depth) is None and said in depth.absent


def test_the_one_nearest_in_time_is_used_and_the_complaint_goes():
    depth = source()
    assert seen(depth) is None and depth.absent
    for number, stamp in enumerate((4.93, 5.04, 4.97, 5.08)):  # out of turn
        depth.add(stamp, image(np.full((48, 64), 1000 + number, np.uint16)))
    assert (seen(depth) == 1002).all() and depth.absent == ""
    depth.add(0.5, image(np.full((48, 64), 1500, np.uint16)))  # the clock was restarted
    assert seen(depth) is None and (seen(depth, stamp=0.5) == 1500).all()


def test_a_lens_of_zeros_or_nan_is_none():
    for matrix in (np.zeros((3, 3)), np.full((3, 3), np.nan)):
        depth = source()
        depth.hear(Lens(matrix, 48, 64))
        depth.add(5.0, image(slope()))
        assert np.array_equal(seen(depth), slope())
