# SPDX-License-Identifier: Apache-2.0
"""Camera images made ready for the model: those of one moment, each a square of its size."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class _Item:
    stamp: float
    message: Any


class ViewSync:
    """Keeps the last images of each view and finds the newest set within a slop.

    Args:
        views: names of the views, all of which a set has.
        slop: largest difference between the stamps of a set, s.
        depth: images kept for each view; enough to bridge the difference of the cameras' latencies.
    """

    def __init__(self, views: Sequence[str], slop: float, depth: int = 6):
        self._slop = slop
        self._items: dict[str, deque[_Item]] = {view: deque(maxlen=depth) for view in views}
        self._last = float("-inf")

    def add_image(self, view: str, stamp: float, message: Any) -> None:
        """Takes in one image. A stamp far in the past of the view's last one (a restarted clock) starts anew."""
        items = self._items[view]
        if items and stamp < items[-1].stamp - 1.0:
            for other in self._items.values():
                other.clear()
            self._last = float("-inf")
        items.append(_Item(stamp, message))

    def pop_synchronised(self) -> tuple[float, dict[str, Any]] | None:
        """The newest complete set, with its oldest stamp, unless it was given before or there is none."""
        if not all(self._items.values()):
            return None
        pivot = min(items[-1].stamp for items in self._items.values())
        chosen = {view: min(items, key=lambda item: abs(item.stamp - pivot)) for view, items in self._items.items()}
        stamps = [item.stamp for item in chosen.values()]
        if max(stamps) - min(stamps) > self._slop or min(stamps) <= self._last:
            return None
        self._last = min(stamps)
        return self._last, {view: item.message for view, item in chosen.items()}

    def newest(self, view: str) -> float | None:
        """Stamp of the view's newest image, s; None before the first."""
        items = self._items[view]
        return items[-1].stamp if items else None

    def complaints(self, now: float, limit: float) -> list[str]:
        """One phrase for each view that is missing or older than ``limit`` seconds, for a person to read."""
        found = []
        for view in self._items:
            newest = self.newest(view)
            if newest is None:
                found.append(f"no image of {view} yet")
            elif now - newest > limit:
                found.append(f"last image of {view} is {now - newest:.1f} s old")
        return found


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
