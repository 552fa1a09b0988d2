# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as wall-x's own policy server has them (github.com/X-Square-Robot/wall-x, 1.1.0).

A request has ``state`` with ``follow1_pos`` (left arm) and ``follow2_pos`` (right), 7 numbers each: the tool's position
(m), its Euler angles about fixed axes x, y, z (rad) and the gripper; ``views`` of base64 JPEG; ``instruction``; perhaps
``infer_mode``. The answer has the same keys with a list of rows, of which the first is the state and the others are the
chunk, absolute; a robot with one arm is answered ``predict_action`` there, (1, horizon, A), and here both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.rotations import euler_from_matrix, matrix_from_euler
from wall_oss_ros.serving.request import Request, RequestReader
from wall_oss_ros.serving.state import vector

_CAMERAS = {"face_view": "front", "left_wrist_view": "left", "right_wrist_view": "right"}
_PARTS = {"head_actions": "head_pos", "height": "lift", "car_pose": "car_pose"}


def is_wall_x(message: Mapping[str, Any]) -> bool:
    """Whether a message is in this form."""
    state = message.get("state")
    return isinstance(state, Mapping) and any(key.startswith(("follow1_", "follow2_")) for key in state)


class WallX:
    """Reads and writes that form for one robot.

    Args:
        layout: of the robot, each of whose arms is the left or the right by the names of its entries.
        reader: what else a request has.
    """

    def __init__(self, layout: Layout, reader: RequestReader):
        self._layout, self._reader = layout, reader
        arms = layout.arms
        sides = ["follow1_pos" if "left" in own.profile.gripper.dof else "follow2_pos" for own in arms]
        self._arms = dict(zip(sides, arms))
        self._parts = {
            dof: key for dof, key in _PARTS.items() if dof in layout.slots and layout.mask[layout.slots[dof]].all()
        }
        self.problem = ""
        if any(own.joints is not None for own in arms):
            self.problem = "this robot's state is its joints, which wall-x's form does not have"
        elif len(self._arms) != len(arms):
            self.problem = "this robot's arms are not one left and one right, as wall-x's form has them"

    def read(self, message: Mapping[str, Any]) -> Request:
        """A request.

        Raises:
            WallOSSError: something is missing or malformed, or the robot does not fit the form.
        """
        if self.problem:
            raise WallOSSError(f"{self.problem[0].upper()}{self.problem[1:]}.", "Send a state by this robot's keys.")
        mode, fast = self._reader.mode(message)
        state, mask = np.zeros(self._layout.size, np.float32), np.zeros(self._layout.size, bool)
        for key, own in self._arms.items():
            pose = self._numbers(key, message["state"].get(key), 7)
            own.space.write(state, pose[:3], matrix_from_euler(pose[3:6]), None)
            state[own.gripper] = pose[6]
            mask |= own.arm_mask
        for dof, key in self._parts.items():
            if (value := message["state"].get(key)) is not None:
                slot = self._layout.slots[dof]
                state[slot], mask[slot] = self._numbers(key, value, slot.stop - slot.start), True
        views = message.get("views")
        if not isinstance(views, Mapping):
            raise WallOSSError(
                f"views is {type(views).__name__}; a dictionary of pictures was expected.", "Send base64 JPEG by view."
            )
        images = {name: self._image(name, views) for name in self._reader.views}
        words = self._reader.words(message, ("instruction",), mode)
        return Request(self._reader.observation(images, state, mask), words, mode, fast=fast)

    def answer(self, targets: np.ndarray, state: np.ndarray) -> dict[str, Any]:
        """Absolute targets (n, A) from a state (A,), as lists."""
        rows = np.vstack([state, targets]).astype(float)
        found: dict[str, Any] = {}
        for key, own in self._arms.items():
            poses = [own.unpack(row) for row in rows]
            found[key] = [[*map(float, p), *map(float, euler_from_matrix(r)), opening] for p, r, opening in poses]
        for dof, key in self._parts.items():
            found[key] = rows[:, self._layout.slots[dof]].tolist()
        if len(self._arms) == 1:
            found["predict_action"] = targets[None].astype(np.float32)
        return found

    def _numbers(self, key: str, value: Any, size: int) -> np.ndarray:
        if value is None:
            raise WallOSSError(f"The state's {key} is missing.", f"Send {size} numbers.")
        numbers = vector(key, value.reshape(-1) if isinstance(value, np.ndarray) else value)
        if len(numbers) != size or np.abs(numbers).max() > 1e6:
            raise WallOSSError(
                f"{key} is {len(numbers)} numbers, {np.array2string(numbers[:8], precision=3)}; {size} were expected.",
                "Send position (m), Euler angles (rad) and gripper." if size == 7 else "Send as many.",
            )
        return numbers

    def _image(self, name: str, views: Mapping[str, Any]) -> np.ndarray:
        names = [*self._reader.views[name], name]
        if (side := _CAMERAS.get(name)) is not None:
            names += [f"camera_{side}", f"{side}_view"]
        key = next((key for key in names if views.get(key) is not None), None)
        if key is None:
            raise WallOSSError(
                f"The view {name} is missing; there are {', '.join(map(str, views)) or 'none'}.",
                f"Send it as {' or '.join(names[-2:])}.",
            )
        return self._reader.view(name, key, views[key])
