# SPDX-License-Identifier: Apache-2.0
"""Statistics of columns of numbers, as datasets store them: min, max, mean, std, count, and quantiles.

Rows stream through. Up to ``keep`` rows the quantiles are exact; beyond it a sketch takes over, whose error in rank is
bounded and told. It is that of Manku, Rajagopalan and Lindsay (SIGMOD 1998) with buffers of one size: two neighbours in
order are replaced by one of twice the weight, so that each such step moves a rank by at most the weight it replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
KEEP = 1 << 17
"""Rows held before the sketch begins: more than an hour at 30 Hz."""


class Statistics:
    """Of D numbers, over any number of rows. NaN and infinite entries count for nothing.

    Attributes:
        count, mean: (D,) rows that knew each number, and their mean; 0 where there was none.
        min, max: (D,); inf and -inf where there was none.
        rows: all of them.

    Args:
        width: numbers in a row (D).
        keep: rows held at most for each weight; None holds all, so that every quantile is exact, and 0 none, so that
            there are no quantiles.
    """

    def __init__(self, width: int, keep: int | None = KEEP) -> None:
        self.width, self.keep = width, keep
        self.count = np.zeros(width, np.int64)
        self.rows = 0
        self.min, self.max = np.full(width, np.inf), np.full(width, -np.inf)
        self.mean, self._squares = np.zeros(width), np.zeros(width)
        self._levels: list[list[np.ndarray]] = [[]]  # values of weight 2 ** level, (n, D) float64, NaN last
        self._moved = 0.0  # rows by which a rank may be off
        self._up = False

    def add(self, values: np.ndarray) -> None:
        """Args: values: (n, D), or (n,) where D is 1."""
        values = np.asarray(values, np.float64).reshape(-1, self.width)
        if not len(values):
            return
        known = np.isfinite(values)
        whole = bool(known.all())
        count = np.full(self.width, len(values)) if whole else known.sum(0)
        least = values if whole else np.where(known, values, np.inf)
        greatest = values if whole else np.where(known, values, -np.inf)
        self.min, self.max = np.minimum(self.min, least.min(0)), np.maximum(self.max, greatest.max(0))
        filled = values if whole else np.where(known, values, 0.0)
        divisor = np.maximum(count, 1)
        mean = filled.sum(0) / divisor
        apart = np.where(known, values - mean, 0.0) if not whole else values - mean
        self._join(count, mean, np.square(apart).sum(0))
        self._hold(0, values if whole else np.where(known, values, np.nan), len(values))

    def merge(self, other: Statistics) -> None:
        """As if what ``other`` has seen had been added here."""
        self.min, self.max = np.minimum(self.min, other.min), np.maximum(self.max, other.max)
        self._join(other.count, other.mean, other._squares)
        self._moved += other._moved
        for level, buffers in enumerate(other._levels):
            for buffer in buffers:
                self._hold(level, buffer, len(buffer) << level)

    @property
    def std(self) -> np.ndarray:
        """(D,), of all rows."""
        return np.sqrt(self._squares / np.maximum(self.count, 1))

    @property
    def rank_error(self) -> float:
        """The share of all rows by which the rank of a quantile may be off; 0 where they are exact."""
        return self._moved / max(self.rows, 1)

    def result(self, quantiles: Mapping[str, float] = QUANTILES) -> dict[str, np.ndarray]:
        """Each (D,), by the names that LeRobot's files have; std is that of the population.

        ``count`` is (1,): rows of the number that was known most often.
        """
        nothing = self.count == 0
        found: dict[str, np.ndarray] = {
            "min": np.where(nothing, np.nan, self.min),
            "max": np.where(nothing, np.nan, self.max),
            "mean": np.where(nothing, np.nan, self.mean),
            "std": np.where(nothing, np.nan, self.std),
            "count": np.array([self.count.max(initial=0)]),
        }
        levels = self.quantiles(list(quantiles.values()))
        return found | dict(zip(quantiles, levels))

    def quantiles(self, shares: Sequence[float]) -> np.ndarray:
        """(len(shares), D); linear between neighbours, as ``numpy.quantile``."""
        values, weights = self._weighted()
        result = np.full((len(shares), self.width), np.nan)
        for at in range(self.width):
            column, weight = values[:, at], weights
            known = ~np.isnan(column)
            if not known.any():
                continue
            column, weight = column[known], weight[known]
            order = np.argsort(column, kind="stable")
            column, weight = column[order], weight[order]
            ends = np.cumsum(weight)
            # A value of weight w stands for w equal ones, at ranks from (ends - w) to (ends - 1).
            ranks = np.asarray(shares) * (ends[-1] - 1)
            low = np.searchsorted(ends - 1, np.floor(ranks), side="left")
            high = np.searchsorted(ends - 1, np.ceil(ranks), side="left")
            part = ranks - np.floor(ranks)
            result[:, at] = column[low] + part * (column[high] - column[low])
        return result

    def below(self, at: int, value: float) -> tuple[float, float]:
        """Shares of the rows of number ``at`` that are less than ``value``, and at most ``value``."""
        values, weights = self._weighted()
        known = ~np.isnan(values[:, at])
        total = max(weights[known].sum(), 1)
        return (weights[values[:, at] < value].sum() / total, weights[values[:, at] <= value].sum() / total)

    def _weighted(self) -> tuple[np.ndarray, np.ndarray]:
        buffers = [(buffer, 1 << level) for level, held in enumerate(self._levels) for buffer in held]
        if not buffers:
            return np.empty((0, self.width)), np.empty(0)
        values = np.concatenate([buffer for buffer, _ in buffers])
        self._levels = _regrouped(self._levels)
        return values, np.concatenate([np.full(len(buffer), weight) for buffer, weight in buffers])

    def _join(self, count: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> None:
        """Chan, Golub and LeVeque's joining of two means and sums of squares."""
        total = np.maximum(self.count + count, 1)
        apart = np.where(count > 0, mean - self.mean, 0.0)
        self._squares = self._squares + squares + np.square(apart) * self.count * count / total
        self.mean = self.mean + apart * count / total
        self.count = self.count + count

    def _hold(self, level: int, values: np.ndarray, rows: int) -> None:
        self.rows += rows
        if self.keep == 0:
            return
        while len(self._levels) <= level:
            self._levels.append([])
        self._levels[level].append(np.array(values))
        while self.keep is not None and level < len(self._levels):
            held = self._levels[level]
            if sum(map(len, held)) <= self.keep:
                break
            buffer = np.sort(np.concatenate(held), axis=0)  # NaN comes last in each
            even = len(buffer) - len(buffer) % 2
            if level + 1 == len(self._levels):
                self._levels.append([])
            self._levels[level] = [buffer[even:]] if even < len(buffer) else []
            self._levels[level + 1].append(buffer[int(self._up) : even : 2])
            self._up = not self._up  # now the lower of two, now the upper
            self._moved += 1 << level
            level += 1


def _regrouped(levels: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    return [[np.concatenate(held)] if len(held) > 1 else held for held in levels]
