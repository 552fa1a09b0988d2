# SPDX-License-Identifier: Apache-2.0
"""Chunks computed beside the control loop: when to ask for the next, with what, and how long it takes."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.worker import Outcome, Worker
from wall_oss_ros.policy.chunk import previous_chunk

_SPARE = 1  # steps left when a chunk should come: it may take a little longer than estimated


@dataclass(frozen=True)
class Request:
    """What a chunk was asked for: the task (plan id and subtask), the observation, and when (s)."""

    task: tuple[int, str]
    observation: Any
    stamp: float
    asked: float


class Inference:
    """Has a policy compute one chunk at a time.

    Args:
        policy: as :class:`wall_oss_ros.policy.Policy`.
        rate_hz: steps a second.
        read: turns an observation's message into what the policy takes; called beside control.
        real_time: whether chunks are made to go on from the present one.

    Attributes:
        seconds: computing time of the last chunk, s.
        latency: s from asking to having it, in the node's time.
    """

    def __init__(self, policy, rate_hz: float, read: Callable[[Any], Any], real_time: bool):
        self._policy, self._rate, self._read, self._real_time = policy, rate_hz, read, real_time
        self._worker = Worker("inference")
        self._stamp: float | None = None  # of the observation that the last chunk began with
        self.seconds = 0.0
        self.latency = LatencyEstimate()

    def close(self) -> None:
        """Ends the thread."""
        self._worker.close()

    def forget(self) -> None:
        """The clock has leapt: stamps from before mean nothing."""
        self._stamp = None

    def due(self, now: float, motion: RobotMotion, replan_every: int) -> bool:
        """Whether to ask for the next chunk: ``replan_every`` steps have passed, or no more are left than it takes."""
        queue = motion.queue
        if queue.end is None or queue.steps_done(now) >= replan_every:
            return True
        return (queue.end - now - (self.latency.seconds or 0.0)) * self._rate < _SPARE

    def ask(self, request: Request, goes_on: bool, motion: RobotMotion, denoising_steps: int | None) -> bool:
        """Has a chunk computed, unless one is being computed or this observation has had its chunk; says which.

        Args:
            goes_on: whether the present chunk is for the same task.
            denoising_steps: of the flow; None is the checkpoint's number.
        """
        if self._worker.busy or request.stamp == self._stamp:
            return False
        self._stamp = request.stamp
        options: dict[str, Any] = {"steps": denoising_steps}
        if self._real_time and goes_on:
            until, state = request.asked + (self.latency.seconds or 0.0), np.asarray(request.observation.state, float)
            previous = previous_chunk(motion.layout, motion.queue.followed(), until, request.stamp, state)
            if previous is not None:
                options["previous"] = previous
        policy, read = self._policy, self._read

        def infer() -> tuple[np.ndarray, float]:
            begun = time.perf_counter()
            actions = policy.act(read(request.observation), request.task[1], **options)
            return actions, time.perf_counter() - begun

        return self._worker.submit(request, infer)

    def committed(self, now: float, stamp: float) -> int:
        """Steps of a chunk from an observation at ``stamp`` that will be over when it comes, if it is asked for now."""
        return max(0, math.ceil((now + (self.latency.seconds or 0.0) - stamp) * self._rate - 1e-6))

    def poll(self, now: float) -> Outcome | None:
        """A chunk that has come, or the error instead of it; ``tag`` is its request. None when there is none."""
        outcome = self._worker.poll()
        if outcome is not None and outcome.error is None:
            self.latency.record(now - outcome.tag.asked)
            self.seconds = outcome.value[1]
        return outcome


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
