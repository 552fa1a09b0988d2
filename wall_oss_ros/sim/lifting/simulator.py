# SPDX-License-Identifier: Apache-2.0
"""A robot with two arms at the table with wide trays: ground truth, and teleports for training pictures."""

from __future__ import annotations

import math

import numpy as np

from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim import cell
from wall_oss_ros.sim.cell import OBJECT, RGB, ROBOT, TABLE_COLOUR, add_box, add_clutter
from wall_oss_ros.sim.drawing import Box
from wall_oss_ros.sim.engine import mujoco
from wall_oss_ros.sim.lifting.frame import LEFT, RIGHT
from wall_oss_ros.sim.lifting.scene import (
    BAR_MASS,
    BAR_SIZE,
    DEPTH,
    GRIP,
    HOLDS,
    MASS,
    SIDE,
    TABLE,
    THICKNESS,
    TRAY,
    WALL,
    WIDTH,
    LiftingSpec,
)
from wall_oss_ros.sim.world import World

SIDES = {RIGHT: -1, LEFT: 1}  # the side wall that each arm takes: the one on its own side
_HELD_OPENING = (THICKNESS - 0.003, THICKNESS + 0.006)  # m: with a wall between the fingers, a little askew perhaps
_HELD_ASIDE = 0.012  # m, how far a held wall's middle plane may be from the TCP
_FINGER = 0.013  # m, half a finger's width
_BAR_OPENING = (BAR_SIZE[1] - 0.004, BAR_SIZE[1] + 0.006)  # m, the same with the bar between them
_PARKED = (0.0, 0.0, -3.0)  # m: below the floor, where a bar is that is not there


