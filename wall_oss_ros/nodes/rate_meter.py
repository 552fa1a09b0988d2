# SPDX-License-Identifier: Apache-2.0
"""How regular something is."""

from __future__ import annotations

from collections import deque

import numpy as np


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
