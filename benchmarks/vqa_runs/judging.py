# SPDX-License-Identifier: Apache-2.0
"""Whether an answer is right, by the simulator's truth: a point has to lie on the thing, a box to overlap it."""

from __future__ import annotations

import re

import numpy as np
from scipy.spatial import ConvexHull

from vqa_runs.questions import Asked
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.known_sentences import normalise
from wall_oss_ros.sim.cubes.scene import TRAY_INNER, TRAY_WALL
from wall_oss_ros.sim.cubes.simulator import CubeSimulator
from wall_oss_ros.sim.goals import ANY_COLOUR, NOT_IN_VIEW
from wall_oss_ros.uni_cot.spots import only_spot, spots_in

NEAR = 1.0  # px: pointing to the outermost pixel of a thing is right
HAND = 8.0  # px from the tool centre: a gripper has no outline here
OVERLAP = 0.5  # of a box with the true one: intersection over union
_FACT = re.compile(rf"{ANY_COLOUR} ((?:in|on) the [a-z ]+?) (?:\[(\d+), (\d+)\]|({NOT_IN_VIEW}))")


class Truth:
    """Where things are in the pictures of a scene, as long as it stands so.

    Args:
        simulator: its cameras are where they are now, also where they were moved.
        views: the front view and the wrist view.
    """

    def __init__(self, simulator: CubeSimulator, views: tuple[str, str]):
        self._simulator, self._views = simulator, views

    def on(self, name: str, point: tuple[float, float], wrist: bool = False) -> bool:
        """Whether a point of a picture, in pixels, lies on the thing of that name, or would if nothing
        stood before it."""
        view, at = self._views[wrist], np.array(point)
        if name == "gripper":
            return bool(np.linalg.norm(at - self._simulator.project(view, self._simulator.arm.tcp[0])) <= HAND)
        corners = np.array([self._simulator.project(view, corner) for corner in self._corners(name)])
        if not np.isfinite(corners).all():
            return False
        sides = ConvexHull(corners).equations  # (n, 3): outward normals and offsets
        return bool((sides[:, :2] @ at + sides[:, 2] <= NEAR).all())

    def box(self, name: str) -> np.ndarray:
        """Left, top, right, bottom of a cube in the front view, pixels."""
        corners = np.array([self._simulator.project(self._views[0], corner) for corner in self._corners(name)])
        return np.concatenate([corners.min(0), corners.max(0)])

    def _corners(self, name: str) -> np.ndarray:
        kind, word = name.split()[-1], name.split()[0]
        if kind == "cube":
            return self._simulator.corners(word)
        x, y, _ = self._simulator.spec.tray(word)
        half = TRAY_INNER / 2
        return np.array([(x + i * half, y + j * half, z) for i in (-1, 1) for j in (-1, 1) for z in (0.0, TRAY_WALL)])


def judge(asked: Asked, answer: str, truth: Truth, thought: str = "") -> dict[str, bool]:
    """Whether an answer is right, by kind; a thought is judged by what it says is where, by why it says that the next
    subtask comes next, and by that subtask."""
    if asked.kind == "thought":
        told, after = prompts.without_thought(asked.truth)
        return {
            "thought_facts": _facts(thought, truth) == _facts(told, truth) != [],
            "thought_why": _same(thought.partition(";")[2], told.partition(";")[2]),
            "thought_next": _same(answer, after),
        }
    return {asked.kind: _right(asked, answer, truth)}


def _right(asked: Asked, answer: str, truth: Truth) -> bool:
    if asked.kind == "which_cubes":
        return {*_listed(answer)} == {*_listed(asked.truth)}
    if asked.kind not in ("point_front", "point_wrist", "box", "locate") or asked.truth == NOT_IN_VIEW:
        return _same(answer, asked.truth)
    if asked.kind == "locate":
        spots = spots_in(answer)
        named = [spot.label.lower() for spot in spots]
        wanted = sorted(spot.label for spot in spots_in(asked.truth))
        return sorted(named) == wanted and all(
            len(spot.numbers) == 2 and truth.on(f"{name} cube", _middle(spot.numbers))
            for name, spot in zip(named, spots)
        )
    spot = only_spot(answer)
    if spot is None or len(spot.numbers) != (4 if asked.kind == "box" else 2):
        return False
    if asked.kind == "box":
        return overlap(np.array(spot.numbers), truth.box(asked.name)) >= OVERLAP
    return truth.on(asked.name, _middle(spot.numbers), wrist=asked.kind == "point_wrist")


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes (4,): left, top, right, bottom."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (one, other)]
    whole = sum(areas) - shared
    return shared / whole if whole > 0 else 0.0


def _facts(thought: str, truth: Truth) -> list[tuple[str, str, bool, bool]]:
    """What a thought says of each cube, sorted: its colour, its place, whether it is out of view, and whether its pixel
    is on it where it is not."""
    facts: list[tuple[str, str, bool, bool]] = []
    listed = thought.partition(";")[0].strip()
    if re.fullmatch(rf"{_FACT.pattern}(?:, {_FACT.pattern})*", listed) is None:
        return facts
    for colour, place, x, y, nowhere in _FACT.findall(listed):
        try:
            seen = bool(nowhere) or truth.on(f"{colour} cube", (float(x) + 0.5, float(y) + 0.5))
        except ValueError:  # no cube has that colour
            seen = False
        facts.append((colour, place, bool(nowhere), seen))
    return sorted(facts)


def _middle(numbers: tuple[float, ...]) -> tuple[float, float]:
    """A point names a pixel; its middle is half a pixel on."""
    return numbers[0] + 0.5, numbers[1] + 0.5


def _same(one: str, other: str) -> bool:
    """Whether two texts say the same, line by line."""
    lines = [[normalise(line) for line in text.splitlines() if line.strip()] for text in (one, other)]
    return lines[0] == lines[1]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in normalise(text).split(",")]
