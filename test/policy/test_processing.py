# SPDX-License-Identifier: Apache-2.0
"""Pictures, words and units on their way into the model and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import Observation
from wall_oss_ros.policy.images import image_patches, released_size, resize_view, video_patches
from wall_oss_ros.policy.normalizer import Normalizer


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.slow  # to import transformers takes seconds
@pytest.mark.parametrize("height, width", [(112, 112), (196, 252), (28, 84)])
def test_patches_equal_those_of_the_public_image_processor(height, width):
    processors = pytest.importorskip("transformers.models.qwen2_vl")
    kind = getattr(processors, "Qwen2VLImageProcessorPil", None) or processors.Qwen2VLImageProcessor
    images = np.stack([picture(height, width, seed) for seed in range(2)])
    expected = kind()(list(images), do_resize=False, return_tensors="np")
    assert np.allclose(image_patches(images), expected["pixel_values"], atol=1e-5)
    assert expected["image_grid_thw"].tolist() == [[1, height // 14, width // 14]] * 2


@pytest.mark.slow  # to import transformers takes seconds
@pytest.mark.parametrize(
    "height, width", [(480, 640), (640, 480), (720, 1280), (256, 256), (100, 90), (5, 400), (1, 150)]
)
def test_resizing_equals_the_released_one(height, width, monkeypatch):
    """The public code hands pictures of 256 px on their longer side to the Qwen image processor: twice bicubic.

    When checkpoints were trained, Pillow resized along the rows first in any case, as it does here.
    """
    one_pass = Image.Image.resize

    def rows_first(self, size, *args, **kwargs):
        between = one_pass(self, (size[0], self.height), *args, **kwargs)
        return one_pass(between, size, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "resize", rows_first)
    processors = pytest.importorskip("transformers.models.qwen2_vl")
    kind = getattr(processors, "Qwen2VLImageProcessorPil", None) or processors.Qwen2VLImageProcessor
    image = picture(height, width)
    first = [256, int(256 * height / width)] if width > height else [int(256 * width / height), 256]
    if min(first) < 1 or max(first) / min(first) > 200:
        with pytest.raises(WallOSSError, match="too narrow"):
            resize_view(image)
        return
    shrunk = Image.fromarray(image).resize(first)  # Pillow's default, which is bicubic
    if min(first) >= 14:  # below, transformers rounds a side to 0 pixels and the public code to 28
        expected = kind(min_pixels=4 * 28 * 28, max_pixels=16384 * 28 * 28)([shrunk], return_tensors="np")
        resized = resize_view(image)
        assert np.allclose(image_patches(resized[None]), expected["pixel_values"], rtol=0, atol=1e-5)
        assert expected["image_grid_thw"].tolist() == [[1, resized.shape[0] // 14, resized.shape[1] // 14]]
    else:
        assert min(resize_view(image).shape[:2]) == 28


def test_frames_of_a_clip_lie_in_pairs_in_a_patch():
    clip = np.stack([picture(56, 84, seed) for seed in range(3)])
    stills = image_patches(clip).reshape(3, 24, 3, 2, 14, 14)
    patches = video_patches(clip).reshape(2, 24, 3, 2, 14, 14)
    for frame, where in enumerate([(0, 0), (0, 1), (1, 0)]):
        assert np.array_equal(patches[where[0], :, :, where[1]], stills[frame, :, :, 0])
    assert np.array_equal(patches[1, :, :, 1], stills[2, :, :, 0]), "the last frame twice"


def test_patches_need_sides_that_divide():
    with pytest.raises(WallOSSError, match="cannot be cut"):
        image_patches(picture(112, 100)[None])


@pytest.mark.parametrize(
    "camera, sizes",
    [
        ((480, 640), [(192, 256), (196, 252)]),
        ((640, 480), [(256, 192), (252, 196)]),
        ((256, 256), [(256, 256), (252, 252)]),
        ((720, 1280), [(144, 256), (140, 252)]),
    ],
)
def test_released_resizing(camera, sizes):
    assert released_size(*camera) == sizes
    assert resize_view(picture(*camera)).shape == (*sizes[-1], 3)


def test_square_views_pass_untouched():
    image = picture(112, 112)
    assert resize_view(image, 112) is image
    assert resize_view(picture(480, 640), 112).shape == (112, 112, 3)


@given(st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4), st.integers(0, 3))
def test_normalising_is_undone_and_constant_entries_stay(values, constant):
    minimum, delta = np.full(4, -2.0), np.full(4, 4.0)
    delta[constant] = 0
    normalizer = Normalizer(minimum, delta)
    scaled = normalizer.normalize(values)
    assert scaled[constant] == 0 and np.abs(scaled).max() <= 1
    back = normalizer.denormalize(scaled)
    assert back[constant] == -2
    moving = np.arange(4) != constant
    assert np.allclose(back[moving], np.asarray(values)[moving], atol=1e-5)


def test_normalising_clamps_and_masks():
    normalizer = Normalizer(np.zeros(3), np.ones(3))
    assert normalizer.normalize(np.array([9.0, -9.0, 1.0]), np.array([True, True, False])).tolist() == [1, -1, 0]
    assert normalizer.denormalize(np.array([5.0, -5.0, 0.0])).tolist() == [1, 0, 0.5]


@pytest.mark.parametrize("minimum, delta", [([0, 0], [1]), ([0.0], [-1.0]), ([np.nan], [1.0])])
def test_impossible_statistics_are_refused(minimum, delta):
    with pytest.raises(WallOSSError, match="Normalisation"):
        Normalizer(np.array(minimum), np.array(delta))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"images": {"face_view": np.zeros((14, 14, 3), np.float32)}}, "face_view is float32"),
        ({"state_mask": np.ones(3, bool)}, "one length"),
        ({"state": np.array([0, np.inf])}, "not finite"),
    ],
)
def test_malformed_observations_are_refused(changes, message):
    good = dict(stamp=0.0, images={"face_view": picture(14, 14)}, state=np.zeros(2), state_mask=np.ones(2, bool))
    Observation(**good).check()
    with pytest.raises(WallOSSError, match=message):
        Observation(**{**good, **changes}).check()


def test_pil_images_of_any_mode_become_observations():
    colour = Image.fromarray(picture(18, 16))
    obs = Observation.of({"face_view": colour, "top_view": colour.convert("L"), "wall_view": picture(14, 14)})
    assert np.array_equal(obs.images["face_view"], np.asarray(colour)) and obs.images["top_view"].shape == (18, 16, 3)
    assert obs.state.shape == obs.state_mask.shape == (0,)
    with pytest.raises(WallOSSError, match="wall_view is float64"):
        Observation.of({"wall_view": np.zeros((4, 4, 3))})
