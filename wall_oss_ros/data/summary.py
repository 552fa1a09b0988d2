# SPDX-License-Identifier: Apache-2.0
"""Normalizers out of the statistics of many rows."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.data.statistics import KEEP, Statistics
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.normalizer import Normalizer

DEAD = 1e-5
"""Range in m or rad below which an entry does not move: no encoder is as fine, and arithmetic leaves as much."""


class Summary:
    """Statistics of rows of A entries, each over the rows that know it, and what a checkpoint keeps of them.

    Args:
        quantiles: whether these are wanted, for which rows are held.
    """

    def __init__(self, size: int, quantiles: bool = False):
        self._statistics = Statistics(size, KEEP if quantiles else 0)

    def add(self, values: np.ndarray, known: np.ndarray) -> None:
        """Takes rows (n, A), and which of their entries are known, (n, A) bool.

        Raises:
            WallOSSError: a known entry is not finite.
        """
        values, known = np.asarray(values, float), np.asarray(known, bool)
        if not np.isfinite(values[known]).all():
            raise WallOSSError("Statistics were asked for of numbers that are not finite.", "Leave these rows out.")
        self._statistics.add(np.where(known, values, np.nan))

    @property
    def count(self) -> np.ndarray:
        """(A,) rows that knew the entry."""
        return self._statistics.count

    @property
    def low(self) -> np.ndarray:
        """(A,) least value; NaN where there was none."""
        return np.where(self.count > 0, self._statistics.min, np.nan)

    @property
    def high(self) -> np.ndarray:
        """(A,) greatest value; NaN where there was none."""
        return np.where(self.count > 0, self._statistics.max, np.nan)

    @property
    def mean(self) -> np.ndarray:
        """(A,)"""
        return self._statistics.mean

    @property
    def std(self) -> np.ndarray:
        """(A,), of all rows."""
        return self._statistics.std

    def quantile(self, share: float) -> np.ndarray:
        """(A,); NaN where there was no value.

        Raises:
            ValueError: the summary was made without ``quantiles``.
        """
        if self._statistics.keep == 0:
            raise ValueError("made without quantiles")
        return self._statistics.quantiles([share])[0]

    def normalizer(self, kind: str = "min_max", quantile: float = 0.01, least: np.ndarray | float = 0.0) -> Normalizer:
        """Statistics for a checkpoint. Entries that never moved, or are not known, carry no information.

        Args:
            kind: ``min_max``; ``quantiles``, a range without the share ``quantile`` at each end; or ``mean_std``.
            least: (A,) or one number: range that an entry which moved less is widened to, around its middle; of
                ``mean_std``, least deviation times 4.
        """
        moved = (self.count > 0) & (np.nan_to_num(self.high - self.low) > DEAD)
        if kind == "mean_std":
            deviation = np.maximum(self.std, np.broadcast_to(least, moved.shape) / 4)
            return Normalizer(np.where(self.count > 0, self.mean, 0), np.where(moved, deviation, 0), "mean_std")
        low, high = self.low, self.high
        if kind == "quantiles":
            low, high = self.quantile(quantile), self.quantile(1 - quantile)
            flat = ~(high - low > DEAD)  # hardly ever moves, but does: its whole range, so that it is not lost
            low, high = np.where(flat, self.low, low), np.where(flat, self.high, high)
        low, high = np.nan_to_num(low), np.nan_to_num(high)
        spare = np.where(moved, np.maximum(0, least - (high - low)), 0) / 2
        return Normalizer(low - spare, np.where(moved, high - low + 2 * spare, 0), "min_max")
