# SPDX-License-Identifier: Apache-2.0
"""What the policy is told to act on in a simulated run: with the model's reasoning, and without it, to compare."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Hashable

from wall_oss_ros.policy import Policy, prompts
from wall_oss_ros.policy.known_sentences import normalise
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.plan import PlanStatus
from wall_oss_ros.uni_cot.plan_terms import PlannerSettings
from wall_oss_ros.uni_cot.planner import UniCoTPlanner
from wall_oss_ros.uni_cot.watching.repetition import Place


class Director(ABC):
    """Says what to act on, from the first observation to the end.

    Attributes:
        plans: whether the model is asked for a plan.
        judges: whether it judges what is called for now.
        reasoning: the plan as the model wrote it; empty where it was asked for none.
        judgement: what the model said last of the progress; empty where it says nothing.
        next_look: when it wants to see again, simulated s.
        seconds: processor time that the model has taken, s, by what for.
    """

    plans, judges = True, False

    def __init__(self):
        self.reasoning = self.judgement = ""
        self.next_look = float("inf")
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    @abstractmethod
    def begin(self, obs: Observation, instruction: str) -> None:
        """The instruction is given."""

    @abstractmethod
    def look(self, obs: Observation, called: str) -> None:
        """An observation that it wanted; ``called`` is the subtask that the simulator's truth calls for."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What to act on; empty for nothing."""

    @property
    def over(self) -> bool:
        """Whether it takes the instruction for done, or has given up."""
        return False

    @property
    def about(self) -> Hashable:
        """What is being done, told apart from all before; None for nothing."""
        return self.text or None

    @property
    def place(self) -> Place | None:
        """Where what is being done stands in a plan that may go back; None without one."""
        return None

    @property
    def words(self) -> str:
        """How it stands, in words."""
        return self.text

    @property
    def status(self) -> str:
        """The plan's, in a word."""
        return "running"

    @property
    def message(self) -> str:
        """Why it ended, for people."""
        return ""

    def fail(self, why: str, name: str, stamp: float) -> None:
        """The monitor of that name says that what is being done fails."""

    def _timed(self, what: str, work, *arguments):
        begun = time.thread_time()
        result = work(*arguments)
        self.seconds[what].append(time.thread_time() - begun)
        return result


class Reasoning(Director):
    """As the planner node: the model plans, judges, and goes back.

    Args:
        every: s between two judgements.
        mode: which reasoning, one of ``uni_cot.plan.REASONING``.
    """

    judges = True

    def __init__(
        self,
        policy: Policy,
        every: float = 0.5,
        settings: PlannerSettings = PlannerSettings(),
        mode: str = "subtask",
    ):
        super().__init__()
        self._planner, self._every, self._mode = UniCoTPlanner(policy, settings), every, mode
        self.plans = mode != "none"

    def begin(self, obs: Observation, instruction: str) -> None:
        self._timed("plan", self._planner.start, obs, instruction, self._mode)
        self.reasoning, self.next_look = self._planner.plan.reasoning, self._every

    def look(self, obs: Observation, called: str) -> None:
        anew = bool(self._planner.plan.remaking)
        self._timed("plan anew" if anew else "judge", self._planner.update, obs)
        self.judgement = self._planner.judgement
        self.next_look = obs.stamp + self._every if self._planner.plan.running else float("inf")

    @property
    def text(self) -> str:
        return self._planner.plan.active_text

    @property
    def over(self) -> bool:
        return not self._planner.plan.running

    @property
    def about(self) -> Hashable:
        plan = self._planner.plan
        return (plan.active, plan.active_revision) if plan.active_text else None

    @property
    def place(self) -> Place | None:
        return Place.of(self._planner.plan)

    @property
    def words(self) -> str:
        plan = self._planner.plan
        return self.text or (f"{self.status}: {plan.message}" if self.over else plan.message)

    @property
    def status(self) -> str:
        return PlanStatus(self._planner.plan.status).name.lower()

    @property
    def message(self) -> str:
        return self._planner.plan.message

    def fail(self, why: str, name: str, stamp: float) -> None:
        self._planner.fail_subtask(why, name, stamp)


class InstructionAlone(Director):
    """No plan and no judgement: the policy acts on the instruction until time is over."""

    plans = False

    def begin(self, obs: Observation, instruction: str) -> None:
        self._text = normalise(instruction)

    def look(self, obs: Observation, called: str) -> None:
        pass

    @property
    def text(self) -> str:
        return self._text


class FirstPlan(Director):
    """The plan is made once, and each of its subtasks follows the one before without asking the model.

    Args:
        seconds: that each subtask gets; None asks the simulator's truth whether it is over, as nobody can in reality.
            Neither goes back.
    """

    def __init__(self, policy: Policy, seconds: float | None):
        super().__init__()
        self._planner, self._seconds = UniCoTPlanner(policy), seconds
        self._at, self._lines = 0, []

    def begin(self, obs: Observation, instruction: str) -> None:
        plan = self._timed("plan", self._planner.start, obs, instruction)
        self.reasoning, self._lines = plan.reasoning, [subtask.text for subtask in plan.subtasks]
        self.next_look = obs.stamp + (self._seconds or _OFTEN)

    def look(self, obs: Observation, called: str) -> None:
        if self._seconds is not None:
            self._at, self.next_look = self._at + 1, obs.stamp + self._seconds
            return
        self.next_look = obs.stamp + _OFTEN
        rest = self._lines[self._at + 1 :]
        if called == prompts.DONE:
            self._at = len(self._lines)
        elif called in rest:
            self._at += 1 + rest.index(called)

    @property
    def text(self) -> str:
        return self._lines[self._at] if self._at < len(self._lines) else ""

    @property
    def over(self) -> bool:
        return self._at >= len(self._lines)

    @property
    def about(self) -> Hashable:
        return (self._at, self.text) if self.text else None

    @property
    def words(self) -> str:
        return self.text or self.status

    @property
    def status(self) -> str:
        return "over" if self.over else "running"


_OFTEN = 0.1  # s
