# SPDX-License-Identifier: Apache-2.0
"""Uni-CoT planning: the model decomposes the instruction, judges progress, and plans anew when that fails.

Nothing here knows any task. The subtasks are lines that the model wrote. Which of them is active follows from asking
the model, on fresh observations, what the instruction calls for now; that is where a new plan begins. When the answer
is a later subtask, or that nothing is left, the subtasks before it are done; when it is an earlier one (a cube was
dropped), the plan goes back; when the model keeps giving answers that are not in the plan, the plan is made anew
(``judging.py``).
"""

from __future__ import annotations

import math
from typing import Protocol

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.answer import Answer
from wall_oss_ros.policy.known_sentences import Kind, normalise
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.judging import refusal
from wall_oss_ros.uni_cot.plan import By, Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_life import PlanLife
from wall_oss_ros.uni_cot.plan_terms import Draft, PlannerSettings
from wall_oss_ros.uni_cot.texts import quoted, readable

MOST_SUBTASKS = 12


class Reasoner(Protocol):
    """The part of ``Policy`` that the planner needs; answers may be an ``Answer``, which has a confidence."""

    @property
    def lists_instructions(self) -> bool: ...
    @property
    def judges_plans(self) -> bool: ...
    def understood(self, text: str, kind: Kind) -> tuple[str, str]: ...
    def plan(self, obs: Observation, instruction: str) -> str: ...
    def reason(self, obs: Observation, instruction: str) -> str: ...


class UniCoTPlanner:
    """Asks the model for plans and judgements, and gives plans their life.

    ``start`` and ``update`` follow one plan at a time, each call as long as the model takes; how long a plan may take
    is the caller's business. Not thread-safe: one caller, which may be a worker thread.

    Args:
        policy: the model.
    """

    def __init__(self, policy: Reasoner, settings: PlannerSettings = PlannerSettings()):
        self._policy, self._settings = policy, settings
        self._count = 0
        self._life: PlanLife | None = None

    # One plan at a time.

    @property
    def plan(self) -> Plan | None:
        """The last one that was started."""
        return None if self._life is None else self._life.plan

    @property
    def judgement(self) -> str:
        """What the model said last of its progress."""
        return "" if self._life is None else self._life.plan.judgement.words

    def start(self, obs: Observation, instruction: str) -> Plan:
        """Plans an instruction. One that is empty, unknown or impossible gives a FAILED plan that says why."""
        self._count += 1
        self._life = life = self.life(Plan(self._count, instruction))
        life.planned(self.draft(obs, life.goal))
        return life.plan

    def update(self, obs: Observation) -> Plan:
        """Has the model judge a fresh observation, and moves the plan accordingly.

        Raises:
            RuntimeError: nothing was started.
        """
        life = self._life
        if life is None:
            raise RuntimeError("UniCoTPlanner.update was called before start")
        if (question := life.question()) is not None:
            life.judged(question, *self.judge(obs, question.about), obs.stamp)
        if life.plan.remaking:
            life.planned(self.draft(obs, life.goal))
        return life.plan

    def cancel(self, stamp: float, message: str = "Cancelled.") -> Plan | None:
        """Ends the running plan and returns it; None if there was none."""
        if self._life is None or self._life.plan.over:
            return None
        self._life.end(PlanStatus.CANCELLED, message, stamp, By.PERSON)
        return self._life.plan

    def fail_subtask(self, why: str, monitor: str, stamp: float) -> bool:
        """A monitor says that the active subtask fails; see :meth:`PlanLife.fail_subtask`."""
        return self._life is not None and self._life.fail_subtask(why, By.MONITOR, monitor, stamp)

    # What a plan needs of the model.

    def life(self, plan: Plan, approval: str = "none") -> PlanLife:
        """A new plan's; see :class:`PlanLife`."""
        return PlanLife(plan, self._settings, self.understood, lambda: self._policy.lists_instructions, approval)

    def understood(self, text: str) -> tuple[str, str]:
        """An instruction as the model knows it, and why it does not understand it, if so. Never waits for the model."""
        return self._policy.understood(text, "instructions")

    def draft(self, obs: Observation, goal: str) -> Draft:
        """Has the model make a plan for an instruction in its plain form, and say what it calls for first."""
        stamp = obs.stamp
        if not goal:
            return Draft(stamp, fault='The instruction is empty: say what to do, e.g. "pick up the red cube".')
        if fault := self.understood(goal)[1]:
            return Draft(stamp, fault=fault)
        reasoning = readable(self._policy.plan(obs, goal))
        lines = tuple(line.strip() for line in reasoning.splitlines() if line.strip())
        if not lines or len(lines) > MOST_SUBTASKS or refusal(reasoning):
            return Draft(stamp, reasoning, fault=f"The model answered {quoted(reasoning)} to {quoted(goal)}.")
        asked = prompts.steps(lines) if self._policy.judges_plans else goal
        words, confidence = self.judge(obs, asked)
        return Draft(stamp, reasoning, lines, asked=asked, first=words, confidence=confidence)

    def judge(self, obs: Observation, about: str) -> tuple[str, float]:
        """What the model calls for, asked about these words; and how likely it found that, NaN where not known."""
        answer = self._policy.reason(obs, normalise(about))
        return readable(answer), answer.confidence if isinstance(answer, Answer) else math.nan
