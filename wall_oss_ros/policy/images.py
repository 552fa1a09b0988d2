# SPDX-License-Identifier: Apache-2.0
"""Pictures to patches, as Qwen2.5-VL's image processor makes them."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.errors import WallOSSError

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
"""Mean and deviation of CLIP's training images, by which the vision tower was trained."""
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)

LONGER_SIDE = 256
"""Released checkpoints saw every view with this longer side, in pixels."""
MIN_PIXELS, MAX_PIXELS = 4 * 28 * 28, 16384 * 28 * 28


def released_size(height: int, width: int, factor: int = 28) -> list[tuple[int, int]]:
    """The two resizings that released checkpoints were trained with, as (height, width) each.

    First the longer side becomes 256 pixels, then both sides a multiple of ``factor``, near the same shape and area.
    The public code resizes with Pillow's ``Image.resize`` both times, whose default is bicubic, on 8-bit pictures.
    """
    if min(height, width) < 1:
        raise WallOSSError(f"An image of {width} x {height} pixels shows nothing.", "Give the camera's whole picture.")
    if width > height:
        first = (int(LONGER_SIDE * height / width), LONGER_SIDE)
    else:
        first = (LONGER_SIDE, int(LONGER_SIDE * width / height))
    if min(first) < 1 or max(first) / min(first) > 200:
        raise WallOSSError(f"An image of {width} x {height} pixels is too narrow.", "Give the camera's whole picture.")
    return [first, smart_size(*first, factor)]


def smart_size(height: int, width: int, factor: int = 28) -> tuple[int, int]:
    """(height, width) rounded to multiples of ``factor``, with an area the vision tower can take."""
    rounded = [max(factor, round(side / factor) * factor) for side in (height, width)]
    area = rounded[0] * rounded[1]
    if area > MAX_PIXELS:
        scale = (height * width / MAX_PIXELS) ** 0.5
        rounded = [max(factor, int(side / scale / factor) * factor) for side in (height, width)]
    elif area < MIN_PIXELS:
        scale = (MIN_PIXELS / (height * width)) ** 0.5
        rounded = [int(np.ceil(side * scale / factor)) * factor for side in (height, width)]
    return rounded[0], rounded[1]


def resizings(height: int, width: int, image_size: int | None = None, factor: int = 28) -> list[tuple[int, int]]:
    """(height, width) that a picture is resized to, one behind the other; what it already has is left out.

    Args:
        image_size: side of the square that the checkpoint wants; None for the released resizing.
        factor: both sides become multiples of it: a patch times the merge.
    """
    sizes = [(image_size, image_size)] if image_size else released_size(height, width, factor)
    before = [(height, width), *sizes]
    return [size for size, former in zip(sizes, before) if size != former]


def resize_view(image: np.ndarray, image_size: int | None = None, factor: int = 28) -> np.ndarray:
    """A camera's picture as the model takes it, by Pillow: as released checkpoints were trained.

    A policy at work resizes with torch where that is faster, see ``policy/resizing.py``.

    Args:
        image: (H, W, 3) uint8 RGB.
        image_size: side of the square that the checkpoint wants; None for the released resizing.
        factor: both sides become multiples of it: a patch times the merge.

    Returns:
        (H', W', 3) uint8.
    """
    height, width = image.shape[:2]
    return by_pillow(image, resizings(height, width, image_size, factor))


def by_pillow(image: np.ndarray, sizes: list[tuple[int, int]]) -> np.ndarray:
    """Resized to each (height, width) in turn, bicubic; the picture itself where there are none.

    Along the rows first. Pillow always did so when checkpoints were trained; from 13 on it begins with the columns
    where that is less work, which clips other overshoots and differs by up to 31 grey levels.
    """
    if not sizes:
        return image
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(image))
    for rows, columns in sizes:
        for size in ((columns, picture.height), (columns, rows)):
            picture = picture.resize(size, Image.Resampling.BICUBIC) if size != picture.size else picture
    return np.asarray(picture)


def image_patches(images: np.ndarray, patch: int = 14, merge: int = 2, temporal: int = 2) -> np.ndarray:
    """Normalised patches of pictures of one size.

    Args:
        images: (N, H, W, 3) uint8 RGB, H and W multiples of patch * merge.

    Returns:
        (N * patches, 3 * temporal * patch * patch) float32, picture by picture, merged cell by merged cell; a still
        picture fills all ``temporal`` frames.

    Raises:
        WallOSSError: the sides cannot be divided.
    """
    cells = _cells(images, patch, merge)
    patches = np.empty((len(cells), 3, temporal, patch, patch), np.float32)
    _normalise(cells, patches[:, :, 0])
    patches[:, :, 1:] = patches[:, :, :1]
    return patches.reshape(len(cells), -1)


def video_patches(frames: np.ndarray, patch: int = 14, merge: int = 2, temporal: int = 2) -> np.ndarray:
    """Normalised patches of a clip, ``temporal`` frames to a patch; the last frame fills up what is short.

    Args:
        frames: (T, H, W, 3) uint8 RGB, H and W multiples of patch * merge.

    Returns:
        (ceil(T / temporal) * patches, 3 * temporal * patch * patch) float32.

    Raises:
        WallOSSError: the sides cannot be divided.
    """
    frames = np.concatenate([frames, np.repeat(frames[-1:], -len(frames) % temporal, axis=0)])
    cells = _cells(frames, patch, merge).reshape(len(frames) // temporal, temporal, -1, 3, patch, patch)
    cells = cells.swapaxes(1, 2)  # (T / temporal, patches, temporal, 3, patch, patch)
    patches = np.empty((*cells.shape[:2], 3, temporal, patch, patch), np.float32)
    _normalise(cells, patches.swapaxes(2, 3))
    return patches.reshape(-1, 3 * temporal * patch**2)


def _cells(images: np.ndarray, patch: int, merge: int) -> np.ndarray:
    """(N, H, W, 3) -> (N * patches, 3, patch, patch) of the same type, merged cell by merged cell.

    Raises:
        WallOSSError: the sides cannot be divided.
    """
    n, height, width, _ = images.shape
    if height % (patch * merge) or width % (patch * merge):
        raise WallOSSError(
            f"Images of {width} x {height} pixels cannot be cut into cells of {patch * merge}.",
            "Resize them with resize_view.",
        )
    rows, columns = height // patch, width // patch
    x = images.reshape(n, rows // merge, merge, patch, columns // merge, merge, patch, 3)
    x = x.transpose(0, 1, 4, 2, 5, 7, 3, 6)  # (N, cell row, cell column, row in cell, column in cell, 3, patch, patch)
    return x.reshape(n * rows * columns, 3, patch, patch)


def _normalise(cells: np.ndarray, out: np.ndarray) -> None:
    """Grey levels to what the vision tower was trained on, in place. out: (..., 3, patch, patch) float32."""
    out[...] = cells
    out /= 255
    out -= MEAN[:, None, None]
    out /= STD[:, None, None]
