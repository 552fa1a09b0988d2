"""From action chunks, which come late and irregularly, to one smooth target for every moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Chunk:
    """Absolute targets from one observation, all in the profile's layout of A entries (20), SI units.

    Attributes:
        stamp: time of the observation, s (t0).
        start: (A,) the state then.
        rows: (horizon, A); row k is the target for t0 + (k + 1) / rate_hz.
        rate_hz: rows per second.
    """

    stamp: float
    start: np.ndarray
    rows: np.ndarray
    rate_hz: float

    @property
    def end(self) -> float:
        """Time of the last row, s."""
        return self.stamp + len(self.rows) / self.rate_hz

    def passed(self, time: float) -> int:
        """How many rows lie at or before ``time``."""
        return int(np.clip(np.floor((time - self.stamp) * self.rate_hz + 1e-6), 0, len(self.rows)))


class ChunkQueue:
    """The present chunk, faded in over the one before it.

    A chunk's rows carry times, so the time that inference took costs nothing but the rows that have passed meanwhile:
    a new chunk is entered where it should be now, not at its beginning.

    Args:
        rotations: where the layout has angles, which are mixed the short way round.
        grippers: indices of gripper openings, which are commands rather than paths: they are never mixed.
        blend_s: seconds to go over from the old chunk's targets to the new one's.
    """

    def __init__(self, rotations: Sequence[slice], grippers: Sequence[int], blend_s: float = 0.15):
        self._rotations, self._grippers, self._blend = tuple(rotations), list(grippers), blend_s
        self._chunk: Chunk | None = None
        self._old: Chunk | None = None
        self._since = 0.0

    def put(self, chunk: Chunk, now: float) -> bool:
        """Replaces the rest of the present chunk from ``now`` (s) on.

        Returns:
            False, and nothing is changed, when all its rows have passed or it is older than the present one.
        """
        if chunk.end <= now or (self._chunk is not None and chunk.stamp < self._chunk.stamp):
            return False
        self._old = self._chunk if self._chunk is not None and self._chunk.end > now else None
        self._chunk, self._since = chunk, now
        return True

    def clear(self) -> None:
        """Forgets all targets."""
        self._chunk = self._old = None

    @property
    def stamp(self) -> float | None:
        """Observation time of the present chunk, s; None when there is none."""
        return None if self._chunk is None else self._chunk.stamp

    def rows_done(self, now: float) -> int:
        """Rows of the present chunk that lie in the past, whether followed or skipped."""
        return 0 if self._chunk is None else self._chunk.passed(now)

    def target(self, time: float) -> np.ndarray | None:
        """The target (A,) at ``time`` (s); None when there is no chunk or it is used up."""
        chunk = self._chunk
        if chunk is None or time > chunk.end:
            return None
        target = self._at(chunk, time)
        s = (time - self._since) / self._blend if self._old is not None and self._blend > 0 else 1.0
        if s < 1.0:
            s = max(s, 0.0)
            target = self._mix(self._at(self._old, time), target, s * s * (3 - 2 * s))
        return target

    def ahead(self, now: float) -> tuple[np.ndarray, np.ndarray]:
        """The rows still to come: when each is due (n,), s, and their targets (n, A)."""
        if self._chunk is None:
            return np.empty(0), np.empty((0, 0))
        chunk = self._chunk
        times = chunk.stamp + np.arange(1, len(chunk.rows) + 1) / chunk.rate_hz
        times = times[chunk.passed(now) :]
        # The last row's time may differ from the chunk's end by a rounding error.
        return times, np.array([self.target(min(time, chunk.end)) for time in times]).reshape(len(times), -1)

    def _at(self, chunk: Chunk, time: float) -> np.ndarray:
        k = chunk.passed(time)
        if k >= len(chunk.rows):
            return chunk.rows[-1]
        before = chunk.start if k == 0 else chunk.rows[k - 1]
        return self._mix(before, chunk.rows[k], np.clip((time - chunk.stamp) * chunk.rate_hz - k, 0.0, 1.0))

    def _mix(self, a: np.ndarray, b: np.ndarray, w: float) -> np.ndarray:
        """(1 - w) a + w b, with the gripper openings of ``b``."""
        difference = b - a
        for part in self._rotations:
            difference[part] = (difference[part] + np.pi) % (2 * np.pi) - np.pi
        mixed = a + w * difference
        mixed[self._grippers] = b[self._grippers]
        return mixed
