# SPDX-License-Identifier: Apache-2.0
"""Runs a planner in its own thread: the model may think for seconds, instructions and cancellations do not wait."""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.plan import Plan, PlanStatus, SubtaskStatus

_UNFINISHED = (PlanStatus.RUNNING, PlanStatus.AWAITING_APPROVAL)
_FAILURES = 3  # errors of the model in a row that end a plan


class Ticket:
    """An instruction under way. Wait for changes with ``PlanRunner.follow``.

    Attributes:
        plan: its plan as last published; None until the model has answered.
        over: whether nothing more will happen to it.
    """

    def __init__(self, instruction: str):
        self.instruction = instruction
        self.plan: Plan | None = None
        self.over = False


class PlanRunner:
    """Plans instructions, and has the model judge progress on fresh observations.

    Args:
        planner: a ``UniCoTPlanner``; only this thread calls it.
        ask: ``Policy.ask``.
        clock: the present time, s, in the clock of the observations' stamps.
        on_change: called with a copy of the plan whenever it has changed; from any thread, one call at a time.
        period: least time between two judgements of progress, s.
        approval: whether plans wait for ``approve``.
        patience: how long an instruction waits for an observation, s of wall time.
        locate: returns the place (3,) of the object that a subtask names, m, or None; called once whenever a subtask
            becomes active, after the plan was published.
    """

    def __init__(
        self,
        planner,
        ask: Callable[[Observation, str], str],
        clock: Callable[[], float],
        on_change: Callable[[Plan], None],
        period: float = 0.5,
        approval: bool = False,
        patience: float = 5.0,
        locate: Callable[[Observation, str], Sequence[float] | None] = lambda *_: None,
    ):
        self._planner, self._ask_model, self._clock, self._on_change = planner, ask, clock, on_change
        self._period, self._approval, self._patience, self._locate = period, approval, patience, locate
        self._located: tuple | None = None  # the activation for which a place was last looked for
        self._condition = threading.Condition(threading.RLock())
        self._requests: deque[Callable[[], None]] = deque()
        self._ticket: Ticket | None = None  # the newest instruction's
        self._followed: Ticket | None = None  # the one whose plan was published last
        self._plan: Plan | None = None  # the thread's own; others get the ticket's copy
        self._count = 0
        self._observation: Observation | None = None
        self._judged: Observation | None = None  # what progress was last judged on
        self._judged_at = 0.0
        self._failures = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="planner", daemon=True)
        self._thread.start()

    # From any thread.

    def observe(self, observation: Observation) -> None:
        """Takes the newest observation."""
        with self._condition:
            self._observation = observation
            self._condition.notify_all()

    def instruct(self, instruction: str) -> Ticket:
        """Follows this instruction from now on; the one before goes on until this one has a plan."""
        with self._condition:
            self._ticket = ticket = Ticket(instruction)
            self._request(lambda: self._start(ticket))
        return ticket

    def cancel(self, message: str, ticket: Ticket | None = None) -> bool:
        """Withdraws the newest instruction at once; where ``ticket`` is given, only if it is that one's."""
        with self._condition:
            current = self._ticket
            if current is None or current.over or (ticket is not None and ticket is not current):
                return False
            current.over = True
            followed = self._followed  # the same, or the previous one while the model is still thinking about this one
            if followed is not None and followed.plan is not None and followed.plan.status in _UNFINISHED:
                self._end(followed, message)
                self._on_change(followed.plan)
            self._condition.notify_all()
            return True

    def approve(self, plan_id: int, approved: bool, reason: str) -> tuple[bool, str]:
        """Lets the plan that awaits approval run, or rejects it. ``plan_id`` 0 means whichever that is."""
        with self._condition:
            ticket = self._ticket
            plan = None if ticket is None else ticket.plan
            if plan is None or plan.status != PlanStatus.AWAITING_APPROVAL:
                return False, "no plan awaits approval"
            if plan_id not in (0, plan.id):
                return False, f"plan {plan_id} does not await approval, plan {plan.id} does"
            plan = self._plan  # the thread leaves plans alone that do not run
            if approved:
                plan.status, plan.message = PlanStatus.RUNNING, reason
                plan.activate(0, self._clock())
            else:
                plan.finish(PlanStatus.REJECTED, reason or "Not approved.", self._clock())
            self._publish(ticket)
            return True, f"plan {plan.id} was {'approved' if approved else 'rejected'}"

    def ask(self, question: str, timeout: float) -> tuple[str | None, str]:
        """The model's answer about what it sees now, and ""; or None, and why. Waits for up to ``timeout`` s."""
        outcome: list[tuple[str | None, str]] = []

        def answer() -> None:
            try:
                outcome.append((self._ask_model(observation, question), ""))
            except Exception as error:
                outcome.append((None, str(error)))

        with self._condition:
            observation = self._observation
            if not question.strip():
                return None, "the question is empty"
            if observation is None:
                return None, "there is no observation yet"
            self._request(answer)
            self._condition.wait_for(lambda: outcome or self._closing, timeout)
        return outcome[0] if outcome else (None, f"the model did not answer within {timeout:g} s")

    def follow(self, ticket: Ticket, last: Plan | None, timeout: float) -> Plan | None:
        """The ticket's plan, as soon as it is another than ``last``, or the ticket is over, or after ``timeout`` s."""
        with self._condition:
            self._condition.wait_for(lambda: ticket.plan is not last or ticket.over or self._closing, timeout)
            return ticket.plan

    def close(self, timeout: float = 5.0) -> None:
        """Cancels what is under way and ends the thread."""
        self.cancel("The planner was shut down.")
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout)

    # In the thread.

    def _request(self, job: Callable[[], None]) -> None:
        self._requests.append(job)
        self._condition.notify_all()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closing or self._requests or self._due())
                if self._closing:
                    return
                job = self._requests.popleft() if self._requests else self._judge
            job()
            with self._condition:
                self._condition.notify_all()

    def _due(self) -> bool:
        ticket = self._ticket
        return (
            ticket is not None and not ticket.over and self._plan is not None and self._plan.running
            and self._observation is not None and self._observation is not self._judged
            and time.monotonic() - self._judged_at >= self._period
        )  # fmt: skip

    def _start(self, ticket: Ticket) -> None:
        with self._condition:
            if ticket is self._ticket and not ticket.over:
                self._condition.wait_for(lambda: self._observation is not None or self._closing, self._patience)
            if ticket is not self._ticket or ticket.over or self._closing:  # replaced, or withdrawn
                ticket.over = True
                return
            observation = self._observation
        plan = self._decompose(ticket.instruction, observation)
        self._count += 1
        plan.id = self._count
        self._plan, self._failures, self._judged, self._judged_at = plan, 0, observation, time.monotonic()
        self._await_approval(plan)
        with self._condition:
            self._publish(ticket)
        self._find_target(observation)

    def _decompose(self, instruction: str, observation: Observation | None) -> Plan:
        if observation is None and instruction.strip():
            message = f"No observation came within {self._patience:g} s: see whether perception and the cameras work."
        else:
            try:
                blank = Observation(self._clock(), {}, None, None)  # is enough to refuse an empty instruction
                return self._planner.start(observation or blank, instruction)
            except Exception as error:
                message = f"The model failed: {error}"
        plan = Plan(0, instruction)
        plan.finish(PlanStatus.FAILED, message, self._clock())
        return plan

    def _judge(self) -> None:
        with self._condition:
            plan, observation = self._plan, self._observation
            self._judged, self._judged_at = observation, time.monotonic()
        before, subtasks = copy.deepcopy(plan), plan.subtasks
        try:
            self._planner.update(observation)
            self._failures = 0
        except Exception as error:
            self._failures += 1
            if self._failures >= _FAILURES:
                plan.finish(PlanStatus.FAILED, f"The model failed: {error}", observation.stamp)
        if plan.running and plan.subtasks is not subtasks:  # replanned
            self._await_approval(plan)
        if plan != before:
            self._publish_current()
        self._find_target(observation)

    def _publish_current(self) -> None:
        """Publishes the thread's plan, unless a newer instruction has come meanwhile."""
        with self._condition:
            ticket = self._ticket
            if ticket is not None and ticket.plan is not None and ticket.plan.id == self._plan.id:
                self._publish(ticket)

    def _find_target(self, observation: Observation | None) -> None:
        """Locates the active subtask, once for each time that it becomes active."""
        plan = self._plan
        if observation is None or not plan.active_text:
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
            self._publish_current()

    def _await_approval(self, plan: Plan) -> None:
        if self._approval and plan.running:
            plan.status, plan.active = PlanStatus.AWAITING_APPROVAL, -1
            for subtask in plan.subtasks:
                subtask.status, subtask.started = SubtaskStatus.PENDING, None

    def _publish(self, ticket: Ticket) -> None:
        """Publishes a copy of the plan, unless it was cancelled meanwhile. With the condition held."""
        if ticket.over:
            return
        if self._followed is not None and self._followed is not ticket and not self._followed.over:
            self._end(self._followed, "Replaced by another instruction.")
        self._followed = ticket
        ticket.plan = copy.deepcopy(self._plan)
        ticket.over = self._plan.status not in _UNFINISHED
        self._on_change(ticket.plan)
        self._condition.notify_all()

    def _end(self, ticket: Ticket, message: str) -> None:
        ticket.over = True
        ticket.plan = copy.deepcopy(ticket.plan)
        ticket.plan.finish(PlanStatus.CANCELLED, message, self._clock())
