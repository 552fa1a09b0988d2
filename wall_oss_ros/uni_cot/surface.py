# SPDX-License-Identifier: Apache-2.0
"""How far away the thing at a pixel is, by a depth image with gaps, outliers and edges."""

from __future__ import annotations

import numpy as np

_RADIUS = 0.015  # of the image's longer side: the window is as wide as a few of the model's pixels
_LEAST = 0.3  # share of the window's pixels that must have depth
_STEP = (15.0, 0.02)  # mm, and share of the distance: two depths farther apart than both are two surfaces
_SHARE = 0.3  # of the valid pixels that a surface must have; fewer are outliers, or the corner of something else


class NoDepthError(ValueError):
    """The depth image does not say how far away it is there: why."""


def surface_at(depth: np.ndarray, x: float, y: float) -> float:
    """The distance of the surface at a pixel, mm along the camera's z: a median over a window around it.

    Where the window sees several surfaces, one behind the other, it is the one that the pixel itself is on. If the
    pixel has no depth, or is an outlier, it is the nearest that takes up a fair part of the window: what is pointed at
    stands before something else.

    Args:
        depth: (h, w) uint16 mm, 0 where not known.
        x, y: the pixel, from the upper left corner; the first pixel's middle is at 0.5.

    Raises:
        NoDepthError: the pixel is outside, or too little around it has a depth.
    """
    values = window(depth, x, y)
    known = np.sort(values[values > 0].astype(float))
    if len(known) < max(_LEAST * values.size, 1):
        raise NoDepthError(f"only {len(known)} of {values.size} pixels around it have a depth")
    fair = [surface for surface in surfaces(known) if len(surface) >= _SHARE * len(known)]
    if not fair:
        raise NoDepthError(f"the {len(known)} depths around it do not agree")
    own = float(depth[int(y), int(x)])
    chosen = next((surface for surface in fair if surface[0] <= own <= surface[-1]), fair[0])
    return float(np.median(chosen))


def surfaces(known: np.ndarray) -> list[np.ndarray]:
    """Sorted depths (n,), mm, apart by the surface that they are of; the nearest first."""
    return np.split(known, np.flatnonzero(np.diff(known) > np.maximum(_STEP[0], _STEP[1] * known[:-1])) + 1)


def window(depth: np.ndarray, x: float, y: float) -> np.ndarray:
    """The part of a depth image around a pixel that counts for it, cut at the image's edges."""
    rows, columns = depth.shape
    if not (0 <= x < columns and 0 <= y < rows):
        raise NoDepthError("it lies outside of the depth image")
    radius = max(2, round(_RADIUS * max(depth.shape)))
    row, column = int(y), int(x)
    return depth[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1]
