# SPDX-License-Identifier: Apache-2.0
"""What happened in a record, told from its plans, states and words; and where a person put the robot right.

What a person corrected is what is trained on next: an edited or refused plan, and what was done after a stop. A plan's
history (wall_oss_msgs/PlanChange) says who changed it; what kind of change it was is seen from the plan itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from wall_oss_ros.control.state_machine import State
from wall_oss_ros.uni_cot.plan import PlanStatus, SubtaskStatus

Kind = Literal[
    "instruction", "plan", "subtask", "approval", "edit", "refusal", "change", "hold", "stop", "resume", "home", "end",
    "mark", "answer",
]  # fmt: skip
_WORKS = (PlanStatus.AWAITING_APPROVAL, PlanStatus.RUNNING)
_NUMBERS = re.compile(r"\d+(\.\d+)?")  # which count on while the reason stays
_BY = {0: "model", 1: "person", 2: "clock", 3: "monitor"}  # PlanChange.by
_CHANGE: dict[str, Any] = {"revision": int, "by": int, "what": str, "why": str, "name": str}
_NEEDED: dict[str, dict[str, Any]] = {  # of a message; what an older version had not is not among it
    "plan": {"planner": str, "plan_id": int, "instruction": str, "status": int, "active": int, "message": str,
             "subtasks": {"text": str, "status": int}},
    "status": {"state": int, "reason": str},
    "answer": {"question": str, "answer": str, "success": bool, "message": str},
    "mark": {"data": str},
}  # fmt: skip
_PERSONS: tuple[Kind, ...] = ("edit", "refusal", "stop")  # that say that the robot was doing the wrong thing


class OtherVersionError(ValueError):
    """A message of this project's, of a version that has other fields: which."""


def require_known(what: str, message: Any) -> None:
    """Makes sure that a message has what is told of it, before anything is.

    Args:
        what: plan, status, answer or mark.

    Raises:
        OtherVersionError: it has not.
    """
    _require(message, _NEEDED[what])
    if what == "plan" and hasattr(message, "history"):
        _require(message, {"history": _CHANGE})


