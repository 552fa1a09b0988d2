# SPDX-License-Identifier: Apache-2.0
"""Camera images made fit for the model."""

from __future__ import annotations

import numpy as np
from PIL import Image


def fit_square(image: np.ndarray, size: int) -> np.ndarray:
    """The centre square of an image, resized.

    Args:
        image: (H, W, 3) uint8.
        size: side of the result, pixels.

    Returns:
        (size, size, 3) uint8, contiguous; ``image`` itself when it already fits.

    Raises:
        ValueError: not an image of three 8 bit channels.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"expected an image of shape (H, W, 3) and type uint8, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    if height != width:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    if image.shape[0] != size:
        image = np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((size, size), Image.BICUBIC))
    return np.ascontiguousarray(image)
