# SPDX-License-Identifier: Apache-2.0
"""What may be asked for in simulation, as goals, and how a task puts frames into words.

Goals make training instructions and judge a run from the simulator's state. The planner does not use them: subtasks
come from the model. A frame is a record of a task's dataset; ``frame["colours"]`` are the colours of its things.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts

if TYPE_CHECKING:
    from wall_oss_ros.sim.phrasing import Phrasing

COLOURS = ("red", "green", "blue", "yellow")
NOT_IN_VIEW = "not in view"
INSTRUCTED = ("reason", "progress", "plan", "plan_by_sight", "reason_thought", "progress_thought", "plan_thought")
"""Kinds of samples that are about an instruction; all others are questions about what is seen."""
ANY_COLOUR = f"({'|'.join(COLOURS)})"
"""A group of a regular expression."""
_JOIN = re.compile(r",? (?:and then|and|then) (?!(?:place|put|lift) it)")


@dataclass(frozen=True)
class Goal(ABC):
    """Something to be done with the thing of a colour.

    Attributes:
        kind: what: a word of the task's language.
        tray: where the thing goes, if anywhere.
    """

    kind: str
    colour: str
    tray: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """Colours of the things that have to be there for it."""
        return (self.colour,)

    @abstractmethod
    def text(self) -> str:
        """The plain instruction."""

    @abstractmethod
    def subtasks(self) -> list[str]:
        """The subtasks in the words that the model was trained to use."""


def lasting(goals: Sequence[Goal]) -> list[Goal]:
    """Those that hold in the end: of several for one thing, the last."""
    return list({goal.colour: goal for goal in goals}.values())


def index_of(frame: np.void, colour: str) -> int | None:
    """Which of the frame's things has that colour; None where none has."""
    found = np.flatnonzero(frame["colours"] == COLOURS.index(colour))
    return int(found[0]) if len(found) else None


def absent(colour: str, thing: str) -> str:
    return f"{prompts.ABSENT} {colour} {thing}"


def point(pixel: np.ndarray) -> str:
    """A grounded position in pixels of the view, in the model's notation; or that there is none."""
    if not np.isfinite(pixel).all():
        return NOT_IN_VIEW
    return f"<point>[{int(pixel[0])}, {int(pixel[1])}]</point>"


def box(corners: np.ndarray) -> str:
    """A grounded box (4,), left, top, right, bottom in pixels of the view; or that there is none."""
    if not np.isfinite(corners).all():
        return NOT_IN_VIEW
    return f"<box>[{', '.join(str(int(corner)) for corner in corners)}]</box>"


def lines_of(goals: Sequence[Goal]) -> list[str]:
    return [line for goal in goals for line in goal.subtasks()]


