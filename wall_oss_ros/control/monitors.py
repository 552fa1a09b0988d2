# SPDX-License-Identifier: Apache-2.0
"""Monitors of one kind of reading each: quantities that cannot jump, clocks that must not, forces that have a limit."""

from __future__ import annotations

import math

import numpy as np

from wall_oss_ros.robots.components import Force

LASTS = 0.02  # s that an excess must last: sensors at 500 Hz and more have single readings that mean nothing
_LEAP = 0.5  # s
_FASTEST = 20.0  # times real time that a simulation may run at
_REMEMBERED = 1.0  # s that a leap stays a reason to hold


class JumpMonitor:
    """Whether a quantity changes faster than it can.

    Args:
        what: its name, for the reason given.
        unit: of its values.
        rates: (n,) or a number, the fastest change that is possible, unit/s.
        slack: further change that is possible at any time.
        again: how many readings in a row must be without a jump, after one, until it is trusted.
    """

    def __init__(self, what: str, unit: str, rates, slack: float, again: int = 3):
        self._what, self._unit, self._slack, self._again = what, unit, slack, again
        self._rates = np.asarray(rates, float)
        self._stamp: float | None = None
        self._values = np.empty(0)
        self._doubted = 0
        self._reason = ""

    def update(self, stamp: float, values) -> str:
        """Takes in a reading at ``stamp`` (s). Returns what is wrong; empty when nothing is."""
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
        """What is wrong at present; empty when nothing is."""
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


class ClockMonitor:
    """Compares the node's clock, which may be set or simulated, with steady time."""

    def __init__(self):
        self._last: tuple[float, float] | None = None
        self._reason, self._since = "", -math.inf

    def update(self, now: float, steady: float) -> str:
        """Takes in both times (s). Returns how far the clock has just jumped, in words; empty when it has not."""
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
        """The last jump, for a second after it; then empty."""
        return self._reason if steady - self._since < _REMEMBERED else ""


class ForceMonitor:
    """Whether one arm is pushed, or pushes, harder than it may, by the force and the torque that are measured there.

    Args:
        what: the arm's name, for the reason given.
        limits: of its profile.

    Attributes:
        excess: by how much a limit is exceeded, in words; empty while none is, or not yet for long enough.
        doubt: what is wrong with the last reading; empty when nothing is.
    """

    def __init__(self, what: str, limits: Force):
        self._what, self._limits = what, limits
        self._since: float | None = None  # when the limits were exceeded, s; None while they are kept
        self.excess = self.doubt = ""

    def update(self, now: float, force, torque) -> None:
        """Takes in a reading at ``now`` (s): force (3,) N, torque (3,) N m."""
        newtons, newton_metres = (float(np.linalg.norm(np.asarray(x, float))) for x in (force, torque))
        self.doubt = ""
        if not (math.isfinite(newtons) and math.isfinite(newton_metres)):
            self.doubt = f"the force at the {self._what} is not a finite number"
        elif newtons > self._limits.max_force:
            self._exceed(now, f"a force of {newtons:.0f} N at the {self._what}, {self._limits.max_force:g} N permitted")
        elif newton_metres > self._limits.max_torque:
            words = (
                f"a torque of {newton_metres:.1f} N m at the {self._what}, {self._limits.max_torque:g} N m permitted"
            )
            self._exceed(now, words)
        else:
            self.forget()

    def forget(self) -> None:
        """Starts over, as after a restart of the clock."""
        self._since, self.excess = None, ""

    def _exceed(self, now: float, words: str) -> None:
        self._since = now if self._since is None else self._since
        self.excess = words if now - self._since >= LASTS - 1e-6 else ""
