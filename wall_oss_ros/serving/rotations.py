# SPDX-License-Identifier: Apache-2.0
"""Rotations as clients write them, and back to matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.rotations import euler_from_matrix, matrix_from_euler, matrix_from_six, six_from_matrix

RotationForm = Literal["euler", "quaternion", "quaternion_wxyz", "rotation_vector", "six_columns", "six_rows", "matrix"]
NUMBERS = {
    "euler": 3,  # rad, extrinsic x-y-z: R = Rz(c) Ry(b) Rx(a)
    "quaternion": 4,  # x, y, z, w
    "quaternion_wxyz": 4,
    "rotation_vector": 3,  # the axis times the angle in rad
    "six_columns": 6,  # the matrix's first column, then its second
    "six_rows": 6,  # its first row, then its second
    "matrix": 9,  # row by row
}
"""How many numbers each form has."""


def to_matrix(numbers: np.ndarray, form: str) -> np.ndarray:
    """(3, 3) of finite numbers in a form.

    Raises:
        WallOSSError: they are no rotation.
    """
    try:
        if form == "euler":
            return matrix_from_euler(numbers)
        if form == "rotation_vector":
            return Rotation.from_rotvec(numbers).as_matrix()
        if form.startswith("quaternion"):
            if not 0.5 < np.linalg.norm(numbers) < 2:
                raise ValueError("a quaternion's length is 1")
            return Rotation.from_quat(numbers if form == "quaternion" else np.roll(numbers, -1)).as_matrix()
        if form.startswith("six"):
            matrix = matrix_from_six(numbers)
            matrix = matrix.T if form == "six_rows" else matrix
        else:
            rows = np.reshape(numbers, (3, 3))
            matrix = matrix_from_six(np.concatenate([rows[:, 0], rows[:, 1]]))
            if not np.abs(matrix - rows).max() < 0.05:
                raise ValueError("its rows are not of length 1 and at right angles, or it mirrors")
        if not np.isfinite(matrix).all():
            raise ValueError("zero or parallel vectors")
        return matrix
    except ValueError as error:
        raise WallOSSError(
            f"The numbers {np.array2string(np.asarray(numbers), precision=3)} are no rotation of the form {form}: "
            f"{' '.join(str(error).split()).rstrip('.')}.",
            "Send the tool's rotation in the robot's base frame.",
        ) from None


def from_matrix(matrix: np.ndarray, form: str) -> np.ndarray:
    """The numbers (n,) of a rotation matrix (3, 3) in a form."""
    if form == "euler":
        return euler_from_matrix(matrix)
    if form == "rotation_vector":
        return Rotation.from_matrix(matrix).as_rotvec()
    if form.startswith("quaternion"):
        quaternion = Rotation.from_matrix(matrix).as_quat()
        quaternion = quaternion if quaternion[3] >= 0 else -quaternion
        return quaternion if form == "quaternion" else np.roll(quaternion, 1)
    if form.startswith("six"):
        return six_from_matrix(matrix.T if form == "six_rows" else matrix)
    return np.reshape(matrix, 9)
