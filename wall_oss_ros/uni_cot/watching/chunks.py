# SPDX-License-Identifier: Apache-2.0
"""What chunks alone tell: whether one takes back what the last one said, and whether they ask for nothing any more."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.policy.chunk import Chunk, Mixer
from wall_oss_ros.uni_cot.watching.poses import UNITS, PoseReader, Poses

_MOMENTS = 8  # of an overlap that are compared, at most
_SHIFTS = 4  # steps, from 0 on
_WINDOW = 200  # overlaps that tell what is usual
_KNOWN = 5  # of them that are needed
_QUANTILE = 0.75


@dataclass(frozen=True)
class AgreementLimits:
    """Attributes:
    times: an overlap differs when it is farther apart than so many times what is usual.
    metres, radians, share: and farther than this, m, rad and share of the opening.
    chunks, of: so many of so many in a row are an alarm.
    """

    times: float = 3.0
    metres: float = 0.04
    radians: float = 0.35
    share: float = 0.5
    chunks: int = 4
    of: int = 8


class Agreement:
    """Compares each chunk with what the last one said for the same moments.

    Of the overlap the mean distance counts. A robot that cannot follow in time does what an older chunk said later than
    that said; so a chunk is compared with the last one as it is, and put off by up to three steps, and the nearest
    counts. What is usual is the upper quartile of the last overlaps of subtasks that have passed without an alarm;
    before there are some, nothing is alarming. Cf. temporal consistency in C. Agia et al., "Unpacking Failure Modes of
    Generative Policies", arXiv 2410.04640, which compares distributions of samples.

    Attributes:
        last: m, rad and share by which the newest chunk differed from the one before; None where they do not overlap.
    """

    def __init__(self, reader: PoseReader, limits: AgreementLimits):
        self._reader, self._limits = reader, limits
        self._mixer = Mixer.of(reader.layout)
        self._usual: deque[np.ndarray] = deque(maxlen=_WINDOW)
        self._present: list[np.ndarray] = []  # of the present subtask
        self.last: np.ndarray | None = None
        self.forget()

    def forget(self) -> None:
        """The robot has stood still, or the next chunk is for something else: it is compared with none."""
        self._chunk: Chunk | None = None
        self._beyond: deque[bool] = deque(maxlen=self._limits.of)

    def over(self, well: bool) -> None:
        """The subtask is over; ``well`` says whether without an alarm."""
        if well:
            self._usual.extend(self._present)
        self._present = []
        self.forget()

    def take(self, chunk: Chunk, poses: Poses) -> str:
        """A chunk that is newer than the last, and its targets as poses. Why that is alarming; empty when it is not."""
        before, self._chunk = self._chunk, chunk
        self.last = None if before is None else self._differ(before, chunk, poses)
        if self.last is None:
            return ""
        self._present = [*self._present[-_WINDOW:], self.last]
        if len(self._usual) < _KNOWN:
            return ""
        limits, usual = self._limits, np.quantile(self._usual, _QUANTILE, axis=0)
        floor = np.array([limits.metres, limits.radians, limits.share])
        beyond = self.last > np.maximum(floor, limits.times * usual)
        self._beyond.append(bool(beyond.any()))
        row = sum(self._beyond)
        if row < limits.chunks or not beyond.any():
            return ""
        which = int(np.argmax(self.last / floor * beyond))
        words = (
            f"{row} of the last {len(self._beyond)} chunks took back what the one before had said: by"
            f" {self.last[which]:.2f} {UNITS[which]} in the last, where {usual[which]:.2f} is usual"
        )
        self._beyond.clear()
        return words

    def _differ(self, before: Chunk, chunk: Chunk, poses: Poses) -> np.ndarray | None:
        times = chunk.stamp + np.arange(1, len(chunk.targets) + 1) / chunk.rate_hz
        common = np.flatnonzero((times <= before.end + 1e-6) & (times >= before.stamp))
        if len(common) < 2:
            return None
        common = common[np.unique(np.linspace(0, len(common) - 1, _MOMENTS).round().astype(int))]
        mine, found = poses[common], []
        for shift in range(_SHIFTS):
            then = np.maximum(times[common] - shift / before.rate_hz, before.stamp)
            said = self._reader.read(np.array([self._mixer.at(before, time) for time in then]))
            found.append(mine.apart(said).mean(axis=0))
        # One shift for all three; metres decide, since that is what lateness changes.
        return found[int(np.argmin([one[0] for one in found]))]


@dataclass(frozen=True)
class ConvergenceLimits:
    """Attributes:
    seconds: an alarm when for so long no chunk has asked for more motion than
    metres, radians, share: this, m, rad and share of the opening, from its first step to any other.
    """

    seconds: float = 4.0
    metres: float = 0.006
    radians: float = 0.04
    share: float = 0.1


class Convergence:
    """Notices that nothing is asked for any more, as when the model takes a subtask for done that is not.

    Targets count from the chunk's first step and not from where the robot is, since arms give way to loads, and fingers
    that hold something are told to go on closing.

    Attributes:
        asked: m, rad and share that the newest chunk asks for; None before the first.
    """

    def __init__(self, limits: ConvergenceLimits):
        self._limits = limits
        self.asked: np.ndarray | None = None
        self.forget()

    def forget(self) -> None:
        """Time counts from the next chunk on."""
        self._since: float | None = None
        self._opening: np.ndarray | None = None

    @property
    def still(self) -> bool:
        """Whether the newest chunk asks for nearly no motion."""
        limits = self._limits
        most = np.array([limits.metres, limits.radians, limits.share])
        return self.asked is not None and bool((self.asked <= most).all())

    def take(self, chunk: Chunk, poses: Poses) -> str:
        """A chunk that is newer than the last, and its targets as poses. Why that is alarming; empty when it is not."""
        asked = poses.apart(poses[:1]).max(axis=0)
        if self._opening is not None:
            asked[2] = max(asked[2], np.abs(poses.openings[0] - self._opening).max())
        self.asked, self._opening = asked, poses.openings[0]
        if not self.still:
            self._since = None
            return ""
        if self._since is None:
            self._since = chunk.stamp
        gone = chunk.stamp - self._since
        if gone < self._limits.seconds:
            return ""
        self._since = None
        return f"its chunks have asked for nearly no motion for {gone:.1f} s, and the model has not judged it done"
