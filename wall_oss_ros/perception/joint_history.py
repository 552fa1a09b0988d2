# SPDX-License-Identifier: Apache-2.0
"""Joint positions and velocities at the moment an image was taken."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class JointSample:
    """Joints at one time (s). positions and velocities: (n,), rad and rad/s or m and m/s."""

    stamp: float
    positions: np.ndarray
    velocities: np.ndarray


_SPREAD = 0.2  # s: how far apart the joints of one sample may be when several publishers contribute to it


class JointHistory:
    """The latest states of the named joints, in the order of ``names``, whoever publishes them.

    A gripper's driver may publish joint states of its own, so only messages that contain the first joint make samples.
    Joints that such a message lacks have the values they were last published with.

    Args:
        names: the joints.
        span: how much is kept, s.
    """

    def __init__(self, names: Sequence[str], span: float = 1.0):
        self.names = tuple(names)
        self._span = span
        self._samples: deque[JointSample] = deque()
        self._others: dict[str, tuple[float, float, float]] = {}  # stamp, position, velocity: without the first joint

    def add_joint_state(
        self, stamp: float, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float]
    ) -> bool:
        """Keeps a joint state; False if it makes no sample, since a joint is missing or a number is not finite.

        ``velocities`` may be empty, as some drivers leave it; they then count as zero.
        """
        if len(positions) != len(names):
            return False
        speeds = velocities if len(velocities) == len(names) else [0.0] * len(names)
        new = {name: (stamp, float(q), float(v)) for name, q, v in zip(names, positions, speeds) if name in self.names}
        if not np.isfinite([joint[1:] for joint in new.values()]).all():
            return False
        if self.names[0] not in new:
            self._others.update(new)
            return False
        joints = [new.get(name) or self._others.get(name) for name in self.names]
        if any(joint is None or abs(stamp - joint[0]) > _SPREAD for joint in joints):
            return False
        q, v = np.array([joint[1:] for joint in joints]).T
        if self._samples and stamp <= self._samples[-1].stamp:
            if stamp > self._samples[-1].stamp - self._span:
                return True  # a repetition, or out of order
            self._samples.clear()  # the clock was restarted
        self._samples.append(JointSample(stamp, q, v))
        while self._samples[0].stamp < stamp - self._span:
            self._samples.popleft()
        return True

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
