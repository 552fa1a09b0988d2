# SPDX-License-Identifier: Apache-2.0
"""Rotations as models write them: 6-D, or Euler angles about fixed axes, R = Rz(c) Ry(b) Rx(a)."""

from __future__ import annotations

import math

import numpy as np

_SHORTEST = 0.1  # a column of a 6-D rotation, of length 1 where it is exact, or what of it is square to the other


def matrix_from_euler(angles) -> np.ndarray:
    """Rotation matrix (3, 3) of extrinsic x-y-z Euler angles (3,) rad."""
    (sa, ca), (sb, cb), (sc, cc) = ((math.sin(a), math.cos(a)) for a in angles)
    return np.array(
        [
            [cc * cb, cc * sb * sa - sc * ca, cc * sb * ca + sc * sa],
            [sc * cb, sc * sb * sa + cc * ca, sc * sb * ca - cc * sa],
            [-sb, cb * sa, cb * ca],
        ]
    )


def euler_from_matrix(rotation: np.ndarray) -> np.ndarray:
    """Extrinsic x-y-z Euler angles (3,) rad of a rotation matrix; b within +-pi/2. At b = +-pi/2 the x angle is 0."""
    b = math.asin(min(1.0, max(-1.0, -rotation[2, 0])))
    if abs(rotation[2, 0]) > 1 - 1e-9:
        return np.array([0.0, b, math.atan2(-rotation[0, 1], rotation[1, 1])])
    return np.array([math.atan2(rotation[2, 1], rotation[2, 2]), b, math.atan2(rotation[1, 0], rotation[0, 0])])


def matrix_from_quaternion(quaternion) -> np.ndarray:
    """Rotation matrix (3, 3) of a quaternion (x, y, z, w), which is normalised first."""
    x, y, z, w = np.asarray(quaternion, float) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_matrix(rotation: np.ndarray) -> np.ndarray:
    """Quaternion (x, y, z, w) with w >= 0 of a rotation matrix (3, 3), by Shepperd's choice of the largest component."""
    m = np.asarray(rotation, float)
    squares = np.array([1 + m[0, 0] - m[1, 1] - m[2, 2], 1 - m[0, 0] + m[1, 1] - m[2, 2],
                        1 - m[0, 0] - m[1, 1] + m[2, 2], 1 + m[0, 0] + m[1, 1] + m[2, 2]])  # fmt: skip
    i = int(np.argmax(squares))
    if i == 3:
        q = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], squares[3]])
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        q = np.empty(4)
        q[i], q[j], q[k], q[3] = squares[i], m[j, i] + m[i, j], m[k, i] + m[i, k], m[k, j] - m[j, k]
    q /= np.linalg.norm(q)
    return q if q[3] >= 0 else -q


def six_from_matrix(rotation: np.ndarray) -> np.ndarray:
    """6-D rotations (..., 6) of matrices (..., 3, 3): the first column, then the second (arXiv 1812.07035)."""
    return np.concatenate([rotation[..., 0], rotation[..., 1]], axis=-1)


def matrix_from_six(six) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of 6-D rotations (..., 6), by Gram-Schmidt: the first column keeps its direction.

    Not numbers where the columns give no direction: one shorter than 0.1, both within 0.1 rad of parallel, or not finite.
    """
    six = np.asarray(six, float)
    with np.errstate(all="ignore"):
        first, second = _unit(six[..., :3]), _unit(six[..., 3:])
        second = _unit(second - (first * second).sum(-1, keepdims=True) * first)
        first, second = np.where(np.isfinite(second), first, np.nan), np.where(np.isfinite(first), second, np.nan)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where((length >= _SHORTEST) & (length < np.inf), vectors / length, np.nan)
