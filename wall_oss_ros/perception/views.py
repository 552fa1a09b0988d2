# SPDX-License-Identifier: Apache-2.0
"""Camera images made ready for the model: synchronised across views, and cropped and resized to its input."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

_RESTART = 1.0  # s: a stamp this far before the view's last one means that the clock was restarted


class ViewSync:
    """Keeps the latest images of each view and finds the newest set whose stamps lie within a slop.

    Args:
        views: names of the views that make up a set.
        slop: largest difference between the stamps of a set, s.
        depth: images kept for each view; enough to bridge the difference between the cameras' latencies.
    """

    def __init__(self, views: Sequence[str], slop: float, depth: int = 6):
        self._slop = slop
        self._images: dict[str, deque[tuple[float, Any]]] = {view: deque(maxlen=depth) for view in views}
        self._last = float("-inf")

    def add_image(self, view: str, stamp: float, image: Any) -> None:
        """Keeps an image, of any type, taken at ``stamp`` (s). A restarted clock drops all older ones."""
        images = self._images[view]
        if images and stamp < images[-1][0] - _RESTART:
            for other in self._images.values():
                other.clear()
            self._last = float("-inf")
        images.append((stamp, image))

    def pop_synchronised(self) -> tuple[float, dict[str, Any]] | None:
        """The newest set and its oldest stamp (s); None if there is none, or none since the last one."""
        if not all(self._images.values()):
            return None
        pivot = min(images[-1][0] for images in self._images.values())
        chosen = {view: min(images, key=lambda one: abs(one[0] - pivot)) for view, images in self._images.items()}
        stamps = [stamp for stamp, _ in chosen.values()]
        if max(stamps) - min(stamps) > self._slop or min(stamps) <= self._last:
            return None
        self._last = min(stamps)
        return self._last, {view: image for view, (_, image) in chosen.items()}

    def complaints(self, now: float, limit: float) -> list[str]:
        """A phrase for each view that has no image yet, or none of the last ``limit`` seconds."""
        found = []
        for view, images in self._images.items():
            if not images:
                found.append(f"no image of {view} yet")
            elif now - images[-1][0] > limit:
                found.append(f"last image of {view} is {now - images[-1][0]:.1f} s old")
        return found


def fit_square(image: np.ndarray, size: int) -> np.ndarray:
    """The central square of an image, resized.

    Args:
        image: (H, W, 3) uint8.
        size: side of the result, pixels.

    Returns:
        (size, size, 3) uint8, contiguous; ``image`` itself if it already fits.

    Raises:
        ValueError: not an image with three 8-bit channels.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"expected an image of shape (H, W, 3) and type uint8, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[top : top + side, left : left + side]
    if side != size:
        image = np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((size, size), Image.Resampling.BICUBIC))
    return np.ascontiguousarray(image)
