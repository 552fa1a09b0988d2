# SPDX-License-Identifier: Apache-2.0
"""Pictures moved and zoomed within their frame, and what is said about places in them moved along.

A point ``[x, y]`` is a pixel, of which the middle is moved; the corners of a box are edges between pixels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from wall_oss_ros.uni_cot.spots import SPOT

Numbers = tuple[float, ...]
"""x, y of a point, or two corners of a box, in pixels."""

# Places that are said in another way: marks that are none of ours, numbers of pixels, and two numbers side by side.
_OTHER = re.compile(
    r"</?(?:point|box|loc)|<\|(?:point|box|quad)_"
    r"|\d\s*(?:px|pixels?)\b"
    r"|\d[\s)\]}]{0,3}[\s,;/x×][\s(\[{]{0,3}(?:[\"']?[a-z]\w{0,7}[\"']?\s*[:=]\s*)?[-+.]?\d",
    re.IGNORECASE,
)


class Placement(NamedTuple):
    """Where the content of a picture goes: x to ``scale * x + left``, y to ``scale * y + top``, in pixels of which the
    first begins at 0. Without scale, by whole pixels."""

    scale: float = 1.0
    left: float = 0.0
    top: float = 0.0

    def picture(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> the same; what lay outside of it is made of its edge."""
        height, width = image.shape[:2]
        if self == STILL:
            return image
        if self.scale == 1:
            columns = np.clip(np.arange(width) - int(self.left), 0, width - 1)
            rows = np.clip(np.arange(height) - int(self.top), 0, height - 1)
            return image.take(rows, 0).take(columns, 1)
        from PIL import Image

        left, top = -self.left / self.scale, -self.top / self.scale  # of what is seen, in the picture as it was
        right, bottom = left + width / self.scale, top + height / self.scale
        more = math.ceil(max(0.0, -left, -top, right - width, bottom - height)) + 1
        wide = Image.fromarray(np.pad(image, ((more, more), (more, more), (0, 0)), "edge"))
        seen = (left + more, top + more, right + more, bottom + more)
        return np.asarray(wide.resize((width, height), Image.Resampling.BILINEAR, box=seen))

    def text(self, text: str, size: tuple[int, int]) -> str:
        """A text with its points and boxes moved; size: width and height of the picture that they are in."""
        if self == STILL:
            return text

        def moved(match: re.Match[str]) -> str:
            numbers = _numbers(match)
            if len(numbers) == 2:
                x, y = (
                    min(max(math.floor(self.scale * (math.floor(one) + 0.5) + by), 0), side - 1)
                    for one, by, side in zip(numbers, self[1:], size)
                )
                return f"<point>[{x}, {y}]</point>"
            corners = (
                min(max(math.floor(self.scale * one + by + 0.5), 0), side)
                for one, by, side in zip(numbers, self[1:] * 2, size * 2)
            )
            return f"<box>[{', '.join(map(str, corners))}]</box>"

        return SPOT.sub(moved, text)


STILL = Placement()


def spots_of(texts: Iterable[str]) -> list[Numbers] | None:
    """All points and boxes of texts; None where one speaks of places in a way that cannot be moved."""
    texts = list(texts)
    return None if any(_OTHER.search(SPOT.sub(" it ", text)) for text in texts) else spots_in_order(texts)


def spots_in_order(texts: Iterable[str]) -> list[Numbers]:
    """All points and boxes of texts."""
    return [_numbers(match) for text in texts for match in SPOT.finditer(text)]


def place(
    size: tuple[int, int], spots: Sequence[Numbers], shift: float, scale: float, at: tuple[float, float]
) -> Placement | None:
    """Where a picture's content goes so that all spots stay in it.

    Args:
        size: width and height.
        spots: points and boxes in it.
        shift: the most that its middle is moved, in shares of each side.
        scale: wanted; 1 is taken where no shift would keep all spots with it.
        at: where between the least and the most shift that keep the spots, 0 to 1, across and down.

    Returns:
        None where a spot lies outside already.
    """
    for wanted in dict.fromkeys((scale, 1.0)):
        spans = [_span(side, [spot[axis::2] for spot in spots], shift, wanted) for axis, side in enumerate(size)]
        if wanted == 1:
            spans = [(math.ceil(low), math.floor(high)) for low, high in spans]
        if all(low <= high for low, high in spans):
            if wanted == 1:  # by whole pixels, each as likely
                left, top = (low + min(int(u * (high - low + 1)), high - low) for (low, high), u in zip(spans, at))
            else:
                left, top = (low + u * (high - low) for (low, high), u in zip(spans, at))
            return Placement(wanted, left, top)
    return None


def _span(side: int, spots: Sequence[Numbers], shift: float, scale: float) -> tuple[float, float]:
    """The least and the most that the content may be moved along one side; nothing may be, where that is less."""
    middle = (1 - scale) * side / 2
    low, high = middle - shift * side, middle + shift * side
    for one in spots:
        if len(one) == 1:  # a pixel's middle stays half a pixel inside
            first = last = math.floor(one[0]) + 0.5
            edge = 0.5
        else:
            first, last, edge = min(one), max(one), 0.0
        if first < edge or last > side - edge:
            return 0, -1
        low, high = max(low, edge - scale * first), min(high, side - edge - scale * last)
    return low, high


def _numbers(match: re.Match[str]) -> Numbers:
    return tuple(float(number) for number in match.groups() if number is not None)
