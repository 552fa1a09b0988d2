# SPDX-License-Identifier: Apache-2.0
"""Rotations as models write them: 6-D, or Euler angles about fixed axes, R = Rz(c) Ry(b) Rx(a)."""

from __future__ import annotations

import math

import numpy as np
import pinocchio

_SHORTEST = 0.1  # length below which a column of a 6-D rotation, or its part square to the other, gives no direction


def matrix_from_euler(angles) -> np.ndarray:
    """Rotation matrix (3, 3) of extrinsic x-y-z Euler angles (3,) rad."""
    return pinocchio.rpy.rpyToMatrix(np.asarray(angles, float))


def euler_from_matrix(rotation) -> np.ndarray:
    """Extrinsic x-y-z Euler angles (3,) rad of a rotation matrix (3, 3); the second lies within +-pi/2.

    There the first and the third turn about the same axis: together they still give the rotation.
    """
    return pinocchio.rpy.matrixToRpy(np.asarray(rotation, float))


def matrix_from_quaternion(quaternion) -> np.ndarray:
    """Rotation matrix (3, 3) of a quaternion (x, y, z, w), which is normalised first."""
    return pinocchio.Quaternion(np.asarray(quaternion, float)).normalized().toRotationMatrix()


def quaternion_from_matrix(rotation) -> np.ndarray:
    """Quaternion (x, y, z, w) with w >= 0 of a rotation matrix (3, 3)."""
    quaternion = pinocchio.Quaternion(np.asarray(rotation, float)).coeffs()
    return quaternion if quaternion[3] >= 0 else -quaternion


def yaw_of(quaternion) -> float:
    """Yaw (rad, extrinsic x-y-z Euler angles) of a quaternion with the fields x, y, z and w, of any length."""
    q = quaternion
    return math.atan2(2 * (q.w * q.z + q.x * q.y), q.w**2 + q.x**2 - q.y**2 - q.z**2)


def six_from_matrix(rotation: np.ndarray) -> np.ndarray:
    """6-D rotations (..., 6) of matrices (..., 3, 3): the first column, then the second (arXiv 1812.07035)."""
    return np.concatenate([rotation[..., 0], rotation[..., 1]], axis=-1)


def matrix_from_six(six) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of 6-D rotations (..., 6), by Gram-Schmidt: the first column keeps its direction.

    NaN where the columns give no directions: shorter than 0.1, not finite, or within 0.1 rad of parallel.
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
