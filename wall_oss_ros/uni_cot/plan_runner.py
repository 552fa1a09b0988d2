# SPDX-License-Identifier: Apache-2.0
"""Runs a planner in its own thread: the model may think for seconds, or never answer; nothing else waits for it."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Sequence

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.control_watch import ControlReport, ControlWatch
from wall_oss_ros.uni_cot.plan import Plan, PlanStatus, SubtaskStatus
from wall_oss_ros.uni_cot.plan_time import PlanLimits
from wall_oss_ros.uni_cot.planner import readable
from wall_oss_ros.uni_cot.questions import Question, Questions
from wall_oss_ros.uni_cot.ticket import Ticket, Tickets

_FAILURES = 3  # errors of the model in a row that end a plan
_BLIND = "No observation came for {:g} s: see whether perception and the cameras work."


class PlanRunner:
    """Plans instructions, has the model judge progress on fresh observations, and ends every plan in bounded time.

    The model is called by one thread, which may hang; everything else happens in the callers' threads and in ``tick``.

    Args:
        planner: a ``UniCoTPlanner``; only the thread calls it.
        ask: ``Policy.ask``.
        clock: the present time, s, in the clock of the observations' stamps.
        on_change: called with a copy of the plan whenever it has changed; from any thread, one call at a time. Of each
            instruction it gets exactly one plan that is over, its last.
        period: least time between two judgements of progress, s.
        approval: whether plans wait for ``approve``.
        limits: how long what may take.
        locate: returns the place (3,) of the object that a subtask names, m, or None; called once whenever a subtask
            becomes active, after the plan was published.
        control: what is known of control; None takes the robot to work on every plan.
        steady: a time in s that never stops or jumps.
        thread: False leaves it to the caller to call ``work``.
    """

    def __init__(
        self,
        planner,
        ask: Callable[[Observation, str], str],
        clock: Callable[[], float],
        on_change: Callable[[Plan], None],
        period: float = 0.5,
        approval: bool = False,
        limits: PlanLimits = PlanLimits(),
        locate: Callable[[Observation, str], Sequence[float] | None] = lambda *_: None,
        control: ControlWatch | None = None,
        steady: Callable[[], float] = time.monotonic,
        thread: bool = True,
    ):
        self._planner, self._ask_model, self._clock, self._steady = planner, ask, clock, steady
        self._period, self._approval, self._limits, self._locate = period, approval, limits, locate
        self._located: tuple | None = None  # the activation for which a place was last looked for
        self._condition = threading.Condition(threading.RLock())
        self._tickets = Tickets(on_change, clock, steady, limits, control)
        self._questions = Questions()
        self._plan: Plan | None = None  # the thread's own, of the ticket followed; others get the ticket's copy
        self._observation: Observation | None = None
        self._observed_at = -math.inf
        self._judged: Observation | None = None  # what progress was last judged on
        self._judged_at = -math.inf
        self._failures = 0
        self._started: Ticket | None = None  # the one that the model was last given
        self._question_next = False  # judgements and questions take turns
        self._asked_at: float | None = None  # when the model was asked what it has not answered yet
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="planner", daemon=True) if thread else None
        if self._thread is not None:
            self._thread.start()

    # From any thread.

    def observe(self, observation: Observation) -> None:
        """Takes the newest observation; one with the stamp of the last is the same again, and tells nothing."""
        with self._condition:
            last = self._observation
            if math.isfinite(observation.stamp) and (last is None or observation.stamp != last.stamp):
                self._observation, self._observed_at = observation, self._steady()
                self._condition.notify_all()

    def hear(self, report: ControlReport) -> bool:
        """Takes what control says of itself. Returns whether it is about this robot."""
        with self._condition:
            ours = self._tickets.hear(report)
            self._condition.notify_all()
            return ours

    def instruct(self, instruction: str) -> Ticket:
        """Follows this instruction from now on; the plan before goes on until this one has a plan."""
        with self._condition:
            ticket = self._tickets.add(instruction)
            if self._closing:
                self._tickets.end(ticket, PlanStatus.CANCELLED, "The planner was shut down.")
            self._condition.notify_all()
        return ticket

    def cancel(self, message: str, ticket: Ticket | None = None) -> bool:
        """Withdraws the newest instruction at once, or ``ticket`` if that is not over.

        With the newest goes the one before it, which goes on while the model still thinks about the newest.
        """
        with self._condition:
            cancelled = self._tickets.cancel(message, ticket)
            self._condition.notify_all()
            return cancelled

    def approve(self, plan_id: int, approved: bool, reason: str) -> tuple[bool, str]:
        """Lets the plan that awaits approval run, or rejects it. ``plan_id`` 0 means whichever that is."""
        with self._condition:
            ticket = self._tickets.followed
            if ticket is None or ticket.plan.status != PlanStatus.AWAITING_APPROVAL:
                return False, "no plan awaits approval"
            plan = self._plan  # the thread leaves plans alone that do not run
            if plan_id not in (0, plan.id):
                return False, f"plan {plan_id} does not await approval, plan {plan.id} does"
            if approved:
                plan.status, plan.message = PlanStatus.RUNNING, reason
                plan.activate(0, self._clock())
                ticket.time.approved(plan, self._clock(), self._steady())
            else:
                plan.finish(PlanStatus.REJECTED, reason or "Not approved.", self._clock())
            self._publish(ticket)
            return True, f"plan {plan.id} was {'approved' if approved else 'rejected'}"

    def ask(
        self, question: str, timeout: float, answered: Callable[[Observation, str], None] = lambda *_: None
    ) -> tuple[str | None, str]:
        """The model's answer about what it sees now, and ""; or None, and why. Waits for up to ``timeout`` s.

        Args:
            answered: called before that with the observation that the answer is about, and the answer, if there is one.
        """
        with self._condition:
            observation, steady = self._observation, self._steady()
            if not question.strip():
                return None, "the question is empty"
            if observation is None:
                return None, "there is no observation yet"
            if not self._sees(steady):
                return None, f"the newest observation came {steady - self._observed_at:.0f} s ago"
            if self._questions.full:
                return None, "others are asking already: ask again when they have their answers"
            asked = Question(lambda: self._ask_model(observation, question))
            self._questions.add(asked)
            self._condition.notify_all()
            self._condition.wait_for(lambda: asked.outcome or self._closing, timeout)
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
            self._condition.wait_for(lambda: ticket.version != version or ticket.over or self._closing, timeout)
            return ticket.version

    def tick(self) -> None:
        """Ends what has taken too long. To be called several times a second."""
        with self._condition:
            steady = self._steady()
            if self.model_silence > self._limits.model:
                self._tickets.end_all(f"The model has not answered for more than {self._limits.model:g} s.")
            waiting, patience = self._tickets.waiting, self._limits.observation
            blind = waiting is not None and waiting is not self._started and not self._sees(steady)
            if blind and steady - waiting.asked_at > patience:
                self._tickets.end(waiting, PlanStatus.FAILED, _BLIND.format(patience))
            followed = self._tickets.followed
            if followed is not None and self._tickets.count():
                unseen = steady - max(self._observed_at, followed.planned_at)
                if followed.plan.running and unseen > self._limits.blind:
                    self._tickets.end(followed, PlanStatus.FAILED, _BLIND.format(self._limits.blind))
            self._condition.notify_all()

    @property
    def model_silence(self) -> float:
        """For how long the model has owed an answer, s; 0 while it owes none."""
        asked = self._asked_at
        return 0.0 if asked is None else max(self._steady() - asked, 0.0)

    @property
    def holding(self) -> str:
        """Why the robot does not work on the plan; empty while it does, or there is none."""
        followed = self._tickets.followed
        return "" if followed is None else followed.holding

    def close(self, timeout: float = 2.0) -> None:
        """Cancels what is under way and ends the thread; one that the model does not return to is left to itself."""
        with self._condition:
            self._tickets.cancel("The planner was shut down.")
            self._closing = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    # In the thread.

    def work(self) -> bool:
        """Does one thing for which the model is needed. Returns whether there was any."""
        with self._condition:
            job = None if self._closing else self._next()
            if job is None:
                return False
            self._asked_at = self._steady()
        try:
            job()
        except BaseException as error:  # whatever it is, the plan must not be lost with the thread
            with self._condition:
                self._tickets.end_all(f"The planner failed: {type(error).__name__}: {error}")
        finally:
            with self._condition:
                self._asked_at = None
                self._condition.notify_all()
        return True

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._closing and self._next() is None:
                    self._condition.wait(min(self._until_due(), 1.0))
                if self._closing:
                    return
            self.work()

    def _next(self) -> Callable[[], None] | None:
        """What to do now: instructions first, then judgements and questions in turn."""
        waiting = self._tickets.waiting
        if waiting is not None and (self._sees(self._steady()) or not waiting.plan.instruction.strip()):
            return lambda: self._start(waiting)
        due = self._judgeable and self._until_due() <= 0.0
        if len(self._questions) and (self._question_next or not due):
            return self._answer
        return self._judge if due else None

    def _sees(self, steady: float) -> bool:
        """Whether an observation has come lately."""
        return steady - self._observed_at <= self._limits.observation

    @property
    def _judgeable(self) -> bool:
        followed = self._tickets.followed
        return followed is not None and followed.plan.running and self._observation is not self._judged

    def _until_due(self) -> float:
        """Time until the next judgement may be, s."""
        return max(self._judged_at + self._period - self._steady(), 0.0) if self._judgeable else 1.0

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
        self._started = ticket
        observation = self._observation or Observation(self._clock(), {}, None, None)  # to refuse an empty instruction
        self._judged, self._judged_at, self._failures = self._observation, self._steady(), 0
        try:
            plan = self._planner.start(observation, ticket.plan.instruction)
        except Exception as error:
            plan = Plan(0, ticket.plan.instruction)
            plan.finish(PlanStatus.FAILED, _failure(error), self._clock())
        plan.id, plan.began = ticket.plan.id, ticket.plan.began
        self._await_approval(plan)
        with self._condition:
            if ticket.over:
                return
            self._plan = plan
            self._publish(ticket)
        self._find_target(ticket, observation)

    def _judge(self) -> None:
        with self._condition:
            ticket, plan, observation = self._tickets.followed, self._plan, self._observation
            self._judged, self._judged_at, self._question_next = observation, self._steady(), True
            if ticket is None:
                return
        before, subtasks = copy.deepcopy(plan), plan.subtasks
        try:
            self._planner.update(observation)
            self._failures = 0
        except Exception as error:
            self._failures += 1
            if self._failures >= _FAILURES:
                plan.finish(PlanStatus.FAILED, _failure(error), observation.stamp)
        if plan.running and plan.subtasks is not subtasks:  # replanned
            self._await_approval(plan)
        if plan != before:
            self._publish(ticket)
        self._find_target(ticket, observation)

    def _find_target(self, ticket: Ticket, observation: Observation) -> None:
        """Locates the active subtask, once for each time that it becomes active."""
        plan = self._plan
        if ticket.over or not plan.active_text:
            return
        subtask = plan.subtasks[plan.active]
        if self._located == (activation := (plan.id, plan.active, subtask.started)):
            return
        self._located = activation
        try:
            target = self._locate(observation, subtask.text)
        except Exception:  # no reason to end the plan: if the model is broken, the next judgement shows it
            return
        if target is not None:
            x, y, z = map(float, target)
            subtask.target = (x, y, z)
            self._publish(ticket)

    def _await_approval(self, plan: Plan) -> None:
        if self._approval and plan.running:
            plan.status, plan.active = PlanStatus.AWAITING_APPROVAL, -1
            for subtask in plan.subtasks:
                subtask.status, subtask.started = SubtaskStatus.PENDING, None

    def _publish(self, ticket: Ticket) -> None:
        """Shows the ticket's plan to all, unless it has ended meanwhile."""
        with self._condition:
            self._tickets.show(ticket, self._plan)
            self._condition.notify_all()


def _failure(error: BaseException) -> str:
    return f"The model failed: {readable(str(error) or type(error).__name__)}"
