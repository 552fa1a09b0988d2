# SPDX-License-Identifier: Apache-2.0
"""What stands on the table, and the MuJoCo model of it: a robot, three cubes, two trays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim.cell import COLOURS, OBJECT, ROBOT, TABLE_COLOUR, add_box, room

CUBE_SIZE = 0.04  # m, edge
CUBES = 3
CUBE_X, CUBE_Y = (0.38, 0.62), (-0.14, 0.14)  # m, where centres may lie
CUBE_DISTANCE = 0.085  # m, least distance of two centres: an open gripper fits between
CUBE_YAW = math.radians(15)
TRAYS = {"left": (0.50, 0.27), "right": (0.50, -0.27)}  # m; left is the robot's left, +y
TRAY_JITTER = 0.025  # m
TRAY_INNER, TRAY_WALL, TRAY_FLOOR = 0.15, 0.015, 0.003  # m: floor's edge, wall's height, floor's thickness


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
class SceneSpec:
    """Everything that differs between two scenes."""

    cubes: tuple[Cube, ...]
    trays: tuple[Tray, ...]

    @classmethod
    def random(cls, rng: np.random.Generator) -> SceneSpec:
        """Three cubes of different colours at least ``CUBE_DISTANCE`` apart, and both trays near their places."""
        while True:
            centres = rng.uniform((CUBE_X[0], CUBE_Y[0]), (CUBE_X[1], CUBE_Y[1]), (CUBES, 2))
            gaps = [np.linalg.norm(centres[i] - centres[j]) for i in range(CUBES) for j in range(i)]
            if min(gaps) >= CUBE_DISTANCE:
                break
        colours = rng.permutation(list(COLOURS))[:CUBES]
        yaws = rng.uniform(-CUBE_YAW, CUBE_YAW, CUBES)
        cubes = tuple(Cube(str(c), float(p[0]), float(p[1]), float(a)) for c, p, a in zip(colours, centres, yaws))
        jitter = rng.uniform(-TRAY_JITTER, TRAY_JITTER, (len(TRAYS), 2))
        trays = tuple(Tray(s, float(x + d[0]), float(y + d[1])) for (s, (x, y)), d in zip(TRAYS.items(), jitter))
        return cls(cubes, trays)

    @property
    def colours(self) -> tuple[str, ...]:
        """The cubes' colours, in the order of ``cubes``."""
        return tuple(cube.colour for cube in self.cubes)

    def tray(self, side: str) -> np.ndarray:
        """Centre of the named tray's floor surface, (3,) m in the base frame."""
        tray = next(t for t in self.trays if t.side == side)
        return np.array([tray.x, tray.y, TRAY_FLOOR])


def build_model(spec: SceneSpec, profile: RobotProfile) -> mujoco.MjModel:
    """Compiles the scene. Another scene of the same number of cubes needs only ``apply`` (microseconds).

    Raises:
        WallOSSError: the profile has no simulation section, or names what its URDF lacks.
    """
    world = room(profile, floor=-0.75)
    _furniture(world, spec)
    model = world.compile()
    apply(model, spec)
    return model


def apply(model: mujoco.MjModel, spec: SceneSpec) -> None:
    """Gives a compiled model this scene's colours and tray places. Cubes' poses are in the data: see ``place_cubes``."""
    for index, cube in enumerate(spec.cubes):
        model.geom(f"cube{index}").rgba[:3] = COLOURS[cube.colour]
    for tray in spec.trays:
        model.body(f"{tray.side}_tray").pos[:] = (tray.x, tray.y, 0)


def place_cubes(model: mujoco.MjModel, data: mujoco.MjData, spec: SceneSpec) -> None:
    """Puts the cubes on the table, at rest."""
    for index, cube in enumerate(spec.cubes):
        data.joint(f"cube{index}").qpos[:] = (
            cube.x, cube.y, CUBE_SIZE / 2, math.cos(cube.yaw / 2), 0, 0, math.sin(cube.yaw / 2),
        )  # fmt: skip
        data.joint(f"cube{index}").qvel[:] = 0


def _furniture(world: mujoco.MjSpec, spec: SceneSpec) -> None:
    ground = world.worldbody
    add_box(ground, "table", (0.75, 0.8, 0.02), (0.40, 0, -0.02), TABLE_COLOUR)
    for tray in spec.trays:
        body = ground.add_body(name=f"{tray.side}_tray", pos=[tray.x, tray.y, 0])
        half, thin, high = TRAY_INNER / 2, 0.002, TRAY_WALL / 2
        add_box(
            body, f"{tray.side}_tray_floor", (half, half, TRAY_FLOOR / 2), (0, 0, TRAY_FLOOR / 2), (0.34, 0.34, 0.37)
        )
        for sign in (-1, 1):
            add_box(body, "", (thin, half + 2 * thin, high), (sign * (half + thin), 0, high), (0.16, 0.16, 0.18))
            add_box(body, "", (half, thin, high), (0, sign * (half + thin), high), (0.16, 0.16, 0.18))
    for index in range(len(spec.cubes)):
        body = ground.add_body(name=f"cube{index}", pos=[0.5, 0.1 * index, CUBE_SIZE / 2])
        body.add_freejoint(name=f"cube{index}")
        geom = add_box(body, f"cube{index}", (CUBE_SIZE / 2,) * 3, (0, 0, 0), (1, 1, 1))
        geom.conaffinity = OBJECT | ROBOT
        geom.mass, geom.condim, geom.friction = 0.05, 4, [1.0, 0.01, 0.0001]
