# SPDX-License-Identifier: Apache-2.0
"""Statistics of what is written, in lerobot's form: of each episode exactly, of the whole from bounded memory.

Quantiles of a whole cannot be had from those of its parts (lerobot averages them, which is wrong wherever episodes
differ). So a sketch of the values is kept: as many of them as fit, at equal distances in rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
KEPT = 8192
"""Values of each entry that a sketch keeps: exact up to so many rows, within 1/KEPT in rank for each merge beyond."""

SMALL = 160
"""Pictures are looked at in about so many pixels a side."""


class Sketch:
    """Count, extremes, moments and quantiles of rows (n, d) that come bit by bit.

    Values that are no numbers do not count. Rows are merged two levels deep, like digits of a counter, so that the
    error in rank grows with the logarithm of the number of rows.
    """

    def __init__(self, width: int) -> None:
        self.count = np.zeros(width, np.int64)
        self.low, self.high = np.full(width, np.inf), np.full(width, -np.inf)
        self._mean, self._squares = np.zeros(width), np.zeros(width)
        self._levels: dict[int, np.ndarray] = {}  # level: (KEPT, d), each value standing for 2**level rows
        self._loose = np.empty((0, width))  # rows that are not in a level yet

    def add(self, rows: np.ndarray) -> None:
        """Takes rows (n, d) in."""
        rows = np.asarray(rows, np.float64)
        there = np.isfinite(rows)
        count = there.sum(axis=0)
        if not rows.size or not count.any():
            return
        known = np.where(there, rows, 0.0)
        total = self.count + count
        safe = np.maximum(count, 1)
        mean = known.sum(axis=0) / safe
        squares = (np.where(there, rows - mean, 0.0) ** 2).sum(axis=0)
        step = mean - self._mean
        share = count / np.maximum(total, 1)
        self._squares += squares + step**2 * self.count * share
        self._mean += step * share
        self.count = total
        self.low = np.minimum(self.low, np.where(there, rows, np.inf).min(axis=0))
        self.high = np.maximum(self.high, np.where(there, rows, -np.inf).max(axis=0))
        self._loose = np.concatenate([self._loose, rows])
        while len(self._loose) >= 2 * KEPT:
            self._carry(np.sort(self._loose[:KEPT], axis=0), 0)
            self._loose = self._loose[KEPT:]

    def statistics(self) -> dict[str, np.ndarray]:
        """By lerobot's names, (d,) each; count is the largest of all entries, (1,)."""
        unknown = self.count == 0
        values = {
            "min": np.where(unknown, np.nan, self.low),
            "max": np.where(unknown, np.nan, self.high),
            "mean": np.where(unknown, np.nan, self._mean),
            "std": np.where(unknown, np.nan, np.sqrt(self._squares / np.maximum(self.count, 1))),
            "count": np.array([self.count.max(initial=0)]),
        }
        return values | dict(zip(QUANTILES, self._quantiles(list(QUANTILES.values()))))

    def _quantiles(self, shares: list[float]) -> np.ndarray:
        parts = [(self._loose, 1), *((kept, 2**level) for level, kept in self._levels.items())]
        values = np.concatenate([kept for kept, _ in parts])
        if len(parts) == 1:  # all rows are there
            found = np.full((len(shares), values.shape[1]), np.nan)
            known = self.count > 0
            found[:, known] = np.nanquantile(values[:, known], shares, axis=0) if known.any() else np.nan
            return found
        weights = np.concatenate([np.full(len(kept), weight) for kept, weight in parts])
        found = np.empty((len(shares), values.shape[1]))
        for at in range(values.shape[1]):
            there = np.isfinite(values[:, at])
            order = np.argsort(values[there, at], kind="stable")
            held, weight = values[there, at][order], weights[there][order]
            ranks = np.cumsum(weight) - 0.5 * weight  # a value stands in the middle of the rows that it stands for
            found[:, at] = np.interp(np.array(shares) * weight.sum(), ranks, held) if len(held) else np.nan
        return np.clip(found, self.low, self.high)

    def _carry(self, kept: np.ndarray, level: int) -> None:
        """Two sketches of one level are one of the next: of each two neighbours in rank one is kept, in turn."""
        while level in self._levels:
            both = np.sort(np.concatenate([self._levels.pop(level), kept]), axis=0)
            kept, level = both[level % 2 :: 2], level + 1
        self._levels[level] = kept


