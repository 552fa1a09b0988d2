# SPDX-License-Identifier: Apache-2.0
"""Runs a planner beside everything else: people instruct, edit and approve at any time, and every plan ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.control_watch import ControlReport, ControlWatch
from wall_oss_ros.uni_cot.model_thread import ModelThread
from wall_oss_ros.uni_cot.plan import By, Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_edits import Edit
from wall_oss_ros.uni_cot.plan_jobs import PlanJobs
from wall_oss_ros.uni_cot.plan_life import PlanLife
from wall_oss_ros.uni_cot.plan_time import PlanLimits
from wall_oss_ros.uni_cot.planner import UniCoTPlanner
from wall_oss_ros.uni_cot.questions import Question, Questions
from wall_oss_ros.uni_cot.texts import readable, too_long
from wall_oss_ros.uni_cot.ticket import Ticket, Tickets

_BLIND = "No observation came for {:g} s: see whether perception and the cameras work."
Outcome = tuple[bool, str, int]
"""Whether something was done, what or why not, and the plan's revision now, 0 where no plan is under way."""


class PlanRunner:
    """Plans instructions, has the model judge progress on fresh observations, and ends every plan in bounded time.

    The model is called by one thread, which may hang; everything else happens in the callers' threads and in ``tick``.
    All of it goes through one lock, which nobody holds while the model thinks.

    Args:
        planner: only the thread has it ask the model.
        ask: ``Policy.ask``.
        clock: the present time, s, in the clock of the observations' stamps.
        on_change: called with a copy of the plan whenever it has changed or been judged; from any thread, one call at a
            time. Of each instruction it gets exactly one plan that is over, its last.
        period: least time between two judgements of progress, s.
        approval: which plans wait for ``approve``, where the instruction does not say: one of ``APPROVALS``.
        reasoning: which reasoning instructions get that do not say: one of ``REASONING``.
        limits: how long what may take.
        locate: returns the place (3,) of the object that a subtask names, m, or None; called once whenever a subtask
            becomes active, after the plan was published.
        control: what is known of control; None takes the robot to work on every plan.
        steady: a time in s that never stops or jumps.
        thread: False leaves it to the caller to call ``work``.
    """

    def __init__(
        self,
        planner: UniCoTPlanner,
        ask: Callable[[Observation, str], str],
        clock: Callable[[], float],
        on_change: Callable[[Plan], None],
        period: float = 0.5,
        approval: str = "none",
        reasoning: str = "subtask",
        limits: PlanLimits = PlanLimits(),
        locate: Callable[[Observation, str], Sequence[float] | None] = lambda *_: None,
        control: ControlWatch | None = None,
        steady: Callable[[], float] = time.monotonic,
        thread: bool = True,
    ):
        self._ask_model, self._clock, self._steady = ask, clock, steady
        self._approval, self._reasoning, self._limits = approval, reasoning, limits
        self._condition = threading.Condition(threading.RLock())
        self._tickets = Tickets(on_change, clock, steady, limits, control)
        self._questions = Questions()
        self._jobs = PlanJobs(
            self._condition, planner, self._tickets, self._questions, clock, steady, period, limits, locate
        )
        self._model = ModelThread(
            self._condition, self._jobs.next, self._jobs.until_due, self._on_failure, steady, thread
        )
        self._model.start()

    # From any thread.

    def observe(self, observation: Observation) -> None:
        """Takes the newest observation; one with the stamp of the last is the same again, and tells nothing."""
        with self._condition:
            if self._jobs.observe(observation):
                self._condition.notify_all()

    def hear(self, report: ControlReport) -> bool:
        """Takes what control says of itself. Returns whether it is about this robot."""
        with self._condition:
            ours = self._tickets.hear(report)
            self._condition.notify_all()
            return ours

    def instruct(self, instruction: str, approval: str = "", reasoning: str = "") -> Ticket:
        """Follows this instruction from now on; the plan before goes on until this one has a plan.

        Args:
            approval: which of its plans wait for ``approve``; empty as for all.
            reasoning: which it gets; empty as for all.
        """
        with self._condition:
            told, approval, reasoning = readable(instruction), approval or self._approval, reasoning or self._reasoning
            ticket = self._tickets.add(told, approval, reasoning)
            ticket.fault = too_long(instruction, "The instruction")
            if self._model.closing:
                self._tickets.end(ticket, PlanStatus.CANCELLED, "The planner was shut down.", By.MONITOR, "planner")
            self._condition.notify_all()
        return ticket

    def cancel(self, message: str, ticket: Ticket | None = None, name: str = "") -> bool:
        """Withdraws the newest instruction at once, or ``ticket`` if that is not over.

        With the newest goes the one before it, which goes on while the model still thinks about the newest.
        """
        with self._condition:
            cancelled = self._tickets.cancel(message, ticket, By.PERSON, name)
            self._condition.notify_all()
            return cancelled

    def approve(self, plan_id: int, revision: int, approved: bool, reason: str = "", name: str = "") -> Outcome:
        """Lets the plan that awaits approval run, or refuses it; see :class:`PlanLife`.

        Args:
            plan_id: 0 means whichever that is.
            revision: that was looked at; 0 means that in which it began to wait.
        """

        def decide(life: PlanLife) -> tuple[bool, str]:
            if plan_id not in (0, life.plan.id) and life.plan.status == PlanStatus.AWAITING_APPROVAL:
                return False, f"plan {plan_id} does not await approval, plan {life.plan.id} does"
            if not approved:
                return life.refuse(revision, reason, name, self._clock())
            fresh = self._steady() - self._jobs.looked_at <= self._limits.observation
            return life.approve(revision, reason, name, self._clock(), fresh)

        return self._do(decide, "no plan awaits approval")

    def edit(self, plan_id: int, revision: int, edit: Edit) -> Outcome:
        """Changes what is left of that plan at that revision."""

        def decide(life: PlanLife) -> tuple[bool, str]:
            if plan_id != life.plan.id:
                return False, f"plan {plan_id} is not under way, plan {life.plan.id} is"
            return life.edit(revision, edit, self._clock())

        return self._do(decide, "no plan is under way")

    def fail_subtask(self, monitor: str, why: str, plan_id: int, active: int, active_revision: int) -> Outcome:
        """A monitor says that the subtask that it has watched fails: it is tried again, planned anew, or given up.

        Args:
            monitor: its name.
            why: a sentence without a full stop, such as "the gripper closed on nothing".
            plan_id, active, active_revision: what it has watched, as in ``SubtaskPlan``; another is not meant.
        """

        def decide(life: PlanLife) -> tuple[bool, str]:
            plan = life.plan
            if (plan.id, plan.active, plan.active_revision) != (plan_id, active, active_revision):
                return False, "that subtask is not active"
            done = life.fail_subtask(why, By.MONITOR, monitor, self._clock())
            return done, plan.message if done else "no subtask is active"

        return self._do(decide, "no plan is under way")

    def _do(self, decide: Callable[[PlanLife], tuple[bool, str]], without: str) -> Outcome:
        """Has something done to the plan followed, shows it, and has the model look at once."""
        with self._condition:
            ticket = self._tickets.followed
            if ticket is None:
                return False, without, 0
            done, words = decide(ticket.life)
            if done:
                self._jobs.hurry()
                self._tickets.show(ticket)
                self._condition.notify_all()
            return done, words, ticket.life.plan.revision

    def ask(
        self, question: str, timeout: float, answered: Callable[[Observation, str], None] = lambda *_: None
    ) -> tuple[str | None, str]:
        """The model's answer about what it sees now, and ""; or None, and why. Waits for up to ``timeout`` s.

        Args:
            answered: called before that with the observation that the answer is about, and the answer, if there is one.
        """
        with self._condition:
            observation = self._jobs.observation
            if not question.strip():
                return None, "the question is empty"
            if fault := too_long(question, "the question"):
                return None, fault
            if observation is None:
                return None, "there is no observation yet"
            if not self._jobs.sees():
                return None, f"the newest observation came {self._steady() - self._jobs.observed_at:.0f} s ago"
            if self._questions.full:
                return None, "others are asking already: ask again when they have their answers"
            asked = Question(lambda: self._ask_model(observation, question))
            self._questions.add(asked)
            self._condition.notify_all()
            self._condition.wait_for(lambda: asked.outcome or self._model.closing, timeout)
            self._questions.forget(asked)
            answer, fault = asked.outcome or (None, f"the model did not answer within {timeout:g} s")
        if answer is not None:
            answered(observation, answer)
        return answer, fault

    def follow(self, ticket: Ticket, version: int, timeout: float) -> int:
        """Waits until the ticket's version is another, or it is over, for at most ``timeout`` s. Returns its version.

        A new version has another plan, or the robot holds for another reason.
        """
        with self._condition:
            self._condition.wait_for(lambda: ticket.version != version or ticket.over or self._model.closing, timeout)
            return ticket.version

    def tick(self) -> None:
        """Ends what has taken too long. To be called several times a second."""
        with self._condition:
            steady = self._steady()
            if self.model_silence > self._limits.model:
                self._tickets.end_all(f"The model has not answered for more than {self._limits.model:g} s.", By.CLOCK)
            waiting, patience = self._tickets.waiting, self._limits.observation
            blind = waiting is not None and waiting is not self._jobs.started and not self._jobs.sees()
            if blind and steady - waiting.asked_at > patience:
                self._tickets.end(waiting, PlanStatus.FAILED, _BLIND.format(patience), By.CLOCK)
            followed = self._tickets.followed
            if followed is not None and self._tickets.count():
                unseen = steady - max(self._jobs.observed_at, followed.planned_at)
                if (followed.plan.running or followed.plan.remaking) and unseen > self._limits.blind:
                    self._tickets.end(followed, PlanStatus.FAILED, _BLIND.format(self._limits.blind), By.CLOCK)
            self._condition.notify_all()

    @property
    def model_silence(self) -> float:
        """For how long the model has owed an answer, s; 0 while it owes none."""
        return self._model.silence

    @property
    def holding(self) -> str:
        """Why the robot does not work on the plan; empty while it does, or there is none."""
        followed = self._tickets.followed
        return "" if followed is None else followed.holding

    def close(self, timeout: float = 2.0) -> None:
        """Cancels what is under way and ends the thread; one that the model does not return to is left to itself."""
        with self._condition:
            self._tickets.cancel("The planner was shut down.", None, By.MONITOR, "planner")
            self._model.closing = True
            self._condition.notify_all()
        self._model.join(timeout)

    def work(self) -> bool:
        """Does one thing for which the model is needed, where there is no thread. Returns whether there was any."""
        return self._model.work()

    def _on_failure(self, error: BaseException) -> None:
        self._tickets.end_all(readable(f"The planner failed: {type(error).__name__}: {error}"), By.MONITOR, "planner")
