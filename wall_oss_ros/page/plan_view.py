# SPDX-License-Identifier: Apache-2.0
"""A plan as the page shows it: plain, bounded, with what can be changed in it."""

from __future__ import annotations

import math
from typing import Any

from wall_oss_ros.page.status_text import SUBTASK_MARKS, plan_words, printable
from wall_oss_ros.perception.ages import span
from wall_oss_ros.uni_cot.plan import PlanStatus, SubtaskStatus

_MOST_SUBTASKS, _MOST_CHANGES = 64, 64
_BY = ("the model", "a person", "the clock", "a monitor")  # wall_oss_msgs/PlanChange's constants
_OVER = (SubtaskStatus.DONE, SubtaskStatus.SKIPPED)
ALIVE = (PlanStatus.RUNNING, PlanStatus.AWAITING_APPROVAL)


def plan_view(plan: Any, now: float, silence: str) -> dict[str, Any]:
    """What is shown of a plan.

    Args:
        plan: wall_oss_msgs/SubtaskPlan.
        now: the time its stamps are in, s.
        silence: that the planner has said nothing since, and for how long; empty while it speaks.
    """
    state, tone = plan_words(plan.status, silence)
    alive = plan.status in ALIVE and not silence
    subtasks = []
    for number, subtask in enumerate(plan.subtasks[:_MOST_SUBTASKS]):
        mark, colour = SUBTASK_MARKS.get(subtask.status, ("?", "quiet"))
        subtasks.append(
            {
                "mark": mark, "tone": colour, "text": printable(subtask.text, 200),
                "active": subtask.status == SubtaskStatus.ACTIVE, "by_person": bool(subtask.by_person),
                "attempts": subtask.attempts, "left": alive and subtask.status not in _OVER,
                "next": plan.status == PlanStatus.AWAITING_APPROVAL and number == plan.next,
            }
        )  # fmt: skip
    return {
        "id": plan.plan_id,
        "revision": plan.revision,
        "instruction": printable(plan.instruction, 500),
        "state": state,
        "tone": tone,
        "stale": bool(silence),
        "alive": alive,
        "awaits": alive and plan.status == PlanStatus.AWAITING_APPROVAL,
        "message": printable(plan.message, 500),
        "reasoning": printable(plan.reasoning, 2000),
        "thought": printable(getattr(plan, "thought", ""), 2000),  # older recordings have none
        "approval": printable(plan.approval, 20),
        "active": plan.active,
        "subtasks": subtasks,
        "more": max(len(plan.subtasks) - _MOST_SUBTASKS, 0),
        "judgement": _judgement(plan, now),
        "history": [_change(change, plan) for change in plan.history[-_MOST_CHANGES:]],
    }


def _judgement(plan: Any, now: float) -> dict[str, Any] | None:
    if not plan.judgement:
        return None
    stamp, sure = _seconds(plan.judged), plan.judgement_confidence
    return {
        "words": printable(plan.judgement, 200),
        "confidence": round(float(sure), 3) if math.isfinite(sure) and 0 <= sure <= 1 else None,
        "about": printable(plan.judged_about, 200),
        "age": f"{span(max(now - stamp, 0.0))} ago" if stamp else "",
        "repeats": plan.judgement_repeats,
        "confirmations": plan.confirmations,
    }


def _change(change: Any, plan: Any) -> dict[str, Any]:
    since = _seconds(change.stamp) - _seconds(plan.began)
    who = _BY[change.by] if change.by < len(_BY) else "unknown"
    return {
        "revision": change.revision,
        "at": f"+{since:.1f} s" if 0 <= since < 1e6 else "",
        "who": printable(f"{who}, {change.name}" if change.name else who, 80),
        "what": printable(change.what, 300),
        "why": printable(change.why, 300),
    }


def _seconds(stamp: Any) -> float:
    return stamp.sec + stamp.nanosec * 1e-9
