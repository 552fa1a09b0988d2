# SPDX-License-Identifier: Apache-2.0
"""Which goals a gripper is sent: few, the last wanted opening surely, and what becomes of each is looked at."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum

PERIOD = 0.25  # s between two goals, at the least
_FINE = 0.0005  # m: openings nearer than this are the same
_SETTLED = 0.5  # s that an opening is wanted unchanged until it is sent, though it is within the step of the last one
_ANSWER = 1.0  # s until a goal that nobody has accepted counts as lost
_RESULT = 8.0  # s until one that was accepted, and of which nothing more is heard, counts as lost; slow hands need 5
_RESTS = 0.3  # s without motion after which fingers are taken to have arrived
_STILL = 1.5  # s that measured fingers have not moved: where they are now is where the goal has led them
_TRIES = 3  # of one opening, until what is wrong is said
_AGAIN = 3.0  # s that what is wrong stands; then it is tried once more
_THERE = 0.004  # m between fingers and goal that counts as there
_MOVED = 0.001  # m
_AWAY = 0.008  # m that fingers may come away again from where a goal has led them
_BESIDE = 0.015  # m that joint states may say something else than the server: openings are only nearly in proportion
_HOLDS = "holds something"
_REMEMBERED = 32  # goals that were never answered


class Answer(Enum):
    """What comes back of a goal. LOST: it could not be sent, or nothing could be learnt of its end."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    SUCCEEDED = "succeeded"
    ABORTED = "aborted"
    CANCELED = "cancelled by somebody else"
    LOST = "lost"


@dataclass(frozen=True)
class Goal:
    """What a gripper is to be told: a number that only this goal has, and the opening, m."""

    number: int
    opening: float


@dataclass
class _Out:
    """The newest goal, and how far it has come. start: opening of the fingers when it was sent, m, if known."""

    goal: Goal
    sent: float  # s
    start: float | None
    held: bool  # whether they held something then
    accepted: float | None = None  # s
    done: bool = False
    words: str = "sent"
    again: bool = False  # whether it has come to nothing, and is to be sent again
    rest: float | None = None  # where the fingers came to rest after it, m


