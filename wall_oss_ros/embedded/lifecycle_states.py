# SPDX-License-Identifier: Apache-2.0
"""The state machine of a managed node, as ROS 2 defines it: states, transitions, and where each outcome leads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class TransitionCallbackReturn(Enum):
    """What a transition's callback says of itself."""

    SUCCESS = 97
    FAILURE = 98
    ERROR = 99


class LifecycleState(NamedTuple):
    """A state: its label and its number in lifecycle_msgs/State."""

    label: str
    state_id: int


@dataclass(frozen=True)
class Transition:
    """A transition that can be asked for.

    Attributes:
        id: number in lifecycle_msgs/Transition.
        label: its name.
        start: where it can be asked for.
        during: the state while its callback runs.
        outcomes: id, label and goal for each outcome of the callback.
    """

    id: int
    label: str
    start: LifecycleState
    during: LifecycleState
    outcomes: dict[TransitionCallbackReturn, tuple[int, str, LifecycleState]]

    @property
    def callback(self) -> str:
        """The name of the node's method."""
        return f"on_{self.label}"


UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED = (
    LifecycleState(label, number)
    for number, label in enumerate(("unconfigured", "inactive", "active", "finalized"), start=1)
)
CONFIGURING, CLEANING_UP, SHUTTING_DOWN, ACTIVATING, DEACTIVATING, ERROR_PROCESSING = (
    LifecycleState(label, number)
    for number, label in enumerate(
        ("configuring", "cleaningup", "shuttingdown", "activating", "deactivating", "errorprocessing"), start=10
    )
)
STATES = (
    LifecycleState("unknown", 0), UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED,
    CONFIGURING, CLEANING_UP, SHUTTING_DOWN, ACTIVATING, DEACTIVATING, ERROR_PROCESSING,
)  # fmt: skip


def _outcomes(first_id: int, success: LifecycleState, failure: LifecycleState, error: LifecycleState) -> dict:
    goals = zip(TransitionCallbackReturn, ("success", "failure", "error"), (success, failure, error))
    return {code: (first_id + offset, f"transition_{label}", goal) for offset, (code, label, goal) in enumerate(goals)}


_SHUTDOWN = _outcomes(50, FINALIZED, FINALIZED, ERROR_PROCESSING)
TRANSITIONS = (
    Transition(1, "configure", UNCONFIGURED, CONFIGURING, _outcomes(10, INACTIVE, UNCONFIGURED, ERROR_PROCESSING)),
    Transition(2, "cleanup", INACTIVE, CLEANING_UP, _outcomes(20, UNCONFIGURED, INACTIVE, ERROR_PROCESSING)),
    Transition(3, "activate", INACTIVE, ACTIVATING, _outcomes(30, ACTIVE, INACTIVE, ERROR_PROCESSING)),
    Transition(4, "deactivate", ACTIVE, DEACTIVATING, _outcomes(40, INACTIVE, ACTIVE, ERROR_PROCESSING)),
    Transition(5, "shutdown", UNCONFIGURED, SHUTTING_DOWN, _SHUTDOWN),
    Transition(6, "shutdown", INACTIVE, SHUTTING_DOWN, _SHUTDOWN),
    Transition(7, "shutdown", ACTIVE, SHUTTING_DOWN, _SHUTDOWN),
)
# What on_error makes of it when a callback reported an error.
ERROR_OUTCOMES = _outcomes(60, UNCONFIGURED, FINALIZED, FINALIZED)


def available(state: LifecycleState) -> list[Transition]:
    """Transitions that can be asked for in a state."""
    return [transition for transition in TRANSITIONS if transition.start == state]


def find(state: LifecycleState, id: int | None = None, label: str = "") -> Transition | None:
    """The transition of that id or label, if it can be asked for in that state; the label goes before the id."""
    for transition in available(state):
        if transition.label == label if label else transition.id == id:
            return transition
    return None
