# SPDX-License-Identifier: Apache-2.0
"""Grounds what the model points at: a pixel becomes a place, by the depth there or by the workspace's floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from wall_oss_ros.policy.observation import Camera, Observation
from wall_oss_ros.robots.frames import on_plane
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.uni_cot.spots import Spot, asked_view, named_object, only_spot, spots_in
from wall_oss_ros.uni_cot.surface import NoDepthError, surface_at

_MARGIN = 0.25  # m: a point farther than this outside the arms' workspaces is no place for a subtask


class Method(IntEnum):
    """How a place was found; the values are those of the message."""

    UNPLACED = 0
    DEPTH = 1
    FLOOR = 2


@dataclass(frozen=True)
class Place:
    """Attributes:
    position: (3,) m, base frame; None where it is not known.
    why: why it is not known, or was not found by depth; empty otherwise.
    """

    method: Method
    position: np.ndarray | None = None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Grounded:
    """A point or a box that the model gave.

    Attributes:
        label: what it is a point of; may be empty.
        view: the one that it is in.
        pixels: (1 or 2, 2) the point, or the box's upper left and lower right corner, in the camera's picture.
        place: of the point, or of the box's middle.
        corners: (4, 3) m, base frame: the box's corners at the distance of its middle; None of a point, or without a
            place.
    """

    label: str
    view: str
    pixels: np.ndarray
    place: Place
    corners: np.ndarray | None = None

    @property
    def middle(self) -> np.ndarray:
        """(2,) in the camera's picture, pixels."""
        return self.pixels.mean(axis=0)


@dataclass(frozen=True, eq=False)
class Grounding:
    """What the model pointed at when it was asked something about an observation."""

    observation: Observation
    question: str
    answer: str
    view: str
    found: tuple[Grounded, ...]


