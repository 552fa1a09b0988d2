# SPDX-License-Identifier: Apache-2.0
"""The planner's newest plan, as control follows it: no plan is followed by itself that is older than control."""

from __future__ import annotations

from dataclasses import dataclass

from wall_oss_ros.policy.chunk import Task
from wall_oss_ros.uni_cot.plan import PlanStatus

_WORDS = {
    PlanStatus.AWAITING_APPROVAL: "the plan awaits approval",
    PlanStatus.RUNNING: "no subtask is active",
    PlanStatus.SUCCEEDED: "the plan has succeeded",
    PlanStatus.FAILED: "the plan has failed",
    PlanStatus.CANCELLED: "the plan was cancelled",
    PlanStatus.REJECTED: "the plan was rejected",
    PlanStatus.NO_PLAN: "no plan yet",
}


@dataclass(frozen=True)
class PlanNews:
    """A plan as its planner says that it stands.

    Attributes:
        planner: the planner's id; number: the plan's, 0 for none.
        began: when its instruction came, s of the node's clock; 0 when that is not known.
        status: a ``PlanStatus``, or a number that is none.
        subtasks: what to do for each; active: the index of the one being worked on, -1 for none.
        revision, active_revision: as in ``SubtaskPlan``.
    """

    planner: str
    number: int
    began: float
    status: int
    active: int
    subtasks: tuple[str, ...]
    revision: int = 0
    active_revision: int = 0


class FollowedPlan:
    """Follows the newest plan.

    A plan that runs already when its planner is first heard of, and began before control did, is older than control:
    who started or killed what since then, and why the robot stopped, control cannot know.

    Attributes:
        heard: when the plan came last, s of steady time; None before the first.
        older: whether it is older than control, and no person has let it go on.
    """

    def __init__(self):
        self._plan: PlanNews | None = None
        self._planners: set[str] = set()
        self._since: float | None = None  # when control began, s of the node's clock; None until that runs
        self.heard: float | None = None
        self.older = False

    def clock(self, now: float) -> None:
        """The node's clock says ``now``, s; the first time that it is not 0 is when control began."""
        if self._since is None and now > 0:
            self._since = now

    def restart(self) -> None:
        """The clock has leapt: times from before mean nothing."""
        self._since = None

    def update(self, plan: PlanNews, steady: float) -> None:
        """A message has come at ``steady``, s of steady time."""
        first = plan.planner not in self._planners
        self._planners.add(plan.planner)
        another = self._plan is None or (plan.planner, plan.number) != (self._plan.planner, self._plan.number)
        if not another and plan.revision < self._plan.revision:
            return  # it has been overtaken, and what it says was changed since
        if another:
            known = self._since is not None and plan.began > 0
            self.older = first and plan.status == PlanStatus.RUNNING and not (known and plan.began > self._since)
        self._plan = plan if plan.number else None  # 0: a planner that has no plan yet
        self.older = self.older and self.running
        self.heard = steady

    def accept(self) -> None:
        """A person lets an older plan go on."""
        self.older = False

    @property
    def running(self) -> bool:
        """Whether it is being carried out."""
        return self._plan is not None and self._plan.status == PlanStatus.RUNNING

    @property
    def active(self) -> Task | None:
        """What to work on; None when there is nothing."""
        plan = self._plan
        if plan is None or not self.running or not 0 <= plan.active < len(plan.subtasks):
            return None
        return Task(plan.planner, plan.number, plan.active, plan.subtasks[plan.active], plan.active_revision)

    @property
    def words(self) -> str:
        """How the plan stands, for when no subtask is active."""
        if self._plan is None:
            return "no plan yet"
        try:
            return _WORDS[PlanStatus(self._plan.status)]
        except ValueError:
            return "no such plan status"
