# SPDX-License-Identifier: Apache-2.0
"""Joint positions and velocities at the moment an image was taken."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.robots.joint_states import JointStateReader


@dataclass(frozen=True)
class JointSample:
    """Joints at one time (s). positions and velocities: (n,), rad and rad/s or m and m/s."""

    stamp: float
    positions: np.ndarray
    velocities: np.ndarray


_APART = 0.3  # s between two samples from which a velocity can be told


class JointHistory:
    """The latest states of the named joints, in the order of ``names``, whoever publishes them.

    Messages are put together as :class:`JointStateReader` does. Velocities that nobody measures, as of hardware that
    reads positions only, are told from the samples' differences.

    Args:
        names: the joints.
        span: how much is kept, s.
    """

    def __init__(self, names: Sequence[str], span: float = 1.0):
        self.names = tuple(names)
        self._span = span
        self._samples: deque[JointSample] = deque()
        self._reader = JointStateReader(names)

    def add_joint_state(
        self, stamp: float, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float]
    ) -> bool:
        """Keeps a joint state; False if it makes no sample, and then ``problem`` may say why.

        ``velocities`` may be empty or not numbers.
        """
        if self._samples and stamp < self._samples[-1].stamp - self._span:  # the clock was restarted
            self._samples.clear()
            self._reader.forget()
        reader = self._reader
        if not reader.take(stamp, names, positions, velocities):
            return False
        q, v = reader.positions.copy(), reader.velocities.copy()
        if (unknown := ~np.isfinite(v)).any():
            v[unknown] = self._slope(stamp, q)[unknown]
        self._samples.append(JointSample(stamp, q, v))
        while self._samples[0].stamp < stamp - self._span:
            self._samples.popleft()
        return True

    @property
    def problem(self) -> str:
        """What is wrong with the messages, in words; empty when nothing is."""
        return self._reader.evidence.reason

    def _slope(self, stamp: float, q: np.ndarray) -> np.ndarray:
        """Velocities (n,) since the last sample; zero where there is none near."""
        if not self._samples or stamp - self._samples[-1].stamp > _APART:
            return np.zeros(len(q))
        return (q - self._samples[-1].positions) / (stamp - self._samples[-1].stamp)

    @property
    def newest(self) -> JointSample | None:
        """The latest sample; None before the first."""
        return self._samples[-1] if self._samples else None

    def at(self, stamp: float, tolerance: float = 0.1) -> JointSample | None:
        """The joints at ``stamp`` (s), interpolated; None if no sample is within ``tolerance`` seconds of it."""
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
