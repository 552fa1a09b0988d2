# SPDX-License-Identifier: Apache-2.0
"""What stands before the robot, as the simulation's ground truth tells it: cubes and small trays, or wide trays."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import viser

from wall_oss_ros.sim.cubes.scene import CUBE_SIZE, TRAY_FLOOR, TRAY_INNER, TRAY_WALL
from wall_oss_ros.sim.lifting import scene as lifting

COLOURS = {"red": (220, 38, 38), "green": (34, 160, 60), "blue": (37, 80, 225), "yellow": (247, 204, 20)}
UNKNOWN_COLOUR = (150, 150, 150)
TABLE_COLOUR, LEG_COLOUR = (176, 160, 140), (96, 90, 84)
TRAY_COLOUR = (70, 74, 82)
WALL = 0.004  # m, thickness of a small tray's walls
Boxes = Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]]
"""By name: edges and middle of a box, m."""


class Things(ABC):
    """The things of one scene.

    Args:
        scene: where they are drawn.
        room: the node that the table belongs to; it stands where the arms' base is when the robot is at home.
        base: the node that positions are told in: the arms' base.

    Attributes:
        looked_from, looked_at: where the page's camera is at first, and what is in its middle, m from the arms' base.
    """

    looked_from: tuple[float, float, float]
    looked_at: tuple[float, float, float]

    def __init__(self, scene: viser.SceneApi, room: str, base: str):
        self._scene, self._base = scene, base
        for number, (size, place, colour) in enumerate(self._furniture()):
            scene.add_box(f"{room}/furniture{number}", colour, size, position=place)
        self._shown: dict[str, viser.FrameHandle] = {}

    @abstractmethod
    def _furniture(self):
        """Edges (3,), middle (3,) and colour of what never moves."""

    @abstractmethod
    def show(self, truth: Mapping) -> None:
        """Moves everything to where a ground truth has it."""

    def _renew(self, kind: str, present) -> None:
        """Removes the things of a kind that are not there any more: another scene."""
        for name in [name for name in self._shown if name.startswith(kind) and name not in present]:
            self._shown.pop(name).remove()

    def _thing(self, name: str, boxes: Boxes, colour) -> viser.FrameHandle:
        """The node of a thing, made of boxes when it is new."""
        if name not in self._shown:
            self._shown[name] = self._scene.add_frame(f"{self._base}/{name}", show_axes=False)
            for part, (size, place) in boxes.items():
                self._scene.add_box(f"{self._base}/{name}/{part}", colour, size, position=place)
        return self._shown[name]


class Cubes(Things):
    """Cubes of some colours, a left and a right tray, a table that also carries the robot."""

    looked_from, looked_at = (1.15, 0.62, 0.68), (0.33, 0.02, 0.15)

    def _furniture(self):
        yield (1.25, 1.3, 0.04), (0.35, 0.0, -0.0201), TABLE_COLOUR
        for x, y in ((-0.2, -0.58), (-0.2, 0.58), (0.9, -0.58), (0.9, 0.58)):
            yield (0.05, 0.05, 0.68), (x, y, -0.38), LEG_COLOUR

    def show(self, truth: Mapping) -> None:
        for side, (x, y) in truth["trays"].items():
            tray = self._thing(f"tray/{side}", _walls(), TRAY_COLOUR)
            if f"label/{side}" not in self._shown:
                place = (0.11, 0.0, 0.01)
                label = self._scene.add_label(
                    f"{self._base}/tray/{side}/label", side, position=place, anchor="center-center"
                )
                self._shown[f"label/{side}"] = label
            tray.position = (x, y, 0.0)
        self._renew("cube", {f"cube/{colour}" for colour in truth["cubes"]})
        for colour, cube in truth["cubes"].items():
            box = {"body": ((CUBE_SIZE,) * 3, (0.0, 0.0, 0.0))}
            handle = self._thing(f"cube/{colour}", box, COLOURS.get(colour, UNKNOWN_COLOUR))
            handle.position = tuple(cube["position"])
            handle.wxyz = (math.cos(cube["yaw"] / 2), 0.0, 0.0, math.sin(cube["yaw"] / 2))


class WideTrays(Things):
    """Wide trays of some colours on a table in front of a robot that stands on the floor."""

    looked_from, looked_at = (1.1, 0.68, 0.14), (0.24, 0.02, -0.36)

    def _furniture(self):
        yield (0.64, 1.0, 0.04), (0.52, 0.0, lifting.TABLE - 0.0201), TABLE_COLOUR
        for x in (0.25, 0.79):
            for y in (-0.45, 0.45):
                yield (0.05, 0.05, 0.62), (x, y, lifting.TABLE - 0.35), LEG_COLOUR

    def show(self, truth: Mapping) -> None:
        self._renew("tray", {f"tray/{colour}" for colour in truth["wide_trays"]})
        for colour, tray in truth["wide_trays"].items():
            handle = self._thing(f"tray/{colour}", _wide_walls(), COLOURS.get(colour, UNKNOWN_COLOUR))
            x, y, z, w = tray["quaternion"]
            handle.position, handle.wxyz = tuple(tray["position"]), (w, x, y, z)


def _walls() -> Boxes:
    long, off, high = TRAY_INNER + 2 * WALL, (TRAY_INNER + WALL) / 2, TRAY_WALL
    return {
        "floor": ((TRAY_INNER, TRAY_INNER, TRAY_FLOOR), (0.0, 0.0, TRAY_FLOOR / 2)),
        "front": ((WALL, long, high), (off, 0.0, high / 2)),
        "back": ((WALL, long, high), (-off, 0.0, high / 2)),
        "left": ((TRAY_INNER, WALL, high), (0.0, off, high / 2)),
        "right": ((TRAY_INNER, WALL, high), (0.0, -off, high / 2)),
    }


def _wide_walls() -> Boxes:
    deep, wide, side = lifting.DEPTH, lifting.WIDTH, (lifting.DEPTH, lifting.THICKNESS, lifting.WALL)
    rim, edge = (0.004, lifting.WIDTH - 2 * lifting.THICKNESS, lifting.RIM), lifting.DEPTH / 2 - 0.002
    return {
        "floor": ((deep, wide, 0.004), (0.0, 0.0, 0.002)),
        "left": (side, (0.0, lifting.SIDE, lifting.WALL / 2)),
        "right": (side, (0.0, -lifting.SIDE, lifting.WALL / 2)),
        "front": (rim, (edge, 0.0, lifting.RIM / 2)),
        "back": (rim, (-edge, 0.0, lifting.RIM / 2)),
    }


def things_of(scene: str) -> type[Things]:
    """What stands in a scene of a profile's simulation."""
    return {"table": Cubes, "trays": WideTrays}[scene]
