# SPDX-License-Identifier: Apache-2.0
"""Rotations and transforms as matrices, quaternions and Euler angles, with tf_transformations' names and rules.

Quaternions are (x, y, z, w), matrices (4, 4) homogeneous, angles in rad. ``axes`` is a letter for the frame, ``s``
for fixed axes or ``r`` for axes that turn along, and the three axes in the order of the angles, such as ``sxyz``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from wall_oss_ros.embedded.more_transformations import (  # noqa: F401  they are this module's, too
    Arcball,
    arcball_constrain_to_axis,
    arcball_map_to_sphere,
    arcball_nearest_axis,
    clip_matrix,
    orthogonalization_matrix,
    projection_from_matrix,
    projection_matrix,
    random_vector,
    reflection_from_matrix,
    reflection_matrix,
    scale_from_matrix,
    scale_matrix,
    shear_from_matrix,
    shear_matrix,
    superimposition_matrix,
)
from wall_oss_ros.embedded.quaternions import (  # noqa: F401  and so are these
    EPS,
    Quaternion,
    quaternion_conjugate,
    quaternion_inverse,
    quaternion_multiply,
    quaternion_slerp,
    unit_vector,
)


def _as_matrix(rotation: Rotation, translation: Any = (0.0, 0.0, 0.0)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation.as_matrix(), translation
    return matrix


def _sequence(axes: str) -> str:
    """scipy's name of an axis sequence: small letters for fixed axes, capitals for axes that turn along."""
    return axes[1:] if axes[0] == "s" else axes[1:].upper()


# Matrices


def identity_matrix() -> np.ndarray:
    return np.eye(4)


def translation_matrix(direction: Sequence[float]) -> np.ndarray:
    return _as_matrix(Rotation.identity(), direction)


def translation_from_matrix(matrix: np.ndarray) -> np.ndarray:
    return np.array(matrix, float)[:3, 3]


def rotation_matrix(angle: float, direction: Sequence[float], point: Sequence[float] | None = None) -> np.ndarray:
    """The rotation by an angle about an axis through a point; through the origin if none is given."""
    rotation = Rotation.from_rotvec(angle * unit_vector(direction[:3]))
    centre = np.zeros(3) if point is None else np.array(point[:3], float)
    return _as_matrix(rotation, centre - rotation.apply(centre))


