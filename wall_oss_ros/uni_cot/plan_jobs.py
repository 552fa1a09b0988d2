# SPDX-License-Identifier: Apache-2.0
"""What the model is wanted for: new plans first, then judgements and questions in turn.

A job takes what it needs under the lock, asks the model without it, and hands the answer to the plan under the lock
again: by then a person may have edited, approved or ended it, and the plan's life decides whether the answer counts.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.model_thread import Job
from wall_oss_ros.uni_cot.plan import By, Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_terms import Draft
from wall_oss_ros.uni_cot.plan_time import PlanLimits
from wall_oss_ros.uni_cot.planner import UniCoTPlanner
from wall_oss_ros.uni_cot.questions import Questions
from wall_oss_ros.uni_cot.texts import readable
from wall_oss_ros.uni_cot.ticket import Ticket, Tickets

_FAILURES = 3  # errors of the model in a row that end a plan


class PlanJobs:
    """Jobs for a ``ModelThread``. But for the jobs themselves, all is to be called with the lock.

    Args:
        condition: the lock; notified of what changes.
        questions: from anybody.
        planner, clock, steady, period, limits, locate: as of ``PlanRunner``.

    Attributes:
        observation: the newest; observed_at: when it came, s of steady time.
        looked_at: when the model has last said how the scene is, s of steady time.
        started: the ticket that the model was last given.
    """

    def __init__(
        self,
        condition: threading.Condition,
        planner: UniCoTPlanner,
        tickets: Tickets,
        questions: Questions,
        clock: Callable[[], float],
        steady: Callable[[], float],
        period: float,
        limits: PlanLimits,
        locate: Callable[[Observation, str], Sequence[float] | None],
    ):
        self._condition, self._planner, self._tickets, self._questions = condition, planner, tickets, questions
        self._clock, self._steady, self._period, self._limits = clock, steady, period, limits
        self._locate = locate
        self._located: tuple | None = None  # the activation for which a place was last looked for
        self._judged: Observation | None = None  # what progress was last judged on
        self._judged_at = -math.inf
        self._failures = 0
        self._question_next = False  # judgements and questions take turns
        self.observation: Observation | None = None
        self.observed_at = self.looked_at = -math.inf
        self.started: Ticket | None = None

    def observe(self, observation: Observation) -> bool:
        """Takes the newest observation. Returns whether it is new."""
        last = self.observation
        new = math.isfinite(observation.stamp) and (last is None or observation.stamp != last.stamp)
        if new:
            self.observation, self.observed_at = observation, self._steady()
        return new

    def sees(self) -> bool:
        """Whether an observation has come lately."""
        return self._steady() - self.observed_at <= self._limits.observation

    def hurry(self) -> None:
        """The next observation is judged at once."""
        self._judged_at = -math.inf

    def next(self) -> Job | None:
        """What to do now."""
        waiting, followed = self._tickets.waiting, self._tickets.followed
        if waiting is not None and (self.sees() or waiting.fault or not waiting.plan.instruction.strip()):
            return lambda: self._start(waiting)
        if followed is not None and followed.life.plan.remaking and self.sees():
            return lambda: self._remake(followed)
        due = self._judgeable and self.until_due() <= 0.0
        if len(self._questions) and (self._question_next or not due):
            return self._answer
        return self._judge if due else None

    def until_due(self) -> float:
        """Time until the next judgement may be, s."""
        return max(self._judged_at + self._period - self._steady(), 0.0) if self._judgeable else 1.0

    @property
    def _judgeable(self) -> bool:
        followed = self._tickets.followed
        return followed is not None and followed.life.question() is not None and self.observation is not self._judged

    # In the thread, without the lock.

    def _answer(self) -> None:
        with self._condition:
            self._question_next = False
            if not len(self._questions):  # nobody waits for the answer any more
                return
            question = self._questions.next()
        try:
            outcome = readable(question.answer()), ""
        except Exception as error:
            outcome = None, _failure(error)
        with self._condition:
            question.outcome = outcome
            self._questions.done()

    def _start(self, ticket: Ticket) -> None:
        self.started = ticket
        observation = self.observation or Observation(self._clock(), {}, None, None)  # to refuse it
        plan = Plan(ticket.plan.id, ticket.plan.instruction, ticket.plan.mode, began=ticket.plan.began)
        life, self._failures = self._planner.life(plan, ticket.approval), 0
        self._judged, self._judged_at = self.observation, self._steady()
        try:
            if ticket.fault:
                draft = Draft(self._clock(), fault=f"{ticket.fault}.")
            else:
                draft = self._planner.draft(observation, life.goal, plan.mode)
        except Exception as error:
            draft = Draft(self._clock(), fault=_failure(error))
        with self._condition:
            if ticket.over:
                return
            life.planned(draft)
            self.looked_at = self._steady()
            self._tickets.follow(ticket, life)
            self._show(ticket)
        self._find_target(ticket, observation)

    def _remake(self, ticket: Ticket) -> None:
        with self._condition:
            observation, life, revision = self.observation, ticket.life, ticket.life.plan.revision
            self._judged, self._judged_at = observation, self._steady()
        try:
            draft = self._planner.draft(observation, life.goal, life.plan.mode)
        except Exception as error:
            self._count_failure(ticket, error)
            return
        with self._condition:
            self._failures = 0
            if ticket.over or life.plan.revision != revision:
                return
            life.planned(draft)
            self.looked_at = self._steady()
            self._show(ticket)
        self._find_target(ticket, observation)

    def _judge(self) -> None:
        with self._condition:
            ticket, observation = self._tickets.followed, self.observation
            question = None if ticket is None else ticket.life.question()
            self._judged, self._judged_at, self._question_next = observation, self._steady(), True
            if question is None:
                return
        try:
            answer = self._planner.judge(observation, question.about, ticket.life.plan.mode)
        except Exception as error:
            self._count_failure(ticket, error)
            return
        with self._condition:
            self._failures = 0
            if ticket.life.judged(question, answer, answer.confidence, observation.stamp, answer.thought):
                self.looked_at = self._steady()
                self._show(ticket)
        self._find_target(ticket, observation)

    def _count_failure(self, ticket: Ticket, error: Exception) -> None:
        with self._condition:
            self._failures += 1
            if self._failures >= _FAILURES and not ticket.over:
                self._tickets.end(ticket, PlanStatus.FAILED, _failure(error), By.MODEL)

    def _find_target(self, ticket: Ticket, observation: Observation) -> None:
        """Locates the active subtask, once for each time that it becomes active."""
        with self._condition:
            plan = ticket.life.plan
            text, activation = plan.active_text, (plan.id, plan.activations, plan.active_text)
            if not text or activation == self._located:
                return
            self._located, subtask = activation, plan.subtasks[plan.active]
        try:
            target = self._locate(observation, text)
        except Exception:  # no reason to end the plan: if the model is broken, the next judgement shows it
            return
        with self._condition:
            if target is None or (plan.id, plan.activations, plan.active_text) != activation:
                return
            x, y, z = map(float, target)
            subtask.target = (x, y, z)
            self._show(ticket)

    def _show(self, ticket: Ticket) -> None:
        """Shows the ticket's plan to all, unless it has ended before."""
        if not ticket.over:
            self._tickets.show(ticket)
            self._condition.notify_all()


def _failure(error: BaseException) -> str:
    return f"The model failed: {readable(str(error) or type(error).__name__)}"
