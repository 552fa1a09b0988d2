# SPDX-License-Identifier: Apache-2.0
"""The scene in 3-D: the robot, what stands before it, the way ahead of its hands, and what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import viser
from viser.extras import ViserUrdf

from wall_oss_ros.page.task_scene import Things
from wall_oss_ros.robots.frames import ROOT, Frames
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotations import quaternion_from_matrix
from wall_oss_ros.sim.registry import drawing_of

PATH_COLOUR, TARGET_COLOUR = (14, 165, 233), (219, 39, 119)
TABLE_HEIGHT = 0.72  # m above the floor, of a robot that stands on its table


class RobotScene:
    """What is in the scene of a server. The robot's first link stands still; positions are m in the arms' base frame.

    Args:
        server: whose scene it is.
        profile: of the robot, for its URDF and what it stands before.
    """

    def __init__(self, server: viser.ViserServer, profile: RobotProfile):
        self._scene, self._profile = server.scene, profile
        self._scene.set_up_direction("+z")
        self._robot = ViserUrdf(server, profile.urdf_path, root_node_name="/robot")
        self._joints = self._robot.get_actuated_joint_names()
        self._shown_joints: np.ndarray | None = None
        self._frames = Frames(profile)
        self._base = self._scene.add_frame("/base", show_axes=False)
        limbs = [one.arm for one in profile.arms] + list(profile.parts)
        self.show_joints({name: place for limb in limbs for name, place in zip(limb.joints, limb.home)})
        self._scene.add_frame("/room", show_axes=False, position=self._base.position, wxyz=self._base.wxyz)
        drawing = drawing_of(profile.simulation.scene if profile.simulation else "table")
        self._things = Things(drawing, self._scene, "/room", "/base")
        # A robot that carries its arms above their table stands on the floor, any other on the table.
        stands = max(abs(value) for value in self._base.position) > 0
        self._scene.add_grid(
            "/floor", 6.0, 6.0, position=(0.3, 0.0, 0.0 if stands else -TABLE_HEIGHT), cell_size=0.25, section_size=1.0,
            fade_distance=7.0, cell_color=(226, 229, 233), section_color=(205, 210, 216), plane_color=(246, 247, 249),
            plane_opacity=1.0,
        )  # fmt: skip
        self._path: list = []
        self._target: viser.IcosphereHandle | None = None
        origin = np.array(self._base.position)
        server.initial_camera.position = tuple(origin + drawing.looked_from)
        server.initial_camera.look_at = tuple(origin + drawing.looked_at)

    def show_joints(self, positions: Mapping[str, float]) -> None:
        """Moves the robot; joints that the URDF lacks are passed over, and it keeps those that are not named."""
        known = np.zeros(len(self._joints)) if self._shown_joints is None else self._shown_joints
        joints = np.array([positions.get(name, old) for name, old in zip(self._joints, known)])
        if self._shown_joints is not None and np.abs(joints - known).max() <= 1e-4:
            return
        self._robot.update_cfg(joints)
        self._shown_joints = joints
        base = self._frames.pose(self._profile.arm.base_frame, ROOT, dict(zip(self._joints, joints)))
        x, y, z, w = quaternion_from_matrix(base[:3, :3])
        self._base.position, self._base.wxyz = tuple(base[:3, 3]), (w, x, y, z)

    def show_truth(self, truth: Mapping) -> None:
        """What stands before the robot, as /simulation/ground_truth gives it."""
        self._things.show(truth)

    def show_paths(self, paths: Sequence[Sequence[tuple[float, float, float]]]) -> None:
        """The ways ahead of the end effectors, for each its points; one of fewer than two is not shown."""
        for handle in self._path:
            handle.remove()
        self._path = []
        for number, points in enumerate(paths):
            if len(points) < 2:
                continue
            way, name = np.asarray(points, dtype=float), f"/base/path{number}"
            self._path += [
                self._scene.add_spline_catmull_rom(f"{name}/way", way, thickness=0.005, color=PATH_COLOUR),
                self._scene.add_icosphere(
                    f"{name}/end", 0.009, PATH_COLOUR, position=tuple(way[-1]), cast_shadow=False
                ),
            ]

    def show_target(self, point: tuple[float, float, float] | None) -> None:
        """Where the subtask is to happen; None where that is not known."""
        if self._target is not None:
            self._target.remove()
        self._target = point and self._scene.add_icosphere(
            "/base/target", 0.028, TARGET_COLOUR, position=point, opacity=0.55, cast_shadow=False
        )
