# SPDX-License-Identifier: Apache-2.0
"""What may be asked for in simulation, as goals, and what all tasks share in putting a frame into words.

Goals make training instructions and judge a run from the simulator's state. The planner does not use them: subtasks
come from the model. A frame is a record of a task's dataset; ``frame["colours"]`` are the colours of its things.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts

COLOURS = ("red", "green", "blue", "yellow")
NOT_IN_VIEW = "not in view"
ANY_COLOUR = f"({'|'.join(COLOURS)})"
"""A group of a regular expression."""
_JOIN = re.compile(r",? (?:and|then|and then) (?!(?:place|put|lift) it)")


@dataclass(frozen=True)
class Goal(ABC):
    """Something to be done with the thing of a colour.

    Attributes:
        kind: what: a word of the task's language.
        tray: where the thing goes, if anywhere.
        thing: what has the colour, in a word.
    """

    kind: str
    colour: str
    tray: str | None = None
    thing: ClassVar[str]

    @abstractmethod
    def text(self) -> str:
        """The plain instruction."""

    @abstractmethod
    def subtasks(self) -> list[str]:
        """The subtasks in the words that the model was trained to use."""


G = TypeVar("G", bound=Goal)


def parse_clauses(text: str, parse: Callable[[str], G | None], example: str, usage: str) -> list[G]:
    """The goals that an instruction names, in order.

    Args:
        parse: the goal of one clause in lower case, or None.
        example, usage: for the errors: an instruction, and what instructions look like.

    Raises:
        WallOSSError: the instruction is empty, or is none that the simulation can judge.
    """
    words = " ".join(text.lower().replace(".", " ").split())
    if not words:
        raise WallOSSError("The instruction is empty.", f'Say what to do, such as "{example}".')
    clauses = _JOIN.split(words)
    goals = [parse(clause) for clause in clauses]
    if None in goals:
        raise WallOSSError(
            f'"{text}" is no task of the simulated table: "{clauses[goals.index(None)]}" was not understood.',
            f"{usage}; colours are {', '.join(COLOURS)}.",
        )
    return goals


def index_of(frame: np.void, colour: str) -> int | None:
    """Which of the frame's things has that colour; None where none has."""
    found = np.flatnonzero(frame["colours"] == COLOURS.index(colour))
    return int(found[0]) if len(found) else None


def absent(colour: str, thing: str) -> str:
    return f"{prompts.ABSENT} {colour} {thing}"


def plan_text(frame: np.void, goals: Sequence[Goal]) -> str:
    """All subtasks, one a line; or what makes the instruction impossible."""
    for goal in goals:
        if index_of(frame, goal.colour) is None:
            return absent(goal.colour, goal.thing)
    return "\n".join(line for goal in goals for line in goal.subtasks())


def first_undone(states: Sequence[str]) -> str:
    """Of what several goals call for: what is impossible, else the first that is not done, else ``done``."""
    missing = next((state for state in states if state.startswith(prompts.ABSENT)), None)
    return missing or next((state for state in states if state != prompts.DONE), prompts.DONE)


def nonsense(rng: np.random.Generator, words: Sequence[str]) -> str:
    """Words that are no instruction."""
    return " ".join(rng.choice(words, size=rng.integers(1, 8)))


def point(pixel: np.ndarray) -> str:
    """A grounded position in pixels of the view, in the model's notation; or that there is none."""
    if not np.isfinite(pixel).all():
        return NOT_IN_VIEW
    return f"<point>[{int(pixel[0])}, {int(pixel[1])}]</point>"


Material = Mapping[str, tuple[float, Callable[[np.random.Generator, np.void], tuple[str, str]]]]
"""What may be asked about a frame, by kind: its share of the samples, and what makes prompt suffix and answer."""


def draw(
    material: Material, rng: np.random.Generator, frame: np.void, kinds: Mapping[str, float] | None = None
) -> tuple[str, str, str]:
    """One random language sample about the frame: (kind, prompt suffix, answer).

    Args:
        kinds: shares by kind, instead of the material's own.
    """
    names = list(kinds or material)
    shares = np.array([kinds[name] if kinds else material[name][0] for name in names])
    kind = names[rng.choice(len(names), p=shares / shares.sum())]
    return (kind, *material[kind][1](rng, frame))
