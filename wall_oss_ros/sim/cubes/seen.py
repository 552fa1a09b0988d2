# SPDX-License-Identifier: Apache-2.0
"""A frame as instructions see it: which cube is where, which one is farther left, which one is next to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.sim.cubes.scene import TABLE
from wall_oss_ros.sim.goals import COLOURS

_APART = 0.03  # m that two cubes must differ by for one of them to be called farther left
_NEARER = 1.4  # times as far as the nearest cube: then that one is the one next to it


@dataclass(frozen=True)
class Seen:
    """A frame as instructions see it.

    Attributes:
        where: colour of each cube to its place, as ``language.PLACES`` has it.
        at: colour of each cube to its centre (3,), m.
    """

    where: Mapping[str, str]
    at: Mapping[str, np.ndarray]

    @property
    def colours(self) -> list[str]:
        return [colour for colour in COLOURS if colour in self.where]

    @property
    def missing(self) -> list[str]:
        """Colours that no cube has."""
        return [colour for colour in COLOURS if colour not in self.where]

    def lying(self, place: str) -> list[str]:
        return [colour for colour in self.colours if self.where[colour] == place]

    def from_left(self) -> list[str]:
        """Those on the table from the robot's left to its right; empty where that cannot be told."""
        row = sorted(self.lying(TABLE), key=lambda colour: -self.at[colour][1])
        gaps = [self.at[a][1] - self.at[b][1] for a, b in zip(row, row[1:])]
        return row if all(gap > _APART for gap in gaps) else []

    def next_to(self, colour: str) -> str | None:
        """The cube on the table that is nearest to another one; None where two are about as near."""
        if self.where.get(colour) != TABLE:
            return None
        others = [other for other in self.lying(TABLE) if other != colour]
        far = sorted((float(np.linalg.norm(self.at[other] - self.at[colour])), other) for other in others)
        return far[0][1] if len(far) == 1 or (far and far[1][0] > _NEARER * far[0][0]) else None