class Language(ABC):
    """Language about frames of one task: instructions, the subtask called for, plans, questions with answers.

    What makes a sample takes a generator and a frame, and gives (prompt suffix, answer). This is the model's
    Inspiration material: pointing, naming and judging are what tie words to pixels.

    Attributes:
        thing: what carries a colour, in a word.
        material: what may be asked about a frame, by kind: its share of the samples, and what makes one.
        example, usage: for errors: an instruction, and what instructions look like.
        nonsense_words: what instructions that mean nothing are made of.
        absent_in_plans: how often a plan is asked for with something that is not there.
        texts: all that instructions and questions consist of.
        instructions, questions: templates, as ``policy.known_sentences`` has them, of what the models of the task that
            ship were found to understand; a test asks them. What training shows now and then they may answer wrongly.
        slots: the words that stand in the templates, beside the colours.
        phrasing: the forms of its instructions, with all their phrases.
        slot_names: what templates call the slots of phrases.
        question_templates: all that training asks, by kind, as templates; ``question_slots``: what only they have.
    """

    thing: str
    material: Mapping[str, tuple[float, Callable[[np.random.Generator, np.void], tuple[str, str]]]]
    example: str
    usage: str
    nonsense_words: Sequence[str]
    absent_in_plans: float
    texts: Sequence[str]
    instructions: Sequence[str]
    questions: Sequence[str]
    slots: Mapping[str, Sequence[str]] = MappingProxyType({})
    phrasing: Phrasing
    slot_names: Mapping[str, str]
    question_templates: Mapping[str, Sequence[str]] = MappingProxyType({})
    question_slots: Mapping[str, Sequence[str]] = MappingProxyType({})

    # What may be asked for

    @abstractmethod
    def goals(self, colours: Sequence[str]) -> list[Goal]:
        """All that may be asked for where there are things of these colours."""

    @abstractmethod
    def random_goal(self, rng: np.random.Generator, colours: Sequence[str]) -> Goal:
        """One of them."""

    @abstractmethod
    def parse_clause(self, clause: str) -> Goal | None:
        """The goal of one clause in lower case, or None."""

    def look(self, frame: np.void) -> Any:
        """What of a frame decides what instructions mean on it; None where nothing does."""
        return None

    def parse(self, text: str, seen: Any = None) -> list[Goal]:
        """The goals that an instruction names, in order.

        Args:
            seen: as :meth:`look` gives it; without it, only what means the same on every frame is understood.

        Raises:
            WallOSSError: the instruction is empty, or is none that the simulation can judge.
        """
        words = " ".join(text.lower().replace(".", " ").split())
        if not words:
            raise WallOSSError("The instruction is empty.", f'Say what to do, such as "{self.example}".')
        clauses = _JOIN.split(words)
        goals = [self.parse_clause(clause) for clause in clauses]
        if None in goals:
            raise WallOSSError(
                f'"{text}" is no task of the simulated table: "{clauses[goals.index(None)]}" was not understood.',
                f"{self.usage}; colours are {', '.join(COLOURS)}.",
            )
        return goals

    @abstractmethod
    def instruction(
        self, rng: np.random.Generator, frame: np.void, absent_share: float = 0.06
    ) -> tuple[str, list[Goal]]:
        """A random instruction about the frame; now and then about a thing that is not there."""

    def vocabulary(self) -> list[str]:
        """Every word that instructions and questions are made of; a user's other words are unknown to the model."""
        return sorted({*re.sub(r"\{\w\}", "", " ".join(self.texts)).split()} - {","})

    def sentences(
        self, forms: Collection[tuple[str, bool]] | None = None, questions: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """The sentences that a model of the task is known to understand, for its config.json.

        Args:
            forms: of instructions, each with whether in words that training does not show; the task's own
                ``instructions`` when None. questions: templates; the task's own when None.
        """
        said = [*(self.instructions if forms is None else self._templates(forms))]
        asked = [*(self.questions if questions is None else questions)]
        more = {name: self.phrasing.slots[slot] for slot, name in self.slot_names.items()} | self.question_slots
        used = set(re.findall(r"\{(\w+)(?: \d+)?\}", " ".join([*said, *asked])))
        slots = {"colour": COLOURS, **self.slots} | {name: words for name, words in more.items() if name in used}
        return {
            "slots": {name: list(words) for name, words in slots.items()}, "instructions": said, "questions": asked
        }  # fmt: skip

    def _templates(self, forms: Iterable[tuple[str, bool]]) -> Iterable[str]:
        """Each once, in order."""
        return dict.fromkeys(text for one, new in forms for text in self.phrasing.templates(one, new, self.slot_names))

    # What a frame calls for

    @abstractmethod
    def goal_state(self, frame: np.void, goal: Goal) -> str:
        """The subtask that ``goal`` calls for now, ``done``, or what is wrong with it."""

    def phases(self, goals: Sequence[Goal]) -> list[list[Goal]]:
        """The goals in groups, each to be judged by itself: a frame cannot tell that a goal was reached which a later
        one undoes, as when a tray is lifted and put down again. Here, one group of all."""
        return [list(goals)]

    def active_subtask(self, frame: np.void, goals: Sequence[Goal]) -> str:
        """Of several goals in order: what is impossible, else the subtask of the first not yet done, else ``done``.

        Of goals of one phase only; see :class:`wall_oss_ros.sim.course.Course` for those of several.
        """
        states = [self.goal_state(frame, goal) for goal in goals]
        missing = next((state for state in states if state.startswith(prompts.ABSENT)), None)
        return missing or next((state for state in states if state != prompts.DONE), prompts.DONE)

    def missing(self, frame: np.void, goals: Sequence[Goal]) -> str:
        """What makes goals impossible: that something is not there; empty where nothing does."""
        named = (colour for goal in goals for colour in goal.named)
        return next((absent(colour, self.thing) for colour in named if index_of(frame, colour) is None), "")

    def plan_text(self, frame: np.void, goals: Sequence[Goal]) -> str:
        """All subtasks, one a line, each further phase begun with ``prompts.THEN``; or what makes the instruction
        impossible."""
        phases = ("\n".join(lines_of(phase)) for phase in self.phases(goals))
        return self.missing(frame, goals) or f"\n{prompts.THEN}".join(phases)

    # Samples

    def sample(
        self, rng: np.random.Generator, frame: np.void, kinds: Mapping[str, float] | None = None
    ) -> tuple[str, str, str]:
        """One random sample about the frame: (kind, prompt suffix, answer).

        Args:
            kinds: shares by kind, instead of the material's own.
        """
        names = list(kinds or self.material)
        shares = np.array([kinds[name] if kinds else self.material[name][0] for name in names])
        kind = names[rng.choice(len(names), p=shares / shares.sum())]
        return (kind, *self.material[kind][1](rng, frame))

    def not_followed(self, rng: np.random.Generator) -> tuple[str, str]:
        """An instruction that cannot be followed whatever stands where, and what is answered."""
        return " ".join(rng.choice(self.nonsense_words, size=rng.integers(1, 8))), prompts.NOT_UNDERSTOOD

    def thought(self, frame: np.void, goals: Sequence[Goal]) -> str:
        """What matters on the frame for these goals, in one line that ends in a point."""
        raise NotImplementedError(f"{type(self).__name__} has no thoughts")

    def reason(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        return self._judged(frame, *self.asked(rng, frame, *self.instruction(rng, frame)))

    def reason_thought(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        return self._judged(frame, *self.asked(rng, frame, *self.instruction(rng, frame)), thought=True)

    def in_progress(self, rng: np.random.Generator, frame: np.void) -> tuple[str, Sequence[Goal]]:
        """What the next subtask is asked by, and its goals, of which any number may be reached on the frame."""
        raise NotImplementedError(f"{type(self).__name__} chooses no goals by what is reached")

    def progress(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        return self._judged(frame, *self.in_progress(rng, frame))

    def progress_thought(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        return self._judged(frame, *self.in_progress(rng, frame), thought=True)

    def _judged(self, frame: np.void, text: str, goals: Sequence[Goal], thought: bool = False) -> tuple[str, str]:
        """What is asked for now of goals that ``text`` names, and the answer, behind a thought if there is one."""
        answer = self.active_subtask(frame, goals)
        if thought:
            answer = prompts.thoughtful(self.thought(frame, goals), answer)
        return prompts.reason_suffix(text, thought), answer

    def asked(
        self, rng: np.random.Generator, frame: np.void, text: str, goals: Sequence[Goal]
    ) -> tuple[str, Sequence[Goal]]:
        """What the next subtask is asked by: mostly the plan's lines, as a planner has them; and which goals that is
        about: those of one phase, where there are several."""
        if self.missing(frame, goals):
            return text, goals
        phases = self.phases(goals)
        if len(phases) > 1:
            goals = phases[int(rng.integers(len(phases)))]
        elif rng.random() < 0.25:
            return text, goals
        return prompts.steps(lines_of(goals)), goals

    def plan(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        if rng.random() < 0.15:
            text, answer = self.not_followed(rng)
            return prompts.plan_suffix(text), answer
        text, goals = self.instruction(rng, frame, self.absent_in_plans)
        return prompts.plan_suffix(text), self.plan_text(frame, goals)

    def plan_thought(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        text, goals = self.instruction(rng, frame, self.absent_in_plans)
        answer = prompts.thoughtful(self.thought(frame, goals), self.plan_text(frame, goals))
        return prompts.plan_suffix(text, thought=True), answer

    def where(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        colour = COLOURS[int(rng.integers(len(COLOURS)))]
        index = index_of(frame, colour)
        answer = absent(colour, self.thing) if index is None else self.place_of(frame, index)
        return prompts.ask_suffix(f"Where is the {colour} {self.thing}?"), answer

    @abstractmethod
    def place_of(self, frame: np.void, index: int) -> str:
        """Where one of the frame's things is, in words."""

    def which(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        names = [COLOURS[i] for i in sorted(frame["colours"])]
        return prompts.ask_suffix(f"Which {self.thing}s are there?"), ", ".join(names)
