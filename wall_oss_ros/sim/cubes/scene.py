# SPDX-License-Identifier: Apache-2.0
"""What stands on the table: three cubes and two trays, their sizes and places, and how they are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from wall_oss_ros.sim.drawing import Box, Drawing, Thing
from wall_oss_ros.sim.goals import COLOURS

CUBE_SIZE = 0.04  # m, edge
CUBES = 3
CUBE_X, CUBE_Y = (0.38, 0.62), (-0.14, 0.14)  # m, where centres may lie
CUBE_DISTANCE = 0.085  # m, least distance of two centres: an open gripper fits between
CUBE_YAW = math.radians(15)
TRAYS = {"left": (0.50, 0.27), "right": (0.50, -0.27)}  # m; left is the robot's left, +y
TRAY_JITTER = 0.025  # m
TRAY_INNER, TRAY_WALL, TRAY_FLOOR = 0.15, 0.015, 0.003  # m: floor's edge, wall's height, floor's thickness
TRAY_SPOTS = (0.0, 0.047, -0.047)  # m along x from a tray's centre, where cubes are put
TABLE = "table"
"""What the table is called where places are named, beside the trays' sides and the colours of cubes."""


def rests_on(cube, other) -> bool:
    """Whether a cube's centre (3,) is where it is when it rests on another one's."""
    aside = max(abs(cube[0] - other[0]), abs(cube[1] - other[1]))
    return aside < 0.6 * CUBE_SIZE and abs(cube[2] - other[2] - CUBE_SIZE) < 0.25 * CUBE_SIZE


@dataclass(frozen=True)
class Cube:
    """A cube on the table: colour, centre's x and y (m, base frame), yaw (rad)."""

    colour: str
    x: float
    y: float
    yaw: float = 0.0


@dataclass(frozen=True)
class Tray:
    """A tray on the table: side ("left" or "right"), centre's x and y (m, base frame)."""

    side: str
    x: float
    y: float


@dataclass(frozen=True)
class CubeSpec:
    """Everything that differs between two scenes."""

    cubes: tuple[Cube, ...]
    trays: tuple[Tray, ...]
    free: ClassVar = ((0.24, 0.31), (0.68, 0.76))  # m along x, without cubes and trays: near the arm, or in front

    @classmethod
    def random(cls, rng: np.random.Generator) -> CubeSpec:
        """Three cubes of different colours at least ``CUBE_DISTANCE`` apart, and both trays near their places."""
        while True:
            centres = rng.uniform((CUBE_X[0], CUBE_Y[0]), (CUBE_X[1], CUBE_Y[1]), (CUBES, 2))
            gaps = [np.linalg.norm(centres[i] - centres[j]) for i in range(CUBES) for j in range(i)]
            if min(gaps) >= CUBE_DISTANCE:
                break
        colours = rng.permutation(COLOURS)[:CUBES]
        yaws = rng.uniform(-CUBE_YAW, CUBE_YAW, CUBES)
        cubes = tuple(Cube(str(c), float(p[0]), float(p[1]), float(a)) for c, p, a in zip(colours, centres, yaws))
        jitter = rng.uniform(-TRAY_JITTER, TRAY_JITTER, (len(TRAYS), 2))
        trays = tuple(Tray(s, float(x + d[0]), float(y + d[1])) for (s, (x, y)), d in zip(TRAYS.items(), jitter))
        return cls(cubes, trays)

    @property
    def colours(self) -> tuple[str, ...]:
        """The cubes' colours, in the order of ``cubes``."""
        return tuple(cube.colour for cube in self.cubes)

    def in_trays(self, rng: np.random.Generator, places: Mapping[str, str]) -> CubeSpec:
        """The same scene, cubes moved into trays: each colour's tray."""
        rows, cubes = dict.fromkeys(TRAYS, 0), []
        for cube in self.cubes:
            if side := places.get(cube.colour):
                x, y, _ = self.tray(side)
                x += TRAY_SPOTS[rows[side] % len(TRAY_SPOTS)]  # beside each other
                rows[side] += 1
                jitter = rng.uniform(-0.003, 0.003, 2)
                cube = replace(cube, x=float(x + jitter[0]), y=float(y + jitter[1]), yaw=cube.yaw / 3)
            cubes.append(cube)
        return replace(self, cubes=tuple(cubes))

    @classmethod
    def random_with_trays(cls, rng: np.random.Generator, share: float) -> CubeSpec:
        """A random scene; in ``share`` of them, some cubes lie in trays, as for a swap or to be put back."""
        spec = cls.random(rng)
        if rng.random() >= share:
            return spec
        sides = {colour: str(rng.choice(tuple(TRAYS))) for colour in spec.colours if rng.random() < 0.6}
        return spec.in_trays(rng, sides)

    def place(self, cube: Cube) -> str:
        """Where a cube stands: in a tray, "left tray" or "right tray", or on the table."""
        for tray in self.trays:
            if max(abs(cube.x - tray.x), abs(cube.y - tray.y)) < TRAY_INNER / 2:
                return f"{tray.side} tray"
        return TABLE

    def floor(self, x: float, y: float) -> float:
        """Height of what is there under a cube, m."""
        return 0.0 if self.place(Cube("", x, y)) == TABLE else TRAY_FLOOR

    def tray(self, side: str) -> np.ndarray:
        """Centre of the named tray's floor surface, (3,) m in the base frame."""
        tray = next(t for t in self.trays if t.side == side)
        return np.array([tray.x, tray.y, TRAY_FLOOR])


_WALL = 0.004  # m, thickness of a tray's walls
_OFF, _LONG = (TRAY_INNER + _WALL) / 2, TRAY_INNER + 2 * _WALL
TRAY = {
    "floor": Box((TRAY_INNER, TRAY_INNER, TRAY_FLOOR), (0.0, 0.0, TRAY_FLOOR / 2)),
    "back": Box((_WALL, _LONG, TRAY_WALL), (-_OFF, 0.0, TRAY_WALL / 2)),
    "right": Box((TRAY_INNER, _WALL, TRAY_WALL), (0.0, -_OFF, TRAY_WALL / 2)),
    "front": Box((_WALL, _LONG, TRAY_WALL), (_OFF, 0.0, TRAY_WALL / 2)),
    "left": Box((TRAY_INNER, _WALL, TRAY_WALL), (0.0, _OFF, TRAY_WALL / 2)),
}
"""What a tray is made of, m in its own frame."""


def _things(truth: Mapping) -> Iterator[Thing]:
    for side, (x, y) in truth["trays"].items():
        yield Thing(f"tray/{side}", TRAY, (x, y, 0.0), label=side)
    for colour, cube in truth["cubes"].items():
        turned = (math.cos(cube["yaw"] / 2), 0.0, 0.0, math.sin(cube["yaw"] / 2))
        yield Thing(f"cube/{colour}", {"body": Box((CUBE_SIZE,) * 3)}, tuple(cube["position"]), turned, colour)


DRAWING = Drawing(
    table=Box((1.25, 1.3, 0.04), (0.35, 0.0, -0.0201)),  # it carries the robot, too
    legs=tuple(Box((0.05, 0.05, 0.68), (x, y, -0.38)) for x in (-0.2, 0.9) for y in (-0.58, 0.58)),
    things=_things,
    looked_from=(1.15, 0.62, 0.68),
    looked_at=(0.33, 0.02, 0.15),
)
