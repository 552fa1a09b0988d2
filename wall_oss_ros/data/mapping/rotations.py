# SPDX-License-Identifier: Apache-2.0
"""Rotations as datasets write them, many at once.

scipy's ``Rotation`` does the arithmetic: for thousands of rows at once it is fast, other than for a single one.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from wall_oss_ros.robots.rotations import matrix_from_six


def matrices(numbers: np.ndarray, form: str, order: str = "xyz") -> np.ndarray:
    """Rotation matrices (..., 3, 3) of numbers (..., k) of a form of :data:`~wall_oss_ros.data.mapping.spec.FORMS`.

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


def euler(rotations: np.ndarray) -> np.ndarray:
    """Angles (..., 3) rad of matrices (..., 3, 3), as ``robots.rotations.euler_from_matrix``; NaN for NaN."""
    flat = rotations.reshape(-1, 3, 3)
    good = np.isfinite(flat).all((-1, -2))
    found = np.full((len(flat), 3), np.nan)
    if good.any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # upright, the first and third angle turn alike: any pair of them will do
            found[good] = Rotation.from_matrix(flat[good]).as_euler("xyz")
    return found.reshape(*rotations.shape[:-2], 3)


def between(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) on the shortest way from ``first`` to ``second``, at shares (n,) of it."""
    found = np.full(first.shape, np.nan)
    good = np.isfinite(first).all((-1, -2)) & np.isfinite(second).all((-1, -2))
    if good.any():
        start = Rotation.from_matrix(first[good])
        way = (start.inv() * Rotation.from_matrix(second[good])).as_rotvec()
        found[good] = (start * Rotation.from_rotvec(way * share[good, None])).as_matrix()
    return found


def products(rotations: np.ndarray, on_the_left: bool) -> np.ndarray:
    """(n + 1, 3, 3): the identity, and then the product of all rotations (n, 3, 3) so far, each put on that side.

    A rotation that is NaN makes all that follow NaN.
    """
    found = np.empty((len(rotations) + 1, 3, 3))
    found[0] = np.eye(3)
    for row, one in enumerate(rotations):
        found[row + 1] = one @ found[row] if on_the_left else found[row] @ one
    return found
