# SPDX-License-Identifier: Apache-2.0
"""The scene in 3-D: the robot, what stands before it, the paths ahead of its hands, and the subtask's target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import viser
from viser.extras import ViserUrdf

from wall_oss_ros.robots.frames import ROOT, Frames
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotations import quaternion_from_matrix
from wall_oss_ros.sim.drawing import Drawing, Thing
from wall_oss_ros.sim.registry import drawing_of

PATH_COLOUR, TARGET_COLOUR = (14, 165, 233), (219, 39, 119)
TABLE_HEIGHT = 0.72  # m above the floor, of a robot that stands on its table
COLOURS = {"red": (220, 38, 38), "green": (34, 160, 60), "blue": (37, 80, 225), "yellow": (247, 204, 20)}
UNKNOWN_COLOUR = (150, 150, 150)
TABLE_COLOUR, LEG_COLOUR = (176, 160, 140), (96, 90, 84)
GREY = (70, 74, 82)


class RobotScene:
    """The scene of a server. The robot's first link is fixed; positions are in the arms' base frame, m.

    Args:
        server: whose scene it is.
        profile: the robot's, for its URDF and for what stands before it.
    """

    def __init__(self, server: viser.ViserServer, profile: RobotProfile):
        self._scene, self.profile = server.scene, profile
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
        self._things = TaskObjects(drawing, self._scene, "/room", "/base")
        # A robot that carries its arms above their table stands on the floor, any other on the table.
        stands = max(abs(value) for value in self._base.position) > 0
        self._scene.add_grid(
            "/floor", 6.0, 6.0, position=(0.3, 0.0, 0.0 if stands else -TABLE_HEIGHT), cell_size=0.25, section_size=1.0,
            fade_distance=7.0, cell_color=(226, 229, 233), section_color=(205, 210, 216), plane_color=(246, 247, 249),
            plane_opacity=1.0,
        )  # fmt: skip
        self._path: list = []
        self._target: viser.IcosphereHandle | None = None
        self._note = ("", None)  # what it says, and its label
        origin = np.array(self._base.position)
        server.initial_camera.position = tuple(origin + drawing.looked_from)
        server.initial_camera.look_at = tuple(origin + drawing.looked_at)

    def show_joints(self, positions: Mapping[str, float]) -> None:
        """Moves the robot. Joints that are not in the URDF are ignored; those not named stay where they are."""
        known = np.zeros(len(self._joints)) if self._shown_joints is None else self._shown_joints
        joints = np.array([positions.get(name, old) for name, old in zip(self._joints, known)])
        if self._shown_joints is not None and np.abs(joints - known).max() <= 1e-4:
            return
        self._robot.update_cfg(joints)
        self._shown_joints = joints
        base = self._frames.pose(self.profile.arm.base_frame, ROOT, dict(zip(self._joints, joints)))
        x, y, z, w = quaternion_from_matrix(base[:3, :3])
        self._base.position, self._base.wxyz = tuple(base[:3, 3]), (w, x, y, z)

    def show_truth(self, truth: Mapping) -> None:
        """Shows what stands before the robot, from the message on /simulation/ground_truth."""
        self._things.show(truth)

    def show_paths(self, paths: Sequence[Sequence[tuple[float, float, float]]]) -> None:
        """Shows the paths ahead of the end effectors, each as its points; one with fewer than two is left out."""
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
        """Shows where the subtask is to happen; None if that is unknown."""
        if self._target is not None:
            self._target.remove()
        self._target = point and self._scene.add_icosphere(
            "/base/target", 0.028, TARGET_COLOUR, position=point, opacity=0.55, cast_shadow=False
        )

    def show_note(self, text: str) -> None:
        """Says something at the robot; an empty text takes it away."""
        said, label = self._note
        if text == said:
            return
        if label is not None:
            label.remove()
        self._note = text, self._scene.add_label("/base/note", text, position=(0.0, 0.0, 0.9)) if text else None


class TaskObjects:
    """The table and the objects of a simulated task.

    Args:
        drawing: how that kind of scene is drawn.
        scene: where it is drawn.
        room: the node that the table belongs to, fixed where the arms' base is when the robot is at home.
        base: the node in which positions are given: the arms' base.
    """

    def __init__(self, drawing: Drawing, scene: viser.SceneApi, room: str, base: str):
        self._drawing, self._scene, self._base = drawing, scene, base
        for number, box in enumerate((drawing.table, *drawing.legs)):
            colour = LEG_COLOUR if number else TABLE_COLOUR
            scene.add_box(f"{room}/furniture{number}", colour, box.size, position=box.centre)
        self._shown: dict[str, viser.FrameHandle] = {}

    def show(self, truth: Mapping) -> None:
        """Moves everything to where a ground truth has it, and removes what is no longer in it."""
        things = {thing.name: thing for thing in self._drawing.things(truth)}
        for name in self._shown.keys() - things.keys():
            self._shown.pop(name).remove()
        for name, thing in things.items():
            if name not in self._shown:
                self._shown[name] = self._add(thing)
            self._shown[name].position, self._shown[name].wxyz = thing.position, thing.wxyz

    def _add(self, thing: Thing) -> viser.FrameHandle:
        """The node of a new object, made of boxes."""
        node = f"{self._base}/{thing.name}"
        handle = self._scene.add_frame(node, show_axes=False)
        colour = GREY if thing.colour is None else COLOURS.get(thing.colour, UNKNOWN_COLOUR)
        for part, box in thing.boxes.items():
            self._scene.add_box(f"{node}/{part}", colour, box.size, position=box.centre)
        if thing.label:
            place = (0.11, 0.0, 0.01)
            self._scene.add_label(f"{node}/label", thing.label, position=place, anchor="center-center")
        return handle
