# SPDX-License-Identifier: Apache-2.0
"""A goal on the server's side: its state, and what the execute callback does with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum, IntEnum
from functools import partialmethod
from typing import Any

import numpy as np


class GoalResponse(Enum):
    """What the goal callback says to a new goal."""

    REJECT = 1
    ACCEPT = 2


class CancelResponse(Enum):
    """What the cancel callback says to a request to cancel."""

    REJECT = 1
    ACCEPT = 2


class GoalStatus(IntEnum):
    """States of a goal, numbered as in action_msgs/GoalStatus."""

    STATUS_UNKNOWN = 0
    STATUS_ACCEPTED = 1
    STATUS_EXECUTING = 2
    STATUS_CANCELING = 3
    STATUS_SUCCEEDED = 4
    STATUS_CANCELED = 5
    STATUS_ABORTED = 6


_ACCEPTED, _EXECUTING, _CANCELING = list(GoalStatus)[1:4]
# from which states each event is possible, and where it leads
_EVENTS = {
    "execute": ({_ACCEPTED}, _EXECUTING),
    "cancel": ({_ACCEPTED, _EXECUTING}, _CANCELING),
    "succeed": ({_EXECUTING, _CANCELING}, GoalStatus.STATUS_SUCCEEDED),
    "abort": ({_EXECUTING, _CANCELING}, GoalStatus.STATUS_ABORTED),
    "canceled": ({_CANCELING}, GoalStatus.STATUS_CANCELED),
}


def service_qos(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options of one of an action's services: its profile, taken out of those that were given."""
    profile = given.pop(f"{name}_service_qos_profile", None)
    return {} if profile is None else {"qos_profile": profile}


def refuse_unknown(given: dict[str, Any]) -> None:
    """Raises TypeError for profiles of what an action does not have."""
    if given:
        raise TypeError(f"unexpected keyword argument {next(iter(given))!r}")


def uuid_key(goal_id: Any) -> bytes:
    """A hashable form of a unique_identifier_msgs/UUID."""
    return np.asarray(goal_id.uuid, np.uint8).tobytes()


class GoalStateError(RuntimeError):
    """The goal cannot make this step from its present state."""


class ServerGoalHandle:
    """A goal that the server accepted; the execute callback is given it.

    Attributes:
        request: the action's Goal.
        goal_id: unique_identifier_msgs/UUID.
        stamp: builtin_interfaces/Time of its acceptance.
        status: its `GoalStatus`.
    """

    def __init__(self, server: Any, goal_id: Any, request: Any, stamp: Any):
        self._server, self.goal_id, self.request, self.stamp = server, goal_id, request, stamp
        self.status = GoalStatus.STATUS_ACCEPTED
        self._lock = threading.RLock()
        self._result: Any = None
        self.finished_at: float | None = None  # monotonic s

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ServerGoalHandle) and uuid_key(self.goal_id) == uuid_key(other.goal_id)

    def __hash__(self) -> int:
        return hash(uuid_key(self.goal_id))

    @property
    def is_active(self) -> bool:
        """Whether it has not come to an end."""
        return self.status in (_ACCEPTED, _EXECUTING, _CANCELING)

    @property
    def is_cancel_requested(self) -> bool:
        return self.status == GoalStatus.STATUS_CANCELING

    def execute(self, execute_callback: Callable | None = None) -> None:
        """Has the executor run the server's execute callback, or another one, for this goal."""
        if not self.is_cancel_requested:
            self._update("execute")
        self._server._start(self, execute_callback)

    def publish_feedback(self, feedback: Any) -> None:
        """Sends feedback, of the action's Feedback class; raises TypeError for another."""
        self._server._publish_feedback(self, feedback)

    def _finish(self, event: str, response: Any = None) -> None:
        """Ends it; the execute callback then returns the Result, unless `response` is it."""
        if response is not None:
            self._result = response
        self._update(event)

    succeed = partialmethod(_finish, "succeed")
    abort = partialmethod(_finish, "abort")
    canceled = partialmethod(_finish, "canceled")  # only after a request to cancel was accepted

    def _update(self, event: str) -> None:
        possible, goal = _EVENTS[event]
        with self._lock:
            if self.status not in possible:
                raise GoalStateError(f"A goal in state {self.status.name} cannot {event}.")
            self.status = goal
        self._server._status_changed()

    def destroy(self) -> None:
        """Here because rclpy has it: there is nothing to release."""
