# SPDX-License-Identifier: Apache-2.0
"""Which readings are believed: what jumps is doubted, and what stays where it has jumped to waits for a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wall_oss_ros.robots.stamps import Recovery

RESUME = "call the service resume to go on"
_ALLOWED = 0.1  # s of motion that is possible between two readings: silence does not make everything possible
_PAUSE = 0.5  # s without readings, as when a driver is started again: then they are to be at rest first
_LASTS = 0.2  # s for which readings agree before they are a place to start from, or a jump is more than a glitch
_FEWEST = 4  # readings that agree
_APART = 0.3  # s between two readings that still belong together
_ZEROS = 2.0  # s for which exact zeros alone are what drivers publish before their first reading
_BY_HAND = 1.0  # rad/s or m/s that people move what stands
_HANDS = 0.4  # share of what is near that a reading may be off meanwhile; the rest is motion between two of them
_FROZEN = 0.14  # s of the same figures, while what they are of is told to move
_BEYOND = 0.05  # rad or m beyond a joint's range that calibration may put it


@dataclass(frozen=True)
class Possible:
    """What readings of joints, or of a base's pose, may do.

    Attributes:
        rates: (n,) the fastest change, unit/s.
        slack: (n,) further change, once, not with each reading.
        near: (n,) what is no motion: servos give way to a load, and controllers leave something over.
        still: (n,) within which readings agree with each other at rest.
        low, high: (n,) their range.
        unit: rad or m.
        names: of the entries.
        nowhere: whether all of them at exactly zero are what drivers publish before they know better.
    """

    rates: np.ndarray
    slack: np.ndarray
    near: np.ndarray
    still: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unit: str
    names: tuple[str, ...]
    nowhere: bool = False


class Steady:
    """Whether readings have agreed with each other for long enough to be where something rests.

    Args:
        still: (n,) or a number, the most that they may differ.
    """

    def __init__(self, still):
        self._still = still
        self._reference: np.ndarray | None = None
        self._count, self._since, self._last = 0, 0.0, 0.0

    def update(self, stamp: float, values: np.ndarray) -> None:
        """Takes in a reading at ``stamp`` (s), later than the one before."""
        begun = self._reference is not None and stamp - self._last <= _APART
        if begun and (np.abs(values - self._reference) <= self._still).all():
            self._count += 1
        else:
            self._reference, self._since, self._count = values, stamp, 1
        self._last = stamp

    @property
    def ready(self) -> bool:
        """Whether they have."""
        return self._count >= _FEWEST and self.lasted >= _LASTS - 1e-6

    @property
    def lasted(self) -> float:
        """For how long, s."""
        return self._last - self._since

    def forget(self) -> None:
        """Starts over."""
        self._reference, self._count, self._since, self._last = None, 0, 0.0, 0.0


class Trust:
    """Judges readings by what was believed before them.

    At first, after a pause and after the clock has leapt they are believed once they have been at rest, inside their
    range, for 0.2 s. From then on each is compared with a mark that follows them no faster than they can change. One
    that is too far from it is doubted; those that are back at it are believed again after five, and after more of them
    where it jumps again and again. A jump that lasts 0.2 s stays doubted until a person has looked (``accept``), if
    commands were sent; before, they just have to be at rest anew. What is elsewhere after a pause waits for a person,
    too.

    Args:
        what: the name of what is read.
        possible: what its readings may do.

    Attributes:
        believed: (n,) the newest reading that is believed; None before the first.
        stamp: of it, s.
        steady: of the readings believed.
        certain: whether its place was known otherwise than by readings.
        commanded: whether commands were sent that follow from what was believed.
        idle: whether none are sent at present. Then no jump beyond ``near`` is possible: people move
            arms more slowly than arms move.
        latched: what a person has to look at; empty when nothing.
    """

    def __init__(self, what: str, possible: Possible):
        self._what, self._possible = what, possible
        self.steady = Steady(possible.still)
        self.latched = ""
        self.forget()

    def forget(self) -> None:
        """Starts over, as after a leap of the clock. What waits for a person goes on to do so."""
        self.believed: np.ndarray | None = None
        self.stamp: float | None = None
        self._heard: float | None = None
        self.commanded = self.idle = self.certain = False
        self._before: np.ndarray | None = None  # believed before a pause
        self._there: np.ndarray | None = None  # what waits for a person
        self._since: float | None = None
        self._doubt, self._recovery = "", Recovery()
        self._waiting = f"the {self._what} has not been read at rest for {_LASTS:g} s yet"
        self.steady.forget()

    def accept(self) -> bool:
        """A person has looked: readings are believed anew, once they are at rest. Whether anything waited for that."""
        if not self.latched:
            return False
        there, stamp, rests = self._there, self._heard, self.steady.ready
        self.latched = ""
        self.forget()
        if rests and there is not None and not self._beyond(there):
            self.believed = self._mark = there
            self.stamp = self._heard = stamp
            self._waiting = ""
        return True

    def carry(self, way: np.ndarray) -> None:
        """It has been told to go on by that much (n,): what is doubted is expected there."""
        if self._doubt:
            self._mark = self._mark + way

    def rest(self) -> None:
        """No commands are sent any more, and what was sent has come to rest."""
        if not self.idle and self.believed is not None:
            self.idle, self._mark = True, self.believed

    def start(self, values: np.ndarray) -> None:
        """Something is known to be at these (n,)."""
        self.forget()
        self.certain = True
        self.believed = self._mark = np.array(values, float)
        self._waiting = ""

    @property
    def heard(self) -> bool:
        """Whether there was any reading, or its place is known."""
        return self._heard is not None or self.believed is not None

    @property
    def reason(self) -> str:
        """Why the readings are not believed at present; empty when they are."""
        return f"{self.latched}; {RESUME}" if self.latched else self._doubt or self._waiting

    def hear(self, stamp: float, values: np.ndarray) -> None:
        """Takes in a reading (n,) of finite numbers at ``stamp`` (s)."""
        passed = _ALLOWED
        if self._heard is not None:
            passed = min(stamp - self._heard, _ALLOWED)
            if stamp < self._heard:
                self.forget()
            elif stamp == self._heard:
                return
            elif stamp - self._heard > _PAUSE and self.believed is not None:
                self._pause(stamp - self._heard)
        self._heard = stamp
        if self.latched:
            self._there = values
            self.steady.update(stamp, values)
            return
        if self.believed is None:
            self._collect(stamp, values)
            return
        reach, slack = self._possible.rates * passed, self._possible.slack
        if self.idle:
            near = self._possible.near
            reach, slack = np.minimum(np.minimum(reach, _BY_HAND * passed), (1 - _HANDS) * near), _HANDS * near
        away = values - self._mark
        mark = self._mark + np.minimum(np.maximum(away, -reach), reach)
        if (np.abs(values - mark) <= slack).all():
            self._mark, self.believed, self.stamp, self._since = mark, values, stamp, None
            self.steady.update(stamp, values)
            if self._recovery.good():
                self._doubt = ""
        else:
            self._jump(stamp, values)

    def _jump(self, stamp: float, values: np.ndarray) -> None:
        change = np.abs(values - self.believed)
        which = int(np.argmax(change / self._possible.slack))
        words = (
            f"the {self._what} cannot be where it reads: {self._possible.names[which]} jumped by "
            f"{change[which]:.2f} {self._possible.unit}"
        )
        self.steady.forget()
        if not self.commanded:
            self.believed, self._doubt, self._waiting = None, "", words
            self._collect(stamp, values)
            return
        self._doubt = words
        self._recovery.failed()
        self._since = stamp if self._since is None else self._since
        if stamp - self._since >= _LASTS - 1e-6:
            self.latched = f"{words} and stays there"

    def _pause(self, seconds: float) -> None:
        self._before, self.believed, self._doubt, self._since = self.believed, None, "", None
        self._waiting = f"the {self._what} was not read for {seconds:.1f} s, and not at rest since"
        self.steady.forget()

    def _beyond(self, values: np.ndarray) -> str:
        """Which entry is outside its range, in words; empty when none is."""
        possible = self._possible
        beyond = np.maximum(possible.low - values, values - possible.high)
        if (beyond <= _BEYOND).all():
            return ""
        which = int(np.argmax(beyond))
        return (
            f"{possible.names[which]} of the {self._what} reads {values[which]:.2f} {possible.unit}, outside its range"
            f" {possible.low[which]:.2f} to {possible.high[which]:.2f}"
        )

    def _collect(self, stamp: float, values: np.ndarray) -> None:
        possible = self._possible
        if beyond := self._beyond(values):
            self._waiting = beyond
            self.steady.forget()
            return
        self.steady.update(stamp, values)
        if not self.steady.ready:
            return
        if self._possible.nowhere and not values.any() and self.steady.lasted < _ZEROS:
            self._waiting = f"the {self._what} reads exactly zero at all joints, as drivers do before they know better"
            return
        if self._before is not None and self.commanded:
            change = np.abs(values - self._before)
            if (change > possible.slack).any():
                which = int(np.argmax(change / possible.slack))
                self.latched = (
                    f"the {self._what} is elsewhere after a pause of its readings: {possible.names[which]} by "
                    f"{change[which]:.2f} {possible.unit}"
                )
                return
        self.believed, self._mark, self.stamp, self._before, self._waiting = values, values, stamp, None, ""


class Frozen:
    """Whether readings stay at the very same figures while what they are of is told to move.

    Encoders and simulations show at least their noise, and all figures at once do not stay while anything moves.

    Args:
        what: the name of what is read.
        travel: (n,) or a number, how far it is told to go meanwhile.

    Attributes:
        reason: that they are, in words; until they change, or ``forget``.
    """

    def __init__(self, what: str, travel):
        self._what, self._travel = what, travel
        self._figures: np.ndarray | None = None
        self._from: tuple[float, np.ndarray] | None = None
        self.forget()

    def forget(self) -> None:
        """Starts over."""
        self.reason, self._from, self._repeated = "", None, 0
        self._new = False  # whether there was one since the last command: silence is no frozen reading

    def hear(self, values: np.ndarray) -> None:
        """Takes in a reading (n,)."""
        if self._figures is not None and (values == self._figures).all():
            self._repeated, self._new = self._repeated + 1, True
        else:
            self._figures = values
            self.forget()

    def told(self, now: float, place: np.ndarray) -> None:
        """It is told to be at a place (n,) at ``now`` (s)."""
        if self._from is None or now < self._from[0]:
            self._from, self._repeated = (now, place), 0
        elif self._new and self._repeated >= 2 and now - self._from[0] >= _FROZEN - 1e-6 and self._left(place):
            seconds = now - self._from[0]
            self.reason = (
                f"the readings of the {self._what} are frozen: the same figures for {seconds:.2f} s in which it was"
                f" told to move; {RESUME} if it stands still indeed"
            )
        self._new = False

    def _left(self, place: np.ndarray) -> bool:
        return bool((np.abs(place - self._from[1]) > self._travel).any())
