# SPDX-License-Identifier: Apache-2.0
"""Rows of rotations: their Euler angles, what lies between them, and their products."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.spatial.transform import Rotation


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
