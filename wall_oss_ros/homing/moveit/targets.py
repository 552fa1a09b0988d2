# SPDX-License-Identifier: Apache-2.0
"""Chunks that have been computed wait here until MoveIt has said that nothing would touch at their targets."""

from __future__ import annotations

import queue
from typing import Any

import numpy as np

from wall_oss_ros.control.worker import Outcome
from wall_oss_ros.homing.moveit.link import MoveItLink
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

    def through(self, now: float, outcome: Outcome | None, active: Any, measured: np.ndarray | None) -> Outcome | None:
        """An outcome of inference that may be followed now: what has just come, if there is nothing to check, or what
        has been found free; None when there is neither.

        Args:
            now: s of steady time.
            outcome: what has just come.
            active: the task at present; None when there is none.
            measured: (n,) joints, rad, of all arms; None when they are not known.
        """
        if active is None:
            self.forget()
        if outcome is not None:
            if outcome.error is not None or measured is None or outcome.tag.task != active:
                return outcome
            self.put(now, outcome, np.asarray(outcome.tag.observation.state, float), outcome.value[0], measured)
        return self.poll(now)

    @property
    def looking(self) -> bool:
        """Whether a chunk waits here."""
        return self._held is not None

    def put(self, now: float, chunk: Any, state, actions, measured) -> None:
        """Has a chunk checked, instead of one that is still being checked.

        Args:
            now: s of steady time.
            chunk: what :meth:`poll` gives when it is free.
            state: (A,) the state that it begins at; actions: (horizon, A) what the model put out.
            measured: (n,) joints, rad, of all arms.
        """
        with np.errstate(all="ignore"):
            fits = np.ndim(actions) == 2 and np.shape(actions)[1] == self._layout.size == np.size(state)
            targets = self._layout.absolute(actions, state) if fits else np.empty((0, 0))
        if not np.isfinite(targets).all():
            targets = targets[:0]  # control refuses it, and says why
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
