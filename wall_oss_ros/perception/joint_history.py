# SPDX-License-Identifier: Apache-2.0
"""The joints at the moment an image was taken."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class JointSample:
    """Joints at one time. positions and velocities: (n,), rad and rad/s or m and m/s."""

    stamp: float
    positions: np.ndarray
    velocities: np.ndarray


_TOGETHER = 0.2  # s: the most that joints of one sample, from several publishers, lie apart


class JointHistory:
    """The last joint states of the named joints, in the order of ``names``, whoever publishes them.

    A gripper's driver may have joint states of its own. Messages with the first joint make samples; the other joints are
    taken from there or, where they come apart, as they were heard last.

    Args:
        names: the joints wanted.
        span: seconds kept.
    """

    def __init__(self, names: Sequence[str], span: float = 1.0):
        self.names = tuple(names)
        self._span = span
        self._samples: deque[JointSample] = deque()
        self._apart: dict[str, tuple[float, float, float]] = {}  # stamp, position, velocity of joints that come apart

    def add_joint_state(
        self, stamp: float, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float]
    ) -> bool:
        """Takes in one joint state; False when it makes no sample: a joint is missing, or a number is not finite.

        ``velocities`` may be empty, as some drivers leave it; it counts as zero.
        """
        if len(positions) != len(names):
            return False
        speeds = velocities if len(velocities) == len(names) else [0.0] * len(names)
        heard = {
            name: (stamp, float(q), float(v)) for name, q, v in zip(names, positions, speeds) if name in self.names
        }
        if not np.isfinite([row[1:] for row in heard.values()]).all():
            return False
        if self.names[0] not in heard:
            self._apart.update(heard)
            return False
        rows = [heard.get(name) or self._apart.get(name) for name in self.names]
        if any(row is None or abs(stamp - row[0]) > _TOGETHER for row in rows):
            return False
        q, v = np.array([row[1:] for row in rows]).T
        if self._samples and stamp <= self._samples[-1].stamp:
            if stamp > self._samples[-1].stamp - self._span:
                return True  # the same moment again, or out of order: nothing new
            self._samples.clear()  # the clock restarted
        self._samples.append(JointSample(stamp, q, v))
        while self._samples[0].stamp < stamp - self._span:
            self._samples.popleft()
        return True

    @property
    def newest(self) -> JointSample | None:
        """The latest sample; None before the first."""
        return self._samples[-1] if self._samples else None

    def at(self, stamp: float, tolerance: float = 0.1) -> JointSample | None:
        """The joints at ``stamp`` (s), interpolated; None when no sample is within ``tolerance`` seconds of it."""
        samples = self._samples
        if not samples:
            return None
        after = bisect_left([sample.stamp for sample in samples], stamp)
        if after == 0 or after == len(samples):
            nearest = samples[0] if after == 0 else samples[-1]
            return nearest if abs(nearest.stamp - stamp) <= tolerance else None
        a, b = samples[after - 1], samples[after]
        if min(stamp - a.stamp, b.stamp - stamp) > tolerance:
            return None
        w = (stamp - a.stamp) / (b.stamp - a.stamp)
        return JointSample(stamp, (1 - w) * a.positions + w * b.positions, (1 - w) * a.velocities + w * b.velocities)
