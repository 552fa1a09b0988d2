"""The tasks of the simulated table: what may be asked for, and what counts as reached.

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
    """``kind`` is ``pick`` (the cube is held above the table) or ``place`` (it rests in ``tray``)."""

    kind: str
    colour: str
    tray: str | None = None

    def subtasks(self) -> list[str]:
        """The subtasks in the words that the model was trained to use."""
        lines = [pick_text(self.colour)]
        return lines if self.kind == "pick" else [*lines, place_text(self.tray)]


def pick_text(colour: str) -> str:
    return f"pick up the {colour} cube"


def place_text(tray: str) -> str:
    return f"place it in the {tray} tray"


_COLOUR = f"(?:the )?({'|'.join(COLOURS)}) cube"
_TRAY = f"(?:in|into|to) the ({'|'.join(TRAYS)}) tray"
_PLACE = re.compile(rf"(?:(?:put|place|move|pick up) )?{_COLOUR}(?: and (?:place|put) it)? {_TRAY}")
_PICK = re.compile(rf"(?:pick up|grasp|lift) {_COLOUR}")
_JOIN = re.compile(r",? (?:and|then|and then) (?!(?:place|put) it)")


def parse_instruction(text: str) -> list[Goal]:
    """The goals that an instruction names, in order.

    Raises:
        WallOSSError: the instruction is empty, or is none that the simulated table can judge.
    """
    words = " ".join(text.lower().replace(".", " ").split())
    if not words:
        raise WallOSSError("The instruction is empty.", 'Say what to do, such as "put the red cube in the left tray".')
    goals = []
    for clause in _JOIN.split(words):
        if match := _PLACE.fullmatch(clause):
            goals.append(Goal("place", match[1], match[2]))
        elif match := _PICK.fullmatch(clause):
            goals.append(Goal("pick", match[1]))
        else:
            raise WallOSSError(
                f'"{text}" is no task of the simulated table: "{clause}" was not understood.',
                f'Use "put the COLOUR cube in the left|right tray" or "pick up the COLOUR cube"; colours are '
                f"{', '.join(COLOURS)}.",
            )
    return goals
