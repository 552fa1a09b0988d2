# SPDX-License-Identifier: Apache-2.0
"""Arithmetic of quaternions (x, y, z, w): the part of tf_transformations that tf2 needs, too.

It is written out since a tf2 buffer turns one vector at a time, and since scipy, which tf_transformations has for the
rest, takes a quarter of a second to import: every node that listens to tf would wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

EPS = np.finfo(float).eps * 4.0
Quaternion = tuple[float, float, float, float]


def unit_vector(data: Any, axis: int | None = None) -> np.ndarray:
    """It divided by its length; along an axis if one is given."""
    data = np.array(data, float)
    return data / np.linalg.norm(data, axis=axis, keepdims=axis is not None)


def quaternion_multiply(quaternion1: Sequence[float], quaternion0: Sequence[float]) -> Quaternion:
    """The first times the second: the rotation of the second, then that of the first."""
    x0, y0, z0, w0 = quaternion0
    x1, y1, z1, w1 = quaternion1
    return (
        w1 * x0 + x1 * w0 + y1 * z0 - z1 * y0,
        w1 * y0 - x1 * z0 + y1 * w0 + z1 * x0,
        w1 * z0 + x1 * y0 - y1 * x0 + z1 * w0,
        w1 * w0 - x1 * x0 - y1 * y0 - z1 * z0,
    )


def quaternion_conjugate(quaternion: Sequence[float]) -> np.ndarray:
    return np.array(quaternion, float) * (-1.0, -1.0, -1.0, 1.0)


def quaternion_inverse(quaternion: Sequence[float]) -> np.ndarray:
    return quaternion_conjugate(quaternion) / np.dot(quaternion, quaternion)


def quaternion_slerp(
    quat0: Sequence[float], quat1: Sequence[float], fraction: float, spin: int = 0, shortestpath: bool = True
) -> np.ndarray:
    """Between two quaternions along the arc, with `spin` half turns more."""
    first, last = unit_vector(quat0[:4]), unit_vector(quat1[:4])
    if fraction in (0.0, 1.0):
        return last if fraction else first
    cosine = float(first @ last)
    if shortestpath and cosine < 0.0 and abs(cosine + 1.0) >= EPS:
        cosine, last = -cosine, -last
    if abs(cosine) > 1.0 - EPS:
        return first
    angle = math.acos(cosine) + spin * math.pi
    return (first * math.sin((1.0 - fraction) * angle) + last * math.sin(fraction * angle)) / math.sin(angle)


def rotated(quaternion: Sequence[float], vector: Sequence[float]) -> np.ndarray:
    """A vector (3,) turned by a quaternion of length 1."""
    x, y, z, w = quaternion
    return np.array(quaternion_multiply(quaternion_multiply(quaternion, (*vector, 0.0)), (-x, -y, -z, w))[:3])
