# SPDX-License-Identifier: Apache-2.0
"""How plans and states are put in words, on the page and on the terminal."""

from __future__ import annotations

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2

from wall_oss_msgs.msg import ControlStatus, Subtask, SubtaskPlan

# The second of each pair is a tone: good, busy, bad or quiet.
PLAN = {
    SubtaskPlan.AWAITING_APPROVAL: ("awaiting approval", "busy"),
    SubtaskPlan.RUNNING: ("running", "busy"),
    SubtaskPlan.SUCCEEDED: ("the model says: done", "good"),
    SubtaskPlan.FAILED: ("failed", "bad"),
    SubtaskPlan.CANCELLED: ("cancelled", "quiet"),
    SubtaskPlan.REJECTED: ("rejected", "bad"),
}
SUBTASK_MARKS = {
    Subtask.PENDING: ("○", "quiet"),
    Subtask.ACTIVE: ("▶", "busy"),
    Subtask.DONE: ("✓", "good"),
    Subtask.FAILED: ("✗", "bad"),
    Subtask.CANCELLED: ("–", "quiet"),
}
CONTROL = {
    ControlStatus.IDLE: ("idle", "quiet"),
    ControlStatus.RUNNING: ("running", "good"),
    ControlStatus.HOLDING: ("holding", "busy"),
    ControlStatus.STOPPED: ("stopped", "bad"),
    ControlStatus.HOMING: ("going home", "busy"),
}


def printable(text: str, most: int = 100) -> str:
    """What others wrote, without control characters and not too long; an untrained model writes anything."""
    text = "".join(sign if sign.isprintable() and sign != "\ufffd" else " " for sign in text)
    return text if len(text) <= most else text[: most - 1] + "…"


def seconds(stamp) -> float:
    """A builtin_interfaces/Time in seconds."""
    return stamp.sec + 1e-9 * stamp.nanosec
