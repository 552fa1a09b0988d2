# SPDX-License-Identifier: Apache-2.0
"""Instructions under way: one that is followed, and one that waits for the model; each ends exactly once."""

from __future__ import annotations

import copy
from collections.abc import Callable

from wall_oss_ros.uni_cot.control_watch import ControlReport, ControlWatch
from wall_oss_ros.uni_cot.plan import By, Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_life import PlanLife
from wall_oss_ros.uni_cot.plan_time import PlanLimits, PlanTime

_TAKES_UP = 2.0  # s that control may take to hear of a plan, before that is said
_REPLACED = "Replaced by another instruction."
_APPROVAL = "the plan awaits approval"


class Ticket:
    """An instruction under way. Wait for changes with ``PlanRunner.follow``.

    Attributes:
        plan: as last shown; without subtasks until the model has answered.
        approval: which of its plans await approval.
        fault: why it is not put to the model; empty where it is.
        life: of its plan; None until the model has answered.
        asked_at: when it was given, s of steady time.
        planned_at: when its plan was first shown, s of steady time.
        time: what its plan has taken; None until there is one.
        holding: why the robot does not work on it; empty while it does, or there is no plan yet.
        over: whether nothing more will happen to it.
        version: counts what has changed.
    """

    def __init__(self, plan: Plan, approval: str, asked_at: float):
        self.plan, self.approval, self.asked_at, self.planned_at = plan, approval, asked_at, asked_at
        self.fault = ""
        self.life: PlanLife | None = None
        self.time: PlanTime | None = None
        self.holding = ""
        self.over = False
        self.version = 0


class Tickets:
    """All that are not over. Not thread-safe; arguments as of ``PlanRunner``.

    Attributes:
        followed: the one whose plan is being carried out, or awaits approval.
        waiting: the one for which the model has not made a plan yet.
    """

    def __init__(
        self,
        on_change: Callable[[Plan], None],
        clock: Callable[[], float],
        steady: Callable[[], float],
        limits: PlanLimits,
        control: ControlWatch | None,
    ):
        self._on_change, self._clock, self._steady, self._limits = on_change, clock, steady, limits
        self._control = control
        self._count = 0
        self._unsaid: list[Plan] = []  # replaced before they had a plan; told when the one followed is replaced, too
        self.followed: Ticket | None = None
        self.waiting: Ticket | None = None

    def add(self, instruction: str, approval: str, mode: str) -> Ticket:
        """A new instruction, and the reasoning that it gets. One that still waits is replaced at once."""
        if (replaced := self.waiting) is not None:
            self._finish(replaced, PlanStatus.CANCELLED, _REPLACED, By.PERSON, "")
            self.waiting = None
            # Whoever follows the newest message must not take it for the end of the plan that goes on.
            self._unsaid.append(replaced.plan)
            if self.followed is None:
                self._say_rest()
        self._count += 1
        self.waiting = Ticket(Plan(self._count, instruction, mode, began=self._clock()), approval, self._steady())
        return self.waiting

    def follow(self, ticket: Ticket, life: PlanLife) -> None:
        """The one that waited has its plan, which takes the place of the one followed; to be shown next."""
        self._say_rest()
        if self.followed is not None:
            self.end(self.followed, PlanStatus.CANCELLED, _REPLACED, By.PERSON)
        self.waiting, self.followed, ticket.life = None, ticket, life
        ticket.planned_at = self._steady()
        ticket.time = PlanTime(self._limits, self._clock(), ticket.planned_at)

    def show(self, ticket: Ticket) -> None:
        """The plan of the ticket followed has changed."""
        ticket.plan = copy.deepcopy(ticket.life.plan)
        ticket.holding = self._words(ticket)
        if ticket.plan.over:
            ticket.over, ticket.holding, self.followed = True, "", None
        ticket.version += 1
        self._on_change(ticket.plan)
        if self.followed is None:
            self._say_rest()

    def end(self, ticket: Ticket, status: PlanStatus, message: str, by: By, name: str = "") -> None:
        """Ends a ticket that is not over, and says so."""
        if ticket is self.waiting:
            self.waiting = None
            self._finish(ticket, status, message, by, name)
            self._unsaid.append(ticket.plan)
        else:
            ticket.life.end(status, message, self._clock(), by, name)
            self.show(ticket)
        if self.followed is None:
            self._say_rest()

    def end_all(self, message: str, by: By, name: str = "") -> None:
        """The model is of no use: what is under way fails."""
        for ticket in (self.followed, self.waiting):
            if ticket is not None:
                self.end(ticket, PlanStatus.FAILED, message, by, name)

    def cancel(self, message: str, ticket: Ticket | None, by: By, name: str) -> bool:
        """See ``PlanRunner.cancel``."""
        newest = self.waiting or self.followed
        ticket = newest if ticket is None else ticket
        if ticket is None or ticket.over:
            return False
        for one in (self.followed, self.waiting) if ticket is newest else (ticket,):
            if one is not None:
                self.end(one, PlanStatus.CANCELLED, message, by, name)
        return True

    def hear(self, report: ControlReport) -> bool:
        """Takes what control says of itself."""
        if self._control is None:
            return False
        ticket, steady, said = self.followed, self._steady(), self._control.repeats(report)
        if ticket is not None and self._control.is_of_this_robot(report):
            # What the same node said before held until now.
            ticket.time.count(ticket.plan, said and self._working(ticket), self._clock(), steady)
        ours = self._control.hear(report, steady)
        self._look(ticket)
        return ours

    def count(self) -> bool:
        """Counts the time of the ticket followed, and ends it, or its subtask, when that has taken too long.

        Time with a robot that works counts once control has said that it still does: until then it may have died.

        Returns:
            Whether the ticket goes on.
        """
        ticket = self.followed
        working = self._working(ticket)
        if self._control is None or not working:
            ticket.time.count(ticket.plan, working, self._clock(), self._steady())
        if why := ticket.time.over(ticket.plan, self._why_held(ticket)):
            self.end(ticket, PlanStatus.FAILED, why, By.CLOCK)
        elif why := ticket.time.late(ticket.plan):
            ticket.life.fail_subtask(why, By.CLOCK, "", self._clock())
            self.show(ticket)
        else:
            self._look(ticket)
        return not ticket.over

    def _working(self, ticket: Ticket) -> bool:
        return ticket.plan.running and not self._why_held(ticket)

    def _why_held(self, ticket: Ticket) -> str:
        plan = ticket.plan
        if plan.remaking:
            return "the plan is being made anew"
        if not plan.running:
            return _APPROVAL
        if plan.active < 0:
            return "the model is asked how to go on"
        return "" if self._control is None else self._control.holding(plan.id, self._steady())

    def _words(self, ticket: Ticket) -> str:
        why = self._why_held(ticket)
        if why and ticket.plan.active_text and self._steady() - ticket.planned_at < _TAKES_UP:
            return "" if self._control.takes_up(ticket.plan.id) else why
        return why

    def _look(self, ticket: Ticket | None) -> None:
        if ticket is not None and (words := self._words(ticket)) != ticket.holding:
            ticket.holding = words
            ticket.version += 1

    def _finish(self, ticket: Ticket, status: PlanStatus, message: str, by: By, name: str) -> None:
        """Ends a ticket that had no plan yet."""
        plan = copy.deepcopy(ticket.plan)
        plan.finish(status, message, self._clock(), by, name)
        ticket.plan, ticket.over, ticket.holding = plan, True, ""
        ticket.version += 1

    def _say_rest(self) -> None:
        unsaid, self._unsaid = self._unsaid, []
        for plan in unsaid:
            self._on_change(plan)
