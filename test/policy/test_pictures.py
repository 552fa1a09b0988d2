# SPDX-License-Identifier: Apache-2.0
"""Pictures on their way into the engine: resized as Pillow does, embedded in grey levels, and each made once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import VisionConfig
from wall_oss_ros.model.vision import PatchEmbed
from wall_oss_ros.policy import resizing
from wall_oss_ros.policy.images import by_pillow, image_patches, resize_view, resizings
from wall_oss_ros.policy.pictures import Pictures, StillEmbed, cut_tensor

CPU = torch.device("cpu")
RANDOM = np.random.default_rng(0)


def noise(height: int, width: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, 3), np.uint8)


def clouds(height: int, width: int) -> np.ndarray:
    """Amplitudes fall with frequency, as in pictures of the world."""
    waves = np.fft.rfft2(RANDOM.normal(size=(3, height, width)))
    distance = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width) * width)
    picture = np.fft.irfft2(waves / np.maximum(distance, 1), (height, width))
    scaled = 128 + 50 * (picture - picture.mean()) / max(picture.std(), 1e-9)
    return np.clip(scaled, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def chessboard(height: int, width: int) -> np.ndarray:
    return np.repeat((np.indices((height, width)).sum(0) % 2 * 255).astype(np.uint8)[..., None], 3, -1)


def stripes(height: int, width: int) -> np.ndarray:
    return np.broadcast_to((np.arange(width) % 2 * 255).astype(np.uint8)[:, None], (height, width, 3))


def dots(height: int, width: int) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[::7, ::11] = 255
    return picture


# The worst found in grey levels, and the mean; black and white stripes lie on the border between two levels everywhere.
KINDS = {noise: (2, 0.02), clouds: (2, 0.02), dots: (2, 0.03), stripes: (1, 0.6), chessboard: (1, 0.6)}
SIZES = [(480, 640), (640, 480), (720, 1280), (112, 112), (100, 90), (5, 400), (1, 1), (256, 3), (37, 1000)]


def by_passes(image: np.ndarray, sizes: list[tuple[int, int]]) -> np.ndarray:
    """What a GPU does, on a processor."""
    planes = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    for size in sizes:
        planes = resizing.by_passes(planes, size)
    return planes[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("side", [None, 112, 252])
@pytest.mark.parametrize("height, width", SIZES)
def test_torch_resizes_as_pillow_does(height, width, side):
    try:
        sizes = resizings(height, width, side)
    except WallOSSError:  # too narrow, in any way
        return
    for kind, (worst, mean) in KINDS.items():
        image = kind(height, width)
        expected = by_pillow(image, sizes).astype(int)
        for found in (resizing.resize(image, sizes, CPU).numpy(), by_passes(image, sizes)):
            assert found.dtype == np.uint8 and found.shape == expected.shape
            difference = np.abs(found - expected)
            assert difference.max() <= worst and difference.mean() <= mean, kind.__name__


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 90), st.integers(1, 90), st.booleans())
def test_any_size_from_any_size(height, width, rows, columns, backwards):
    image = noise(height, width)[:, ::-1] if backwards else noise(height, width)  # cameras that are turned
    expected = by_pillow(image, [(rows, columns)]).astype(int)
    for found in (resizing.resize(image, [(rows, columns)], CPU).numpy(), by_passes(image, [(rows, columns)])):
        assert np.abs(found - expected).max() <= 2


def test_rows_come_first_whatever_pillow_does():
    """Pillow 13 begins with the columns where that is less work, which older ones never did."""
    image = noise(256, 192) // 128 * 255
    rows_first = by_pillow(by_pillow(image, [(256, 196)]), [(252, 196)])
    assert np.array_equal(by_pillow(image, [(252, 196)]), rows_first)


def test_pillow_resizes_where_torch_has_no_fast_kernel(monkeypatch):
    monkeypatch.setattr(resizing, "fast_on_processor", lambda: False)
    image = noise(48, 64)
    assert np.array_equal(resizing.resize(image, [(28, 28)], CPU).numpy(), by_pillow(image, [(28, 28)]))


@pytest.mark.parametrize("patch, merge, height, width", [(14, 2, 56, 84), (4, 1, 12, 8), (7, 2, 28, 28)])
def test_grey_levels_are_embedded_as_normalised_frames_are(patch, merge, height, width):
    torch.manual_seed(0)
    config = VisionConfig(hidden_size=64, patch_size=patch, spatial_merge_size=merge)
    embed, image = PatchEmbed(config), noise(height, width)
    with torch.no_grad():
        expected = embed(torch.from_numpy(image_patches(image[None], patch, merge)))
        found = StillEmbed(embed)(cut_tensor(torch.from_numpy(image), patch, merge))
    assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())


@pytest.fixture
def pictures() -> Pictures:
    return Pictures(VisionConfig(), 56, CPU)


def test_a_picture_is_made_once_for_all_who_ask(pictures, monkeypatch):
    made, make = [], pictures.make
    monkeypatch.setattr(pictures, "make", lambda image: made.append(1) or make(image))
    image = noise(60, 80)
    first = pictures.take("face_view", image)
    assert pictures.take("face_view", image.copy()) is first and first.grid == [1, 4, 4]
    corner = first.patches.numpy()[0].reshape(3, 14, 14).transpose(1, 2, 0).astype(int)
    assert np.abs(corner - resize_view(image, 56)[:14, :14]).max() <= 1
    other = pictures.take("face_view", noise(60, 80), own=first)
    assert other is not first and pictures.take("face_view", image, own=first) is first, "mine, though not the latest"
    assert pictures.take("left_wrist_view", image) is not first
    assert len(made) == 3


def test_a_buffer_that_is_written_again_is_another_picture(pictures):
    image = noise(60, 80)
    first = pictures.take("face_view", image)
    kept = first.patches.clone()
    image[30, 40] ^= 255
    assert pictures.take("face_view", image, own=first) is not first
    small = noise(56, 56)  # not resized, and still a copy
    passed = pictures.take("top_view", small)
    before = passed.patches.clone()
    small[:] = 0
    assert torch.equal(passed.patches, before) and torch.equal(first.patches, kept)


def test_the_same_bytes_in_another_shape_are_another_picture(pictures):
    image = noise(60, 80)
    assert pictures.take("face_view", image) is not pictures.take("face_view", image.reshape(80, 60, 3))
