"""The table in 3-D: robot, trays, cubes and the path ahead."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import viser
from viser.extras import ViserUrdf

from wall_oss_ros.robots.profile import RobotProfile

CUBE = 0.04  # m, edges as in the simulation
TRAY, WALL_HEIGHT, WALL, FLOOR = 0.15, 0.015, 0.004, 0.003  # m
COLOURS = {"red": (220, 38, 38), "green": (34, 160, 60), "blue": (37, 80, 225), "yellow": (247, 204, 20)}
UNKNOWN_COLOUR = (150, 150, 150)
TABLE_COLOUR = (176, 160, 140)
TRAY_COLOUR = (70, 74, 82)
PATH_COLOUR = (14, 165, 233)


class Table:
    """What stands in the scene of a server. Positions in m in the robot's base frame, angles in rad.

    Args:
        server: whose scene it is.
        profile: of the robot, for its URDF.
    """

    def __init__(self, server: viser.ViserServer, profile: RobotProfile):
        self._scene = server.scene
        self._scene.set_up_direction("+z")
        self._scene.add_grid(
            "/floor", 6.0, 6.0, position=(0.3, 0.0, -0.72), cell_size=0.25, section_size=1.0, fade_distance=7.0,
            cell_color=(226, 229, 233), section_color=(205, 210, 216), plane_color=(246, 247, 249), plane_opacity=1.0,
        )  # fmt: skip
        self._scene.add_box("/table/top", TABLE_COLOUR, (1.25, 1.3, 0.04), position=(0.35, 0.0, -0.0201))
        for number, (x, y) in enumerate(((-0.2, -0.58), (-0.2, 0.58), (0.9, -0.58), (0.9, 0.58))):
            self._scene.add_box(f"/table/leg{number}", (96, 90, 84), (0.05, 0.05, 0.68), position=(x, y, -0.38))
        self._robot = ViserUrdf(server, profile.urdf_path, root_node_name="/robot")
        self._joints = self._robot.get_actuated_joint_names()
        self._shown_joints: np.ndarray | None = None
        home = dict(zip(profile.arm.joints, profile.arm.home))
        self.show_joints(home)
        self._cubes: dict[str, viser.BoxHandle] = {}
        self._trays: dict[str, viser.FrameHandle] = {}
        self._path: list = []
        server.initial_camera.position = (1.15, 0.62, 0.68)
        server.initial_camera.look_at = (0.33, 0.02, 0.15)

    def show_joints(self, positions: Mapping[str, float]) -> None:
        """Moves the robot; joints that the URDF lacks are passed over, and it keeps those that are not named."""
        known = np.zeros(len(self._joints)) if self._shown_joints is None else self._shown_joints
        joints = np.array([positions.get(name, old) for name, old in zip(self._joints, known)])
        if self._shown_joints is None or np.abs(joints - known).max() > 1e-4:
            self._robot.update_cfg(joints)
            self._shown_joints = joints

    def show_truth(self, truth: Mapping) -> None:
        """Cubes and trays as /simulation/ground_truth gives them."""
        for side, (x, y) in truth["trays"].items():
            if side not in self._trays:
                self._trays[side] = self._add_tray(side)
            self._trays[side].position = (x, y, 0.0)
        for colour in set(self._cubes) - set(truth["cubes"]):  # another scene
            self._cubes.pop(colour).remove()
        for colour, cube in truth["cubes"].items():
            if colour not in self._cubes:
                rgb = COLOURS.get(colour, UNKNOWN_COLOUR)
                self._cubes[colour] = self._scene.add_box(f"/cubes/{colour}", rgb, (CUBE, CUBE, CUBE))
            self._cubes[colour].position = tuple(cube["position"])
            self._cubes[colour].wxyz = (math.cos(cube["yaw"] / 2), 0.0, 0.0, math.sin(cube["yaw"] / 2))

    def show_path(self, points: Sequence[tuple[float, float, float]]) -> None:
        """The way ahead of the end effector; fewer than two points remove it."""
        for handle in self._path:
            handle.remove()
        self._path = []
        if len(points) < 2:
            return
        way = np.asarray(points, dtype=float)
        self._path = [
            self._scene.add_spline_catmull_rom("/path/way", way, thickness=0.005, color=PATH_COLOUR),
            self._scene.add_icosphere("/path/end", 0.009, PATH_COLOUR, position=tuple(way[-1]), cast_shadow=False),
        ]

    def _add_tray(self, side: str) -> viser.FrameHandle:
        frame = self._scene.add_frame(f"/trays/{side}", show_axes=False)
        long, off = TRAY + 2 * WALL, (TRAY + WALL) / 2
        parts = {
            "floor": ((TRAY, TRAY, FLOOR), (0.0, 0.0, FLOOR / 2)),
            "front": ((WALL, long, WALL_HEIGHT), (off, 0.0, WALL_HEIGHT / 2)),
            "back": ((WALL, long, WALL_HEIGHT), (-off, 0.0, WALL_HEIGHT / 2)),
            "left": ((TRAY, WALL, WALL_HEIGHT), (0.0, off, WALL_HEIGHT / 2)),
            "right": ((TRAY, WALL, WALL_HEIGHT), (0.0, -off, WALL_HEIGHT / 2)),
        }
        for part, (size, place) in parts.items():
            self._scene.add_box(f"/trays/{side}/{part}", TRAY_COLOUR, size, position=place)
        self._scene.add_label(f"/trays/{side}/label", side, position=(0.11, 0.0, 0.01), anchor="center-center")
        return frame