class GripperGoals:
    """Decides when a gripper that is commanded by goals is told which opening, and what is wrong with it.

    An opening is wanted anew in each cycle. A goal goes out when that differs from the last one by ``step``, or has
    settled, and at most one in ``PERIOD``. A goal that is lost is sent again: when nobody accepts it, when its end is
    not told, when the fingers do not follow or come away again, when the server has been away. One that is refused is
    named in ``fault``, and after three tries one that is lost, aborted or stopped short; but fingers that close and are
    stopped by something hold it, which is what was wanted. Where the server says that a goal is reached, and the joint
    states deny it, it is told thrice, and believed.

    While nothing is wanted, since the robot holds, nothing is sent, and nothing is cancelled, which would loosen some
    hands: fingers that are under way arrive.

    Args:
        name: of the action or topic, for what is said.
        answered: whether goals are answered; messages on a topic are not, and only the fingers tell what became of it.
        widest: opening of the fingers, m, at which they hold nothing.

    Attributes:
        fault: what is wrong, for a person to read; empty when nothing is.
    """

    def __init__(self, name: str, answered: bool = True, widest: float = math.inf):
        self._name, self._answered, self._widest, self.fault = name, answered, widest, ""
        self._count = 0
        self._wanted: float | None = None
        self._since = -math.inf  # s, when the wanted opening was last another
        self._sent: float | None = None  # s, the newest goal
        self._out: _Out | None = None
        self._open: deque[int] = deque(maxlen=_REMEMBERED)  # older goals that may be accepted yet
        self._there = False
        # Failures in a row: goals that were not accepted; that did not come to their end; that joint states deny.
        self._mute = self._undone = self._doubts = 0
        self._failed = -math.inf  # s, when the fault came up
        self._measured: float | None = None
        self._place: float | None = None  # where the fingers were when they came to an end last, m, as far as is known
        self._moved = -math.inf  # s, when the fingers last moved

    @property
    def words(self) -> str:
        """How the newest goal stands, for diagnostics."""
        out = self._out
        return "no goal yet" if out is None else f"goal {out.goal.number}, {out.goal.opening:.4f} m: {out.words}"

    @property
    def unsure(self) -> bool:
        """Whether a goal is tried again that was not accepted before: the arm had better wait for the answer."""
        out = self._out
        return self._mute > 0 and (out is None or out.done or out.accepted is None)

    @property
    def last(self) -> float | None:
        """The opening told last that counts, m."""
        return None if self._out is None else self._out.goal.opening

    def server(self, there: bool) -> None:
        """Whether the gripper's server is there. One that has come anew is told the opening again."""
        if there and not self._there:
            self._out, self._place, self.fault, self._mute, self._undone = None, None, "", 0, 0
            self._open.clear()
        self._there = there

    def step(self, now: float, wanted: float | None, step: float, measured: float | None = None) -> Goal | None:
        """One control cycle; the goal to be sent now, or None.

        Args:
            now: s.
            wanted: opening, m; None while the robot may not move.
            step: smallest change of the opening that is sent at once, m.
            measured: where the fingers are, m; None when that is not known.
        """
        if self._sent is not None and now < self._sent:
            self._set_back(now)
        if measured is None or self._measured is None or abs(measured - self._measured) >= _MOVED:
            self._measured, self._moved = measured, now
        self._watch(now)
        if wanted is None or not math.isfinite(wanted):
            return None
        if self._wanted is None or abs(wanted - self._wanted) >= _FINE:
            self._wanted, self._since = wanted, now
        if self.fault or not self._there or (self._sent is not None and now - self._sent < PERIOD):
            return None
        return self._send(now) if self._due(now, step) else None

    def answer(
        self, now: float, number: int, answer: Answer, stalled: bool = False, opening: float | None = None
    ) -> None:
        """Something has come back of a goal.

        Args:
            now: s.
            number: of the goal. Answers to goals that count no longer, and second ones, change nothing.
            answer: what.
            stalled: whether the fingers were stopped short of it.
            opening: where they were then, m; None when that is not said.
        """
        out = self._out
        if out is None or number != out.goal.number or out.done:
            if answer is Answer.ACCEPTED and number in self._open:
                self._overtaken(number)
        elif answer is Answer.ACCEPTED:
            if out.accepted is None:
                out.accepted, out.words, self._mute = now, "accepted", 0
        else:
            out.words = answer.value
            if answer is Answer.REFUSED:
                self._mute = _TRIES
                self._silent(now, out, "refused {}")
            elif answer is Answer.LOST and out.accepted is None:
                self._silent(now, out, "cannot be told {}")
            elif answer is Answer.LOST:
                self._fail(now, out, "took {} and does not know how it ended")
            elif answer is Answer.CANCELED:
                self._fail(now, out, "was to take {}, which somebody else cancelled")
            elif answer is Answer.SUCCEEDED and not stalled:
                self._arrive("there", out.goal.opening)
            else:
                self._stopped(now, out, stalled, opening)

    def _due(self, now: float, step: float) -> bool:
        out = self._out
        if out is None or out.again:
            return True
        away = abs(self._wanted - out.goal.opening)
        return away >= max(step, _FINE) or (away >= _FINE and now - self._since >= _SETTLED)

    def _send(self, now: float) -> Goal:
        self._count += 1
        goal, before = Goal(self._count, self._wanted), self._out
        if before is not None and not before.done and before.accepted is None:
            self._open.append(before.goal.number)
        start = self._place if self._measured is None else self._measured
        held = before is not None and before.words.startswith(_HOLDS)
        self._out, self._sent = _Out(goal, now, start, held), now
        if not self._answered:
            self._out.accepted, self._mute = now, 0
        return goal

    def _watch(self, now: float) -> None:
        """Notes a goal of which nothing is heard for too long; has what is wrong tried again after a while."""
        if self.fault and now - self._failed >= _AGAIN:
            self.fault = ""  # but it is counted on: what fails again is said at once
        out = self._out
        if out is None or out.again:
            return
        if out.done:
            self._rest(now, out)
        elif out.accepted is None:
            if now - out.sent >= _ANSWER:
                out.words = "not answered"
                self._open.append(out.goal.number)
                self._silent(now, out, "does not answer {}")
        else:
            self._follow(now, out)

    def _follow(self, now: float, out: _Out) -> None:
        """Looks whether the fingers do what was accepted."""
        place, ended = self._measured, now - out.accepted >= _RESULT
        if place is not None and (ended or now - max(out.accepted, self._moved) >= _STILL):
            if self._near(out, place):
                self._arrive("there, by the joint states", place)
            elif self._grips(out, place, stalled=False):
                self._arrive(f"{_HOLDS} at {place:.4f} m, by the joint states", place)
            else:
                out.words = "not followed"
                self._fail(now, out, f"took {{}}, and its fingers stay at {place:.4f} m")
        elif ended and not self._answered:
            self._arrive("told", out.goal.opening)
        elif ended:
            out.words = "accepted, without an end"
            self._fail(now, out, "took {} and never said how it ended")

    def _rest(self, now: float, out: _Out) -> None:
        """Looks whether the fingers are where they are said to be, and stay there: somebody else may send them."""
        place, goal = self._measured, out.goal.opening
        if place is None:
            return
        if out.rest is None:
            if now - self._moved < _RESTS:
                return
            out.rest = place
            doubt = abs(place - goal) > _BESIDE and not self._grips(out, place, out.words.startswith(_HOLDS))
            self._doubts = self._doubts + 1 if doubt else 0
            if doubt:
                # Which of the two is wrong cannot be known; some drivers' joint states are made up.
                out.words = f"there, says the server; at {place:.4f} m, say the joint states"
                out.again = self._doubts < _TRIES
            else:
                self._undone, self.fault = 0, ""
        elif abs(place - goal) > abs(out.rest - goal) + _AWAY:
            out.words = "not kept"
            self._fail(now, out, "has left {} again, which nobody here has asked for")

    def _stopped(self, now: float, out: _Out, stalled: bool, opening: float | None) -> None:
        """The fingers have not got to where they were sent, says their server."""
        place = self._measured if self._measured is not None else opening
        self._place = place
        if self._near(out, place):
            self._arrive("there", place)
        elif self._grips(out, place, stalled):
            self._arrive(_HOLDS if place is None else f"{_HOLDS} at {place:.4f} m", place)
        else:
            how = "was stopped short of" if stalled else "gave up"
            self._fail(now, out, f"{how} {{}}" + ("" if place is None else f", at {place:.4f} m"))

    @staticmethod
    def _near(out: _Out, place: float | None) -> bool:
        return place is not None and abs(place - out.goal.opening) <= _THERE

    def _grips(self, out: _Out, place: float | None, stalled: bool) -> bool:
        """Whether fingers that have come to an end at a place (m) hold something: they were closing, and were stopped.

        Some servers say then that they have stalled, and some only that it was an abort; of the latter it is believed
        where the fingers have closed on the way, or held something before.
        """
        start, goal = out.start, out.goal.opening
        if place is None:
            return stalled and (start is None or start > goal)
        if place <= goal + _THERE or place >= self._widest - _MOVED or (start is not None and start < place - _THERE):
            return False
        return stalled or out.held or (start is not None and start > place + _THERE)

    def _arrive(self, words: str, place: float | None) -> None:
        self._out.done, self._out.words, self._place = True, words, place
        self._mute = 0
        if self._measured is None:
            self._undone, self.fault = 0, ""  # else once the fingers have been seen to be there

    def _silent(self, now: float, out: _Out, words: str) -> None:
        """A goal was not accepted."""
        self._mute += 1
        self._again(now, out, words, self._mute)

    def _fail(self, now: float, out: _Out, words: str) -> None:
        """A goal that was accepted has come to nothing."""
        self._undone += 1
        self._again(now, out, words, self._undone)

    def _again(self, now: float, out: _Out, words: str, failures: int) -> None:
        out.done = out.again = True
        if failures >= _TRIES:
            what = words.format(f"an opening of {out.goal.opening:.4f} m")
            self.fault, self._failed = f"the gripper at {self._name} {what}", now

    def _overtaken(self, number: int) -> None:
        """An older goal was accepted late: the fingers may go there, so that what is wanted is told anew."""
        self._open.remove(number)
        out = self._out
        if out is not None and (out.accepted is not None or out.done):
            self._out = None

    def _set_back(self, now: float) -> None:
        """The clock was set back: times count from now on."""
        self._sent = self._since = self._moved = now
        self._failed = min(self._failed, now)
        if self._out is not None:
            self._out.sent = now
            self._out.accepted = None if self._out.accepted is None else now
