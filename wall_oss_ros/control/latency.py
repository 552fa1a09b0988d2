# SPDX-License-Identifier: Apache-2.0
"""How long the model takes, as its recent runs say."""

from __future__ import annotations

import math
from collections import deque

import numpy as np


class LatencyEstimate:
    """A high quantile of the last run times.

    The first run is left out, because libraries set themselves up in it; a single run that took long moves the quantile
    by one rank, and is forgotten with the others.

    Args:
        window: runs remembered.
        quantile: 1 is the longest of them. Too short an estimate leaves the arm without targets, or with rows that were
            not held; too long a one only holds more rows than needed.
    """

    def __init__(self, window: int = 20, quantile: float = 0.8):
        self._times: deque[float] = deque(maxlen=window)
        self._quantile = quantile
        self._first = True

    def add(self, seconds: float) -> None:
        """Takes in one run; one that is negative or not finite, as after a jump of the clock, counts for nothing."""
        if not math.isfinite(seconds) or seconds < 0:
            return
        if self._first:
            self._first = False
            return
        self._times.append(seconds)

    @property
    def seconds(self) -> float | None:
        """The estimate; None before the second run."""
        return float(np.quantile(self._times, self._quantile, method="lower")) if self._times else None