def small(pixels: np.ndarray) -> np.ndarray:
    """The pixels of a picture that count for statistics: (n, 3) float64 in 0..1."""
    step = max(1, max(pixels.shape[:2]) // SMALL)
    return pixels[::step, ::step].reshape(-1, 3) / 255.0


def looked_at(length: int) -> set[int]:
    """Which frames of an episode count for the statistics of its pictures: up to 100, evenly spread."""
    return set(np.linspace(0, length - 1, min(length, 100)).round().astype(int).tolist())


class PictureSketch:
    """Statistics of pictures: exact, since there are but 256 levels. ``count`` is of pictures, as lerobot has it."""

    def __init__(self) -> None:
        self.pictures = 0
        self.levels = np.zeros((3, 256))

    def add(self, pixels: np.ndarray) -> None:
        """Takes one picture in, (height, width, 3) uint8."""
        step = max(1, max(pixels.shape[:2]) // SMALL)
        taken = pixels[::step, ::step].reshape(-1, 3)
        for channel in range(3):
            # Each picture weighs the same.
            self.levels[channel] += np.bincount(taken[:, channel], minlength=256) / len(taken)
        self.pictures += 1

    def merge(self, other: PictureSketch) -> None:
        """Takes the pictures of another in."""
        self.pictures += other.pictures
        self.levels += other.levels

    def statistics(self) -> dict[str, np.ndarray]:
        """By lerobot's names, (3, 1, 1) in 0..1; count (1,)."""
        shares = self.levels / max(self.pictures, 1)
        values = np.arange(256) / 255.0
        below = np.cumsum(shares, axis=1)
        there = shares > 0
        mean = shares @ values
        variance = ((values - mean[:, None]) ** 2 * shares).sum(axis=1)
        found = {
            "min": values[there.argmax(axis=1)],
            "max": values[255 - there[:, ::-1].argmax(axis=1)],
            "mean": mean,
            "std": np.sqrt(variance),
        }
        for name, share in QUANTILES.items():
            found[name] = values[(below >= share - 1e-12).argmax(axis=1)]
        return {name: value.reshape(3, 1, 1) for name, value in found.items()} | {"count": np.array([self.pictures])}

    @classmethod
    def from_statistics(cls, given: Mapping[str, np.ndarray]) -> PictureSketch | None:
        """What is left of pictures whose statistics alone are known: their quantiles, joined by straight lines."""
        points = {0.0: "min", **{share: name for name, share in QUANTILES.items()}, 1.0: "max"}
        known = {share: np.ravel(given[name]) for share, name in points.items() if name in given}
        if not {0.0, 1.0} <= known.keys() or any(value.shape != (3,) for value in known.values()):
            return None
        sketch = cls()
        sketch.pictures = int(np.ravel(given.get("count", 1))[0])
        edges = (np.arange(257) - 0.5) / 255.0
        shares = sorted(known)
        for channel in range(3):
            at = np.maximum.accumulate([float(known[share][channel]) for share in shares])
            below = np.interp(edges, at, shares, left=0.0, right=1.0)
            levels = np.diff(below)
            first, last = (min(255, max(0, round(value * 255))) for value in (at[0], at[-1]))
            levels[last] += 1.0 - levels.sum() if math.isfinite(levels.sum()) else 0.0
            levels[first] += 0.0
            sketch.levels[channel] = levels * sketch.pictures
        return sketch
