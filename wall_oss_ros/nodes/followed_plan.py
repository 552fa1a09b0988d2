# SPDX-License-Identifier: Apache-2.0
"""The planner's plan as control follows it: which subtask is active, and if none, how the plan stands."""

from __future__ import annotations

from wall_oss_msgs.msg import SubtaskPlan

_WORDS = {
    SubtaskPlan.AWAITING_APPROVAL: "the plan awaits approval",
    SubtaskPlan.RUNNING: "no subtask is active",
    SubtaskPlan.SUCCEEDED: "the plan has succeeded",
    SubtaskPlan.FAILED: "the plan has failed",
    SubtaskPlan.CANCELLED: "the plan was cancelled",
    SubtaskPlan.REJECTED: "the plan was rejected",
}


class FollowedPlan:
    """The newest plan heard of.

    Attributes:
        heard: when that was, s; None before the first.
    """

    def __init__(self):
        self._plan: SubtaskPlan | None = None
        self.heard: float | None = None

    def update(self, plan: SubtaskPlan, time: float) -> None:
        """A message has come at ``time``, s."""
        self._plan = plan if plan.plan_id else None  # 0: a planner that has no plan yet
        self.heard = time

    @property
    def running(self) -> bool:
        """Whether it is being carried out."""
        return self._plan is not None and self._plan.status == SubtaskPlan.RUNNING

    @property
    def active(self) -> tuple[int, str] | None:
        """The plan's id and the subtask to work on; None when there is none."""
        plan = self._plan
        if not self.running or not 0 <= plan.active < len(plan.subtasks):
            return None
        return plan.plan_id, plan.subtasks[plan.active].text

    @property
    def words(self) -> str:
        """How the plan stands, for when no subtask is active."""
        return "no plan yet" if self._plan is None else _WORDS.get(self._plan.status, "no such plan status")
