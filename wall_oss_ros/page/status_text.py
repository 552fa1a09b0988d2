# SPDX-License-Identifier: Apache-2.0
"""How plans and states are worded, on the page and on the terminal: a label and its tone. Needs no ROS."""

from __future__ import annotations

import math

from wall_oss_ros.control.state_machine import State
from wall_oss_ros.perception.ages import span
from wall_oss_ros.uni_cot.plan import PlanStatus, SubtaskStatus

PLAN = {
    PlanStatus.AWAITING_APPROVAL: ("awaiting approval", "busy"),
    PlanStatus.RUNNING: ("running", "busy"),
    PlanStatus.SUCCEEDED: ("the model says: done", "good"),
    PlanStatus.FAILED: ("failed", "bad"),
    PlanStatus.CANCELLED: ("cancelled", "quiet"),
    PlanStatus.REJECTED: ("rejected", "bad"),
    PlanStatus.NO_PLAN: ("waiting for an instruction", "quiet"),
}
SUBTASK_MARKS = {
    SubtaskStatus.PENDING: ("○", "quiet"),
    SubtaskStatus.ACTIVE: ("▶", "busy"),
    SubtaskStatus.DONE: ("✓", "good"),
    SubtaskStatus.FAILED: ("✗", "bad"),
    SubtaskStatus.CANCELLED: ("–", "quiet"),
    SubtaskStatus.SKIPPED: ("»", "quiet"),
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


def control_words(state: int, reason: str, silence: str) -> tuple[str, str, str]:
    """Control's state as a label, its tone, and what is to be said beside it.

    Args:
        state, reason: as control said them last.
        silence: that it has said nothing since, and for how long; empty while it speaks. Then that is the state.
    """
    label, tone = CONTROL.get(state, ("in an unknown state", "bad"))
    if not silence:
        return label, tone, printable(reason)
    said = f"before that: {label}{f', {printable(reason)}' if reason else ''}"
    return silence, "quiet", said


def plan_words(status: int, silence: str) -> tuple[str, str]:
    """The plan's state as a label, and its tone; with ``silence``, as above, that of the planner."""
    if silence:
        return f"planner {silence}", "quiet"
    return PLAN.get(status, ("in an unknown state", "bad"))


def judgement_words(plan) -> str:
    """What the model said last of a plan's progress, and whether that is confirmed; empty before its first word.

    Args:
        plan: a wall_oss_msgs/SubtaskPlan.
    """
    if not plan.judgement:
        return ""
    sure = "" if math.isnan(plan.judgement_confidence) else f", probability {plan.judgement_confidence:.2f}"
    pending = plan.judgement_repeats < plan.confirmations
    count = f", {plan.judgement_repeats} of {plan.confirmations} times" if pending else ""
    return f'the model says "{printable(plan.judgement)}"{sure}{count}'


def approval_words(plan) -> str:
    """What a plan that awaits approval would do, and how it is approved; empty for any other.

    Args:
        plan: a wall_oss_msgs/SubtaskPlan.
    """
    if plan.status != PlanStatus.AWAITING_APPROVAL or not 0 <= plan.next < len(plan.subtasks):
        return ""
    begins = printable(plan.subtasks[plan.next].text)
    return f'revision {plan.revision} would begin with "{begins}"; approve_plan and edit_plan are its services'


def age_words(at_report: float, since: float, own: float) -> str:
    """The age of the newest observation.

    Args:
        at_report: as control measured it, s; negative when it had none, or is silent.
        since: time since control reported that, s.
        own: time since this observer has had one, s; infinite when it has had none.
    """
    known = [age for age in (at_report + since if at_report >= 0 else math.inf, own) if math.isfinite(age)]
    if not known:
        return "none yet"
    age = max(known) if len(known) == 2 else known[0]
    return f"{age:.2f} s old" if age < 2 else f"{span(age)} old"
