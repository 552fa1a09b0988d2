# SPDX-License-Identifier: Apache-2.0
"""Action chunks as absolute targets with times: how control asks for them, and what the model's side answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wall_oss_ros.policy.observation import PreviousChunk
from wall_oss_ros.robots.layout import Layout


@dataclass(frozen=True)
class Chunk:
    """Absolute targets from one observation, all in the profile's layout of A entries (20), SI units.

    Attributes:
        stamp: time of the observation, s (t0).
        start: (A,) the state then.
        targets: (horizon, A); step k's is for t0 + (k + 1) / rate_hz.
        rate_hz: steps per second.
    """

    stamp: float
    start: np.ndarray
    targets: np.ndarray
    rate_hz: float

    @property
    def end(self) -> float:
        """Time of the last step, s."""
        return self.stamp + len(self.targets) / self.rate_hz

    def passed(self, time: float) -> int:
        """How many steps lie at or before ``time``."""
        return int(np.clip(np.floor((time - self.stamp) * self.rate_hz + 1e-6), 0, len(self.targets)))


class Task(NamedTuple):
    """What a chunk is for: the planner's id, the plan's, the subtask's index and text, and the active revision."""

    planner: str
    plan_id: int
    active: int
    subtask: str
    active_revision: int = 0

    def continues(self, other: Task | None) -> bool:
        """Whether the motion for the other one may be gone on with until there is one for this.

        So it is as long as the plan only moves on; where a person, a monitor or the clock has decided something else
        since, what is left of the old motion is not wanted.
        """
        return other is not None and self[:2] == other[:2] and self.active_revision == other.active_revision


@dataclass(frozen=True)
class ChunkRequest:
    """What control asks for.

    Attributes:
        control, number: who asks, and its count of requests.
        robot: the identity of the robot that will move.
        previous: what the robot is doing; None for nothing.
        committed_until: the time up to which it goes on with that whatever comes, s.
    """

    control: str
    number: int
    robot: str
    task: Task
    previous: Chunk | None = None
    committed_until: float = 0.0


@dataclass(frozen=True)
class ChunkAnswer:
    """The answer to a request: a chunk, or ``error``, which says why there is none.

    Attributes:
        control, number, task: the request's.
        robot: the identity of the robot that was observed; empty where nothing was.
        stamp: of the observation, s; 0 where there was none.
        moves: (A,) bool, the entries of the layout that the model decides; None without a chunk.
        seconds: that inference took.
        expert, checkpoint: who answers, and what it runs.
    """

    control: str
    number: int
    task: Task
    robot: str = ""
    stamp: float = 0.0
    chunk: Chunk | None = None
    moves: np.ndarray | None = None
    error: str = ""
    seconds: float = 0.0
    expert: str = ""
    checkpoint: str = ""


_ON = 1e-6  # share of a step: this near to its time, a target is due


