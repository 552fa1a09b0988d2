# SPDX-License-Identifier: Apache-2.0
"""What may be wanted of a cube, and the subtasks that lead there, in the words that the model is trained to use."""

from __future__ import annotations

from dataclasses import dataclass

from wall_oss_ros.sim.cubes.scene import TABLE, TRAYS
from wall_oss_ros.sim.goals import Goal


def pick_text(colour: str) -> str:
    return f"pick up the {colour} cube"


def place_text(place: str) -> str:
    """``place``: a tray's side, the table, or the colour of a cube."""
    if place == TABLE:
        return "place it on the table"
    return f"place it in the {place} tray" if place in TRAYS else f"place it on the {place} cube"


@dataclass(frozen=True)
class CubeGoal(Goal):
    """``kind`` is ``pick`` (the cube is held above the table), ``place`` (it rests in ``tray``), ``table`` (on the
    table) or ``stack`` (on the cube of the colour ``on``)."""

    on: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        return (self.colour,) if self.on is None else (self.colour, self.on)

    @property
    def place(self) -> str | None:
        """Where it goes: a tray's side, the table, a cube's colour; None where it is only picked up."""
        return {"place": self.tray, "table": TABLE, "stack": self.on}.get(self.kind)

    def text(self) -> str:
        if self.place is None:
            return pick_text(self.colour)
        return f"put the {self.colour} cube {place_text(self.place).removeprefix('place it ')}"

    def subtasks(self) -> list[str]:
        lines = [pick_text(self.colour)]
        return lines if self.place is None else [*lines, place_text(self.place)]
