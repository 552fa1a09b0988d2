# SPDX-License-Identifier: Apache-2.0
"""What drivers say of lenses, for raw and for rectified pictures, and that pixels keep their rays on all ways."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from wall_oss_ros.perception.framing import Framing
from wall_oss_ros.perception.lens import Lens, is_rectified, lens_of
from wall_oss_ros.perception.registered import RegisteredDepth
from wall_oss_ros.perception.scene import scene_points
from wall_oss_ros.policy.observation import Camera, Observation
from wall_oss_ros.robots.components import View
from wall_oss_ros.robots.lenses import distortion_of, pixels_of, rays

K = np.array([[60.0, 0, 31], [0, 62, 25], [0, 0, 1]])
P = np.array([[52.0, 0, 30, -9], [0, 53, 24, 0], [0, 0, 1, 0]])
D = (-0.28, 0.09, 0.004, -0.003, -0.012)
BARREL = distortion_of("plumb_bob", D)[0]
LENSES = {
    "plumb_bob": D,
    "rational_polynomial": (-0.25, 0.1, 0.004, -0.003, 0.02, 0.02, 0.05, 0.01, 0.002, -0.001, 0.003, 0.001),
    "equidistant": (-0.0126, 0.0037, -0.0042, 0.00098),
}


def info(**fields) -> SimpleNamespace:
    """A sensor_msgs/CameraInfo of 64 x 48 pixels."""
    made = {"height": 48, "width": 64, "distortion_model": "plumb_bob", "d": list(D), "k": K.ravel(), "p": P.ravel(),
            "roi": roi(), "binning_x": 0, "binning_y": 0}  # fmt: skip
    return SimpleNamespace(**{**made, **fields})


def roi(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False) -> SimpleNamespace:
    """A sensor_msgs/RegionOfInterest; zeros stand for the whole picture."""
    return SimpleNamespace(x_offset=x_offset, y_offset=y_offset, width=width, height=height, do_rectify=do_rectify)


def view(**fields) -> View:
    made = {"image_topic": "/camera/image_raw", "camera_info_topic": "/camera/camera_info", **fields}
    return View(name="face", prompt="face", optical_frame="lens", **made)


def test_raw_pictures_are_as_k_and_d_have_it():
    lens = lens_of(info(), rectified=False)
    assert np.array_equal(lens.matrix, K) and lens.distortion == BARREL and (lens.height, lens.width) == (48, 64)
    assert lens.calibrated and lens.fault == ""


def test_rectified_pictures_are_as_p_has_it():
    """Without its last column, which is for the second camera of two."""
    for d, model in ((D, "plumb_bob"), ((), ""), ((1.0,) * 30, "of no kind")):
        lens = lens_of(info(d=list(d), distortion_model=model), rectified=True)
        assert np.array_equal(lens.matrix, P[:, :3]) and lens.distortion is None and lens.fault == ""


def test_rectified_pictures_without_p():
    """Some drivers fill in k alone: where that has no distortion, it is the same."""
    lens = lens_of(info(p=np.zeros(12), d=[0.0] * 5), rectified=True)
    assert np.array_equal(lens.matrix, K) and lens.distortion is None and lens.fault == ""
    for fields in ({}, {"d": [0.1] * 5, "distortion_model": "unknown"}):
        assert "no projection matrix p" in lens_of(info(p=np.zeros(12), **fields), rectified=True).fault


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"distortion_model": "kannala"}, "'kannala' is not known"),
        ({"distortion_model": ""}, "'' is not known"),
        ({"d": [math.nan] * 5}, "not finite"),
        ({"d": [0.1] * 1_000_000}, "more than 14 numbers"),
        ({"d": [0.0] * 1_000_000}, "more than 14 numbers"),
        ({"d": [0.1]}, "1 numbers"),
    ],
)
def test_a_lens_that_is_not_known_is_said_to_be_so(fields, said):
    """And is not taken for a pinhole: a place that is wrong without a word is worse than none."""
    assert said in lens_of(info(**fields), rectified=False).fault


@pytest.mark.parametrize("d", [[], [0.0] * 5, [0.0] * 14])
@pytest.mark.parametrize("model", ["plumb_bob", "", "none", "equidistant"])
def test_no_distortion_is_a_pinhole_whatever_it_is_called(d, model):
    lens = lens_of(info(d=d, distortion_model=model), rectified=False)
    assert lens.distortion is None and lens.fault == "" and np.array_equal(lens.matrix, K)


@pytest.mark.parametrize(
    "topic, expected",
    [
        ("/camera/image_rect", True),
        ("/zed/zed_node/left/image_rect_color", True),
        ("/camera/color/image_rect_raw", True),
        ("/camera/image_rect/compressed", True),
        ("/depth_registered/image_rect/compressedDepth", True),
        ("/zed/zed_node/rgb/color/rect/image", True),
        ("/camera/color/image_raw", False),
        ("/camera/aligned_depth_to_color/image_raw", False),
        ("/rectangle/image", False),
        ("/image", False),
    ],
)
def test_a_topics_name_says_whether_pictures_are_rectified(topic, expected):
    assert is_rectified(view(), topic) == expected
    assert is_rectified(view(rectified=True), topic) and not is_rectified(view(rectified=False), topic)


def test_a_lens_of_another_size_bends_the_same():
    lens = lens_of(info(), rectified=False)
    large = lens.resized(96, 128)
    assert np.array_equal(large.matrix, np.diag([2.0, 2, 1]) @ K) and large.distortion == BARREL
    assert lens.resized(48, 64) is lens and lens.fits(96, 128) and not lens.fits(96, 96)
    unsized = Lens(K, 0, 0)
    assert unsized.fits(7, 99) and unsized.resized(7, 99) is unsized


# On all ways that a pixel goes.


@pytest.mark.parametrize("model", LENSES)
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("fields", [{}, {"fit": "crop"}, {"fit": "stretch", "crop": {"left": 0.1, "bottom": 0.8}}])
def test_pixels_of_the_models_picture_have_the_rays_that_they_had(model, rotate, fields):
    bends = distortion_of(model, LENSES[model])[0]
    framing = Framing(view(rotate=rotate, **fields))
    for size in (0, 56):
        matrix, turned = framing.camera(K, 48, 64, size)
        camera = Camera(matrix, turned, framing.distortion(bends))
        pixels = np.random.default_rng(0).uniform(15, 30, (20, 2))
        native = np.column_stack([pixels, np.ones(20)]) @ framing.to_camera(48, 64, size).T
        expected = rays(native[:, :2] / native[:, 2:], K, bends)
        assert np.isfinite(expected).all()
        assert camera.rays(pixels) @ turned[:3, :3].T == pytest.approx(expected, abs=1e-9)
        assert np.abs(camera.rays(pixels) - rays(pixels, matrix)).max() > 1e-4, "which a pinhole would not give"


def slope_along_rays(lens: Lens) -> np.ndarray:
    """A depth image in which each distance says which ray it is on: 2000 + 1000 x + 100 y, mm; 0 beyond the lens."""
    rows, columns = np.mgrid[: lens.height, : lens.width] + 0.5
    seen = rays(np.stack([columns, rows], -1), lens.matrix, lens.distortion)
    return np.nan_to_num(2000 + 1000 * seen[..., 0] + 100 * seen[..., 1], nan=0.0).astype(np.uint16)


def image(values: np.ndarray) -> SimpleNamespace:
    height, width = values.shape
    header = SimpleNamespace(frame_id="lens")
    return SimpleNamespace(height=height, width=width, step=2 * width, encoding="16UC1", is_bigendian=0,
                           data=values.tobytes(), header=header)  # fmt: skip


@pytest.mark.parametrize("model", LENSES)
def test_depth_of_another_lens_lies_over_the_picture(model):
    """A rectified depth image beside raw pictures, and the other way round."""
    bent = Lens(K, 48, 64, distortion_of(model, LENSES[model])[0])
    straight = Lens(np.array([[110.0, 0, 96], [0, 110, 72], [0, 0, 1]]), 144, 192)
    for picture, own in ((bent, straight), (straight, bent), (bent, bent), (bent, bent.resized(96, 128))):
        depth = RegisteredDepth(Framing(view()), 0.1, "/depth")
        depth.hear(own)
        depth.add(5.0, image(slope_along_rays(own)))
        found = depth.view(5.0, "lens", picture, picture.height, picture.width, 0).astype(int)
        expected = slope_along_rays(picture).astype(int)
        known = (found > 0) & (expected > 0)
        assert known.mean() > 0.4 and depth.absent == ""
        assert np.abs(found - expected)[known].max() <= 32, "to within a pixel of the coarser one"
        as_pinhole = slope_along_rays(picture._replace(distortion=None)).astype(int)
        if picture.distortion is not None:
            assert np.abs(found - as_pinhole)[known].max() > 45, "which a pinhole would not give"


def test_the_depth_images_lens_that_is_not_known_is_said_to_be_so():
    depth = RegisteredDepth(Framing(view()), 0.1, "/depth")
    depth.hear(lens_of(info(distortion_model="of its own"), rectified=False))
    depth.add(5.0, image(np.full((48, 64), 700, np.uint16)))
    assert depth.view(5.0, "lens", Lens(K, 48, 64), 48, 64, 0) is None
    assert "'of its own' is not known" in depth.absent


def test_the_scene_is_straight_though_the_lens_is_not():
    """A wall 1 m before the camera, with a grid of points, stays one and keeps its measures."""
    camera = Camera(K, np.eye(4), BARREL)
    picture = np.zeros((48, 64, 3), np.uint8)
    obs = Observation(0.0, {"face": picture}, np.zeros(1), np.zeros(1, bool), {"face": camera},
                      {"face": np.full((48, 64), 1000, np.uint16)})  # fmt: skip
    places, _ = scene_points(obs, voxel=0.0001)
    assert len(places) == 48 * 64 and np.abs(places[:, 2] - 1).max() < 1e-6
    pixels = pixels_of(places, K, BARREL)
    assert np.abs(pixels - np.round(pixels - 0.5) - 0.5).max() < 1e-3, "each is shown in the middle of a pixel"
    assert len(np.unique(np.floor(pixels), axis=0)) == 48 * 64, "of its own"
    fish = replace(camera, distortion=distortion_of("plumb_bob", (-0.9, 0.0, 0.0, 0.0))[0])
    some, colours = scene_points(replace(obs, cameras={"face": fish}), voxel=0.0001)
    assert 0 < len(some) < 48 * 64 and len(some) == len(colours), "beyond what the lens shows there are no points"
