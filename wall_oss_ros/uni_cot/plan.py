# SPDX-License-Identifier: Apache-2.0
"""A plan: subtasks in the model's words, each with its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class _Status(IntEnum):
    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name.lower().replace("_", " ")


class SubtaskStatus(_Status):
    """The values of ``wall_oss_msgs/Subtask.status``."""

    PENDING = 0
    ACTIVE = 1
    DONE = 2
    FAILED = 3
    CANCELLED = 4
    SKIPPED = 5


class PlanStatus(_Status):
    """The values of ``wall_oss_msgs/SubtaskPlan.status``."""

    AWAITING_APPROVAL = 0
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    CANCELLED = 4
    REJECTED = 5
    NO_PLAN = 6


@dataclass
class Subtask:
    """One step of a plan.

    Attributes:
        started, finished: stamps, s; None until then.
        target: where it is to happen, (3,) m in the base frame; None while unknown.
    """

    text: str
    status: SubtaskStatus = SubtaskStatus.PENDING
    started: float | None = None
    finished: float | None = None
    target: tuple[float, float, float] | None = None


@dataclass
class Plan:
    """What is to be done, and how far it has got.

    Attributes:
        id: increases with every instruction.
        instruction: as the user gave it.
        reasoning: what the model wrote; the subtasks are its lines.
        active: index of the active subtask, -1 for none.
        message: why it ended, or what happened last, for people.
        began, ended: when the instruction came, and when the plan ended; stamps, s; None until then.
    """

    id: int
    instruction: str
    reasoning: str = ""
    subtasks: list[Subtask] = field(default_factory=list)
    active: int = -1
    status: PlanStatus = PlanStatus.RUNNING
    message: str = ""
    began: float | None = None
    ended: float | None = None

    @property
    def running(self) -> bool:
        return self.status == PlanStatus.RUNNING

    @property
    def active_text(self) -> str:
        """The active subtask in words; empty when the robot has nothing to do."""
        return self.subtasks[self.active].text if self.running and self.active >= 0 else ""

    @property
    def progress(self) -> float:
        """Share of subtasks done, 0 to 1."""
        if not self.subtasks:
            return 0.0
        return sum(s.status == SubtaskStatus.DONE for s in self.subtasks) / len(self.subtasks)

    def activate(self, index: int, stamp: float) -> None:
        """Makes a subtask the active one: those before it are done, those after it pending."""
        for i, subtask in enumerate(self.subtasks):
            if i < index and subtask.status != SubtaskStatus.DONE:
                subtask.status, subtask.finished = SubtaskStatus.DONE, stamp
            elif i > index and subtask.status != SubtaskStatus.PENDING:
                subtask.status, subtask.started, subtask.finished = SubtaskStatus.PENDING, None, None
        if index < len(self.subtasks):
            current = self.subtasks[index]
            current.status, current.started, current.finished = SubtaskStatus.ACTIVE, stamp, None
            current.target = None  # objects may have moved since it was last active
        self.active = index

    def finish(self, status: PlanStatus, message: str, stamp: float) -> None:
        """Ends the plan; subtasks that were active or pending take the matching status."""
        ends = {PlanStatus.SUCCEEDED: SubtaskStatus.DONE, PlanStatus.FAILED: SubtaskStatus.FAILED}
        for subtask in self.subtasks:
            if subtask.status == SubtaskStatus.ACTIVE:
                subtask.status, subtask.finished = ends.get(status, SubtaskStatus.CANCELLED), stamp
            elif subtask.status == SubtaskStatus.PENDING:
                done = status == PlanStatus.SUCCEEDED
                subtask.status = SubtaskStatus.DONE if done else SubtaskStatus.CANCELLED
                subtask.finished = stamp if done else None
        self.status, self.message, self.active, self.ended = status, message, -1, stamp
