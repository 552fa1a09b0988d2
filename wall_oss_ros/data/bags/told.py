# SPDX-License-Identifier: Apache-2.0
"""What a joint trajectory controller was told to do, at any time: the trajectory that came last, where it has got to.

As joint_trajectory_controller does it (ros2_controllers, trajectory.cpp): a new trajectory replaces the present
one when it comes; before its first point the way leads there from where the present one had got to; after its last it
stands. Between points with velocities the way is a cubic, else straight. Joints that a trajectory does not name stay.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class _Way(NamedTuple):
    """A trajectory's points from the time it came on, as far as it was followed."""

    begin: float  # s, when it came
    times: np.ndarray  # (k,) s; the first is where the one before had got to, at its start
    positions: np.ndarray  # (k, n)
    velocities: np.ndarray | None  # (k, n)


class ToldTrajectories:
    """The reference of n joints over time.

    Args:
        size: n.
    """

    def __init__(self, size: int):
        self._size = size
        self._ways: list[_Way] = []

    def __len__(self) -> int:
        return len(self._ways)

    def add(
        self,
        begin: float,
        start: float,
        places: np.ndarray,
        times: np.ndarray,
        positions: np.ndarray,
        velocities: np.ndarray | None,
    ) -> None:
        """A trajectory has come; in the order in which they came.

        Args:
            begin: when, s.
            start: from which its times count, s.
            places: (m,) of the n joints those that it names.
            times: (k,) s from the start, increasing; k >= 1.
            positions, velocities: (k, m); the latter None where they are not given.
        """
        if self._ways and begin <= self._ways[-1].begin:
            begin = float(np.nextafter(self._ways[-1].begin, np.inf))
        before = self._value(begin)
        points = np.tile(before, (len(times), 1))
        points[:, places] = positions
        lead = np.where(np.isnan(before), points[0], before)
        speeds = None
        if velocities is not None:
            speeds = np.zeros_like(points)
            speeds[:, places] = velocities
        first = max(start, begin)
        stamps = start + times
        if self._ways:
            self._ways[-1] = _cut(self._ways[-1], begin)
        if stamps[0] > first:
            stamps, points = np.concatenate([[first], stamps]), np.vstack([lead, points])
            if speeds is not None:
                # A controller has its own speed there: of it nothing is known but the way to the first point.
                slope = (points[1] - points[0]) / (stamps[1] - stamps[0])
                speeds = np.vstack([slope, speeds])
        self._ways.append(_Way(begin, stamps, points, speeds))

    def at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """References (N, n) at times (N,) s, and which joints had been told anything by then, (N, n) bool."""
        begins = np.array([way.begin for way in self._ways])
        which = np.searchsorted(begins, times, side="right") - 1
        values = np.full((len(times), self._size), np.nan)
        for row, (index, time) in enumerate(zip(which, times)):
            if index >= 0:
                values[row] = _follow(self._ways[index], time)
        return values, np.isfinite(values)

    def _value(self, time: float) -> np.ndarray:
        return _follow(self._ways[-1], time) if self._ways else np.full(self._size, np.nan)


def _follow(way: _Way, time: float) -> np.ndarray:
    after = int(np.searchsorted(way.times, time, side="left"))
    if after == len(way.times):
        return way.positions[-1]
    if after == 0:
        return way.positions[0]
    t0, t1 = way.times[after - 1], way.times[after]
    p0, p1 = way.positions[after - 1], way.positions[after]
    span = t1 - t0
    share = (time - t0) / span
    if way.velocities is None:
        return p0 + share * (p1 - p0)
    v0, v1 = way.velocities[after - 1] * span, way.velocities[after] * span
    # Hermite's cubic through both points with both slopes.
    return p0 + share * v0 + share**2 * (3 * (p1 - p0) - 2 * v0 - v1) + share**3 * (2 * (p0 - p1) + v0 + v1)


def _cut(way: _Way, end: float) -> _Way:
    """Without the points that were never reached."""
    keep = min(int(np.searchsorted(way.times, end, side="left")) + 1, len(way.times))
    speeds = None if way.velocities is None else way.velocities[:keep].copy()
    return _Way(way.begin, way.times[:keep].copy(), way.positions[:keep].copy(), speeds)
