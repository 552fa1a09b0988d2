# SPDX-License-Identifier: Apache-2.0
"""Chunks asked for beside the control loop: when to ask for the next, with what, and which answers count."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from wall_oss_ros.control.chunk_queue import ChunkQueue
from wall_oss_ros.policy.chunk import ChunkAnswer, ChunkRequest, Task
from wall_oss_ros.robots.layout import Layout

_SPARE = 1  # steps left when a chunk should come: it may take a little longer than estimated
_PATIENCE = 1.5  # s of steady time without an answer, or so many times the latency, after which it is asked again
_TIMES = 3.0
_PAUSE = 0.2  # s of steady time after an answer without a chunk
_REMEMBERED = 8  # requests that may still be answered


class ChunkRequests:
    """Asks for one chunk at a time, and never waits for it.

    Answers may be lost, late, doubled or out of order, or come from a model that was loaded for another robot.

    Args:
        control: this run's id.
        robot: the identity of the robot that moves.
        layout: its.
        real_time: whether chunks are made to go on from the present one.

    Attributes:
        seconds: computing time of the last chunk, s.
        latency: s from asking to having it, in the node's time: the network's ways there and back count.
        fault: what was wrong with the last answer; empty when nothing was.
    """

    def __init__(self, control: str, robot: str, layout: Layout, real_time: bool):
        self._control, self._robot, self._layout, self._real_time = control, robot, layout, real_time
        self._count = 0
        self._open: dict[int, tuple[float, float]] = {}  # unanswered: when asked, s, and s of steady time
        self._next = -math.inf  # s of steady time before which it is not asked again
        self.seconds = 0.0
        self.latency = LatencyEstimate()
        self.fault = ""

    def forget(self) -> None:
        """Nothing that was asked for is wanted any more: the clock has leapt, or control was stopped."""
        self._open.clear()
        self._next = -math.inf

    def unanswered(self, steady: float) -> float:
        """Since when a request for the present task has had no answer, s; 0 when none is open."""
        return max((steady - asked for _, asked in self._open.values() if math.isfinite(asked)), default=0.0)

    def due(self, now: float, queue: ChunkQueue, replan_every: int) -> bool:
        """Whether to ask for the next chunk: ``replan_every`` steps have passed, or no more are left than it takes."""
        if queue.end is None or queue.steps_done(now) >= replan_every:
            return True
        return (queue.end - now - (self.latency.seconds or 0.0)) * self._layout.profile.rate_hz < _SPARE

    def ask(self, now: float, steady: float, task: Task, queue: ChunkQueue, goes_on: bool) -> ChunkRequest | None:
        """The next request to send; None while the last one may still be answered.

        Args:
            now, steady: s of the node's clock and of steady time.
            goes_on: whether the present chunk is for the same task.
        """
        patience = max(_PATIENCE, _TIMES * (self.latency.seconds or 0.0))
        waits = any(steady - asked < patience for _, asked in self._open.values())
        if waits or steady < self._next:
            return None
        self._count += 1
        while len(self._open) >= _REMEMBERED:
            del self._open[min(self._open)]
        self._open[self._count] = now, steady
        previous = queue.followed() if self._real_time and goes_on else None
        until = now + (self.latency.seconds or 0.0)
        return ChunkRequest(self._control, self._count, self._robot, task, previous, until)

    def withdraw(self) -> None:
        """There is another task, or none: the next request need not wait for the answer to the last."""
        self.fault = ""
        self._open = {number: (now, -math.inf) for number, (now, _) in self._open.items()}
        self._next = -math.inf

    def receive(self, now: float, steady: float, answer: ChunkAnswer, task: Task | None) -> ChunkAnswer | None:
        """Takes an answer.

        Args:
            now, steady: s of the node's clock and of steady time.
            task: the present one.

        Returns:
            The answer, if its chunk may be followed; None if not: then ``fault`` says why, where anything is wrong.
        """
        if answer.control != self._control or answer.number not in self._open:
            return None  # for another control node, or one run before this; doubled, or older than one that came before
        asked, _ = self._open[answer.number]
        self._open = {number: times for number, times in self._open.items() if number > answer.number}
        if task is None or answer.task != task:
            return None
        self.fault = ""
        if wrong := self._wrong(answer):
            self.refuse(steady, wrong)
            return None
        self.latency.record(now - asked)
        self.seconds = answer.seconds
        return answer

    def refuse(self, steady: float, why: str) -> None:
        """The last answer cannot be followed: the next is asked for after a while."""
        self.fault, self._next = why, steady + _PAUSE

    def _wrong(self, answer: ChunkAnswer) -> str:
        if answer.error:
            return answer.error
        if answer.robot != self._robot:
            return f"the action chunk is for robot {answer.robot or 'unknown'}, this is {self._robot}"
        chunk, moves, layout = answer.chunk, answer.moves, self._layout
        if chunk is None or moves is None or np.shape(moves) != (layout.size,):
            return f"the action chunk has {np.size(moves)} degrees of freedom, {layout.size} expected"
        needed = layout.mask & ~layout.optional
        if not np.asarray(moves, bool)[needed].all():
            return "the model does not decide all of the arms' degrees of freedom"
        if not abs(chunk.rate_hz - layout.profile.rate_hz) <= 1e-3 * layout.profile.rate_hz:
            return f"the action chunk has {chunk.rate_hz:g} steps a second, the profile {layout.profile.rate_hz:g}"
        return ""


class LatencyEstimate:
    """A high quantile of the last run times.

    The first run is left out, because libraries set themselves up in it; a single run that took long moves the quantile
    by one rank, and is forgotten with the others.

    Args:
        window: runs remembered.
        quantile: 1 is the longest of them. Too short an estimate leaves the arm without targets, or with steps that
            were not held; too long a one only holds more steps than needed.
    """

    def __init__(self, window: int = 20, quantile: float = 0.8):
        self._times: deque[float] = deque(maxlen=window)
        self._quantile = quantile
        self._first = True

    def record(self, seconds: float) -> None:
        """Notes how long a run took, s; what is negative or not finite, as after a jump of the clock, is ignored."""
        if not math.isfinite(seconds) or seconds < 0:
            return
        if self._first:
            self._first = False
            return
        self._times.append(seconds)

    @property
    def seconds(self) -> float | None:
        """The estimate; None before the second run."""
        return float(np.quantile(self._times, self._quantile, method="lower")) if self._times else None
