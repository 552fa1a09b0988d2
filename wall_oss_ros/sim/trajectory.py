# SPDX-License-Identifier: Apache-2.0
"""What a joint trajectory controller does with a trajectory: checks it, and interpolates through its points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


class TrajectoryError(ValueError):
    """A trajectory that a controller refuses; the message says why."""


@dataclass(frozen=True)
class Point:
    """One point. time: s from the trajectory's start. velocities is None where the trajectory leaves them open."""

    time: float
    positions: np.ndarray
    velocities: np.ndarray | None = None


def fits(names: Sequence[str], joints: Sequence[str], partial: bool) -> bool:
    """Whether a trajectory of ``names`` is one for a controller of ``joints``; ``partial``: some of them are enough."""
    return 0 < len(names) == len(set(names)) and set(names) <= set(joints) and (partial or len(names) == len(joints))


class Trajectory:
    """A checked trajectory of ``joints``, from where the joints are to its last point, which is then held.

    Segments are cubic where both ends have velocities, else linear, as in ros2_control's joint_trajectory_controller.

    Args:
        joints: the controller's joints, in its order (n).
        names: the joints of the points, in the points' order; must be the same set, or with ``partial`` some of them.
        points: at least one, with increasing times.
        start: time the trajectory starts, s; points that are already past are left out.
        now: present time, s.
        position, velocity: (n,) setpoint at ``now``, in the controller's order.
        partial: whether joints may be left out, which then stay at ``position``.

    Raises:
        TrajectoryError: wrong joints, lengths or times, numbers that are not finite, or a trajectory that has ended.
    """

    def __init__(
        self,
        joints: Sequence[str],
        names: Sequence[str],
        points: Sequence[Point],
        start: float,
        now: float,
        position: np.ndarray,
        velocity: np.ndarray,
        partial: bool = False,
    ):
        if not fits(names, joints, partial):
            some = "some of " if partial else ""
            raise TrajectoryError(f"the trajectory is for joints {list(names)}, expected {some}{list(joints)}")
        if not points:
            raise TrajectoryError("the trajectory has no points")
        order = [list(joints).index(name) for name in names]
        self._times, self._positions, self._velocities = [now], [np.array(position)], [np.array(velocity)]
        previous = -1.0
        for number, point in enumerate(points):
            self._check(number, point, previous, len(order))
            previous = point.time
            if start + point.time < now or (start + point.time == now and number + 1 < len(points)):
                continue
            self._times.append(start + point.time)
            self._positions.append(_placed(point.positions, order, position))
            rest = np.zeros(len(joints))
            self._velocities.append(None if point.velocities is None else _placed(point.velocities, order, rest))
        if len(self._times) == 1:
            raise TrajectoryError(f"the trajectory ended {now - start - points[-1].time:.3f} s ago")

    @staticmethod
    def _check(number: int, point: Point, previous: float, count: int) -> None:
        if not np.isfinite(point.time) or point.time < 0 or point.time <= previous:
            raise TrajectoryError(f"point {number} is at {point.time} s; times must be at least 0 and increase")
        for what, values in (("positions", point.positions), ("velocities", point.velocities)):
            if what == "velocities" and values is None:
                continue
            if len(values) != count:
                raise TrajectoryError(f"point {number} has {len(values)} {what}, expected {count}")
            if not np.isfinite(values).all():
                raise TrajectoryError(f"the {what} of point {number} are not all finite")

    @property
    def end(self) -> float:
        """Time of the last point, s."""
        return self._times[-1]

    @property
    def goal(self) -> np.ndarray:
        """Positions of the last point (n,)."""
        return self._positions[-1]

    def sample(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity (n,) at ``time``, s; the last position at rest once the trajectory has ended."""
        if time >= self._times[-1]:
            return self._positions[-1], np.zeros_like(self._positions[-1])
        after = max(bisect_right(self._times, time), 1)
        t0, t1 = self._times[after - 1], self._times[after]
        p0, p1 = self._positions[after - 1], self._positions[after]
        v0, v1 = self._velocities[after - 1], self._velocities[after]
        span = t1 - t0
        if span <= 0:
            return p1, np.zeros_like(p1)
        s = min(max((time - t0) / span, 0.0), 1.0)
        if v0 is None or v1 is None:
            return p0 + s * (p1 - p0), (p1 - p0) / span
        # Cubic Hermite polynomial and its derivative.
        a, b = v0 * span, v1 * span
        d = p1 - p0
        position = p0 + s * (a + s * (3 * d - 2 * a - b + s * (a + b - 2 * d)))
        velocity = (a + s * (2 * (3 * d - 2 * a - b) + s * 3 * (a + b - 2 * d))) / span
        return position, velocity


def _placed(values, order: Sequence[int], rest: np.ndarray) -> np.ndarray:
    """(n,) ``values`` in the places ``order``, and in all others those of ``rest``."""
    placed = np.array(rest, float)
    placed[list(order)] = values
    return placed