class LiftingSimulator(World):
    """Two arms, two trays. For units and threads see :class:`World`; trays are in the scene's order."""

    spec: LiftingSpec

    def __init__(self, spec: LiftingSpec, profile: RobotProfile):
        super().__init__(build_model(profile), profile, spec)

    def _lay_out(self) -> None:
        for index, colour in enumerate(self.spec.colours):
            body = self.model.body(f"tray{index}")
            first, count = body.geomadr[0], body.geomnum[0]
            self.model.geom_rgba[first : first + count, :3] = RGB[colour]
        self.model.body_gravcomp[self.model.body("bar").id] = self.spec.bar is None
        if self.spec.bar is None:
            self.data.joint("bar").qpos[:3] = _PARKED
        else:
            self.model.geom("bar").rgba[:3] = RGB[self.spec.bar.colour]

    def reset(self, spec: LiftingSpec | None = None) -> None:
        super().reset(spec)
        for index, tray in enumerate(self.spec.trays):  # now that the base frame is where it belongs
            self.place_tray(index, (tray.x, tray.y, TABLE), tray.yaw)
        if (bar := self.spec.bar) is not None:
            self.place_bar((bar.x, bar.y, TABLE + BAR_SIZE[2] / 2), bar.yaw)

    # Ground truth

    def tray(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The middle of a tray's underside (3,) and its rotation (3, 3), in the base frame."""
        return self._pose(f"tray{index}")

    def bar(self) -> tuple[np.ndarray, np.ndarray]:
        """The middle of the bar (3,) and its rotation (3, 3), in the base frame."""
        return self._pose("bar")

    def _pose(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        base, body = self.data.xmat[self._base].reshape(3, 3), self.data.body(name)
        return base.T @ (body.xpos - self.data.xpos[self._base]), base.T @ body.xmat.reshape(3, 3)

    def wall(self, index: int, arm: int) -> np.ndarray:
        """The point (3,) of a tray at which an arm should grip it."""
        position, rotation = self.tray(index)
        return position + rotation @ (0.0, SIDES[arm] * SIDE, GRIP)

    def bar_hold(self, arm: int) -> np.ndarray:
        """The point (3,) of the bar at which an arm should hold it."""
        position, rotation = self.bar()
        return position + rotation @ (HOLDS[arm], 0.0, 0.0)

    def corners(self, index: int) -> np.ndarray:
        """The corners (8, 3) of the box around a tray."""
        position, rotation = self.tray(index)
        signs = np.array(np.meshgrid((-0.5, 0.5), (-0.5, 0.5), (0, 1))).reshape(3, -1).T
        return position + (signs * (DEPTH, WIDTH, WALL)) @ rotation.T

    def tilt(self, index: int) -> float:
        """Angle of a tray's floor from level, rad."""
        return math.acos(min(1.0, self.tray(index)[1][2, 2]))

    def raised(self, index: int) -> float:
        """How far a tray's middle is above where it rests on the table, m."""
        return float(self.tray(index)[0][2] - TABLE)

    def gripped(self, index: int, arm: int) -> bool:
        """Whether the fingers of that arm are closed on its wall of that tray."""
        hand = self.arms[arm]
        if not _HELD_OPENING[0] < hand.gripper_width < _HELD_OPENING[1]:
            return False
        position, rotation = self.tray(index)
        x, y, z = rotation.T @ (hand.tcp[0] - position)  # the TCP, seen from the tray
        along = abs(x) < DEPTH / 2 + _FINGER / 2
        return bool(along and abs(y - SIDES[arm] * SIDE) < _HELD_ASIDE and 0 < z < WALL + 0.005)

    def bar_gripped(self, arm: int) -> bool:
        """Whether the fingers of that arm are closed on the bar."""
        hand = self.arms[arm]
        if self.spec.bar is None or not _BAR_OPENING[0] < hand.gripper_width < _BAR_OPENING[1]:
            return False
        position, rotation = self.bar()
        x, y, z = np.abs(rotation.T @ (hand.tcp[0] - position))
        return bool(x < BAR_SIZE[0] / 2 + _FINGER / 2 and y < _HELD_ASIDE and z < BAR_SIZE[2] / 2 + 0.008)

    # Teleports

    def place_tray(self, index: int, position, yaw: float = 0.0, roll: float = 0.0) -> None:
        """Puts the middle of a tray's underside at ``position`` (3,), at rest, without physics; rad."""
        self._place(f"tray{index}", position, yaw, roll)

    def place_bar(self, position, yaw: float = 0.0) -> None:
        """Puts the middle of the bar at ``position`` (3,), at rest, without physics; rad."""
        self._place("bar", position, yaw, 0.0)

    def _place(self, name: str, position, yaw: float, roll: float) -> None:
        base = self.data.xmat[self._base].reshape(3, 3)
        joint = self.data.joint(name)
        joint.qpos[:3] = self.data.xpos[self._base] + base @ np.asarray(position, float)
        mujoco.mju_mulQuat(joint.qpos[3:], self.data.xquat[self._base], _yaw_quaternion(yaw, roll))
        joint.qvel[:] = 0
        mujoco.mj_forward(self.model, self.data)


def build_model(profile: RobotProfile) -> mujoco.MjModel:
    """Compiles the scene, for any ``LiftingSpec``.

    Raises:
        WallOSSError: the profile has no simulation section, or names what its URDF lacks.
    """
    world = cell.room(profile, floor=0.0)
    position, quaternion = cell.base_pose(world, profile)
    table = world.worldbody.add_body(name="table", pos=position, quat=quaternion)
    add_box(table, Box((0.64, 1.0, 0.04), (0.52, 0, TABLE - 0.02)), TABLE_COLOUR).name = "table"
    add_clutter(table.add_body(name="table top", pos=[0, 0, TABLE]))
    for index in range(2):
        body = world.worldbody.add_body(name=f"tray{index}")
        body.add_freejoint(name=f"tray{index}")
        for box in TRAY.values():
            geom = add_box(body, box, (1, 1, 1))
            geom.conaffinity = OBJECT | ROBOT
            geom.mass, geom.condim, geom.friction = MASS / len(TRAY), 4, [1.0, 0.01, 0.0001]
    bar = world.worldbody.add_body(name="bar", pos=_PARKED, gravcomp=1)
    bar.add_freejoint(name="bar")
    geom = add_box(bar, Box(BAR_SIZE), (1, 1, 1))
    geom.name, geom.conaffinity = "bar", OBJECT | ROBOT
    geom.mass, geom.condim, geom.friction = BAR_MASS, 4, [1.0, 0.01, 0.0001]
    return world.compile()


def _yaw_quaternion(yaw: float, roll: float) -> np.ndarray:
    """(4,) w first: rotation by ``roll`` about x, then by ``yaw`` about z, rad."""
    cy, sy, cr, sr = math.cos(yaw / 2), math.sin(yaw / 2), math.cos(roll / 2), math.sin(roll / 2)
    return np.array([cy * cr, cy * sr, sy * sr, sy * cr])
