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
    """An instruction on its way. Read it with ``PlanRunner.follow``.

    Attributes:
        plan: the plan as it stood last; None until the model has answered.
        over: nothing more will happen to it.
    """

    def __init__(self, instruction: str):
        self.instruction = instruction
        self.plan: Plan | None = None
        self.over = False


class PlanRunner:
    """Plans instructions, and has the model judge progress on fresh observations.

    Args:
        planner: a ``uni_cot.planner.Planner``; only this thread calls it.
        ask: ``Policy.ask``.
        clock: the present time, s, in the clock of the observations' stamps.
        changed: called with a copy of the plan whenever it has changed; from any thread, one at a time.
        period: least time between two judgements of progress, s.
        approval: plans wait for ``approve``.
        patience: how long an instruction waits for an observation, s of wall time.
        locate: gives the place (3,) of what a subtask names, m, or None; asked once whenever a subtask becomes active,
            after the plan was shown.
    """

    def __init__(
        self,
        planner,
        ask: Callable[[Observation, str], str],
        clock: Callable[[], float],
        changed: Callable[[Plan], None],
        period: float = 0.5,
        approval: bool = False,
        patience: float = 5.0,
        locate: Callable[[Observation, str], Sequence[float] | None] = lambda *_: None,
    ):
        self._planner, self._ask_model, self._clock, self._changed = planner, ask, clock, changed
        self._period, self._approval, self._patience, self._locate = period, approval, patience, locate
        self._located: tuple | None = None  # the activation of a subtask that the place was last asked for
        self._condition = threading.Condition(threading.RLock())
        self._requests: deque[Callable[[], None]] = deque()
        self._ticket: Ticket | None = None  # the newest instruction's
        self._shown: Ticket | None = None  # whose plan was published last: the one being followed
        self._plan: Plan | None = None  # the thread's own; others see the ticket's copy
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
        """The newest observation."""
        with self._condition:
            self._observation = observation
            self._condition.notify_all()

    def instruct(self, instruction: str) -> Ticket:
        """Has an instruction followed from now on; the one before goes on until this one's plan is there."""
        with self._condition:
            self._ticket = ticket = Ticket(instruction)
            self._request(lambda: self._start(ticket))
        return ticket

    def cancel(self, message: str, ticket: Ticket | None = None) -> bool:
        """Withdraws the newest instruction, at once; only if it is ``ticket``'s, when that is given."""
        with self._condition:
            current = self._ticket
            if current is None or current.over or (ticket is not None and ticket is not current):
                return False
            current.over = True
            followed = self._shown  # the same, or the one before while the model still thinks about this one
            if followed is not None and followed.plan is not None and followed.plan.status in _UNFINISHED:
                self._end(followed, message)
                self._changed(followed.plan)
            self._condition.notify_all()
            return True

    def approve(self, plan_id: int, approved: bool, reason: str) -> tuple[bool, str]:
        """Lets the plan that awaits approval run, or rejects it. ``plan_id`` 0 is whichever that is."""
        with self._condition:
            ticket = self._ticket
            plan = None if ticket is None else ticket.plan
            if plan is None or plan.status != PlanStatus.AWAITING_APPROVAL:
                return False, "no plan awaits approval"
            if plan_id not in (0, plan.id):
                return False, f"plan {plan_id} does not await approval, plan {plan.id} does"
            plan = self._plan  # the thread leaves a plan alone that does not run
            if approved:
                plan.status, plan.message = PlanStatus.RUNNING, reason
                plan.activate(0, self._clock())
            else:
                plan.finish(PlanStatus.REJECTED, reason or "Not approved.", self._clock())
            self._show(ticket)
            return True, f"plan {plan.id} was {'approved' if approved else 'rejected'}"

    def ask(self, question: str, timeout: float) -> tuple[str | None, str]:
        """The model's answer about what it sees now; or None, and why not. Waits up to ``timeout`` s."""
        outcome: list[tuple[str | None, str]] = []

        def put() -> None:
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
            self._request(put)
            self._condition.wait_for(lambda: outcome or self._closing, timeout)
        return outcome[0] if outcome else (None, f"the model did not answer within {timeout:g} s")

    def follow(self, ticket: Ticket, seen: Plan | None, timeout: float) -> Plan | None:
        """Waits until the ticket's plan is another than ``seen``, or it is over, or ``timeout`` s; gives the plan."""
        with self._condition:
            self._condition.wait_for(lambda: ticket.plan is not seen or ticket.over or self._closing, timeout)
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
            if ticket is not self._ticket or ticket.over or self._closing:  # a newer one came, or it was withdrawn
                ticket.over = True
                return
            observation = self._observation
        plan = self._decompose(ticket.instruction, observation)
        self._count += 1
        plan.id = self._count
        self._plan, self._failures, self._judged, self._judged_at = plan, 0, observation, time.monotonic()
        self._withhold(plan)
        with self._condition:
            self._show(ticket)
        self._find_target(observation)

    def _decompose(self, instruction: str, observation: Observation | None) -> Plan:
        if observation is None and instruction.strip():
            message = f"No observation came within {self._patience:g} s: see whether perception and the cameras work."
        else:
            try:
                blank = Observation(self._clock(), {}, None, None)  # an empty instruction is refused without a look
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
        if plan.running and plan.subtasks is not subtasks:  # planned anew
            self._withhold(plan)
        if plan != before:
            self._show_current()
        self._find_target(observation)

    def _show_current(self) -> None:
        """Gives everyone the thread's plan; a newer instruction may have come, but until its plan is there, this one counts."""
        with self._condition:
            ticket = self._ticket
            if ticket is not None and ticket.plan is not None and ticket.plan.id == self._plan.id:
                self._show(ticket)

    def _find_target(self, observation: Observation | None) -> None:
        """Has the place of the active subtask found, once for each time that it becomes active."""
        plan = self._plan
        if observation is None or not plan.active_text:
            return
        subtask = plan.subtasks[plan.active]
        if self._located == (activation := (plan.id, plan.active, subtask.started)):
            return
        self._located = activation
        try:
            target = self._locate(observation, subtask.text)
        except Exception:  # a place to show is not worth the plan; a broken model shows in the next judgement
            return
        if target is not None:
            subtask.target = tuple(float(value) for value in target)
            self._show_current()

    def _withhold(self, plan: Plan) -> None:
        if self._approval and plan.running:
            plan.status, plan.active = PlanStatus.AWAITING_APPROVAL, -1
            for subtask in plan.subtasks:
                subtask.status, subtask.started = SubtaskStatus.PENDING, None

    def _show(self, ticket: Ticket) -> None:
        """Gives everyone a copy of the plan, unless it was cancelled meanwhile. With the condition held."""
        if ticket.over:
            return
        if self._shown is not None and self._shown is not ticket and not self._shown.over:
            self._end(self._shown, "Replaced by another instruction.")
        self._shown = ticket
        ticket.plan = copy.deepcopy(self._plan)
        ticket.over = self._plan.status not in _UNFINISHED
        self._changed(ticket.plan)
        self._condition.notify_all()

    def _end(self, ticket: Ticket, message: str) -> None:
        ticket.over = True
        ticket.plan = copy.deepcopy(ticket.plan)
        ticket.plan.finish(PlanStatus.CANCELLED, message, self._clock())
