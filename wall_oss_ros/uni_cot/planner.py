# SPDX-License-Identifier: Apache-2.0
"""Uni-CoT planning: the model decomposes the instruction, judges progress, and plans anew when that fails.

Nothing here knows any task. The subtasks are lines that the model wrote. Which of them is active follows from asking
the model, on fresh observations, what the instruction calls for now; that is where a new plan begins. When the answer
is a later subtask, or that nothing is left, the subtasks before it are done; when it is an earlier one (a cube was
dropped), the plan goes back; when the model keeps giving answers that are not in the plan, the plan is made anew.
Answers count only once they have been given several times in a row, since a single frame can mislead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.known_sentences import Kind, normalise
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.plan import Plan, PlanStatus, Subtask

MOST_SUBTASKS = 12
_LONGEST = 2000  # letters of an answer that are kept
_QUOTED = 100  # letters of an answer in a message


class Reasoner(Protocol):
    """The part of ``Policy`` that the planner needs."""

    def understood(self, text: str, kind: Kind) -> tuple[str, str]: ...
    def plan(self, obs: Observation, instruction: str) -> str: ...
    def reason(self, obs: Observation, instruction: str) -> str: ...


@dataclass(frozen=True)
class PlannerSettings:
    """Attributes:
    confirmations: equal answers in a row before the plan moves on.
    stray_answers: answers in a row that are not in the plan before it is made anew.
    replans: how often a plan is made anew before it counts as failed.
    """

    confirmations: int = 2
    stray_answers: int = 6
    replans: int = 2


def refusal(answer: str) -> bool:
    """Whether the model says that it does not understand, or that something is not there."""
    return answer.startswith((prompts.NOT_UNDERSTOOD, prompts.ABSENT))


def readable(answer: str) -> str:
    """An answer of the model as text that any message can carry, and of bounded length.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(answer, str):
        raise TypeError(f"it answered with {type(answer).__name__} instead of text")
    return answer[:_LONGEST].replace("\0", " ").encode("utf-8", "replace").decode()


def _quoted(text: str) -> str:
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"


class UniCoTPlanner:
    """Holds one plan at a time; how long it may take is the caller's business.

    Not thread-safe: one caller, which may be a worker thread.
    """

    def __init__(self, policy: Reasoner, settings: PlannerSettings = PlannerSettings()):
        self._policy, self._settings = policy, settings
        self._count = 0
        self._judged, self._repeats, self._stray, self._replans = "", 0, 0, 0
        self.plan: Plan | None = None
        self.judgement = ""

    def start(self, obs: Observation, instruction: str) -> Plan:
        """Plans an instruction. One that is empty, unknown or impossible gives a FAILED plan that says why."""
        self._count += 1
        self._replans = 0
        self.plan = Plan(self._count, instruction)
        self._decompose(obs)
        return self.plan

    def update(self, obs: Observation) -> Plan:
        """Has the model judge a fresh observation, and moves the plan accordingly.

        Raises:
            RuntimeError: nothing was started.
        """
        plan = self.plan
        if plan is None:
            raise RuntimeError("UniCoTPlanner.update was called before start")
        if not plan.running:
            return plan
        self.judgement = answer = readable(self._policy.reason(obs, normalise(plan.instruction)))
        self._repeats = self._repeats + 1 if answer == self._judged else 1
        self._judged = answer
        if answer == plan.active_text:
            self._stray = 0
        elif self._repeats >= self._settings.confirmations:
            self._move(answer, obs)
        return plan

    def cancel(self, stamp: float, message: str = "Cancelled.") -> Plan | None:
        """Ends the running plan and returns it; None if there was none."""
        if self.plan is not None and self.plan.status in (PlanStatus.RUNNING, PlanStatus.AWAITING_APPROVAL):
            self.plan.finish(PlanStatus.CANCELLED, message, stamp)
            return self.plan
        return None

    def _decompose(self, obs: Observation) -> None:
        plan, text = self.plan, normalise(self.plan.instruction)
        self._judged, self._repeats, self._stray = "", 0, 0
        if not text:
            plan.finish(
                PlanStatus.FAILED, 'The instruction is empty: say what to do, e.g. "pick up the red cube".', obs.stamp
            )
            return
        _, fault = self._policy.understood(text, "instructions")
        if fault:
            plan.finish(PlanStatus.FAILED, fault, obs.stamp)
            return
        plan.reasoning = readable(self._policy.plan(obs, text))
        lines = [line.strip() for line in plan.reasoning.splitlines() if line.strip()]
        if not lines or len(lines) > MOST_SUBTASKS or refusal(plan.reasoning):
            message = f'The model answered "{_quoted(plan.reasoning)}" to "{_quoted(plan.instruction)}".'
            plan.finish(PlanStatus.FAILED, message, obs.stamp)
            return
        plan.subtasks = [Subtask(line) for line in lines]
        plan.activate(self._beginning(obs, text), obs.stamp)

    def _beginning(self, obs: Observation, text: str) -> int:
        """Index of the subtask to begin with: the one that the model calls for now.

        When it says that nothing is left, that is the last one: the next judgements confirm this or go back, and
        meanwhile nothing that has been done is begun again.
        """
        self.judgement = self._judged = readable(self._policy.reason(obs, text))
        self._repeats = 1
        if self._judged == prompts.DONE:
            return len(self.plan.subtasks) - 1
        return next((i for i, subtask in enumerate(self.plan.subtasks) if subtask.text == self._judged), 0)

    def _move(self, answer: str, obs: Observation) -> None:
        plan = self.plan
        if answer == prompts.DONE:
            plan.finish(PlanStatus.SUCCEEDED, "The model judges the instruction done.", obs.stamp)
            return
        index = self._find(answer)
        if index is not None:
            self._stray = 0
            if index < plan.active:
                plan.message = f'Back to "{answer}".'
            plan.activate(index, obs.stamp)
            return
        self._stray += 1
        if self._stray < self._settings.stray_answers:
            return
        if refusal(answer) or self._replans >= self._settings.replans:
            plan.finish(PlanStatus.FAILED, f'The model keeps answering "{_quoted(answer)}".', obs.stamp)
            return
        self._replans += 1
        self._decompose(obs)
        if plan.running:
            plan.message = f'Planned anew, since the model kept answering "{_quoted(answer)}".'

    def _find(self, answer: str) -> int | None:
        """Index of the nearest subtask with these words, later ones first: a plan may contain them twice."""
        count, start = len(self.plan.subtasks), self.plan.active + 1
        order = [*range(start, count), *range(start - 2, -1, -1)]
        return next((i for i in order if self.plan.subtasks[i].text == answer), None)
