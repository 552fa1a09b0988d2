# SPDX-License-Identifier: Apache-2.0
"""Whether a plan goes back to the same subtask again and again, each time as if it had got on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

from wall_oss_ros.uni_cot.plan import By, Plan
from wall_oss_ros.uni_cot.texts import quoted


@dataclass(frozen=True)
class RepetitionLimits:
    """Attributes:
    returns: an alarm when the plan has gone back to one subtask so often since it last got farther than ever before.
    """

    returns: int = 3


@dataclass(frozen=True)
class Place:
    """Where in its plan a subtask stands.

    Attributes:
        line: its index, which tells it apart from others with the same words.
        text: its words.
        order: another one where the plan was made anew, or a person has decided something about it.
        decision: another one where something else than the model's judgement has led here.
    """

    line: int
    text: str
    order: Hashable
    decision: Hashable

    @classmethod
    def of(cls, plan: Plan) -> Place | None:
        """The active subtask's; None where none is active."""
        if not plan.running or plan.active < 0:
            return None
        # What monitors and the clock have tried again is still the same work.
        decided = max((one.revision for one in plan.history if one.by in (By.MODEL, By.PERSON)), default=0)
        return cls(plan.active, plan.subtasks[plan.active].text, (plan.id, decided), plan.active_revision)


class Repetition:
    """Counts for each subtask how often the model's judgement has led back to it.

    Getting farther than ever before is what the others were good for: with that all counts start over, as they do with
    another order. So a cube that is lost once or twice, and then put away, adds nothing to what comes of the next.
    """

    def __init__(self, limits: RepetitionLimits):
        self._limits = limits
        self.forget()

    def forget(self) -> None:
        """Nothing counts that has been begun so far."""
        self._last: Place | None = None
        self._begun: set[int] = set()
        self._returns: Counter[int] = Counter()

    def take(self, place: Place, works: bool) -> str:
        """Another subtask has become active, or the same again. Why that is alarming; empty when it is not.

        Args:
            works: whether the robot follows the model's actions; what changes while it rests is not of its doing.
        """
        if self._last is not None and place.order != self._last.order:
            self.forget()
        last, self._last = self._last, place
        begun_before = place.line in self._begun
        if place.line > max(self._begun, default=-1):
            self._returns.clear()
        self._begun.add(place.line)
        back = last is not None and place.line < last.line and place.decision == last.decision
        if not (back and begun_before and works):
            return ""
        self._returns[place.line] += 1
        times = self._returns[place.line]
        if times < self._limits.returns:
            return ""
        often = "once" if times == 1 else f"{times} times"
        return f"the model has gone back to {quoted(place.text)} {often}, and the plan got no farther in between"
