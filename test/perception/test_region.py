# SPDX-License-Identifier: Apache-2.0
"""Drivers that send a region of the calibrated picture, or put pixels together: each pixel keeps its ray."""

from types import SimpleNamespace

import numpy as np
import pytest

from wall_oss_ros.perception.calibration import Calibration
from wall_oss_ros.perception.framing import Framing
from wall_oss_ros.perception.lens import Lens, lens_of
from wall_oss_ros.perception.registered import RegisteredDepth
from wall_oss_ros.perception.scene import scene_points
from wall_oss_ros.policy.observation import Camera, Observation
from wall_oss_ros.robots.components import View
from wall_oss_ros.robots.lenses import distortion_of, rays

K = np.array([[600.0, 0, 311], [0, 620, 247], [0, 0, 1]])
P = np.array([[520.0, 0, 300, 0], [0, 530, 240, 0], [0, 0, 1, 0]])
D = (-0.28, 0.09, 0.004, -0.003, -0.012)
BARREL = distortion_of("plumb_bob", D)[0]
VIEW = View(name="face", prompt="face", optical_frame="lens", image_topic="/image", camera_info_topic="/camera_info")


def info(x=0, y=0, width=0, height=0, binning=(0, 0), do_rectify=False, whole=(480, 640)) -> SimpleNamespace:
    """A sensor_msgs/CameraInfo of 640 x 480 pixels."""
    roi = SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height, do_rectify=do_rectify)
    return SimpleNamespace(height=whole[0], width=whole[1], distortion_model="plumb_bob", d=list(D), k=K.ravel(),
                           p=P.ravel(), roi=roi, binning_x=binning[0], binning_y=binning[1])  # fmt: skip


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("binning", [(0, 0), (1, 1), (2, 2), (4, 2)])
@pytest.mark.parametrize("region", [(0, 0, 0, 0), (0, 0, 640, 480), (160, 120, 320, 240), (8, 40, 600, 100)])
def test_a_pixel_of_the_region_has_the_ray_of_the_same_pixel_of_the_whole_picture(region, binning, rectified):
    x, y, width, height = region
    across, down = (max(n, 1) for n in binning)
    lens = lens_of(info(*region, binning=binning), rectified)
    assert lens.fault == "" and lens.calibrated
    assert (lens.height, lens.width) == ((height or 480) // down, (width or 640) // across)
    whole = np.random.default_rng(0).uniform((x + 200, y + 20), (x + 300, y + 90), (20, 2))
    matrix, bends = (P[:, :3], None) if rectified else (K, BARREL)
    found = rays((whole - (x, y)) / (across, down), lens.matrix, lens.distortion)
    assert found == pytest.approx(rays(whole, matrix, bends), abs=1e-9)


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"x": 400, "width": 300, "height": 200}, "300 x 200 at (400, 0) of 640 x 480, reaches beyond"),
        ({"y": 10}, "0 x 0 at (0, 10) of 640 x 480, is empty"),
        ({"width": 300}, "is empty"),
        ({"width": 2**32 - 1, "height": 1}, "reaches beyond"),
        ({"binning": (1000, 1)}, "nothing is left of 640 x 480 pixels, binned by 1000 x 1"),
    ],
)
def test_a_region_that_contradicts_itself_is_said_to_do_so(fields, said):
    lens = lens_of(info(**fields), rectified=False)
    assert said in lens.fault and lens.calibrated, "which is something else than no calibration"


def test_where_a_region_lies_in_rectified_pictures_may_not_be_said():
    assert "do_rectify" in lens_of(info(160, 120, 320, 240, do_rectify=True), rectified=True).fault
    assert lens_of(info(160, 120, 320, 240, do_rectify=True), rectified=False).fault == ""
    for whole in ((0, 0, 0, 0), (0, 0, 640, 480)):
        assert lens_of(info(*whole, do_rectify=True), rectified=True).fault == ""


def test_a_size_that_was_not_said_needs_none():
    lens = lens_of(info(160, 120, 320, 240, whole=(0, 0)), rectified=False)
    assert (lens.height, lens.width, lens.fault) == (240, 320, "") and lens.matrix[0, 2] == K[0, 2] - 160
    lens = lens_of(info(whole=(0, 0)), rectified=False)
    assert (lens.height, lens.width, lens.fault) == (0, 0, "") and np.array_equal(lens.matrix, K)


def test_a_whole_picture_is_not_taken_for_an_enlarged_region():
    """A driver that says a region, and sends all: where its pixels lie is then not known."""
    calibration = Calibration(SimpleNamespace(links=()), "base", lambda *_: None)
    calibration.hear("face", lens_of(info(160, 120, 320, 240), rectified=False))
    assert calibration.camera(VIEW, "", 1.0, {}, 480, 640)[0] is None
    assert calibration.doubts["face"] == (
        "/camera_info is for a region of 320 x 240 of 640 x 480, the pictures are 640 x 480"
    )
    lens, _ = calibration.camera(VIEW, "", 1.0, {}, 240, 320)
    assert lens.matrix[0, 2] == K[0, 2] - 160 and "face" not in calibration.doubts


def wall(height: int, width: int) -> SimpleNamespace:
    """A depth image: 1 m everywhere."""
    return SimpleNamespace(height=height, width=width, step=2 * width, encoding="16UC1", is_bigendian=0,
                           data=np.full((height, width), 1000, np.uint16).tobytes(),
                           header=SimpleNamespace(frame_id="lens"))  # fmt: skip


def points(lens: Lens, own: Lens | None, shape: tuple[int, int]) -> np.ndarray:
    """Where the scene's points are, by the region's pictures and depth images of a size."""
    depth = RegisteredDepth(Framing(VIEW), 0.1, "/depth")
    if own is not None:
        depth.hear(own)
    depth.add(5.0, wall(*shape))
    found = depth.view(5.0, "lens", lens, lens.height, lens.width, 0)
    if found is None:
        raise AssertionError(depth.absent)
    picture = np.zeros((lens.height, lens.width, 3), np.uint8)
    camera = Camera(lens.matrix, np.eye(4), lens.distortion)
    obs = Observation(5.0, {"face": picture}, np.zeros(1), np.zeros(1, bool), {"face": camera}, {"face": found})
    return scene_points(obs, 0.001)[0]


def test_the_scene_is_where_it_is_whatever_part_of_it_is_sent():
    """A wall, seen by a region of the picture, with depth of that region or of all."""
    region, whole = lens_of(info(160, 120, 320, 240), True), lens_of(info(), True)
    left, top = (np.array([160, 120]) - (300, 240)) / (520, 530)
    right, bottom = (np.array([480, 360]) - (300, 240)) / (520, 530)
    for own, shape in ((region, (240, 320)), (whole, (480, 640)), (None, (240, 320))):
        found = points(region, own, shape)
        assert found.min(axis=0) == pytest.approx((left, top, 1), abs=2e-3)
        assert found.max(axis=0) == pytest.approx((right, bottom, 1), abs=2e-3)
    with pytest.raises(AssertionError, match="set depth_info_topic"):
        points(region, None, (480, 640))
