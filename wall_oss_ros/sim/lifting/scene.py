# SPDX-License-Identifier: Apache-2.0
"""Two wide trays on a table, one near and one far, and the MuJoCo model of them before a robot with two arms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim import cell
from wall_oss_ros.sim.cell import COLOURS, OBJECT, ROBOT, TABLE_COLOUR, add_box

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


@dataclass(frozen=True)
class WideTray:
    """A tray on the table: colour, its middle's x and y (m, base frame), yaw (rad)."""

    colour: str
    x: float
    y: float
    yaw: float = 0.0


@dataclass(frozen=True)
class LiftingSpec:
    """Everything that differs between two scenes."""

    trays: tuple[WideTray, WideTray]

    @classmethod
    def random(cls, rng: np.random.Generator) -> LiftingSpec:
        """Two trays of different colours, one near and one far, in any order."""
        colours = rng.permutation(list(COLOURS))[:2]
        places = np.array([(NEAR, 0.0), (FAR, 0.0)])[rng.permutation(2)] + rng.uniform(-1, 1, (2, 2)) * JITTER
        yaws = rng.uniform(-YAW, YAW, 2)
        return cls(tuple(WideTray(str(c), float(x), float(y), float(a)) for c, (x, y), a in zip(colours, places, yaws)))

    @property
    def colours(self) -> tuple[str, ...]:
        """The trays' colours, in the order of ``trays``."""
        return tuple(tray.colour for tray in self.trays)

    @property
    def near(self) -> int:
        """Index of the tray nearer to the robot."""
        return min((0, 1), key=lambda i: self.trays[i].x)


def build_model(profile: RobotProfile) -> mujoco.MjModel:
    """Compiles the scene, for any ``LiftingSpec``: see ``apply`` and ``place_tray``.

    Raises:
        WallOSSError: the profile has no simulation section, or names what its URDF lacks.
    """
    world = cell.room(profile, floor=0.0)
    position, quaternion = cell.base_pose(world, profile)
    table = world.worldbody.add_body(name="table", pos=position, quat=quaternion)
    add_box(table, "table", (0.32, 0.5, 0.02), (0.52, 0, TABLE - 0.02), TABLE_COLOUR)
    for index in range(2):
        _add_tray(world, f"tray{index}")
    return world.compile()


def apply(model: mujoco.MjModel, spec: LiftingSpec) -> None:
    """Gives a compiled model this scene's colours. Trays' poses are in the data."""
    for index, tray in enumerate(spec.trays):
        body = model.body(f"tray{index}")
        first, count = body.geomadr[0], body.geomnum[0]
        model.geom_rgba[first : first + count, :3] = COLOURS[tray.colour]


def _add_tray(world: mujoco.MjSpec, name: str) -> None:
    body = world.worldbody.add_body(name=name)
    body.add_freejoint(name=name)
    wide, deep, thin = WIDTH / 2, DEPTH / 2, THICKNESS / 2
    boxes = [((deep, wide, 0.002), (0, 0, 0.002))]
    for sign in (-1, 1):
        boxes.append(((deep, thin, WALL / 2), (0, sign * SIDE, WALL / 2)))
        boxes.append(((0.002, wide - THICKNESS, RIM / 2), (sign * (deep - 0.002), 0, RIM / 2)))
    for half_sizes, position in boxes:
        geom = add_box(body, "", half_sizes, position, (1, 1, 1))
        geom.conaffinity = OBJECT | ROBOT
        geom.mass, geom.condim, geom.friction = MASS / len(boxes), 4, [1.0, 0.01, 0.0001]


def yaw_quaternion(yaw: float, roll: float = 0.0) -> np.ndarray:
    """(4,) w first: rotation by ``roll`` about x, then by ``yaw`` about z, rad."""
    cy, sy, cr, sr = math.cos(yaw / 2), math.sin(yaw / 2), math.cos(roll / 2), math.sin(roll / 2)
    return np.array([cy * cr, cy * sr, sy * sr, sy * cr])
