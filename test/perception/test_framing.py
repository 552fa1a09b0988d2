# SPDX-License-Identifier: Apache-2.0
"""What becomes of a camera's picture, and that its matrix and pose go with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from wall_oss_ros.perception.framing import Framing
from wall_oss_ros.perception.pictures import PictureError
from wall_oss_ros.robots.components import Crop, View
from wall_oss_ros.robots.lenses import rays


def view(**fields) -> View:
    topics = {"image_topic": "/camera/image_raw", "camera_info_topic": "/camera/camera_info"}
    return View(name="face", prompt="face", optical_frame="lens", **topics, **fields)


def framed(image, size, **fields):
    return Framing(view(**fields)).picture(image, size)


def corners(image) -> list:
    return image[[0, 0, -1, -1], [0, -1, 0, -1], 0].tolist()


WIDE = np.zeros((60, 100, 3), np.uint8)
WIDE[...] = (10, 200, 30)


def test_no_side_is_lost_unless_asked():
    fitted = framed(WIDE, 50)
    assert fitted.shape == (50, 50, 3)
    assert (fitted[10:40] == (10, 200, 30)).all() and not fitted[:10].any() and not fitted[40:].any()
    assert (framed(WIDE, 50, fit="stretch") == (10, 200, 30)).all()
    marked = WIDE.copy()
    marked[:, :20] = marked[:, 80:] = 255  # all that is outside the central square
    assert (framed(marked, 30, fit="crop") == (10, 200, 30)).all()


def test_a_square_of_the_size_is_left_as_it_is():
    square = np.random.default_rng(0).integers(0, 256, (56, 56, 3), dtype=np.uint8)
    for fit in ("pad", "crop", "stretch"):
        assert np.shares_memory(framed(square, 56, fit=fit), square)
    assert np.shares_memory(framed(WIDE, 0), WIDE), "any size is taken"


@pytest.mark.parametrize("rotate, expected", [(0, [1, 2, 3, 4]), (90, [3, 1, 4, 2]), (180, [4, 3, 2, 1]),
                                              (270, [2, 4, 1, 3])])  # fmt: skip
def test_pictures_are_turned_clockwise(rotate, expected):
    image = np.array([[1, 0, 2], [3, 0, 4]], np.uint8)[..., None].repeat(3, axis=2)
    assert corners(framed(image, 0, rotate=rotate)) == expected


def test_the_crop_is_of_the_picture_as_it_comes():
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)[..., None].repeat(3, axis=2)
    assert corners(framed(image, 0, crop={"left": 2, "top": 3, "right": 5, "bottom": 9})) == [32, 34, 82, 84]
    assert corners(framed(image, 0, crop={"left": 0.5}, rotate=90)) == [95, 5, 99, 9]
    with pytest.raises(PictureError, match=r"from \(0, 0\) to \(11, 10\) is no part of a picture of 10 x 10"):
        framed(image, 0, crop={"right": 11, "bottom": 10})


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"crop": {"left": 0.6, "right": 0.5}}, "left must be below its right"),
        ({"crop": {"left": 100}}, "left must be below its right"),
        ({"crop": {"right": 300}}, "must say right and bottom"),
        ({"crop": {"right": float("nan")}}, "finite"),
        ({"rotate": 45}, "0, 90, 180 or 270"),
        ({"fit": "squeeze"}, "'pad', 'crop' or 'stretch'"),
        ({"encoding": "bgr"}, "'bgr8'"),
        ({"depth": 0}, "greater than or equal to 1"),
        ({"image_topic": "/two words"}, "'/two words' is no topic"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, said):
    base = {"image_topic": "/camera/image_raw", "camera_info_topic": "/i", "name": "f", "prompt": "f"}
    with pytest.raises(ValidationError, match=said):
        View(optical_frame="lens", **{**base, **fields})


SIDES = st.integers(20, 90)


@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES, st.sampled_from([0, 90, 180, 270]), st.sampled_from(["pad", "crop", "stretch"]),
       st.sampled_from([0, 28, 56]), st.floats(0, 0.4), st.floats(0.6, 1.0), st.integers(0, 2**32 - 1))  # fmt: skip
def test_a_pixel_of_the_models_picture_is_on_the_ray_that_it_was_on(height, width, rotate, fit, size, low, high, seed):
    """A light is put somewhere in the picture: where it is in the model's picture, its ray has the same direction."""
    rng, crop = np.random.default_rng(seed), Crop(left=low, top=low, right=high, bottom=high)
    framing = Framing(view(rotate=rotate, fit=fit, crop=crop))
    matrix = np.array([[width * 0.9, 0, width * 0.48], [0, width * 0.85, height * 0.53], [0, 0, 1]])
    row, column = rng.integers([height, width])
    image = np.zeros((height, width, 3), np.uint8)
    image[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5] = 255
    new, turned = framing.camera(matrix, height, width, size)
    light = framing.picture(image, size)[..., 0].astype(float)
    left, top, right, bottom = crop.pixels(height, width)
    edges = any(edge.any() for edge in (light[0], light[-1], light[:, 0], light[:, -1]))
    if not (left + 4 <= column < right - 4 and top + 4 <= row < bottom - 4) or (
        fit == "crop" and (edges or not light.any())
    ):
        return  # a part of the light is cut off
    seen = [(light.sum(0) @ (np.arange(light.shape[1]) + 0.5)) / light.sum(),
            (light.sum(1) @ (np.arange(light.shape[0]) + 0.5)) / light.sum()]  # fmt: skip
    found = turned[:3, :3] @ rays(seen, new)
    expected = rays((column + 0.5, row + 0.5), matrix)
    pixel = 1.0 / min(new[0, 0], new[1, 1])
    assert found == pytest.approx(expected, abs=0.8 * pixel)
