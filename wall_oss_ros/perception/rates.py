# SPDX-License-Identifier: Apache-2.0
"""How often something happens: limited, and measured."""

from __future__ import annotations

from collections import deque

import numpy as np


class RateLimit:
    """Lets through at most ``rate`` events a second, on average, whatever the events' own rhythm.

    Counting on from the time an event was due, rather than from when it came, keeps a 15 Hz camera at 10 Hz
    where waiting a tenth of a second after each would give 7.5 Hz.
    """

    def __init__(self, rate: float):
        self._period = 1.0 / rate
        self._due: float | None = None

    def permits(self, stamp: float) -> bool:
        """Whether an event at ``stamp`` (s) may pass; counts it if so."""
        if self._due is None or abs(stamp - self._due) > 1.0:  # the first, after a pause, or a restarted clock
            self._due = stamp
        if stamp < self._due - 0.2 * self._period:  # stamps waver a little
            return False
        self._due = max(self._due + self._period, stamp)
        return True


class RateMeter:
    """Rate and jitter of events over the last ``window`` seconds."""

    def __init__(self, window: float = 1.0):
        self._window = window
        self._times: deque[float] = deque()

    def tick(self, now: float) -> None:
        """Counts one event at ``now``, s."""
        self._times.append(now)
        self._forget(now)

    def measure(self, now: float) -> tuple[float, float]:
        """Mean rate (Hz) and standard deviation of the interval (s); zeros when there were fewer than three events."""
        self._forget(now)
        if len(self._times) < 3:
            return 0.0, 0.0
        intervals = np.diff(self._times)
        return float(1.0 / intervals.mean()), float(intervals.std())

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] < now - self._window:
            self._times.popleft()
