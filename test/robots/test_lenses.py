# SPDX-License-Identifier: Apache-2.0
"""Lenses: pixels to rays and back, against OpenCV's numbers, there and back again, and where a formula ends."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wall_oss_ros.robots.lenses import NUMBERS, Distortion, distortion_of, pixels_of, rays

K = np.array([[615.3, 0, 322.7], [0, 614.9, 241.2], [0, 0, 1]])
POINTS = np.array([[0.0, 0, 1], [0.1, -0.2, 1], [0.5, 0.3, 1], [-0.6, 0.45, 1], [0.02, 0.7, 1]])
WIDE = np.vstack([POINTS, [2.0, -1.5, 1]])

# cv2.projectPoints and cv2.fisheye.projectPoints of OpenCV 5.0.0 for POINTS (and WIDE), with K the identity.
OPENCV = {
    "plumb_bob": (
        [-0.28, 0.09, 0.0012, -0.0008, -0.012],
        [[0.0, 0.0], [0.09851835, -0.1970567], [0.457054176, 0.2748037056], [-0.5229784921874999, 0.392571369140625],
         [0.017298980922736643, 0.6197840122957824]],
    ),
    "rational_polynomial": (
        [0.52, -2.6, 0.0005, -0.0003, 1.5, 0.4, -2.43, 1.42],
        [[0.0, 0.0], [0.10050973328386432, -0.20102446656772863], [0.5132321869910988, 0.30817051219465935],
         [-0.6243117157310143, 0.46838847429826075], [0.020569876324267197, 0.7253400713493519]],
    ),
    "thin prism": (
        [-0.1, 0.02, 0.001, -0.002, 0.003, 0.01, 0.005, -0.001, 0.0015, -0.0007, 0.0009, 0.0004],
        [[0.0, 0.0], [0.09934732971590558, -0.19865215943181116], [0.48136434280365625, 0.2896613976821937],
         [-0.5688688130878367, 0.4274698715346275], [0.018621494910481772, 0.667254336650862]],
    ),
    "equidistant": (
        [-0.0126, 0.0037, -0.0042, 0.00098],
        [[0.0, 0.0], [0.09832243008020207, -0.19664486016040414], [0.45116987215287446, 0.27070192329172466],
         [-0.5123027958070283, 0.38422709685527123], [0.017371135475320546, 0.607989741636219],
         [0.9346915009177897, -0.7010186256883423]],
    ),
}  # fmt: skip


def lens(model: str, numbers) -> Distortion:
    made, fault = distortion_of("rational_polynomial" if model == "thin prism" else model, tuple(numbers))
    assert made is not None and fault == ""
    return made


@pytest.mark.parametrize("model", OPENCV)
def test_points_are_shown_where_opencv_shows_them(model):
    numbers, shown = OPENCV[model]
    points = WIDE if model == "equidistant" else POINTS
    assert pixels_of(points, np.eye(3), lens(model, numbers)) == pytest.approx(np.array(shown), abs=1e-12)
    assert rays(shown, np.eye(3), lens(model, numbers)) == pytest.approx(points, abs=1e-9)


def spread(low, high):
    return st.floats(low, high, allow_subnormal=False)


PLUMB_BOB = st.tuples(spread(-0.4, 0.3), spread(-0.3, 0.3), spread(-0.005, 0.005), spread(-0.005, 0.005),
                      spread(-0.1, 0.1)).map(lambda d: ("plumb_bob", d))  # fmt: skip
RATIONAL = st.tuples(spread(-0.3, 0.8), spread(-0.3, 0.3), spread(-0.005, 0.005), spread(-0.005, 0.005),
                     spread(-0.1, 0.1), spread(-0.3, 0.5), spread(0.0, 0.3), spread(0.0, 0.1),
                     *[spread(-0.001, 0.001)] * 4
                     ).map(lambda d: ("rational_polynomial", d))  # fmt: skip
EQUIDISTANT = st.tuples(spread(-0.1, 0.2), spread(-0.05, 0.05), spread(-0.02, 0.02), spread(-0.005, 0.005)).map(
    lambda d: ("equidistant", d)
)
LENSES = PLUMB_BOB | RATIONAL | EQUIDISTANT


@settings(deadline=None, max_examples=60)
@given(LENSES, st.integers(0, 2**32 - 1))
def test_there_and_back_again(given, seed):
    """Of every direction that the lens shows apart from others, within 40 degrees, as cameras for arms see."""
    made = distortion_of(*given)[0]
    assume(made is not None)
    rng = np.random.default_rng(seed)
    far, around = np.tan(np.radians(rng.uniform(0, 40, 40))), rng.uniform(0, 2 * math.pi, 40)
    points = np.stack([far * np.cos(around), far * np.sin(around), np.ones(40)], -1) * rng.uniform(0.1, 5, (40, 1))
    seen = pixels_of(points, K, made)
    back, known = rays(seen, K, made), np.isfinite(seen).all(axis=-1)
    apart = far < 0.9 * made._table[2]  # towards its end, neighbours come to lie on each other
    assert known[apart].all()
    assert back[apart] == pytest.approx((points / points[:, 2:])[apart], abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(LENSES, st.sampled_from([0, 90, 180, 270]))
def test_a_turned_lens_bends_what_is_turned(given, degrees):
    made = distortion_of(*given)[0]
    assume(made is not None)
    c, s = np.round([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    turn = np.array([[c, -s], [s, c]])
    points = POINTS[:, :2]
    assert made.turned(turn).distort(points @ turn.T) == pytest.approx(made.distort(points) @ turn.T, nan_ok=True)


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant", "", "nonsense"])
@pytest.mark.parametrize("numbers", [(), (0.0,) * 5, (0.0,) * 8, (-0.0,) * 14])
def test_zeros_are_a_pinhole_exactly(model, numbers):
    assert distortion_of(model, numbers) == (None, "")
    pixels = np.random.default_rng(0).uniform(0, 640, (50, 2))
    expected = np.stack([(pixels[:, 0] - 322.7) / 615.3, (pixels[:, 1] - 241.2) / 614.9, np.ones(50)], -1)
    assert np.array_equal(rays(pixels, K, None), expected)


@pytest.mark.parametrize(
    "model, numbers, said",
    [
        ("", (0.1,) * 5, "distortion model '' is not known: plumb_bob"),
        ("kannala", (0.1,) * 4, "'kannala' is not known"),
        ("x" * 1000, (0.1,) * 4, "is not known"),
        ("plumb_bob", (0.1, math.nan, 0, 0, 0), "not finite"),
        ("nonsense", (math.inf,), "not finite"),
        ("plumb_bob", (0.1, 0.1), "2 numbers of distortion came, 4 to 12"),
        ("equidistant", (0.1,) * 5, "5 numbers of distortion came, 4 to 4"),
        ("rational_polynomial", (0.1,) * 13, "13 numbers"),
        ("rational_polynomial", (*[0.1] * 12, 0.01, 0.0), "tilted against its lens"),
    ],
)
def test_what_is_not_known_is_said(model, numbers, said):
    made, why = distortion_of(model, numbers)
    assert made is None and said in why and len(why) < 250


def test_zeros_behind_are_none():
    assert distortion_of("equidistant", (0.1, 0.2, 0.0, 0.0, 0.0))[0] == lens("equidistant", (0.1, 0.2, 0.0, 0.0))
    assert distortion_of("plumb_bob", (0.1, 0.2, 0.0, 0.0, 0.3, *[0.0] * 9))[0].numbers[4] == 0.3


def test_where_a_formula_folds_back_nothing_is_shown():
    """With k1 -0.3, what lies 1.05 off the axis is shown farthest from it, at 0.70, and what lies beyond, nearer."""
    barrel = lens("plumb_bob", (-0.3, 0.0, 0.0, 0.0, 0.0))
    assert np.isnan(barrel.distort(np.array([[1.2, 0.0], [5.0, 5.0]]))).all()
    assert np.isnan(barrel.undistort(np.array([[0.71, 0.0], [0.0, -9.0]]))).all()
    assert barrel.undistort(np.array([0.6, 0.0]))[0] < 1.0, "the nearer of the two that are shown there"
    assert np.isnan(rays([1e6, 0.0], K, barrel)).all()


def test_behind_the_camera_nothing_is_shown():
    assert np.isnan(pixels_of(np.array([[0.1, 0.1, -1.0], [0.1, 0.1, 0.0]]), K)).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
@pytest.mark.parametrize("size", [1e3, 1e150, 1e308, -1e3, -1e308, 5e-324])
def test_numbers_of_no_lens_raise_nothing(model, size):
    for numbers in ((size,) * 4, (0.0, size, 0.0, 0.0), (0.0, 0.0, size, size)):
        made = distortion_of(model, numbers)[0]
        pixels = np.array([[0.0, 0.0], [322.7, 241.2], [600.0, 100.0], [math.nan, math.inf], [1e300, -1e300]])
        found = rays(pixels, K, made)
        assert found.shape == (5, 3) and np.isnan(found[3]).all()
        assert pixels_of(found, K, made).shape == (5, 2)


def test_shapes_are_kept():
    made = lens("plumb_bob", OPENCV["plumb_bob"][0])
    assert len(made.numbers) == NUMBERS
    for shape in ((2,), (0, 2), (3, 2), (4, 5, 2)):
        assert rays(np.full(shape, 100.0), K, made).shape == (*shape[:-1], 3)
        assert pixels_of(np.ones((*shape[:-1], 3)), K, made).shape == shape
