# SPDX-License-Identifier: Apache-2.0
"""A depth camera's messages as distances, at chosen pixels only: nothing is converted that nobody looks at."""

from __future__ import annotations

from typing import Any

import numpy as np

NEAREST, FARTHEST = 0.05, 10.0  # m: what is said to be outside of these is noise, of cameras for arms
_UNITS: dict[str, tuple[np.dtype[Any], float]] = {  # type, and mm for a count of 1
    "16UC1": (np.dtype(np.uint16), 1.0),
    "32FC1": (np.dtype(np.float32), 1000.0),
}
_LARGEST = 64_000_000  # pixels


class DepthError(ValueError):
    """A depth image that cannot be used: what is wrong with it, and what to do."""


def depth_counts(message: Any) -> tuple[np.ndarray, float]:
    """The numbers of a sensor_msgs/Image as they come, and how many mm each counts for. Nothing is copied, but of rows
    that end amid a number.

    By REP 118, 16UC1 is in mm, with 0 where there is nothing, and 32FC1 in m, with NaN there.

    Returns:
        (H, W) uint16 or float32 of either byte order.

    Raises:
        DepthError: the encoding is not depth, or size, step and number of bytes contradict each other.
    """
    if message.encoding not in _UNITS:
        raise DepthError(
            f"encoding {message.encoding!r} has no distances: 16UC1 (mm) or 32FC1 (m) was expected; name the topic of a"
            " depth image"
        )
    kind, scale = _UNITS[message.encoding]
    height, width, step = message.height, message.width, message.step
    if not (0 < height * width <= _LARGEST):
        raise DepthError(f"a depth image of {width} x {height} pixels came")
    if step < width * kind.itemsize or len(message.data) < height * step:
        raise DepthError(
            f"a depth image, {width} x {height} in {message.encoding}, has rows of {step} bytes and {len(message.data)}"
            " bytes in all: they do not fit together"
        )
    order = kind.newbyteorder(">" if message.is_bigendian else "<")
    if step % kind.itemsize:
        rows = np.frombuffer(message.data, np.uint8, height * step).reshape(height, step)
        return np.ascontiguousarray(rows[:, : width * kind.itemsize]).view(order), scale
    counts = np.frombuffer(message.data, order, height * step // kind.itemsize)
    return counts.reshape(height, step // kind.itemsize)[:, :width], scale


def millimetres(counts: np.ndarray, scale: float) -> np.ndarray:
    """Counts of any shape as uint16 mm; 0 where there is nothing, or nothing between ``NEAREST`` and ``FARTHEST``."""
    with np.errstate(over="ignore"):  # what is beyond all numbers is beyond what is far
        mm = np.rint(np.nan_to_num(counts, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32) * np.float32(scale))
    return np.where((mm >= 1000 * NEAREST) & (mm <= 1000 * FARTHEST), mm, 0).astype(np.uint16)
