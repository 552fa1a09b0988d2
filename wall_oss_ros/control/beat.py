# SPDX-License-Identifier: Apache-2.0
"""What time commands are for: a steady beat, however early or late the cycles that send them come."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

_PULL = 0.05  # share of an offset that is taken over, so that the beat follows a clock that runs differently
_LEAP = 0.15  # s that a clock goes on faster than time passes: it has leapt
STANDS = 0.1  # s: what is told positions one by one, and lags behind them, does not yet stand when they are this late
_REMEMBERED = 25  # cycles
_LATE = 0.5  # of a period that a cycle may be early or late for its command to be on the beat


class Tick(NamedTuple):
    """A command is due.

    Attributes:
        time: it is for, s.
        lost: s since the command before, where cycles were missed and what was sent with it has gone on alone; else 0.
    """

    time: float
    lost: float = 0.0


class Beat:
    """Gives each cycle the time that its command is for.

    Cycles come early and late, and some not at all. Each command goes on from the one before by exactly one period, so
    it is for the time one period later, too: then the arm sees nothing of it. A cycle later than half a period has lost
    the beat: meanwhile the arm has followed what was sent before, and the next command goes on from there.

    Args:
        period: s between commands.
        stamped: whether commands carry these times. If so, a controller has followed what was sent before for as long
            as they say, also where the clock has leapt ahead; if not, for as long as really passed.
    """

    def __init__(self, period: float, stamped: bool = True):
        self._period, self._stamped = period, stamped
        self.forget()

    def forget(self) -> None:
        """Nothing is under way any more: the next command is for the time of its cycle."""
        self._last: tuple[float, float] | None = None
        self._ahead: deque[float] = deque(maxlen=_REMEMBERED)  # steady time before the clock's, s

    def next(self, now: float, steady: float | None = None) -> Tick | None:
        """The next command; None where it is too early for one.

        Args:
            now: s.
            steady: s of a clock that never leaps, by which a leap is told from a late cycle.
        """
        steady = now if steady is None else steady
        if self._last is None:
            return self._tick(now, steady)
        last, before = self._last
        passed, ahead = now - last, steady - now
        late = passed - self._period
        # A busy process hears of the time late, and then of much of it at once: that makes up for what was missed.
        leaps = late < 0 or (not self._stamped and not min(self._ahead) - ahead <= _LEAP)
        self._ahead.append(ahead)
        if abs(late) <= _LATE * self._period:
            return self._tick(last + self._period + _PULL * late, steady)
        if -2 * self._period < late < 0:  # the command before was early itself
            return None
        if leaps:  # perhaps after a standstill of the clock
            passed = steady - before
        return self._tick(now, steady, passed if passed > (1 + _LATE) * self._period else 0.0)

    def _tick(self, time: float, steady: float, lost: float = 0.0) -> Tick:
        if self._last is None or not self._ahead:
            self._ahead.append(steady - time)
        self._last = time, steady
        return Tick(time, lost)