class Grounder:
    """Takes answers apart, and places their points and boxes.

    A place is a point of the surface that is seen there, if the observation has the depth of that moment. Otherwise the
    point is taken to lie on the floor of the arms' workspaces, which is close to the table's top: an object that
    stands higher, or is held in the air, is then placed too far away.

    Args:
        policy: its ``views`` and ``image_size``; the pixels it names are those of squares of that size, or else of
            pictures of ``taken_size``.
        profile: the robot.
    """

    def __init__(self, policy, profile: RobotProfile):
        self._policy = policy
        self._prompts = {view.name: view.prompt for view in profile.views}
        workspaces = [one.arm.workspace for one in profile.arms]
        self._low = np.min([workspace.min for workspace in workspaces], axis=0)
        self._high = np.max([workspace.max for workspace in workspaces], axis=0)

    def __call__(self, obs: Observation, question: str, answer: str) -> Grounding:
        """The points and boxes of an answer to a question about an observation."""
        view = asked_view(question, self._policy.views, self._prompts)
        label = named_object(question) or ""
        spots = spots_in(answer) if view in obs.images else []
        found = tuple(self._ground(obs, view, _labelled(spot, label)) for spot in spots)
        return Grounding(obs, question, answer, view, found)

    def reachable(self, position: np.ndarray) -> bool:
        """Whether a place is close enough to the arms' workspaces for a subtask to happen there."""
        return bool((self._low - _MARGIN <= position).all() and (position <= self._high + _MARGIN).all())

    def _ground(self, obs: Observation, view: str, spot: Spot) -> Grounded:
        height, width = obs.images[view].shape[:2]
        rows, columns = self._taken(height, width)
        # A point is the pixel that it names, a box lies between pixels.
        corners = np.reshape(spot.numbers, (-1, 2)) + (0.5 if len(spot.numbers) == 2 else 0.0)
        inside = bool((corners <= (columns, rows)).all())
        seen = corners / (columns, rows) * (width, height)
        pixels = _applied(obs.to_camera.get(view, np.eye(3)), seen)
        pixels = np.sort(pixels, axis=0)  # a turned picture has other corners
        middle = seen.mean(axis=0)
        place = (
            self.place(obs, view, middle) if inside else Place(Method.UNPLACED, why="it lies outside of the picture")
        )
        box = None
        if len(corners) == 2 and place.position is not None:
            box = _at_distance(obs.cameras[view], place.position, seen)
        return Grounded(spot.label, view, pixels, place, box)

    def place(self, obs: Observation, view: str, pixel: np.ndarray) -> Place:
        """The place of what is seen at a pixel.

        Args:
            pixel: (2,) of the view's picture as it is in the observation.
        """
        camera = obs.cameras.get(view)
        if camera is None:
            return Place(Method.UNPLACED, why=f"the camera of {view} is not calibrated")
        way = camera.rays(pixel)
        if np.isfinite(camera.matrix).all() and not np.isfinite(way).all():
            return Place(Method.UNPLACED, why=f"the lens of {view}, by its calibration, shows nothing there")
        try:
            position = camera.pose[:3, 3] + camera.pose[:3, :3] @ way * (_depth(obs, view, pixel) / 1000.0)
            if not np.isfinite(position).all():
                return Place(Method.UNPLACED, why=f"the calibration of {view} is not finite")
            return Place(Method.DEPTH, position)
        except NoDepthError as error:
            why = str(error)
        position = on_plane(camera.pose, way, self._low[2])
        if position is None or not self.reachable(position):
            return Place(Method.UNPLACED, why=f"{why}, and the floor of the workspaces is not seen there")
        return Place(Method.FLOOR, position, why)

    def _taken(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the picture whose pixels the model names."""
        size = self._policy.image_size
        return self._policy.taken_size(height, width) if size is None else (size, size)


class SubtaskLocator:
    """Finds the object that a subtask names: the model is asked to point to it in its first view.

    Args:
        policy: a ``Policy``.
        profile: the robot.
        tell: called with each answer that points to something.
    """

    def __init__(self, policy, profile: RobotProfile, tell: Callable[[Grounding], None] = lambda _: None):
        self._policy, self._tell = policy, tell
        self._ground = Grounder(policy, profile)

    def __call__(self, obs: Observation, subtask: str) -> np.ndarray | None:
        """The object's place (3,) in the arms' base frame, m.

        None if the subtask names no object or has words that the model was not trained on, if the camera is not
        calibrated (all of which spares asking the model), if the answer is not one point or box, or if its place is not
        known or far outside the workspaces.
        """
        name, view = named_object(subtask), self._policy.views[0]
        if name is None or view not in obs.cameras:
            return None
        question = pointing_question(name)
        if self._policy.unknown_words(question):
            return None
        answer = self._policy.ask(obs, question)
        if only_spot(answer) is None:
            return None
        grounding = self._ground(obs, question, answer)
        self._tell(grounding)
        position = grounding.found[0].place.position
        return position if position is not None and self._ground.reachable(position) else None


def pointing_question(name: str) -> str:
    """What the model is asked in order to find an object in its first view."""
    return f"Point to the {name}."


def _labelled(spot: Spot, label: str) -> Spot:
    """A spot that has no label of its own with that of the question."""
    return spot if spot.label else spot._replace(label=label)


def _depth(obs: Observation, view: str, pixel: np.ndarray) -> float:
    """The distance along the camera's z, mm."""
    depth = obs.depths.get(view)
    if depth is None:
        raise NoDepthError("there is no depth image of that moment")
    (rows, columns), (height, width) = depth.shape, obs.images[view].shape[:2]
    return surface_at(depth, pixel[0] * columns / width, pixel[1] * rows / height)


def _applied(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (n, 2) by a homogeneous matrix (3, 3)."""
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return moved[:, :2] / moved[:, 2:]


def _at_distance(camera: Camera, middle: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """The corners (4, 3) of a box of the picture (2, 2) in the plane through its middle that faces the camera.

    None where the lens shows nothing at one of them.
    """
    far = (camera.pose[:3, :3].T @ (middle - camera.pose[:3, 3]))[2]
    (left, top), (right, bottom) = box
    ways = camera.rays(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]))
    return camera.pose[:3, 3] + far * ways @ camera.pose[:3, :3].T if np.isfinite(ways).all() else None
