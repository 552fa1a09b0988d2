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
from wall_oss_ros.uni_cot.judging import asks_back, refusal
from wall_oss_ros.uni_cot.plan import REASONING, By, Part, Plan, PlanStatus
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
    @property
    def thinks(self) -> bool: ...
    def understood(self, text: str, kind: Kind) -> tuple[str, str]: ...
    def plan(self, obs: Observation, instruction: str, thought: bool = False) -> str: ...
    def reason(self, obs: Observation, instruction: str, thought: bool = False) -> str: ...


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

    def start(self, obs: Observation, instruction: str, mode: str = "subtask") -> Plan:
        """Plans an instruction. One that is empty, unknown or impossible gives a FAILED plan that says why.

        Args:
            mode: one of ``REASONING``.
        """
        self._count += 1
        self._life = life = self.life(Plan(self._count, instruction, mode))
        life.planned(self.draft(obs, life.goal, mode))
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
            answer = self.judge(obs, question.about, life.plan.mode)
            life.judged(question, answer, answer.confidence, obs.stamp, answer.thought)
        if life.plan.remaking:
            life.planned(self.draft(obs, life.goal, life.plan.mode))
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

    def draft(self, obs: Observation, goal: str, mode: str) -> Draft:
        """Has the model make a plan for an instruction in its plain form, and say what it calls for first.

        Args:
            mode: one of ``REASONING``; "none" leaves the instruction whole.
        """
        stamp = obs.stamp
        if not goal:
            return Draft(stamp, fault='The instruction is empty: say what to do, e.g. "pick up the red cube".')
        if fault := self.understood(goal)[1] or self._unable(mode):
            return Draft(stamp, fault=fault)
        reasoning, thought, asked = "", "", goal
        lines: tuple[str, ...] = (goal,)
        parts: tuple[Part, ...] = ()
        if mode != "none":
            answer = self._policy.plan(obs, goal, thought=True) if mode == "full" else self._policy.plan(obs, goal)
            thought, reasoning = _thought(answer), readable(answer)
            lines = tuple(line.strip() for line in reasoning.splitlines() if line.strip())
            usable = 0 < len(lines) <= MOST_SUBTASKS and not (mode == "full" and not thought)
            if fault := _fault(reasoning, goal, usable):
                return Draft(stamp, reasoning, fault=fault)
            if self._policy.judges_plans:
                lines, parts = _phases(lines)
                asked = prompts.steps(lines)
            else:
                parts = self._parts(lines)
        first = self.judge(obs, parts[0].about if parts else asked, mode)
        if mode == "none" and (fault := _fault(first, goal)):
            return Draft(stamp, fault=fault)
        return Draft(
            stamp,
            reasoning,
            lines,
            asked=asked,
            first=first,
            confidence=first.confidence,
            thought=first.thought or thought,
            parts=parts,
        )

    def judge(self, obs: Observation, about: str, mode: str) -> Answer:
        """What the model calls for, asked about these words; its confidence is NaN where that is not known."""
        about = normalise(about)
        answer = self._policy.reason(obs, about, thought=True) if mode == "full" else self._policy.reason(obs, about)
        confidence = answer.confidence if isinstance(answer, Answer) else math.nan
        return Answer(readable(answer), confidence, _thought(answer))

    def _parts(self, lines: tuple[str, ...]) -> tuple[Part, ...]:
        """The plan as several instructions that the model knows, each of as many lines as make one, joined by "and".

        A model that lists its instructions was trained to judge some of them well, and a plan of several may be beyond
        that: asked about two cubes, it calls for the first one again when that is in its tray. None where the model is
        told anything, the whole plan makes one instruction, or a line fits into none.
        """
        if not self._policy.lists_instructions:
            return ()
        parts: list[Part] = []
        while (start := parts[-1].stop if parts else 0) < len(lines):
            tried = (Part(start, stop, " and ".join(lines[start:stop])) for stop in range(len(lines), start, -1))
            part = next((one for one in tried if not self.understood(one.about)[1]), None)
            if part is None:
                return ()
            parts.append(part)
        return tuple(parts) if len(parts) > 1 else ()

    def _unable(self, mode: str) -> str:
        """Why the model cannot reason so; empty where it can."""
        if mode not in REASONING:
            return f"There is no reasoning {quoted(mode)}; there are {', '.join(REASONING)}."
        if mode == "full" and not self._policy.thinks:
            return "This checkpoint was not trained to write thoughts: give the reasoning subtask or none."
        return ""


def _phases(lines: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Part, ...]]:
    """A plan's lines without the marks of phases, and the phases as parts of it; none where there is but one.

    A frame does not show that a tray was lifted which is being put down again: asked about all lines, the model would
    have it lifted once more.
    """
    starts = [at for at, line in enumerate(lines) if at == 0 or line.startswith(prompts.THEN)]
    plain = tuple(line.removeprefix(prompts.THEN) for line in lines)
    bounds = list(zip(starts, [*starts[1:], len(lines)]))
    parts = tuple(Part(start, stop, prompts.steps(plain[start:stop])) for start, stop in bounds)
    return plain, parts if len(parts) > 1 else ()


def _thought(answer: str) -> str:
    return readable(answer.thought) if isinstance(answer, Answer) else ""


def _fault(answer: str, goal: str, usable: bool = True) -> str:
    """Why nothing follows from the model's answer to an instruction; empty where something may."""
    if asks_back(answer):
        return f"The model asks back about {quoted(goal)}: {answer.strip()}"
    return "" if usable and not refusal(answer) else f"The model answered {quoted(answer)} to {quoted(goal)}."
