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
from wall_oss_ros.sim.lifting.language import LEFT, RIGHT
from wall_oss_ros.sim.lifting.scene import DEPTH, GRIP, MASS, SIDE, TABLE, THICKNESS, TRAY, WALL, WIDTH, LiftingSpec
from wall_oss_ros.sim.world import World

SIDES = {RIGHT: -1, LEFT: 1}  # the side wall that each arm takes: the one on its own side
_HELD_OPENING = (THICKNESS - 0.003, THICKNESS + 0.006)  # m: with a wall between the fingers, a little askew perhaps
_HELD_ASIDE = 0.012  # m, how far a held wall's middle plane may be from the TCP
_FINGER = 0.013  # m, half a finger's width


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

    def reset(self, spec: LiftingSpec | None = None) -> None:
        super().reset(spec)
        for index, tray in enumerate(self.spec.trays):  # now that the base frame is where it belongs
            self.place_tray(index, (tray.x, tray.y, TABLE), tray.yaw)

    # Ground truth

    def tray(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The middle of a tray's underside (3,) and its rotation (3, 3), in the base frame."""
        base, body = self.data.xmat[self._base].reshape(3, 3), self.data.body(f"tray{index}")
        return base.T @ (body.xpos - self.data.xpos[self._base]), base.T @ body.xmat.reshape(3, 3)

    def wall(self, index: int, arm: int) -> np.ndarray:
        """The point (3,) of a tray at which an arm should grip it."""
        position, rotation = self.tray(index)
        return position + rotation @ (0.0, SIDES[arm] * SIDE, GRIP)

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

    # Teleports

    def place_tray(self, index: int, position, yaw: float = 0.0, roll: float = 0.0) -> None:
        """Puts the middle of a tray's underside at ``position`` (3,), at rest, without physics; rad."""
        base = self.data.xmat[self._base].reshape(3, 3)
        joint = self.data.joint(f"tray{index}")
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
    return world.compile()


def _yaw_quaternion(yaw: float, roll: float) -> np.ndarray:
    """(4,) w first: rotation by ``roll`` about x, then by ``yaw`` about z, rad."""
    cy, sy, cr, sr = math.cos(yaw / 2), math.sin(yaw / 2), math.cos(roll / 2), math.sin(roll / 2)
    return np.array([cy * cr, cy * sr, sy * sr, sy * cr])
