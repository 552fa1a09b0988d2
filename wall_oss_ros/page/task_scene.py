# SPDX-License-Identifier: Apache-2.0
"""What stands before the robot, drawn as the simulation's ground truth tells it."""

from __future__ import annotations

from collections.abc import Mapping

import viser

from wall_oss_ros.sim.drawing import Drawing, Thing

COLOURS = {"red": (220, 38, 38), "green": (34, 160, 60), "blue": (37, 80, 225), "yellow": (247, 204, 20)}
UNKNOWN_COLOUR = (150, 150, 150)
TABLE_COLOUR, LEG_COLOUR = (176, 160, 140), (96, 90, 84)
GREY = (70, 74, 82)


class Things:
    """The things of one scene.

    Args:
        drawing: of that kind of scene.
        scene: where they are drawn.
        room: the node that the table belongs to; it stands where the arms' base is when the robot is at home.
        base: the node that positions are told in: the arms' base.
    """

    def __init__(self, drawing: Drawing, scene: viser.SceneApi, room: str, base: str):
        self._drawing, self._scene, self._base = drawing, scene, base
        for number, box in enumerate((drawing.table, *drawing.legs)):
            colour = LEG_COLOUR if number else TABLE_COLOUR
            scene.add_box(f"{room}/furniture{number}", colour, box.size, position=box.centre)
        self._shown: dict[str, viser.FrameHandle] = {}

    def show(self, truth: Mapping) -> None:
        """Moves everything to where a ground truth has it; what it does not tell of any more is removed."""
        things = {thing.name: thing for thing in self._drawing.things(truth)}
        for name in self._shown.keys() - things.keys():
            self._shown.pop(name).remove()
        for name, thing in things.items():
            if name not in self._shown:
                self._shown[name] = self._add(thing)
            self._shown[name].position, self._shown[name].wxyz = thing.position, thing.wxyz

    def _add(self, thing: Thing) -> viser.FrameHandle:
        """The node of a new thing, made of boxes."""
        node = f"{self._base}/{thing.name}"
        handle = self._scene.add_frame(node, show_axes=False)
        colour = GREY if thing.colour is None else COLOURS.get(thing.colour, UNKNOWN_COLOUR)
        for part, box in thing.boxes.items():
            self._scene.add_box(f"{node}/{part}", colour, box.size, position=box.centre)
        if thing.label:
            place = (0.11, 0.0, 0.01)
            self._scene.add_label(f"{node}/label", thing.label, position=place, anchor="center-center")
        return handle