class Mixer:
    """Mixes targets: angles the short way round, and gripper openings, which are commands rather than paths, never.

    Args:
        rotations: where the layout has angles.
        grippers: indices of gripper openings.
    """

    def __init__(self, rotations: Sequence[slice], grippers: Sequence[int]):
        self._rotations, self._grippers = tuple(rotations), list(grippers)

    @classmethod
    def of(cls, layout: Layout) -> Mixer:
        """For a robot's layout."""
        return cls(layout.angles, [own.gripper for own in layout.arms])

    def mix(self, a: np.ndarray, b: np.ndarray, w: float) -> np.ndarray:
        """(1 - w) a + w b, with the gripper openings of ``b``."""
        return b - (1 - w) * self.way(a, b)

    def way(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """b - a, the short way round where there are angles, and 0 for gripper openings."""
        way = np.asarray(b, float) - a
        for part in self._rotations:
            way[part] = (way[part] + np.pi) % (2 * np.pi) - np.pi
        way[self._grippers] = 0.0
        return way

    def at(self, chunk: Chunk, time: float) -> np.ndarray:
        """A chunk's target (A,) at a time, s; the first or last before or behind it."""
        k = chunk.passed(time)
        if k >= len(chunk.targets):
            return chunk.targets[-1]
        before = chunk.start if k == 0 else chunk.targets[k - 1]
        share = np.clip((time - chunk.stamp) * chunk.rate_hz - k, 0.0, 1.0)
        if k and share < _ON:
            return before  # with its own opening, not the next step's
        return self.mix(before, chunk.targets[k], float(share))

    def later(self, chunk: Chunk, stamp: float) -> np.ndarray:
        """A chunk's targets (n, A) at stamp + (k + 1) / rate; none at a stamp (s) from before the chunk."""
        if stamp < chunk.stamp - 1e-6:
            return np.empty((0, len(chunk.start)))
        count = max(0, int(np.floor((chunk.end - stamp) * chunk.rate_hz + 1e-6)))
        times = (stamp + (k + 1) / chunk.rate_hz for k in range(count))
        return np.array([self.at(chunk, time) for time in times]).reshape(count, len(chunk.start))


def make_chunk(layout: Layout, stamp: float, state, actions) -> tuple[Chunk | None, str]:
    """What a model put out, as a chunk of absolute targets.

    Args:
        stamp: of the observation, s.
        state: (A,) the state then.
        actions: (horizon, A) in the profile's action mode.

    Returns:
        The chunk and ""; or None, and why it is none.
    """
    actions, size = np.asarray(actions), layout.size
    if actions.ndim != 2 or actions.shape[1] != size or len(actions) == 0 or np.shape(state) != (size,):
        return None, f"the action chunk has shape {actions.shape}, expected (steps, {size})"
    with np.errstate(all="ignore"):
        targets = layout.absolute(actions, state)
    given = np.isfinite(actions).all() and np.isfinite(state).all()
    if given and any(faults := [own.fault(np.vstack([actions, state])) for own in layout.arms]):
        return None, of_arm(layout, faults)
    if not (given and np.isfinite(targets).all()):
        return None, "the action chunk holds a number that is not finite"
    return Chunk(stamp, np.asarray(state, float), targets, layout.profile.rate_hz), ""


def of_arm(layout: Layout, reasons: Sequence[str]) -> str:
    """The first reason there is, one for each arm, with the arm's name where there are several; or empty."""
    number, reason = next(((n, reason) for n, reason in enumerate(reasons) if reason), (0, ""))
    return reason if not reason or len(reasons) == 1 else f"{layout.profile.arms[number].arm.name}: {reason}"


def remaining_steps(layout: Layout, chunk: Chunk | None, stamp: float, state) -> np.ndarray:
    """What a chunk from a new observation would have to say to go on with what the robot does.

    Args:
        chunk: what the robot does; None for nothing.
        stamp: when the observation was made, s.
        state: (A,) the state then.

    Returns:
        (n, A) in the profile's action mode; step k is for stamp + (k + 1) / rate. n is 0 when nothing is left, or
        the observation is from before the chunk.
    """
    targets = np.empty((0, layout.size)) if chunk is None else Mixer.of(layout).later(chunk, stamp)
    if not len(targets):
        return targets
    left = layout.relative(targets, state)
    if layout.profile.action_mode == "relative":
        for part in layout.angles:
            left[:, part] = (left[:, part] + np.pi) % (2 * np.pi) - np.pi
    return left


def previous_chunk(layout: Layout, chunk: Chunk | None, until: float, stamp: float, state) -> PreviousChunk | None:
    """What the policy is told of the chunk that the robot follows; None where there is nothing left of it.

    Args:
        until: the time up to which the robot follows it whatever comes, s.
        chunk, stamp, state: as in :func:`remaining_steps`.
    """
    steps = remaining_steps(layout, chunk, stamp, state)
    if chunk is None or not len(steps):
        return None
    return PreviousChunk(steps, max(0, math.ceil((until - stamp) * chunk.rate_hz - 1e-6)))
