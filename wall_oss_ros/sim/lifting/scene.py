# SPDX-License-Identifier: Apache-2.0
"""Two wide trays on a table, one near and one far, sometimes a bar beside them: sizes, places, how they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from wall_oss_ros.sim.drawing import Box, Drawing, Thing
from wall_oss_ros.sim.goals import COLOURS

TABLE = -0.55  # m, height of the table in the arms' base frame
DEPTH, WIDTH, WALL = 0.11, 0.26, 0.05  # m, a tray's size along x and y, and the height of its side walls
THICKNESS = 0.006  # m, of the side walls
RIM = 0.02  # m, height of the front and the rear wall
SIDE = (WIDTH - THICKNESS) / 2  # m from the middle of a tray to that of a side wall
GRIP = 0.032  # m above the underside, where a side wall is gripped
NEAR, FAR = 0.29, 0.455  # m, x of the trays' middles
JITTER = (0.012, 0.02)  # m, along x and y
YAW = 0.1  # rad
MASS = 0.3  # kg
BAR_SIZE = (0.30, 0.02, 0.036)  # m along x, y and z
BAR_MASS = 0.06  # kg
BAR_X, BAR_Y = 0.36, 0.27  # m, its middle, on either side of the trays
BAR_JITTER, BAR_YAW = (0.012, 0.012), 0.06  # m, rad
HOLDS = (-0.10, 0.10)  # m along the bar from its middle: where the right and the left hand hold it
MIDDLE = (0.0, 0.13)  # m, y and height above the table's rest, where it is handed over
SIGNS = (-1.0, 1.0)
"""Of y, on which the right and the left arm are, and the walls that they take."""
_ABOVE, _ASIDE = 0.05, 0.06  # m above where a wall is gripped, or farther aside: a hand is clear of it


def clear_of(tcp, wall) -> bool:
    """Whether a hand (its tool centre point, (3,)) is clear of a side wall, given where that is gripped (3,)."""
    dx, dy, dz = (a - b for a, b in zip(tcp, wall))
    return bool(dz > _ABOVE or dx * dx + dy * dy > _ASIDE**2)


@dataclass(frozen=True)
class WideTray:
    """A tray on the table: colour, its middle's x and y (m, base frame), yaw (rad)."""

    colour: str
    x: float
    y: float
    yaw: float = 0.0


@dataclass(frozen=True)
class Bar:
    """A light bar that lies along x: colour, its middle's x and y (m, base frame), yaw (rad)."""

    colour: str
    x: float
    y: float
    yaw: float = 0.0


@dataclass(frozen=True)
class LiftingSpec:
    """Everything that differs between two scenes."""

    trays: tuple[WideTray, WideTray]
    bar: Bar | None = None
    free: ClassVar = ((0.60, 0.68),)  # m along x, behind the far tray

    @classmethod
    def random(cls, rng: np.random.Generator) -> LiftingSpec:
        """Two trays of different colours, one near and one far, in any order."""
        colours = rng.permutation(COLOURS)[:2]
        places = np.array([(NEAR, 0.0), (FAR, 0.0)])[rng.permutation(2)] + rng.uniform(-1, 1, (2, 2)) * JITTER
        yaws = rng.uniform(-YAW, YAW, 2)
        return cls(tuple(WideTray(str(c), float(x), float(y), float(a)) for c, (x, y), a in zip(colours, places, yaws)))

    @classmethod
    def random_with_bar(cls, rng: np.random.Generator, share: float) -> LiftingSpec:
        """A random scene; in ``share`` of them, a bar of a third colour lies on one side of the trays."""
        spec = cls.random(rng)
        if rng.random() >= share:
            return spec
        colour = str(rng.choice([one for one in COLOURS if one not in spec.colours]))
        x, y = np.array((BAR_X, SIGNS[int(rng.integers(2))] * BAR_Y)) + rng.uniform(-1, 1, 2) * BAR_JITTER
        return replace(spec, bar=Bar(colour, float(x), float(y), float(rng.uniform(-BAR_YAW, BAR_YAW))))

    @property
    def colours(self) -> tuple[str, ...]:
        """The trays' colours, in the order of ``trays``."""
        return tuple(tray.colour for tray in self.trays)

    @property
    def near(self) -> int:
        """Index of the tray nearer to the robot."""
        return min((0, 1), key=lambda i: self.trays[i].x)


_SIDE_WALL, _RIM_WALL = (DEPTH, THICKNESS, WALL), (0.004, WIDTH - 2 * THICKNESS, RIM)
TRAY = {
    "floor": Box((DEPTH, WIDTH, 0.004), (0.0, 0.0, 0.002)),
    "right": Box(_SIDE_WALL, (0.0, -SIDE, WALL / 2)),
    "back": Box(_RIM_WALL, (0.002 - DEPTH / 2, 0.0, RIM / 2)),
    "left": Box(_SIDE_WALL, (0.0, SIDE, WALL / 2)),
    "front": Box(_RIM_WALL, (DEPTH / 2 - 0.002, 0.0, RIM / 2)),
}
"""What a tray is made of, m from the middle of its underside."""


def _things(truth: Mapping) -> Iterator[Thing]:
    for colour, tray in truth["wide_trays"].items():
        x, y, z, w = tray["quaternion"]
        yield Thing(f"tray/{colour}", TRAY, tuple(tray["position"]), (w, x, y, z), colour)
    if bar := truth.get("bar"):
        x, y, z, w = bar["quaternion"]
        yield Thing("bar", {"body": Box(BAR_SIZE)}, tuple(bar["position"]), (w, x, y, z), bar["colour"], "bar")


DRAWING = Drawing(
    table=Box((0.64, 1.0, 0.04), (0.52, 0.0, TABLE - 0.0201)),  # the robot stands on the floor before it
    legs=tuple(Box((0.05, 0.05, 0.62), (x, y, TABLE - 0.35)) for x in (0.25, 0.79) for y in (-0.45, 0.45)),
    things=_things,
    looked_from=(1.1, 0.68, 0.14),
    looked_at=(0.24, 0.02, -0.36),
)
