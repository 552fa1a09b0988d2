# SPDX-License-Identifier: Apache-2.0
"""Statistics of many rows, added up part by part in bounded memory, each entry over the rows that know it."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.normalizer import Normalizer

DEAD = 1e-5
"""Range in m or rad below which an entry does not move: no encoder is as fine, and arithmetic leaves as much."""
_BUFFER = 1 << 16


class Quantiles:
    """Quantiles of one stream of numbers: exact up to 65,536 of them, afterwards within a few parts in 100,000 in rank.

    A full buffer is sorted, and every second number goes on with twice the weight (the compactors of Karnin, Lang and
    Liberty, arXiv 1603.05346, without chance: the same stream always gives the same numbers).
    """

    def __init__(self) -> None:
        self._levels: list[list[np.ndarray]] = [[]]
        self._turns = [0]

    def add(self, values: np.ndarray) -> None:
        """Takes numbers (n,)."""
        for start in range(0, len(values), _BUFFER):
            self._add(0, values[start : start + _BUFFER])

    def _add(self, level: int, values: np.ndarray) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._turns.append(0)
        self._levels[level].append(values)
        if sum(map(len, self._levels[level])) > _BUFFER:
            held = np.sort(np.concatenate(self._levels[level]))
            left = held[len(held) - len(held) % 2 :]
            self._levels[level] = [left] if len(left) else []
            chosen = held[: len(held) - len(held) % 2][self._turns[level] :: 2]
            self._turns[level] ^= 1
            self._add(level + 1, chosen)

    def at(self, share: float) -> float:
        """The number that a share (0 to 1) of the stream lies below; between two, in proportion."""
        values = np.concatenate([np.concatenate([*level, np.empty(0)]) for level in self._levels])
        weights = np.concatenate(
            [np.full(sum(map(len, level)), 2.0**number) for number, level in enumerate(self._levels)]
        )
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
        if (weights == 1).all():
            return float(np.quantile(values, share))
        middles = np.cumsum(weights) - weights / 2
        return float(np.interp(share * weights.sum(), middles, values))


class Summary:
    """Statistics of rows of A entries.

    Attributes:
        count: (A,) rows that knew the entry.
        low, high: (A,) least and greatest value; NaN where there was none.
    """

    def __init__(self, size: int, quantiles: bool = False):
        self.count = np.zeros(size, np.int64)
        self.low, self.high = np.full(size, np.nan), np.full(size, np.nan)
        self._mean, self._squares = np.zeros(size), np.zeros(size)
        self._quantiles = [Quantiles() for _ in range(size)] if quantiles else None

    def add(self, values: np.ndarray, known: np.ndarray) -> None:
        """Takes rows (n, A), and which of their entries are known, (n, A) bool.

        Raises:
            WallOSSError: a known entry is not finite.
        """
        values, known = np.asarray(values, float), np.asarray(known, bool)
        if not np.isfinite(values[known]).all():
            raise WallOSSError("Statistics were asked for of numbers that are not finite.", "Leave these rows out.")
        count = known.sum(0)
        some = count > 0
        if not some.any():
            return
        sums = np.where(known, values, 0).sum(0)
        mean = np.divide(sums, count, out=np.zeros_like(sums), where=some)
        squares = (np.where(known, values - mean, 0) ** 2).sum(0)
        total = self.count + count
        shift = mean - self._mean  # Chan, Golub and LeVeque 1979: means and squares of two parts put together
        both = np.where(some, total, 1)
        self._squares += np.where(some, squares + shift**2 * self.count * count / both, 0)
        self._mean += np.where(some, shift * count / both, 0)
        self.low = np.fmin(self.low, np.where(known, values, np.inf).min(0, initial=np.inf))
        self.high = np.fmax(self.high, np.where(known, values, -np.inf).max(0, initial=-np.inf))
        self.low[total == 0] = self.high[total == 0] = np.nan
        self.count = total
        for entry, quantiles in enumerate(self._quantiles or ()):
            if some[entry]:
                quantiles.add(values[known[:, entry], entry])

    @property
    def mean(self) -> np.ndarray:
        """(A,)"""
        return self._mean

    @property
    def std(self) -> np.ndarray:
        """(A,), of all rows."""
        return np.sqrt(self._squares / np.maximum(self.count, 1))

    def quantile(self, share: float) -> np.ndarray:
        """(A,); NaN where there was no value. The summary must have been made with ``quantiles``."""
        return np.array([one.at(share) if n else np.nan for one, n in zip(self._quantiles, self.count)])

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
