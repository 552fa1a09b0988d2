# SPDX-License-Identifier: Apache-2.0
"""What rviz says in words below the plan: the model's thought, what control does and why, and the measured force."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from wall_oss_msgs.msg import ControlStatus, SubtaskPlan

Colour = tuple[float, float, float]
Line = tuple[str, Colour]
LONGEST, MOST = 64, 2  # characters of a line, and lines that a text is broken into
_THOUGHT: Colour = (0.7, 0.8, 0.95)
_STATES: dict[int, tuple[str, Colour]] = {
    ControlStatus.IDLE: ("idle", (0.75, 0.75, 0.75)),
    ControlStatus.RUNNING: ("running", (0.3, 0.85, 0.35)),
    ControlStatus.HOLDING: ("holding", (1.0, 0.8, 0.1)),
    ControlStatus.STOPPED: ("STOPPED", (0.95, 0.25, 0.2)),
    ControlStatus.HOMING: ("going home", (1.0, 0.8, 0.1)),
}
_FORCE, _PRESSED = (0.75, 0.75, 0.75), (0.95, 0.25, 0.2)
_HARD = 0.7  # share of the permitted force from which on it is red


def thought_lines(plan: SubtaskPlan) -> list[Line]:
    """What the model thinks: what it sees, its plan while that awaits approval, and its newest judgement."""
    lines, under_way = [], plan.status in (SubtaskPlan.AWAITING_APPROVAL, SubtaskPlan.RUNNING)
    if plan.thought and under_way:
        lines += broken(f"sees: {plan.thought}", _THOUGHT)
    if plan.reasoning and plan.status == SubtaskPlan.AWAITING_APPROVAL:
        lines += broken(f"plans: {plan.reasoning}", _THOUGHT)
    if plan.judgement and under_way:
        sure = plan.judgement_confidence
        share = f" ({100 * sure:.0f} %)" if math.isfinite(sure) else ""
        times = min(plan.judgement_repeats, plan.confirmations)  # it goes on being judged so
        needed = f", {times} of {plan.confirmations}" if plan.confirmations else ""
        lines += broken(f"judges: {plan.judgement}{share}{needed}", _THOUGHT)
    return lines


def control_lines(status: ControlStatus) -> list[Line]:
    """What control does, and why it holds."""
    state, colour = _STATES.get(status.state, ("in an unknown state", _PRESSED))
    waits = ", waits for resume" if status.needs_resume else ""
    return broken(f"control {state}{f': {status.reason}' if status.reason else ''}{waits}", colour)


def force_lines(forces: Sequence[tuple[str, float | None, float]]) -> list[Line]:
    """How hard each arm is pushed.

    Args:
        forces: of each arm that measures it: its name, N or None where nothing is heard, and what stops it, N.
    """
    lines = []
    for name, newtons, most in forces:
        of = f"force {name}".rstrip()
        if newtons is None or not math.isfinite(newtons):
            lines.append((f"{of}: not known", _PRESSED))
        else:
            lines.append((f"{of}: {newtons:.0f} N of {most:g} N", _PRESSED if newtons > _HARD * most else _FORCE))
    return lines


def broken(text: str, colour: Colour) -> list[Line]:
    """At most ``MOST`` lines of at most ``LONGEST`` characters: rviz breaks none, and has no ellipsis in its font."""
    return [(line, colour) for line in textwrap.wrap(text, LONGEST, max_lines=MOST, placeholder=" ...")]
