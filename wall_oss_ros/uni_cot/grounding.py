# SPDX-License-Identifier: Apache-2.0
"""Grounds a subtask: which thing its words name, how the model is asked where that is, and what it answered."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.frames import Frames, on_plane, ray
from wall_oss_ros.robots.profile import RobotProfile

_ENDS = "and at back behind beside by down from in into it next of off on onto out over then to toward under until up with".split()
"""Words that end the name of a thing."""
_THING = re.compile(rf"\bthe ((?:(?!(?:{'|'.join(_ENDS)}|the)\b)[\w-]+ ?)+)", re.IGNORECASE)
_POINT = re.compile(r"<point>\[(\d+), ?(\d+)\]</point>")
_BEYOND = 0.25  # m: a point farther outside the arms' workspaces than this is no place for a subtask


def named_thing(subtask: str) -> str | None:
    """What a subtask is about: the words that follow its first "the" up to a preposition; None where there are none.

    "take the red tray with both hands" is about "red tray", "place it in the left tray" about "left tray".
    """
    match = _THING.search(subtask)
    return match[1].strip() if match else None


def question(thing: str) -> str:
    """What the model is asked about a thing in its first view."""
    return f"Point to the {thing}."


def answered_pixel(answer: str) -> tuple[int, int] | None:
    """Column and row in the model's view; None unless the answer is exactly one point."""
    match = _POINT.fullmatch(answer.strip())
    return (int(match[1]), int(match[2])) if match else None


class SubtaskLocator:
    """Finds the thing that a subtask names. What it needs is set by others, in their threads, as it comes.

    The point lies on the floor of the arms' workspaces, which is close to the table's surface: what stands higher, or is
    held in the air, is seen too far away.

    Args:
        policy: its ``ask`` and ``knows``; the pixels that it names count in squares of its ``image_size``.
        profile: the robot.

    Attributes:
        frames: the robot's frames; whoever knows where the camera is mounted says so there.
        view: the camera: the first of the profile's.
        lens: the camera's matrix (3, 3) and its pictures' (height, width); None until it is known.
        joints: the newest positions by name, rad or m.
    """

    def __init__(self, policy, profile: RobotProfile):
        self._policy, self._profile = policy, profile
        self.frames, self.view = Frames(profile), profile.views[0]
        self.lens: tuple[np.ndarray, tuple[int, int]] | None = None
        self.joints: Mapping[str, float] = {}

    def __call__(self, obs: Observation, subtask: str) -> np.ndarray | None:
        """The place (3,) of the thing in the arms' base frame, m.

        None, without a question to the model where it can be told before: no "the" in the subtask, words that the model
        was not trained on, no camera matrix or pose, an answer that is not a point, a point far from the workspace.
        """
        thing, lens, size = named_thing(subtask), self.lens, self._policy.image_size
        camera = self.frames.pose(self.view.optical_frame, self._profile.arm.base_frame, self.joints)
        if thing is None or lens is None or size is None or camera is None or self._policy.knows(question(thing)):
            return None
        pixel = answered_pixel(self._policy.ask(obs, question(thing)))
        if pixel is None or max(pixel) >= size:
            return None
        matrix, (height, width) = lens
        side = min(height, width)  # the model sees the picture's middle square
        corner = np.array([width - side, height - side]) / 2
        place = on_plane(camera, ray(corner + (np.array(pixel) + 0.5) / size * side, matrix), self._floor)
        return place if place is not None and self._near(place) else None

    @property
    def _floor(self) -> float:
        return min(one.arm.workspace.min[2] for one in self._profile.arms)

    def _near(self, place: np.ndarray) -> bool:
        spaces = [one.arm.workspace for one in self._profile.arms]
        low = np.min([space.min for space in spaces], axis=0)[:2] - _BEYOND
        high = np.max([space.max for space in spaces], axis=0)[:2] + _BEYOND
        return bool((low <= place[:2]).all() and (place[:2] <= high).all())
