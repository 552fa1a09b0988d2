# SPDX-License-Identifier: Apache-2.0
"""Statistics of a dataset's features while they are gathered, and in lerobot's form.

Quantiles of a whole cannot be had from those of its parts (lerobot averages them, which is wrong wherever episodes
differ), so that the whole is gathered beside its episodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from wall_oss_ros.data.lerobot.layout import PICTURES, Feature, has_statistics
from wall_oss_ros.data.statistics import QUANTILES, Statistics

SMALL = 160
"""Pictures are looked at in about so many pixels a side."""


def looked_at(length: int) -> set[int]:
    """Which frames of an episode count for the statistics of its pictures: up to 100, evenly spread."""
    return set(np.linspace(0, length - 1, min(length, 100)).round().astype(int).tolist())


def gathering(features: Mapping[str, Feature], keep: int | None) -> dict[str, Any]:
    """For each feature that has statistics, a ``Statistics`` that keeps ``keep`` rows, or a ``PictureStatistics``."""
    return {
        key: PictureStatistics() if feature.dtype in PICTURES else Statistics(feature.entries, keep)
        for key, feature in features.items()
        if feature.dtype in PICTURES or has_statistics(key, feature)
    }


def results(gathered: Mapping[str, Any], features: Mapping[str, Feature]) -> dict[str, dict[str, np.ndarray]]:
    """In the shapes that are stored: that of the feature, of pictures (3, 1, 1), of counts (1,)."""
    found = {}
    for key, one in gathered.items():
        given = one.result()
        if features[key].dtype not in PICTURES:
            shape = features[key].shape
            given = {name: value if name == "count" else value.reshape(shape) for name, value in given.items()}
        found[key] = given
    return found


def lists(statistics: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, list]]:
    """For JSON and Parquet. What never held a number has zeros: JSON has nothing else, and readers fail at it."""
    return {
        key: {name: np.nan_to_num(value).tolist() for name, value in given.items()} for key, given in statistics.items()
    }


class PictureStatistics:
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

    def merge(self, other: PictureStatistics) -> None:
        """Takes the pictures of another in."""
        self.pictures += other.pictures
        self.levels += other.levels

    def result(self) -> dict[str, np.ndarray]:
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
    def from_statistics(cls, given: Mapping[str, np.ndarray]) -> PictureStatistics | None:
        """What is left of pictures whose statistics alone are known: their quantiles, joined by straight lines."""
        points = {0.0: "min", **{share: name for name, share in QUANTILES.items()}, 1.0: "max"}
        known = {share: np.ravel(given[name]) for share, name in points.items() if name in given}
        if not {0.0, 1.0} <= known.keys() or any(value.shape != (3,) for value in known.values()):
            return None
        found = cls()
        found.pictures = int(np.ravel(given.get("count", 1))[0])
        edges = (np.arange(257) - 0.5) / 255.0
        shares = sorted(known)
        for channel in range(3):
            at = np.maximum.accumulate([float(known[share][channel]) for share in shares])
            below = np.interp(edges, at, shares, left=0.0, right=1.0)
            levels = np.diff(below)
            last = min(255, max(0, round(at[-1] * 255)))
            levels[last] += 1.0 - levels.sum() if math.isfinite(levels.sum()) else 0.0
            found.levels[channel] = levels * found.pictures
        return found
