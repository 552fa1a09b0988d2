# SPDX-License-Identifier: Apache-2.0
"""What may be wanted of a wide tray or of the bar, and the subtasks that lead there, in the words of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wall_oss_ros.sim.goals import Goal

HANDS = ("right", "left")
"""The arms' names, in the profile's order."""
BAR = "bar"
TAKE_BAR, BRING, LET_GO, LAY = "take the bar", "bring the bar", "let go of the bar", "lay the bar down"
Step = tuple[str, int]
"""Something to be done with the bar, and the arm that it is about, which has a meaning for taking and letting go."""
STEPS: tuple[Step, ...] = ((TAKE_BAR, 0), (TAKE_BAR, 1), (BRING, 0), (LET_GO, 0), (LET_GO, 1), (LAY, 0))


def take_text(colour: str) -> str:
    return f"take the {colour} tray with both hands"


def lift_text(colour: str) -> str:
    return f"lift the {colour} tray"


def lower_text(colour: str) -> str:
    return f"lower the {colour} tray onto the table"


def bar_text(step: Step) -> str:
    action, arm = step
    if action == BRING:
        return "bring the bar to the middle"
    return action if action == LAY else f"{action} with the {HANDS[arm]} hand"


def giving(to: int, gripped: Sequence[bool], clear: Sequence[bool], at_middle: bool, nearest: int) -> Step | None:
    """What handing the bar to an arm calls for; None where that is done.

    Args:
        gripped: for each arm, whether it holds the bar; ``clear``: whether it is clear of where it would hold it.
        at_middle: whether the bar is where it is handed over.
        nearest: the arm on whose side it is.
    """
    giver = 1 - to
    if gripped[to]:
        return (LET_GO, giver) if gripped[giver] or not clear[giver] else None
    if gripped[giver]:
        return (TAKE_BAR, to) if at_middle else (BRING, 0)
    return TAKE_BAR, nearest


def laying(gripped: Sequence[bool], clear: Sequence[bool]) -> Step | None:
    """What laying the bar down calls for; None where it is let go, and the hands are clear of it."""
    return None if all(clear) and not any(gripped) else (LAY, 0)


@dataclass(frozen=True)
class LiftGoal(Goal):
    """``kind`` is ``lift`` (the wide tray of that colour is held level above the table by two hands), ``down`` (it
    stands on the table, and the hands have let go of it), ``give`` (the bar is in the hand of the arm ``to`` alone) or
    ``lay`` (the bar lies on the table, let go); for these two, ``colour`` is ``BAR``."""

    to: int = 0

    @property
    def named(self) -> tuple[str, ...]:
        return () if self.colour == BAR else (self.colour,)

    def text(self) -> str:
        if self.kind == "give":
            return f"hand the bar to the {HANDS[self.to]} hand"
        if self.kind == "lay":
            return LAY
        return lift_text(self.colour) if self.kind == "lift" else f"put the {self.colour} tray down"

    def subtasks(self) -> list[str]:
        if self.kind == "give":
            giver = 1 - self.to
            return [*map(bar_text, ((TAKE_BAR, giver), (BRING, 0), (TAKE_BAR, self.to), (LET_GO, giver)))]
        if self.kind == "lay":
            return [bar_text((LAY, 0))]
        return [take_text(self.colour), lift_text(self.colour)] if self.kind == "lift" else [lower_text(self.colour)]


def lift(colour: str) -> LiftGoal:
    return LiftGoal("lift", colour)


def down(colour: str) -> LiftGoal:
    return LiftGoal("down", colour)


def give(hand: str) -> LiftGoal:
    return LiftGoal("give", BAR, to=HANDS.index(hand))


def lay() -> LiftGoal:
    return LiftGoal("lay", BAR)
