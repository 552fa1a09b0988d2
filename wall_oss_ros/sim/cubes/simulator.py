# SPDX-License-Identifier: Apache-2.0
"""A robot with one arm at the table with cubes: its motion, ground truth, and teleports for training pictures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from wall_oss_ros.robots.profile import RobotProfile, load_profile
from wall_oss_ros.sim.cell import OBJECT, RGB, ROBOT, TABLE_COLOUR, add_box, add_clutter, room
from wall_oss_ros.sim.cubes.scene import CUBE_SIZE, TABLE, TRAY, TRAY_INNER, TRAY_WALL, CubeSpec, rests_on
from wall_oss_ros.sim.drawing import Box
from wall_oss_ros.sim.engine import mujoco
from wall_oss_ros.sim.world import World

_HELD_OPENING = (0.034, 0.0435)  # m: what the opening reads when a cube is between the fingers
_HELD_OFFSET = (0.028, 0.012, 0.025)  # m, how far a held cube's centre may be from the TCP, in the tool's axes


class CubeSimulator(World):
    """One arm with n joints, one table. For units and threads see :class:`World`.

    Args:
        spec: what stands on the table.
        profile: the robot's; the Franka's when None.

    Attributes:
        arm: with its gripper.
    """

    def __init__(self, spec: CubeSpec, profile: RobotProfile | None = None):
        profile = profile or load_profile("franka", simulated=True)
        super().__init__(build_model(spec, profile), profile, spec)
        (self.arm,) = self.arms

    def _lay_out(self) -> None:
        for index, cube in enumerate(self.spec.cubes):
            self.model.geom(f"cube{index}").rgba[:3] = RGB[cube.colour]
            self._put(index, (cube.x, cube.y, self.spec.floor(cube.x, cube.y) + CUBE_SIZE / 2), cube.yaw)
        for tray in self.spec.trays:
            self.model.body(f"{tray.side}_tray").pos[:] = (tray.x, tray.y, 0)

    def _put(self, index: int, position, yaw: float) -> None:
        joint = self.data.joint(f"cube{index}")
        joint.qpos[:] = (*position, math.cos(yaw / 2), 0, 0, math.sin(yaw / 2))
        joint.qvel[:] = 0

    # Ground truth

    def cubes(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Each cube's centre (3,) and quaternion (x, y, z, w), by colour."""
        poses = {}
        for index, colour in enumerate(self.spec.colours):
            pose = self.data.joint(f"cube{index}").qpos
            poses[colour] = (pose[:3].copy(), pose[[4, 5, 6, 3]].copy())
        return poses

    def corners(self, colour: str) -> np.ndarray:
        """The corners (8, 3) of the cube of that colour."""
        body = self.data.body(f"cube{self.spec.colours.index(colour)}")
        signs = np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, -1).T
        return body.xpos + CUBE_SIZE / 2 * signs @ body.xmat.reshape(3, 3).T

    def held(self) -> str | None:
        """The colour of the cube between the fingers, or None."""
        if not _HELD_OPENING[0] < self.arm.gripper_width < _HELD_OPENING[1]:
            return None
        position, rotation = self.arm.tcp
        for colour, (centre, _) in self.cubes().items():
            if (np.abs(rotation.T @ (centre - position)) < _HELD_OFFSET).all():
                return colour
        return None

    def where(self, colour: str) -> str:
        """ "gripper", "left tray", "right tray", "table", or "red cube" (on which it rests), for that cube."""
        held, poses = self.held(), self.cubes()
        if held == colour:
            return "gripper"
        centre = poses[colour][0]
        for other, (below, _) in poses.items():
            if other not in (colour, held) and rests_on(centre, below):
                return f"{other} cube"
        for tray in self.spec.trays:
            inside = max(abs(centre[0] - tray.x), abs(centre[1] - tray.y)) < TRAY_INNER / 2
            if inside and 0 < centre[2] < CUBE_SIZE + TRAY_WALL:
                return f"{tray.side} tray"
        return TABLE

    # Teleports

    def place_robot(self, q, width: float) -> None:
        """Puts the robot there at rest, without physics: joints (n,), opening. The servos hold it there."""
        self.arm.place(q, width)
        mujoco.mj_forward(self.model, self.data)

    def place_cube(self, colour: str, position, yaw: float = 0.0) -> None:
        """Puts a cube's centre at ``position`` (3,), at rest, without physics."""
        self._put(self.spec.colours.index(colour), position, yaw)
        mujoco.mj_forward(self.model, self.data)

    def place_tray(self, side: str, x: float, y: float) -> None:
        """Puts the middle of a tray at x and y, without physics and without what lies in it."""
        trays = tuple(replace(tray, x=x, y=y) if tray.side == side else tray for tray in self.spec.trays)
        self.spec = replace(self.spec, trays=trays)
        self.model.body(f"{side}_tray").pos[:] = (x, y, 0)
        mujoco.mj_forward(self.model, self.data)

    def hold(self, colour: str, offset=(0.0, 0.0, 0.0)) -> None:
        """Puts the cube between the fingers, which close on it. ``offset`` (3,): the cube's centre from the TCP, m."""
        self.arm.close_on(CUBE_SIZE)
        position, rotation = self.arm.tcp
        yaw = math.atan2(rotation[1, 0], rotation[0, 0])
        self.place_cube(colour, position + np.asarray(offset), yaw)


def build_model(spec: CubeSpec, profile: RobotProfile) -> mujoco.MjModel:
    """Compiles the scene, for any ``CubeSpec`` of as many cubes.

    Raises:
        WallOSSError: the profile has no simulation section, or names what its URDF lacks.
    """
    world = room(profile, floor=-0.75)
    ground = world.worldbody
    add_box(ground, Box((1.5, 1.6, 0.04), (0.40, 0, -0.02)), TABLE_COLOUR).name = "table"
    add_clutter(ground)
    for tray in spec.trays:
        body = ground.add_body(name=f"{tray.side}_tray", pos=[tray.x, tray.y, 0])
        for name, box in TRAY.items():
            add_box(body, box, (0.34, 0.34, 0.37) if name == "floor" else (0.16, 0.16, 0.18))
    for index in range(len(spec.cubes)):
        body = ground.add_body(name=f"cube{index}", pos=[0.5, 0.1 * index, CUBE_SIZE / 2])
        body.add_freejoint(name=f"cube{index}")
        geom = add_box(body, Box((CUBE_SIZE,) * 3), (1, 1, 1))
        geom.name, geom.conaffinity = f"cube{index}", OBJECT | ROBOT
        geom.mass, geom.condim, geom.friction = 0.05, 4, [1.0, 0.01, 0.0001]
    return world.compile()
