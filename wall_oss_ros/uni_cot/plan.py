# SPDX-License-Identifier: Apache-2.0
"""A plan: subtasks in the model's words or a person's, each with its status; and what has changed in it, by whom."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

HISTORY = 64  # changes that are kept
APPROVALS = ("none", "plan", "subtask", "replan")
"""Which plans await approval: none; each new one, and each made anew; each subtask as well; only those made anew."""
REASONING = ("full", "subtask", "none")
"""What the model does before the robot moves: it writes what it sees, then subtasks; subtasks alone; or nothing. Then
the robot acts on the instruction itself, of which the model only says whether it is done."""


class _Labelled(IntEnum):
    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name.lower().replace("_", " ")


class SubtaskStatus(_Labelled):
    """The values of ``wall_oss_msgs/Subtask.status``."""

    PENDING = 0
    ACTIVE = 1
    DONE = 2
    FAILED = 3
    CANCELLED = 4
    SKIPPED = 5


class PlanStatus(_Labelled):
    """The values of ``wall_oss_msgs/SubtaskPlan.status``."""

    AWAITING_APPROVAL = 0
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    CANCELLED = 4
    REJECTED = 5
    NO_PLAN = 6


class By(_Labelled):
    """Who or what changed a plan: the values of ``wall_oss_msgs/PlanChange.by``."""

    MODEL = 0
    PERSON = 1
    CLOCK = 2
    MONITOR = 3


@dataclass(frozen=True)
class Change:
    """One entry of a plan's history.

    Attributes:
        revision: the plan's since then.
        stamp: s.
        by, name: who or what made it.
        what, why: for people.
    """

    revision: int
    stamp: float
    by: By
    what: str
    why: str = ""
    name: str = ""


@dataclass(frozen=True)
class Judgement:
    """What the model said last of the progress.

    Attributes:
        words: the step that it calls for, or that nothing is left; empty before the first.
        confidence: the probability that its language head gave these words; NaN where that is not known.
        stamp: of the observation that it was made from, s; None before the first.
        about: what it was asked about.
        repeats: how many times in a row it has been given.
    """

    words: str = ""
    confidence: float = math.nan
    stamp: float | None = None
    about: str = ""
    repeats: int = 0


@dataclass(frozen=True)
class Part:
    """Lines of a plan that are judged together, by an instruction of their own.

    Attributes:
        start, stop: indices of the first, and behind the last.
        about: the instruction.
    """

    start: int
    stop: int
    about: str


@dataclass
class Subtask:
    """One step of a plan.

    Attributes:
        acting: what the arm works on for it, where that is not the text itself.
        by_person: whether a person wrote it or put it where it is.
        goal: the words that the model is asked about to judge it, in a part of the plan that a person has changed;
            empty for the plan's own instruction.
        asked: whether the model is asked what to do for it, as for an instruction: then ``acting`` is its answer.
        started, finished: stamps, s; None until then.
        target: where it is to happen, (3,) m in the base frame; None while unknown.
        attempts: how often it has become active.
        failures: how often it has failed.
        called: whether the model has called for it since it became active.
    """

    text: str
    status: SubtaskStatus = SubtaskStatus.PENDING
    started: float | None = None
    finished: float | None = None
    target: tuple[float, float, float] | None = None
    acting: str = ""
    by_person: bool = False
    goal: str = ""
    asked: bool = False
    attempts: int = 0
    failures: int = 0
    called: bool = False

    @property
    def left(self) -> bool:
        """Whether it is still to be done."""
        return self.status in (SubtaskStatus.PENDING, SubtaskStatus.ACTIVE)


@dataclass
class Plan:
    """What is to be done, and how far it has got.

    Attributes:
        id: increases with every instruction.
        instruction: as the user gave it, or corrected it.
        mode: which reasoning it gets, one of ``REASONING``.
        reasoning: the plan as the model wrote it; empty where it was asked for none.
        thought: what it wrote last of what it sees; empty where it writes none.
        own: its lines, the subtasks as the model made them.
        parts: of these, where they are judged in parts; all of them, in order, or none.
        edited: index of the first subtask that a person's edits have touched, or 0 where the instruction is the only
            one: from there on each is judged by itself; None where none is.
        active: index of the active subtask, -1 for none.
        next: index of the one that would begin, while none is active; -1 where that is not known.
        message: why it ended, or what happened last, for people.
        revision: counts the changes; see ``SubtaskPlan.msg``.
        active_revision: since when, by another decision than the model's judgement, the robot does what it does.
        history: the last changes, oldest first.
        approval: which plans await approval.
        confirmations: how often the model has to say something before the plan follows.
        activations: counts how often a subtask has become active.
        waits: counts how often waiting for approval has begun, or a person has edited the plan meanwhile.
        remaking: why it is being made anew; empty while it is not.
        began, ended: when the instruction came, and when the plan ended; stamps, s; None until then.
    """

    id: int
    instruction: str
    mode: str = "subtask"
    reasoning: str = ""
    thought: str = ""
    own: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    subtasks: list[Subtask] = field(default_factory=list)
    edited: int | None = None
    active: int = -1
    next: int = -1
    status: PlanStatus = PlanStatus.RUNNING
    message: str = ""
    revision: int = 0
    active_revision: int = 0
    history: list[Change] = field(default_factory=list)
    judgement: Judgement = Judgement()
    approval: str = "none"
    confirmations: int = 0
    activations: int = 0
    waits: int = 0
    remaking: str = ""
    began: float | None = None
    ended: float | None = None

    @property
    def running(self) -> bool:
        return self.status == PlanStatus.RUNNING

    @property
    def over(self) -> bool:
        return self.status not in (PlanStatus.RUNNING, PlanStatus.AWAITING_APPROVAL)

    @property
    def active_text(self) -> str:
        """What the arm works on, in words; empty when the robot has nothing to do."""
        if not self.running or self.active < 0:
            return ""
        return self.subtasks[self.active].acting or self.subtasks[self.active].text

    @property
    def front(self) -> int:
        """Index of the first subtask that can still be changed: the active one, else the first that is left."""
        return self.active if self.active >= 0 else self.first_left(0)

    def part(self, index: int) -> Part | None:
        """That in which a line of the model's own is judged; None where the whole instruction is asked about."""
        return next((part for part in self.parts if part.start <= index < part.stop), None)

    @property
    def undivided(self) -> bool:
        """Whether its only subtask is the instruction itself."""
        return self.mode == "none" and tuple(subtask.text for subtask in self.subtasks) == self.own

    @property
    def progress(self) -> float:
        """Share of subtasks done, 0 to 1; what is skipped does not count."""
        wanted = [s for s in self.subtasks if s.status != SubtaskStatus.SKIPPED]
        return sum(s.status == SubtaskStatus.DONE for s in wanted) / len(wanted) if wanted else 0.0

    def first_left(self, start: int) -> int:
        """Index of the first subtask from ``start`` on that is left; their number where none is."""
        count = len(self.subtasks)
        return next((i for i in range(max(start, 0), count) if self.subtasks[i].left), count)

    @property
    def last_left(self) -> int:
        """Index of the last subtask that is left; -1 where none is."""
        return next((i for i in range(len(self.subtasks) - 1, -1, -1) if self.subtasks[i].left), -1)

    def change(self, stamp: float, by: By, what: str, why: str = "", name: str = "") -> None:
        """Notes a change, which is made by the caller."""
        self.revision += 1
        self.history = [*self.history, Change(self.revision, stamp, by, what, why, name)][-HISTORY:]

    def activate(self, index: int, stamp: float) -> None:
        """Makes a subtask the active one: those before it are done, those after it pending; skipped ones stay so."""
        for i, subtask in enumerate(self.subtasks):
            if i < index and subtask.left:
                subtask.status, subtask.finished = SubtaskStatus.DONE, stamp
            elif i > index and subtask.status != SubtaskStatus.SKIPPED:
                subtask.status, subtask.started, subtask.finished = SubtaskStatus.PENDING, None, None
        current = self.subtasks[index]
        current.status, current.started, current.finished = SubtaskStatus.ACTIVE, stamp, None
        current.target = None  # objects may have moved since it was last active
        current.attempts += 1
        current.called = False
        self.active, self.next = index, -1
        self.activations += 1

    def rest(self) -> None:
        """No subtask is active any more."""
        if self.active >= 0:
            current = self.subtasks[self.active]
            current.status, current.started, current.acting = SubtaskStatus.PENDING, None, ""
        self.active = self.next = -1

    def advance(self, index: int, stamp: float) -> None:
        """A subtask is the next to begin, but has not begun: those before it are done, and none is active."""
        self.rest()
        for subtask in self.subtasks[:index]:
            if subtask.left:
                subtask.status, subtask.finished = SubtaskStatus.DONE, stamp
        self.next = index

    def finish(
        self, status: PlanStatus, message: str, stamp: float, by: By = By.MODEL, name: str = "", why: str = ""
    ) -> None:
        """Ends the plan; subtasks that were active or pending take the matching status."""
        ends = {PlanStatus.SUCCEEDED: SubtaskStatus.DONE, PlanStatus.FAILED: SubtaskStatus.FAILED}
        for subtask in self.subtasks:
            if subtask.status == SubtaskStatus.ACTIVE:
                subtask.status, subtask.finished = ends.get(status, SubtaskStatus.CANCELLED), stamp
            elif subtask.status == SubtaskStatus.PENDING:
                done = status == PlanStatus.SUCCEEDED
                subtask.status = SubtaskStatus.DONE if done else SubtaskStatus.CANCELLED
                subtask.finished = stamp if done else None
        self.status, self.message, self.ended = status, message, stamp
        self.active, self.next, self.remaking = -1, -1, ""
        self.change(stamp, by, status.label, why or message, name)
