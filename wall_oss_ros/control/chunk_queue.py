# SPDX-License-Identifier: Apache-2.0
"""From action chunks, which come late and irregularly, to one smooth target for every moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wall_oss_ros.policy.chunk import Chunk, Mixer

JOININGS = ("blend", "switch", "ensemble", "real_time")
_DECAY = 0.01  # of an ensemble's weights from one chunk to the next newer one, as in ACT (arXiv 2304.13705)
_ENSEMBLE = 16  # chunks, the most that are averaged


class ChunkQueue:
    """The chunks that still have steps to come, joined to one target for each moment.

    A chunk's steps have times, so the time that inference took costs nothing but the steps that have passed meanwhile:
    a new chunk is entered where it should be now, not at its beginning. How it is joined to what came before:

    - ``blend``: it fades in over the one before.
    - ``switch``: at once.
    - ``ensemble``: the mean of all chunks that have a step for the moment, the older ones weighing a little more.
    - ``real_time``: it was made to go on from the one before (:meth:`followed`); what little is left fades in.

    Where the robot cannot follow in time, all that is still to come is put off (:meth:`delay`).

    Args:
        rotations: where the layout has angles, which are mixed the short way round.
        grippers: indices of gripper openings, which are commands rather than paths: they are never mixed.
        blend_s: seconds to go over from the old chunk's targets to the new one's.
        joining: one of ``JOININGS``.
    """

    def __init__(
        self, rotations: Sequence[slice], grippers: Sequence[int], blend_s: float = 0.15, joining: str = "blend"
    ):
        if joining not in JOININGS:
            raise ValueError(f"joining must be one of {', '.join(JOININGS)}, not {joining!r}")
        self._mixer = Mixer(rotations, grippers)
        self._blend = 0.0 if joining == "switch" else blend_s
        self._ensemble = joining == "ensemble"
        self._chunks: list[Chunk] = []  # oldest first, with the times for which they have been put off
        self._stamps: list[float] = []  # of their observations, s
        self._since = 0.0

    def put(self, chunk: Chunk, now: float, late: float = 0.0) -> bool:
        """Replaces the rest of the present chunk from ``now`` (s) on.

        Args:
            late: s that the robot has fallen behind since its observation.

        Returns:
            False, and nothing is changed, when all its steps have passed or it is older than the present one.
        """
        if chunk.end + late <= now or (self._stamps and chunk.stamp < self._stamps[-1]):
            return False
        kept = _ENSEMBLE - 1 if self._ensemble else 1
        old = [pair for pair in list(zip(self._chunks, self._stamps))[-kept:] if pair[0].end > now]
        pairs = [*old, (replace(chunk, stamp=chunk.stamp + late) if late else chunk, chunk.stamp)]
        self._chunks, self._stamps = [one for one, _ in pairs], [stamp for _, stamp in pairs]
        self._since = now
        return True

    def clear(self) -> None:
        """Forgets all targets."""
        self._chunks, self._stamps = [], []

    def delay(self, seconds: float) -> None:
        """The robot has fallen behind by so much more: everything that is still to come is later."""
        self._chunks = [replace(chunk, stamp=chunk.stamp + seconds) for chunk in self._chunks]
        self._since += seconds

    @property
    def stamp(self) -> float | None:
        """Observation time of the present chunk, s; None when there is none."""
        return self._stamps[-1] if self._stamps else None

    @property
    def end(self) -> float | None:
        """Time of the present chunk's last step, as late as it will be, s; None when there is none."""
        return self._chunks[-1].end if self._chunks else None

    def steps_done(self, now: float) -> int:
        """Steps of the present chunk whose time has passed, whether followed, skipped or put off."""
        return replace(self._chunks[-1], stamp=self._stamps[-1]).passed(now) if self._chunks else 0

    def target(self, time: float) -> np.ndarray | None:
        """The target (A,) at ``time`` (s); None when there is no chunk or it is used up."""
        if not self._chunks or not time <= self._chunks[-1].end:
            return None
        targets = [
            self._mixer.at(chunk, time) for chunk in self._chunks if time <= chunk.end or chunk is self._chunks[-1]
        ]
        if self._ensemble:
            return self._mean(targets)
        s = (time - self._since) / self._blend if len(self._chunks) > 1 and self._blend > 0 else 1.0
        if s >= 1.0:
            return targets[-1]
        s = max(s, 0.0)
        return self._mixer.mix(self._mixer.at(self._chunks[-2], time), targets[-1], s * s * (3 - 2 * s))

    def ahead(self, now: float) -> tuple[np.ndarray, np.ndarray]:
        """The steps still to come: when each is due (n,), s, and their targets (n, A)."""
        if not self._chunks:
            return np.empty(0), np.empty((0, 0))
        chunk = self._chunks[-1]
        times = chunk.stamp + np.arange(1, len(chunk.targets) + 1) / chunk.rate_hz
        return self._targets(times[chunk.passed(now) :])

    def followed(self) -> Chunk | None:
        """What is being done, as one chunk from the present one's observation on; None without targets.

        Its times are those for which targets have been put off so far.
        """
        if not self._chunks:
            return None
        chunk, stamp = self._chunks[-1], self._stamps[-1]
        more = int(np.ceil((chunk.stamp - stamp) * chunk.rate_hz - 1e-6))
        times = stamp + np.arange(len(chunk.targets) + more + 1) / chunk.rate_hz
        start, *targets = self._targets(times)[1]
        return Chunk(stamp, start, np.array(targets), chunk.rate_hz)

    def _targets(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # The last step's time may differ from the chunk's end by a rounding error.
        newest = self._chunks[-1]
        targets = [self.target(min(time, newest.end)) for time in times]
        return times, np.array(targets).reshape(len(times), len(newest.start))

    def _mean(self, targets: list[np.ndarray]) -> np.ndarray:
        """The weighted mean of targets, oldest first, with the gripper openings of the newest."""
        weights = np.exp(-_DECAY * np.arange(len(targets)))
        newest, weights = targets[-1], weights / weights.sum()
        return newest - sum(w * self._mixer.way(target, newest) for w, target in zip(weights, targets))