def _require(message: Any, fields: dict[str, Any]) -> None:
    for name, kind in fields.items():
        value = getattr(message, name, None)
        if not isinstance(value, (list, tuple) if isinstance(kind, dict) else kind):
            raise OtherVersionError(f"{name} is not there, or is something else")
        for one in value if isinstance(kind, dict) else ():
            _require(one, kind)


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        time: when, s of the record's clock.
        kind: what kind of thing.
        words: what, for a person to read.
        by: who or what did it: person, model, clock, monitor; empty where that does not matter.
        until: when it was over, s, of what lasts (subtasks, holds, stops); None where it was not.
    """

    time: float
    kind: Kind
    words: str
    by: str = ""
    until: float | None = None

    @property
    def line(self) -> str:
        """Kind, author and words."""
        return f"{self.kind}{f' by {self.by}' if self.by else ''}: {self.words}"

    @property
    def corrects(self) -> bool:
        """Whether a person thereby put the robot right."""
        return self.kind in _PERSONS


class History:
    """Gathers events from messages in the order of their times. Messages have the fields of their types.

    Attributes:
        events: so far, in order.
        corrected: from when on what the robot does is by a person's correction, and from when not; s and which.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.corrected: list[tuple[float, bool]] = []
        self._plan: Any = None
        self._state: tuple[int, str, bool] | None = None
        self._lasting: dict[str, int] = {}  # indices of events that are not over
        self._stopped = False  # since a plan has ended, and so the next one or the rest of this one is a new start
        self._edited = False

    def hear_plan(self, time: float, plan: Any) -> None:
        """wall_oss_msgs/SubtaskPlan, as often as it is repeated."""
        before, self._plan = self._plan, plan
        if not plan.plan_id:
            if before is not None and before.plan_id and before.status in _WORKS:
                self._end(time, "the planner was started anew")
            return
        if before is None or (before.planner, before.plan_id) != (plan.planner, plan.plan_id):
            if before is not None and before.plan_id and before.status in _WORKS:
                self._end(time, "another plan took its place")
            self._edited = False
            self._event(time, "instruction", plan.instruction, "person")
            before = None
        if _steps(plan) and (before is None or not _steps(before)):
            self._event(time, "plan", "; ".join(one.text for one in plan.subtasks), "model")
        self._changes(time, before, plan)
        self._subtasks(time, before, plan)
        if plan.status not in _WORKS and (before is None or before.status in _WORKS):
            known = {one.value: one.label for one in PlanStatus}  # a later version may have more
            self._end(time, plan.message or known.get(plan.status, "in an unknown state"))
        self._mark(time)

    def hear_status(self, time: float, status: Any) -> None:
        """wall_oss_msgs/ControlStatus."""
        state = status.state, without_numbers(status.reason), bool(getattr(status, "needs_resume", False))
        before, self._state = self._state, state
        if state == before:
            return
        kinds: dict[int, Kind] = {State.HOLDING: "hold", State.STOPPED: "stop", State.HOMING: "home"}
        was = None if before is None else kinds.get(before[0])
        kind = kinds.get(state[0])
        # A homing says how far it is; that is one event.
        if was is not None and (kind != was or (kind != "home" and before[1] != state[1])):
            self._over(was, time)
        if before is not None and before[2] and not state[2]:
            self._event(time, "resume", f"after a {was}" if was else "", "person")
        if kind is not None and kind not in self._lasting:
            by = "person" if kind in ("stop", "home") else ""
            self._event(time, kind, status.reason or kind, by, lasts=kind)
        if kind == "stop" and self._plan is not None and self._plan.plan_id and self._plan.status in _WORKS:
            self._stopped = True
        self._mark(time)

    def hear_mark(self, time: float, words: str) -> None:
        """What a recorder was told: success, failure and so on."""
        self._event(time, "mark", words, "person")

    def hear_answer(self, time: float, answer: Any) -> None:
        """wall_oss_msgs/Answer."""
        said = answer.answer if answer.success else f"no answer: {answer.message}"
        self._event(time, "answer", f"{answer.question} - {said}", "person")

    def _changes(self, time: float, before: Any, plan: Any) -> None:
        """What the plan's history has that was not there before."""
        history: Sequence[Any] = getattr(plan, "history", ())  # bags of before it was there have none
        known = max(getattr(before, "revision", 1), 1)  # the first makes the plan
        for one in (one for one in history if one.revision > known):
            if plan.status not in _WORKS and one is history[-1]:
                continue  # its end, which is told as such
            words = f"{one.what}: {one.why}" if one.why else one.what
            who = _BY.get(one.by, "")
            kind: Kind = _kind(before, plan) if who == "person" else "change"
            self._event(time, kind, f"{words} ({one.name})" if one.name else words, who)
            self._edited |= kind in ("edit", "refusal")

    def _subtasks(self, time: float, before: Any, plan: Any) -> None:
        now = _active(plan) if plan.status == PlanStatus.RUNNING else ""
        was = "" if before is None or before.status != PlanStatus.RUNNING else _active(before)
        if now == was and (not now or before.active == plan.active):
            return
        self._over("subtask", time)
        if now:
            self._event(time, "subtask", now, "model", lasts="subtask")

    def _end(self, time: float, words: str) -> None:
        self._over("subtask", time)
        self._event(time, "end", words)
        self._edited = False
        if self._state is None or self._state[0] != State.STOPPED:
            self._stopped = False

    def _mark(self, time: float) -> None:
        """Whether what the robot does from now on is by a correction."""
        runs = self._plan is not None and self._plan.plan_id and self._plan.status == PlanStatus.RUNNING
        stands = self._state is not None and self._state[0] == State.STOPPED
        corrected = bool(runs and not stands and (self._edited or self._stopped))
        if corrected != (self.corrected[-1][1] if self.corrected else False):
            self.corrected.append((time, corrected))

    def _event(self, time: float, kind: Kind, words: str, by: str = "", lasts: str = "") -> None:
        if lasts:
            self._lasting[lasts] = len(self.events)
        self.events.append(Event(time, kind, " ".join(words.split()), by))

    def _over(self, what: str, time: float) -> None:
        if (index := self._lasting.pop(what, None)) is not None:
            one = self.events[index]
            self.events[index] = Event(one.time, one.kind, one.words, one.by, time)

    def corrected_at(self, times: np.ndarray) -> np.ndarray:
        """(N,) bool: whether what the robot does at these times, s, is by a person's correction."""
        if not self.corrected:
            return np.zeros(len(times), bool)
        begins, which = zip(*self.corrected)
        places = np.searchsorted(np.array(begins), times, side="right") - 1
        return np.where(places >= 0, np.array(which)[places], False)


def without_numbers(reason: str) -> str:
    """What of a reason stays while its numbers count on."""
    return _NUMBERS.sub("#", reason)


def _kind(before: Any, plan: Any) -> Kind:
    """What a person did between two versions of a plan; without the first, before the record began."""
    if before is None:
        written = any(one.by_person or one.status == SubtaskStatus.SKIPPED for one in plan.subtasks)
        return "edit" if written else "change"
    if _steps(before) != _steps(plan) and before.instruction == plan.instruction:
        return "edit"
    if before.status == PlanStatus.AWAITING_APPROVAL:
        return "approval" if plan.status == PlanStatus.RUNNING else "refusal"
    return "change"


def _steps(plan: Any) -> list[tuple[str, bool]]:
    """What is to be done, whatever has been done of it."""
    return [(one.text, one.status == SubtaskStatus.SKIPPED) for one in plan.subtasks]


def _active(plan: Any) -> str:
    return plan.subtasks[plan.active].text if 0 <= plan.active < len(plan.subtasks) else ""
