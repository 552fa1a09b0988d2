# SPDX-License-Identifier: Apache-2.0
"""Grounds a subtask: the model points to the object that it names, and the camera's pose turns that into a place."""

from __future__ import annotations

import re

import numpy as np

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.frames import on_plane, ray
from wall_oss_ros.robots.profile import RobotProfile

# Words that end the name of an object.
_ENDS = (
    "and at back behind beside by down from in into it next of off on onto out over then to toward under until up with"
).replace(" ", "|")
_OBJECT = re.compile(rf"\bthe ((?:(?!(?:{_ENDS}|the)\b)[\w-]+ ?)+)", re.IGNORECASE)
_POINT = re.compile(r"<point>\[(\d+), ?(\d+)\]</point>")
_MARGIN = 0.25  # m: a point farther than this outside the arms' workspaces is no place for a subtask


def named_object(subtask: str) -> str | None:
    """The words after the first "the" in a subtask, up to a preposition; None if there are none.

    "take the red tray with both hands" gives "red tray", "place it in the left tray" gives "left tray".
    """
    match = _OBJECT.search(subtask)
    return match[1].strip() if match else None


def pointing_question(name: str) -> str:
    """What the model is asked in order to find an object in its first view."""
    return f"Point to the {name}."


def parse_point(answer: str) -> tuple[int, int] | None:
    """Column and row in the model's view; None unless the answer is exactly one point."""
    match = _POINT.fullmatch(answer.strip())
    return (int(match[1]), int(match[2])) if match else None


class SubtaskLocator:
    """Finds the object that a subtask names, by the model's first view and what the observation says of its camera.

    The point is taken to lie on the floor of the arms' workspaces, which is close to the table's top: an object that
    stands higher, or is held in the air, is placed too far away.

    Args:
        policy: its ``ask``, ``unknown_words`` and ``views``; the pixels it names are those of squares of its
            ``image_size``.
        profile: the robot.
    """

    def __init__(self, policy, profile: RobotProfile):
        self._policy = policy
        workspaces = [one.arm.workspace for one in profile.arms]
        self._low = np.min([workspace.min for workspace in workspaces], axis=0)
        self._high = np.max([workspace.max for workspace in workspaces], axis=0)

    def __call__(self, obs: Observation, subtask: str) -> np.ndarray | None:
        """The object's place (3,) in the arms' base frame, m.

        None if the subtask names no object or has words that the model was not trained on, if the camera is not
        calibrated (all of which spares asking the model), if the answer is not a point, or if the point is far outside
        the workspaces.
        """
        name, size, view = named_object(subtask), self._policy.image_size, self._policy.views[0]
        camera = obs.cameras.get(view)
        if name is None or size is None or camera is None:
            return None
        question = pointing_question(name)
        if self._policy.unknown_words(question):
            return None
        pixel = parse_point(self._policy.ask(obs, question))
        if pixel is None or max(pixel) >= size:
            return None
        height, width = obs.images[view].shape[:2]
        seen = (np.array(pixel) + 0.5) / size * (width, height)
        place = on_plane(camera.pose, ray(seen, camera.matrix), self._low[2])
        return place if place is not None and self._near(place[:2]) else None

    def _near(self, xy: np.ndarray) -> bool:
        return bool((self._low[:2] - _MARGIN <= xy).all() and (xy <= self._high[:2] + _MARGIN).all())
