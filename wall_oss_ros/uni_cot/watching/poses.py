# SPDX-License-Identifier: Apache-2.0
"""How far states and targets are apart: in metres, radians, and shares of a gripper's opening."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wall_oss_ros.robots.layout import Layout

UNITS = ("m", "rad", "of the opening")


@dataclass(frozen=True)
class Poses:
    """Where a robot is, or is to be, at n moments.

    Attributes:
        positions: (n, k, 3) m, of the k arms' tools, each in its arm's base frame, and of the base where it drives.
        rotations: (n, arms, 3, 3) of the tools.
        angles: (n, j) rad or m: of head and lift, and the base's yaw.
        openings: (n, arms), 0 closed to 1 open.
    """

    positions: np.ndarray
    rotations: np.ndarray
    angles: np.ndarray
    openings: np.ndarray

    def __len__(self) -> int:
        return len(self.openings)

    def __getitem__(self, which) -> Poses:
        return Poses(self.positions[which], self.rotations[which], self.angles[which], self.openings[which])

    def apart(self, other: Poses) -> np.ndarray:
        """(n, 3): m, rad and share of the opening from each to that of ``other``, which may be one for all.

        The farthest of the arms (of head, lift and base) counts.
        """
        metres = np.linalg.norm(self.positions - other.positions, axis=-1).max(axis=-1)
        cosines = (np.einsum("nkij,nkij->nk", *np.broadcast_arrays(self.rotations, other.rotations)) - 1) / 2
        radians = np.arccos(np.clip(cosines, -1.0, 1.0)).max(axis=-1)
        if self.angles.shape[-1]:
            way = (self.angles - other.angles + np.pi) % (2 * np.pi) - np.pi
            radians = np.maximum(radians, np.abs(way).max(axis=-1))
        shares = np.abs(self.openings - other.openings).max(axis=-1)
        return np.stack([metres, radians, shares], axis=-1)

    @classmethod
    def join(cls, several: list[Poses]) -> Poses:
        """All of them, one behind the other."""
        parts = zip(*((one.positions, one.rotations, one.angles, one.openings) for one in several))
        return cls(*(np.concatenate(part) for part in parts))


class PoseReader:
    """Reads vectors in a robot's layout."""

    def __init__(self, layout: Layout):
        self.layout = layout
        self._grippers = [own.gripper for own in layout.arms]
        self._closed = np.array([own.profile.gripper.closed for own in layout.arms])
        self._stroke = np.array([own.profile.gripper.open for own in layout.arms]) - self._closed
        base, parts = layout.profile.base, layout.profile.parts
        self._base = layout.slots[base.dof] if base is not None else None
        self._parts = [index for part in parts for index in range(*layout.slots[part.dof].indices(layout.size))]

    def read(self, vectors: np.ndarray, mask: np.ndarray | None = None) -> Poses:
        """Poses of vectors (n, A) of finite numbers.

        Args:
            mask: (A,) bool, what is known of them; head, lift and base do not count where it says no.
        """
        vectors = np.asarray(vectors, float)
        count, known = len(vectors), np.ones(self.layout.size, bool) if mask is None else np.asarray(mask, bool)
        tools = [[own.unpack(vector)[:2] for own in self.layout.arms] for vector in vectors]
        positions = np.array([[position for position, _ in row] for row in tools]).reshape(count, -1, 3)
        rotations = np.array([[rotation for _, rotation in row] for row in tools]).reshape(count, -1, 3, 3)
        angles = vectors[:, self._parts] * known[self._parts]
        if self._base is not None:
            driven = vectors[:, self._base] * known[self._base]
            place = np.concatenate([driven[:, :2], np.zeros((count, 1))], axis=1)
            positions = np.concatenate([positions, place[:, None]], axis=1)
            angles = np.concatenate([angles, driven[:, 2:]], axis=1)
        return Poses(positions, rotations, angles, self.openings(vectors))

    def openings(self, vectors: np.ndarray) -> np.ndarray:
        """(..., arms) of vectors (..., A): 0 closed to 1 open."""
        return np.clip((np.asarray(vectors, float)[..., self._grippers] - self._closed) / self._stroke, 0.0, 1.0)

    def feels(self, mask: np.ndarray) -> np.ndarray:
        """(arms,) bool: whether a state with this mask (A,) has the opening of each gripper."""
        return np.asarray(mask, bool)[self._grippers]

    def metres(self, arm: int, share: float) -> float:
        """An opening of an arm's gripper, m."""
        return float(self._closed[arm] + share * self._stroke[arm])
