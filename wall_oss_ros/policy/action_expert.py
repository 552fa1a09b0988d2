# SPDX-License-Identifier: Apache-2.0
"""Answers control's requests for chunks, each from an observation that no other was answered from. Imports no torch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from wall_oss_ros.policy.chunk import ChunkAnswer, ChunkRequest, make_chunk, previous_chunk
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout

_PATIENCE = 1.0  # s of steady time that a request waits for an observation, before it is told that there is none
_RESTART = 1.0  # s: an observation this much older than the last one means that the clock was set back


class ActionExpert:
    """One thread that computes chunks. Only the newest request counts; those before it are never answered.

    Args:
        policy: as :class:`wall_oss_ros.policy.Policy`; only this thread has it act.
        layout: of the robot that the policy was loaded for.
        robot: its identity.
        clock: the present time, s, in the clock of the observations' stamps.
        answer: called with each answer, in this thread.
        oldest: the age from which on an observation is not used, s.
        steps: gives the Euler steps of the flow; None is the checkpoint's number.
    """

    def __init__(
        self,
        policy,
        layout: Layout,
        robot: str,
        clock: Callable[[], float],
        answer: Callable[[ChunkAnswer], None],
        oldest: float,
        steps: Callable[[], int | None] = lambda: None,
    ):
        self._policy, self._layout, self._robot, self._clock, self._answer = policy, layout, robot, clock, answer
        self._oldest, self._steps = oldest, steps
        self._condition = threading.Condition()
        self._request: ChunkRequest | None = None
        self._asked = 0.0  # when the request came, s of steady time
        self._seen: tuple[str, Observation] | None = None  # the newest, and whose it is
        self._used: float | None = None  # stamp of the observation that was last answered from, s
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="action expert", daemon=True)
        self._thread.start()

    def observe(self, robot: str, observation: Observation) -> None:
        """Takes the newest observation of a robot with that identity."""
        with self._condition:
            if self._used is not None and observation.stamp < self._used - _RESTART:
                self._used = None
            self._seen = robot, observation
            self._condition.notify_all()

    def ask(self, request: ChunkRequest) -> None:
        """Takes the newest request."""
        with self._condition:
            self._request, self._asked = request, time.monotonic()
            self._condition.notify_all()

    def close(self, timeout: float = 5.0) -> None:
        """Ends the thread after the chunk it is computing, and waits for that up to ``timeout`` s."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout)

    # In the thread.

    def _run(self) -> None:
        while True:
            with self._condition:
                while not (self._closing or self._ready()):
                    self._condition.wait(self._patience_left())
                if self._closing:
                    return
                usable, request, seen = self._usable(), self._request, self._seen
                self._request = None
                if usable:
                    self._used = seen[1].stamp
            self._answer(self._compute(request, *seen) if usable else self._refuse(request, seen))

    def _ready(self) -> bool:
        """Whether the request can be answered, if only by why there is no chunk."""
        request = self._request
        if request is None:
            return False
        wrong_robot = request.robot != self._robot or (self._seen is not None and self._seen[0] != self._robot)
        return wrong_robot or self._usable() or time.monotonic() - self._asked >= _PATIENCE

    def _patience_left(self) -> float | None:
        return None if self._request is None else max(0.01, _PATIENCE - (time.monotonic() - self._asked))

    def _usable(self) -> bool:
        """Whether there is an observation of this robot that is fresh and has not been answered from."""
        if self._seen is None or self._request is None or self._request.robot != self._robot:
            return False
        robot, observation = self._seen
        if robot != self._robot or observation.stamp == self._used:
            return False
        return -self._oldest <= self._clock() - observation.stamp <= self._oldest

    def _refuse(self, request: ChunkRequest, seen: tuple[str, Observation] | None) -> ChunkAnswer:
        if request.robot != self._robot:
            error = f"the model is loaded for robot {self._robot}, control moves {request.robot}"
        elif seen is None:
            error = "the action expert has no observation yet"
        elif seen[0] != self._robot:
            error = f"the observations are of robot {seen[0]}, the model is loaded for {self._robot}"
        else:
            error = f"the action expert's newest observation is {self._clock() - seen[1].stamp:.1f} s old"
        return self._to(request, error=error)

    def _compute(self, request: ChunkRequest, robot: str, observation: Observation) -> ChunkAnswer:
        begun = time.perf_counter()
        stamp, state = observation.stamp, np.asarray(observation.state, float)
        try:
            options: dict[str, Any] = {"steps": self._steps()}
            previous = previous_chunk(self._layout, request.previous, request.committed_until, stamp, state)
            if previous is not None:
                options["previous"] = previous
            actions = self._policy.act(observation, request.task.subtask, **options)
            chunk, error = make_chunk(self._layout, stamp, state, actions)
        except Exception as failure:  # whatever a model may raise: control must learn of it
            chunk, error = None, f"the model failed: {failure}"
        seconds = time.perf_counter() - begun
        return self._to(request, robot=robot, stamp=stamp, chunk=chunk, error=error, seconds=seconds)

    @staticmethod
    def _to(request: ChunkRequest, **fields) -> ChunkAnswer:
        return ChunkAnswer(request.control, request.number, request.task, **fields)
