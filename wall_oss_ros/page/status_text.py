# SPDX-License-Identifier: Apache-2.0
"""How plans and states are worded, on the page and on the terminal: a label and its tone. Needs no ROS."""

from __future__ import annotations

from wall_oss_ros.control.state_machine import State
from wall_oss_ros.uni_cot.plan import PlanStatus, SubtaskStatus

PLAN = {
    PlanStatus.AWAITING_APPROVAL: ("awaiting approval", "busy"),
    PlanStatus.RUNNING: ("running", "busy"),
    PlanStatus.SUCCEEDED: ("the model says: done", "good"),
    PlanStatus.FAILED: ("failed", "bad"),
    PlanStatus.CANCELLED: ("cancelled", "quiet"),
    PlanStatus.REJECTED: ("rejected", "bad"),
}
SUBTASK_MARKS = {
    SubtaskStatus.PENDING: ("○", "quiet"),
    SubtaskStatus.ACTIVE: ("▶", "busy"),
    SubtaskStatus.DONE: ("✓", "good"),
    SubtaskStatus.FAILED: ("✗", "bad"),
    SubtaskStatus.CANCELLED: ("–", "quiet"),
}
CONTROL = {
    State.IDLE: ("idle", "quiet"),
    State.RUNNING: ("running", "good"),
    State.HOLDING: ("holding", "busy"),
    State.STOPPED: ("stopped", "bad"),
    State.HOMING: ("going home", "busy"),
}


def printable(text: str, most: int = 100) -> str:
    """Text of unknown origin without control characters and of at most ``most``: an untrained model writes anything."""
    text = "".join(sign if sign.isprintable() and sign != "\ufffd" else " " for sign in text)
    return text if len(text) <= most else text[: most - 1] + "…"
