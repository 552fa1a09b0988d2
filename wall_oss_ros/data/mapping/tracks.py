# SPDX-License-Identifier: Apache-2.0
"""Numbers over the rows of one episode, and what they are between two rows: each kind in its own way."""

from __future__ import annotations

from typing import Literal

import numpy as np

from wall_oss_ros.data.mapping.rotations import between

Kind = Literal["linear", "angle", "command", "rotation"]
_ON = 1e-6  # share of a row: this near to a row, its own numbers are meant


class Track:
    """One quantity of an episode of n rows.

    Args:
        values: (n, k), or (n, 3, 3) for rotations; NaN for what is missing.
        kind: ``linear`` numbers are mixed; ``angle``, the short way round; a ``command`` is in force until its row's
            time, as a gripper's; ``rotation``, on the shortest way.
    """

    def __init__(self, values: np.ndarray, kind: Kind = "linear"):
        self.values, self.kind = values, kind

    def at(self, rows: np.ndarray) -> np.ndarray:
        """The quantity at places (...,) along the rows, such as 2.5; outside of them, the first row or the last."""
        last = len(self.values) - 1
        places = np.clip(np.asarray(rows, float), 0, last)
        flat = places.ravel()
        near = np.round(flat)
        flat = np.where(np.abs(flat - near) < _ON, near, flat)
        low = np.floor(flat).astype(int)
        high = np.minimum(low + 1, last)
        share = flat - low
        first, second = self.values[low], self.values[high]
        if self.kind == "command":
            found = np.where(_like(share > 0, first), second, first)
        elif self.kind == "rotation":
            found, mixed = first.copy(), share > 0
            if mixed.any():
                found[mixed] = between(first[mixed], second[mixed], share[mixed])
        else:
            way = second - first
            if self.kind == "angle":
                way = (way + np.pi) % (2 * np.pi) - np.pi
            found = np.where(_like(share > 0, first), first + _like(share, first) * way, first)
        return found.reshape(*places.shape, *self.values.shape[1:])


def _like(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *(1,) * (other.ndim - 1))
