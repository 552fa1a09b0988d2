# SPDX-License-Identifier: Apache-2.0
"""Rotations as other people's datasets and programs write them, to matrices and back; many at once.

scipy's ``Rotation`` does the arithmetic: for thousands of rows at once it is fast, other than for a single one.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.rotations import matrix_from_six, six_from_matrix

RotationForm = Literal["euler", "quaternion_xyzw", "quaternion_wxyz", "axis_angle", "6d_columns", "6d_rows", "matrix"]
FORMS = {
    "euler": 3,  # rad
    "quaternion_xyzw": 4,
    "quaternion_wxyz": 4,
    "axis_angle": 3,  # the axis times the angle in rad
    "6d_columns": 6,  # the matrix's first column, then its second
    "6d_rows": 6,  # its first row, then its second
    "matrix": 9,  # row by row
}
"""How many numbers each form has."""


def matrices(numbers: np.ndarray, form: str, order: str = "xyz") -> np.ndarray:
    """Rotation matrices (..., 3, 3) of numbers (..., k) of one of :data:`FORMS`; ``order`` of Euler angles as scipy's.

    NaN where the numbers are not finite, or no rotation: a quaternion of length zero, two parallel vectors, a matrix
    far from orthonormal. Lengths that are merely inexact are mended.
    """
    numbers = np.asarray(numbers, float)
    flat = numbers.reshape(-1, numbers.shape[-1])
    if form in ("6d_columns", "6d_rows"):
        found = matrix_from_six(flat)
        found = np.swapaxes(found, -1, -2) if form == "6d_rows" else found
        return found.reshape(*numbers.shape[:-1], 3, 3)
    good = np.isfinite(flat).all(-1)
    if form.startswith("quaternion"):
        good &= np.linalg.norm(np.where(good[:, None], flat, 1.0), axis=-1) > 0.1
    if form == "matrix":
        square = np.where(good[:, None], flat, np.eye(3).ravel()).reshape(-1, 3, 3)
        good &= np.abs(square @ np.swapaxes(square, -1, -2) - np.eye(3)).max((-1, -2)) < 0.1
        good &= np.linalg.det(square) > 0
    found = np.full((len(flat), 3, 3), np.nan)
    if good.any():
        found[good] = _rotation(flat[good], form, order).as_matrix()
    return found.reshape(*numbers.shape[:-1], 3, 3)


def _rotation(numbers: np.ndarray, form: str, order: str) -> Rotation:
    if form == "euler":
        return Rotation.from_euler(order, numbers)
    if form == "axis_angle":
        return Rotation.from_rotvec(numbers)
    if form == "matrix":
        return Rotation.from_matrix(numbers.reshape(-1, 3, 3))
    return Rotation.from_quat(numbers if form == "quaternion_xyzw" else numbers[:, [1, 2, 3, 0]])


def matrix_of(numbers: np.ndarray, form: str, order: str = "xyz") -> np.ndarray:
    """(3, 3) of one rotation (k,); Euler angles are those of ``robots.rotations`` unless ``order`` says otherwise.

    Raises:
        WallOSSError: the numbers are no rotation.
    """
    found = matrices(numbers, form, order)
    if not np.isfinite(found).all():
        raise WallOSSError(
            f"The numbers {np.array2string(np.asarray(numbers), precision=3)} are no rotation of the form {form}.",
            "Give the tool's rotation in the robot's base frame.",
        )
    return found


def numbers_of(matrix: np.ndarray, form: str, order: str = "xyz") -> np.ndarray:
    """The numbers (k,) of a rotation matrix (3, 3) in a form; quaternions with w >= 0."""
    if form == "matrix":
        return np.reshape(matrix, 9)
    if form in ("6d_columns", "6d_rows"):
        return six_from_matrix(matrix.T if form == "6d_rows" else matrix)
    rotation = Rotation.from_matrix(matrix)
    if form == "euler":
        return rotation.as_euler(order)
    if form == "axis_angle":
        return rotation.as_rotvec()
    quaternion = rotation.as_quat()
    quaternion = quaternion if quaternion[3] >= 0 else -quaternion
    return quaternion if form == "quaternion_xyzw" else np.roll(quaternion, 1)
