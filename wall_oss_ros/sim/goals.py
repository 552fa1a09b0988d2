# SPDX-License-Identifier: Apache-2.0
"""What may be asked for in simulation, as goals, and in which words.

Used to make training instructions and to judge a run from the simulator's state. The planner does not use it: subtasks
come from the model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wall_oss_ros.errors import WallOSSError

COLOURS = ("red", "green", "blue", "yellow")
TRAYS = ("left", "right")


@dataclass(frozen=True)
class Goal:
    """``kind`` is ``pick`` (the cube is held above the table), ``place`` (it rests in ``tray``), or ``lift`` (the wide tray
    of that colour is held level above the table by two hands)."""

    kind: str
    colour: str
    tray: str | None = None

    def subtasks(self) -> list[str]:
        """The subtasks in the words that the model was trained to use."""
        if self.kind == "lift":
            return [take_text(self.colour), lift_text(self.colour)]
        lines = [pick_text(self.colour)]
        return lines if self.kind == "pick" else [*lines, place_text(self.tray)]


def pick_text(colour: str) -> str:
    return f"pick up the {colour} cube"


def place_text(tray: str) -> str:
    return f"place it in the {tray} tray"


def take_text(colour: str) -> str:
    return f"take the {colour} tray with both hands"


def lift_text(colour: str) -> str:
    return f"lift the {colour} tray"


_ANY = "|".join(COLOURS)
_COLOUR = f"(?:the )?({_ANY}) cube"
_TRAY = f"(?:in|into|to) the ({'|'.join(TRAYS)}) tray"
_PLACE = re.compile(rf"(?:(?:put|place|move|pick up) )?{_COLOUR}(?: and (?:place|put) it)? {_TRAY}")
_PICK = re.compile(rf"(?:pick up|grasp|lift) {_COLOUR}")
_HANDS = "(?: with both hands)?"
_LIFT = re.compile(
    rf"(?:take|grasp) (?:the )?({_ANY}) tray{_HANDS} and lift it|(?:lift|raise|pick up) (?:the )?({_ANY}) tray{_HANDS}"
)
_JOIN = re.compile(r",? (?:and|then|and then) (?!(?:place|put|lift) it)")
_USE = {
    "table": 'Use "put the COLOUR cube in the left|right tray" or "pick up the COLOUR cube"',
    "trays": 'Use "lift the COLOUR tray"',
}


def parse_instruction(text: str, scene: str | None = None) -> list[Goal]:
    """The goals that an instruction names, in order.

    Args:
        scene: of the profile's simulation, ``table`` or ``trays``: only its goals are taken; those of any when None.

    Raises:
        WallOSSError: the instruction is empty, or is none that the simulation can judge.
    """
    words = " ".join(text.lower().replace(".", " ").split())
    if not words:
        example = "lift the red tray" if scene == "trays" else "put the red cube in the left tray"
        raise WallOSSError("The instruction is empty.", f'Say what to do, such as "{example}".')
    clauses = _JOIN.split(words)
    goals = [_goal(clause, scene) for clause in clauses]
    if None in goals:
        ways = _USE.values() if scene is None else [_USE[scene]]
        raise WallOSSError(
            f'"{text}" is no task of the simulated table: "{clauses[goals.index(None)]}" was not understood.',
            f"{'; for two arms: '.join(ways)}; colours are {', '.join(COLOURS)}.",
        )
    if len(goals) > 1 and goals[0].kind == "lift":
        raise WallOSSError(f'"{text}" names {len(goals)} trays, but two hands lift one.', _USE["trays"] + ".")
    return goals


def _goal(clause: str, scene: str | None) -> Goal | None:
    if scene != "trays":
        if match := _PLACE.fullmatch(clause):
            return Goal("place", match[1], match[2])
        if match := _PICK.fullmatch(clause):
            return Goal("pick", match[1])
    if scene != "table" and (match := _LIFT.fullmatch(clause)):
        return Goal("lift", match[1] or match[2])
    return None
