# SPDX-License-Identifier: Apache-2.0
"""What cannot be: things that move faster than anything can, and clocks that leap."""

from __future__ import annotations

import math

import numpy as np

_LEAP = 0.5  # s
_FASTEST = 20.0  # times real time that a simulation may run at
_REMEMBERED = 1.0  # s that a leap stays a reason to hold


class Continuity:
    """Watches a quantity for jumps.

    Args:
        what: its name, for the reason given.
        unit: of its values.
        rates: (n,) or a number, the fastest change that is possible, unit/s.
        slack: further change that is possible at any time.
        again: readings in a row without a jump, after one, until it is trusted.
    """

    def __init__(self, what: str, unit: str, rates, slack: float, again: int = 3):
        self._what, self._unit, self._slack, self._again = what, unit, slack, again
        self._rates = np.asarray(rates, float)
        self._stamp: float | None = None
        self._values = np.empty(0)
        self._doubted = 0
        self._reason = ""

    def add(self, stamp: float, values) -> str:
        """Takes in a reading at ``stamp`` (s); what is wrong, or an empty text."""
        values = np.asarray(values, float)
        if self._stamp is not None and stamp == self._stamp:
            return self.reason  # the same again
        reason = self._judge(stamp, values)
        if reason:
            self._doubted, self._reason = self._again, reason
        elif self._doubted:
            self._doubted -= 1
        if math.isfinite(stamp) and np.isfinite(values).all():
            self._stamp, self._values = stamp, values
        return self.reason

    @property
    def reason(self) -> str:
        """What is wrong at present, or an empty text."""
        return self._reason if self._doubted else ""

    def forget(self) -> None:
        """Starts over, as after a restart of the clock."""
        self._stamp, self._doubted = None, 0

    def _judge(self, stamp: float, values: np.ndarray) -> str:
        if not (math.isfinite(stamp) and np.isfinite(values).all()):
            return f"{self._what} is not a finite number"
        if self._stamp is None:
            return ""
        if stamp < self._stamp:
            return f"{self._what} went back in time by {self._stamp - stamp:.2f} s"
        if values.shape != self._values.shape:
            return f"{self._what} has {values.size} numbers after {self._values.size}"
        change = np.abs(values - self._values)
        if (change > self._rates * (stamp - self._stamp) + self._slack).any():
            return f"{self._what} jumped by {change.max():.2f} {self._unit} in {stamp - self._stamp:.2f} s"
        return ""


class ClockWatch:
    """Compares the node's clock, which may be set or simulated, with steady time."""

    def __init__(self):
        self._last: tuple[float, float] | None = None
        self._reason, self._since = "", -math.inf

    def add(self, now: float, steady: float) -> str:
        """Takes in both times, s; how far the clock has just leapt, in words, or an empty text."""
        last, self._last = self._last, (now, steady)
        if last is None:
            return ""
        leap = now - last[0]
        if leap < -1e-6:
            reason = f"the clock was set back by {-leap:.1f} s"
        elif leap > _LEAP + _FASTEST * (steady - last[1]):
            reason = f"the clock leapt ahead by {leap:.1f} s"
        else:
            return ""
        self._reason, self._since = reason, steady
        return reason

    def reason(self, steady: float) -> str:
        """The last leap, for a second after it; else an empty text."""
        return self._reason if steady - self._since < _REMEMBERED else ""
