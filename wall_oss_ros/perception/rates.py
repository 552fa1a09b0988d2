# SPDX-License-Identifier: Apache-2.0
"""How often something happens: limited, or measured."""

from __future__ import annotations

from collections import deque

import numpy as np


class RateLimit:
    """Lets through at most ``rate`` events a second (Hz) on average, whatever rhythm they arrive in.

    Counting on from when an event was due, not from when it came, thins a 15 Hz camera to 10 Hz; waiting a tenth of a
    second after each event would leave 7.5 Hz.
    """

    def __init__(self, rate: float):
        self._period = 1.0 / rate
        self._due: float | None = None

    def permits(self, stamp: float) -> bool:
        """Whether an event at ``stamp`` (s) may pass; if so, it is counted."""
        if self._due is None or abs(stamp - self._due) > 1.0:  # the first, after a pause, or after a clock's restart
            self._due = stamp
        if stamp < self._due - 0.2 * self._period:  # stamps jitter a little
            return False
        self._due = max(self._due + self._period, stamp)
        return True


class RateMeter:
    """Rate and jitter of events over the last ``window`` seconds.

    Attributes:
        total: how many there have been.
    """

    def __init__(self, window: float = 1.0):
        self._window = window
        self.total = 0
        self._times: deque[float] = deque()

    def tick(self, now: float) -> None:
        """Counts an event at ``now``, s. A clock that goes back begins anew."""
        if self._times and now < self._times[-1]:
            self._times.clear()
        self.total += 1
        self._times.append(now)
        self._forget(now)

    def measure(self, now: float) -> tuple[float, float]:
        """Mean rate (Hz) and standard deviation of the interval (s); zeros if there were fewer than three events."""
        self._forget(now)
        if len(self._times) < 3 or now < self._times[-1] - self._window:
            return 0.0, 0.0
        intervals = np.diff(self._times)
        mean = float(intervals.mean())
        return (1.0 / mean if mean > 0 else 0.0), float(intervals.std())

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] < now - self._window:
            self._times.popleft()
