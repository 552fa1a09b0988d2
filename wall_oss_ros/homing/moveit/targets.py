# SPDX-License-Identifier: Apache-2.0
"""Chunks that have been computed wait here until MoveIt has said that nothing would touch at their targets."""

from __future__ import annotations

import queue
from typing import Any

import numpy as np

from wall_oss_ros.homing.moveit.link import MoveItLink
from wall_oss_ros.policy.chunk import ChunkAnswer, Task
from wall_oss_ros.robots.layout import Layout

_PATIENCE = 0.5  # s


class TargetCheck:
    """Lets chunks through whose targets are free in MoveIt's planning scene.

    Attributes:
        fault: why the last chunk was not let through; empty when it was.
    """

    def __init__(self, link: MoveItLink, layout: Layout):
        self._link, self._layout = link, layout
        self._held: tuple[Any, queue.SimpleQueue, float] | None = None
        self.fault = ""

    def through(
        self, now: float, answer: ChunkAnswer | None, active: Task | None, measured: np.ndarray | None
    ) -> ChunkAnswer | None:
        """A chunk that may be followed now: what has just come, if there is nothing to check, or what has been found
        free; None when there is neither.

        Args:
            now: s of steady time.
            answer: what has just come.
            active: the task at present; None when there is none.
            measured: (n,) joints, rad, of all arms; None when they are not known.
        """
        if active is None:
            self.forget()
        if answer is not None:
            if measured is None or answer.task != active:
                return answer
            self.put(now, answer, answer.chunk.targets, measured)
        return self.poll(now)

    @property
    def looking(self) -> bool:
        """Whether a chunk waits here."""
        return self._held is not None

    def put(self, now: float, chunk: Any, targets, measured) -> None:
        """Has a chunk checked, instead of one that is still being checked.

        Args:
            now: s of steady time.
            chunk: what :meth:`poll` gives when it is free.
            targets: (horizon, A) its absolute targets.
            measured: (n,) joints, rad, of all arms.
        """
        targets = np.asarray(targets, float)
        if targets.ndim != 2 or targets.shape[1] != self._layout.size or not np.isfinite(targets).all():
            targets = np.empty((0, self._layout.size))  # control refuses it, and says why
        request = {"do": "check", "start": np.asarray(measured, float).tolist(), "targets": targets.tolist()}
        self._held = chunk, self._link.ask(request), now

    def poll(self, now: float) -> Any | None:
        """The chunk, once, when it has been found free; None while it is checked, and when it is not free."""
        if self._held is None:
            return None
        chunk, answers, since = self._held
        try:
            answer = answers.get_nowait()
        except queue.Empty:
            if now - since > _PATIENCE:
                self._held, self.fault = None, "MoveIt does not answer whether the actions' targets are free"
            return None
        self._held, number = None, answer.get("collides")
        self.fault = ""
        if "reason" in answer:
            self.fault = f"the actions' targets cannot be checked: {answer['reason']}"
        elif number is not None:
            self.fault = f"something would touch at the action chunk's target {number + 1}, in MoveIt's planning scene"
        return None if self.fault else chunk

    def forget(self) -> None:
        """The chunk that is being checked is not wanted any more, nor is what was wrong with the last."""
        self._held, self.fault = None, ""
