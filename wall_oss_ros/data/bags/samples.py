# SPDX-License-Identifier: Apache-2.0
"""Numbers over time, and what they were at the times of frames: nearest, held, or in between."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.bags.spec import Resampling

SET_BACK = 1.0
"""s by which no message comes late."""
_MANY, _DROPS = 3, 100  # messages, of those that are behind or too early; places that are looked at


class At(NamedTuple):
    """Numbers at N times: (N, n), and whether they are known, (N,) bool. Unknown ones are the nearest there are."""

    values: np.ndarray
    known: np.ndarray


class Samples:
    """Samples of n numbers.

    Args:
        size: n.
        resample: how values between samples are made.
        tolerance: s that the nearest sample (of ``hold``: the last one) may be away.
        turns: of the numbers, those that are angles which jump at +-pi.
        quaternion: whether the last four are a unit quaternion.

    Attributes:
        repeated: how many samples had the stamp of another one and were left out.
        disorder: how many came with a stamp before one that had come already.
    """

    def __init__(
        self,
        size: int,
        resample: Resampling,
        tolerance: float,
        turns: Sequence[int] = (),
        quaternion: bool = False,
    ):
        self.size, self.resample, self.tolerance = size, resample, tolerance + 1e-9  # against rounding
        self._turns, self._quaternion = list(turns), quaternion
        self._times, self._values = array("d"), array("d")
        self.repeated = self.disorder = 0
        self._newest = -np.inf
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self._times)

    def add(self, time: float, values: Sequence[float] | np.ndarray) -> None:
        """Adds a sample of ``size`` finite numbers."""
        self.disorder += time < self._newest
        self._newest = max(self._newest, time)
        self._times.append(time)
        self._values.extend(np.asarray(values, float).tolist())
        self._sorted = None

    @property
    def set_back(self) -> float:
        """s by which their clock was set back meanwhile; see :func:`set_back`."""
        return set_back(np.array(self._times, float))

    @property
    def times(self) -> np.ndarray:
        """(N,) s, each once, in order."""
        return self._in_order()[0]

    @property
    def values(self) -> np.ndarray:
        """(N, n) at ``times``."""
        return self._in_order()[1]

    def at(self, times: np.ndarray) -> At:
        """The numbers at some times (N,) s."""
        own, values = self._in_order()
        if not len(own):
            return At(np.full((len(times), self.size), np.nan), np.zeros(len(times), bool))
        if self.resample == "hold":
            index = np.searchsorted(own, times, side="right") - 1
            place = np.maximum(index, 0)
            return At(values[place], (index >= 0) & (times - own[place] <= self.tolerance))
        after = np.clip(np.searchsorted(own, times), 0, len(own) - 1)
        before = np.where(own[after] > times, np.maximum(after - 1, 0), after)
        to_before, to_after = np.abs(times - own[before]), np.abs(own[after] - times)
        known = np.minimum(to_before, to_after) <= self.tolerance
        if self.resample == "nearest":
            return At(values[np.where(to_before <= to_after, before, after)], known)
        span = own[after] - own[before]
        share = np.clip((times - own[before]) / np.where(span > 0, span, 1.0), 0.0, 1.0)[:, None]
        return At(self._between(values[before], values[after], share), known)

    def _between(self, a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
        mixed = a + share * (b - a)
        for column in self._turns:
            way = (b[:, column] - a[:, column] + np.pi) % (2 * np.pi) - np.pi
            angle = a[:, column] + share[:, 0] * way
            mixed[:, column] = (angle + np.pi) % (2 * np.pi) - np.pi
        if self._quaternion:
            mixed[:, -4:] = _slerp(a[:, -4:], b[:, -4:], share)
        return mixed

    def _in_order(self) -> tuple[np.ndarray, np.ndarray]:
        if self._sorted is None:
            times = np.array(self._times, float)
            values = np.array(self._values, float).reshape(-1, self.size)
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
            first = np.ones(len(times), bool)
            first[1:] = np.diff(times) > 0
            self.repeated = int((~first).sum())
            self._sorted = times[first], values[first]
        return self._sorted


def set_back(times: np.ndarray) -> float:
    """s by which a clock was set back among times (N,) in the order in which they came; 0 where it was not.

    Messages that are late are few, and few are later than others after a wild stamp. After a clock was set back, or
    where two publishers count by different ones, many are behind, and many have come already that are later.
    """
    if (np.maximum.accumulate(times) - times > SET_BACK).sum() < _MANY:
        return 0.0
    drops = np.flatnonzero(np.diff(times) < -SET_BACK)[:_DROPS]
    found = [times[at] - times[at + 1] for at in drops if (times[: at + 1] > times[at + 1]).sum() >= _MANY]
    return float(max(found, default=0.0))


def _slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Unit quaternions (N, 4) at shares (N, 1) of the way from a to b, the short way round (Shoemake 1985)."""
    cosine = (a * b).sum(-1, keepdims=True)
    b, cosine = np.where(cosine < 0, -b, b), np.minimum(np.abs(cosine), 1.0)
    angle = np.arccos(cosine)
    sine = np.where(np.sin(angle) > 1e-9, np.sin(angle), 1.0)
    near = angle < 1e-6
    mixed = np.where(near, a + share * (b - a), (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / sine)
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