def rotation_from_matrix(matrix: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Angle, axis (3,) and a point (4,) on it; the angle is from 0 to pi."""
    matrix = np.array(matrix, float)
    turn = Rotation.from_matrix(matrix[:3, :3]).as_rotvec()
    angle = vector_norm(turn)
    axis = turn / angle if angle > EPS else np.array([1.0, 0.0, 0.0])
    point = np.linalg.lstsq(np.eye(3) - matrix[:3, :3], matrix[:3, 3], rcond=None)[0]
    return angle, axis, np.append(point, 1.0)


def inverse_matrix(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.inv(matrix)


def concatenate_matrices(*matrices: np.ndarray) -> np.ndarray:
    """Their product, the first one leftmost."""
    product = np.eye(4)
    for matrix in matrices:
        product = product @ matrix
    return product


def is_same_transform(matrix0: np.ndarray, matrix1: np.ndarray) -> bool:
    first, second = np.array(matrix0, float), np.array(matrix1, float)
    return bool(np.allclose(first / first[3, 3], second / second[3, 3]))


def compose_matrix(scale=None, shear=None, angles=None, translate=None, perspective=None) -> np.ndarray:
    """Translation, rotation (Euler angles, sxyz), scale along x, y, z and shear of x-y, x-z, y-z, in this order."""
    stretched = np.eye(3)
    stretched[0, 1], stretched[0, 2], stretched[1, 2] = (0.0, 0.0, 0.0) if shear is None else shear
    matrix = _as_matrix(Rotation.identity() if angles is None else Rotation.from_euler("xyz", angles))
    matrix[:3, :3] = matrix[:3, :3] @ np.diag((1.0, 1.0, 1.0) if scale is None else scale) @ stretched
    matrix[:3, 3] = 0.0 if translate is None else translate
    return matrix


def decompose_matrix(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[float, ...], np.ndarray, None]:
    """Scale, shear, angles, translation of `compose_matrix`, and None for the perspective."""
    matrix = np.array(matrix, float)
    turn, rest = np.linalg.qr(matrix[:3, :3])
    signs = np.sign(np.diag(rest))
    if np.linalg.det(turn * signs) < 0:
        signs[0] *= -1
    turn, rest = turn * signs, rest * signs[:, None]
    scale = np.diag(rest).copy()
    shear = np.array([rest[0, 1] / scale[0], rest[0, 2] / scale[0], rest[1, 2] / scale[1]])
    return scale, shear, euler_from_matrix(turn), matrix[:3, 3], None


# Euler angles


def euler_matrix(ai: float, aj: float, ak: float, axes: str = "sxyz") -> np.ndarray:
    return _as_matrix(Rotation.from_euler(_sequence(axes), [ai, aj, ak]))


def euler_from_matrix(matrix: np.ndarray, axes: str = "sxyz") -> tuple[float, float, float]:
    """The three angles; where many would do, those with 0 for the last of fixed axes or the first of turning ones."""
    return _euler(Rotation.from_matrix(np.array(matrix, float)[:3, :3]), axes)


def euler_from_quaternion(quaternion: Sequence[float], axes: str = "sxyz") -> tuple[float, float, float]:
    return _euler(Rotation.from_quat(quaternion), axes)


def _euler(rotation: Rotation, axes: str) -> tuple[float, float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scipy warns where many triples would do
        angles = rotation.as_euler(axes[1:] if axes[0] == "s" else axes[:0:-1])  # turning axes: fixed ones reversed
    first, middle, last = (angles if axes[0] == "s" else angles[::-1]).tolist()
    if axes[1:] in ("xzx", "yxy", "zyz"):  # where a middle angle of either sign would do, tf's is negative for these
        first, middle, last = (
            math.remainder(first + math.pi, math.tau),
            -middle,
            math.remainder(last + math.pi, math.tau),
        )
    return first, middle, last


# Quaternions


def quaternion_from_euler(ai: float, aj: float, ak: float, axes: str = "sxyz") -> Quaternion:
    return tuple(Rotation.from_euler(_sequence(axes), [ai, aj, ak]).as_quat().tolist())


def quaternion_about_axis(angle: float, axis: Sequence[float]) -> Quaternion:
    half = angle / 2.0
    return (*(math.sin(half) * unit_vector(axis[:3])).tolist(), math.cos(half))


def quaternion_matrix(quaternion: Sequence[float]) -> np.ndarray:
    """The rotation of a quaternion, which need not have unit length; the identity for one of zeros."""
    quaternion = np.array(quaternion, float)
    return np.eye(4) if quaternion @ quaternion < EPS else _as_matrix(Rotation.from_quat(quaternion))


def quaternion_from_matrix(matrix: np.ndarray) -> Quaternion:
    """The quaternion, with w not negative."""
    quaternion = Rotation.from_matrix(np.array(matrix, float)[:3, :3]).as_quat()
    return tuple((-quaternion if quaternion[3] < 0 else quaternion).tolist())


def random_quaternion(rand: Sequence[float] | None = None) -> np.ndarray:
    """A uniformly random rotation, of three random numbers from 0 to 1 (K. Shoemake, Graphics Gems III, 1992)."""
    first, second, third = np.random.rand(3) if rand is None else rand
    one, two, inner, outer = 2 * math.pi * second, 2 * math.pi * third, math.sqrt(1.0 - first), math.sqrt(first)
    return np.array([math.sin(one) * inner, math.cos(one) * inner, math.sin(two) * outer, math.cos(two) * outer])


def random_rotation_matrix(rand: Sequence[float] | None = None) -> np.ndarray:
    return quaternion_matrix(random_quaternion(rand))


# Vectors


def vector_norm(data: Any, axis: int | None = None) -> Any:
    """Its length; along an axis if one is given."""
    norm = np.linalg.norm(np.array(data, float), axis=axis)
    return float(norm) if axis is None else norm


def __getattr__(name: str) -> Any:
    raise AttributeError(f"The embedded library does not offer tf_transformations.{name} (see docs/embedded.md).")
