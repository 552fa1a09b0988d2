# SPDX-License-Identifier: Apache-2.0
"""What may be wanted of a wide tray, and the subtasks that lead there, in the words that the model is trained on."""

from __future__ import annotations

from dataclasses import dataclass

from wall_oss_ros.sim.goals import Goal


def take_text(colour: str) -> str:
    return f"take the {colour} tray with both hands"


def lift_text(colour: str) -> str:
    return f"lift the {colour} tray"


def lower_text(colour: str) -> str:
    return f"lower the {colour} tray onto the table"


@dataclass(frozen=True)
class LiftGoal(Goal):
    """``kind`` is ``lift`` (the wide tray of that colour is held level above the table by two hands) or ``down`` (it
    stands on the table, and the hands have let go of it)."""

    def text(self) -> str:
        return lift_text(self.colour) if self.kind == "lift" else f"put the {self.colour} tray down"

    def subtasks(self) -> list[str]:
        return [take_text(self.colour), lift_text(self.colour)] if self.kind == "lift" else [lower_text(self.colour)]


def lift(colour: str) -> LiftGoal:
    return LiftGoal("lift", colour)


def down(colour: str) -> LiftGoal:
    return LiftGoal("down", colour)
