# SPDX-License-Identifier: Apache-2.0
"""ros2_control's joint trajectory controller for simulated joints: checks trajectories, interpolates, and follows."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wall_oss_ros.robots.components import Command, Gripper


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


class Servos(Protocol):
    """What a controller drives: an arm or a part of the simulator, joints (n,) in rad or m."""

    q: np.ndarray
    qd: np.ndarray

    def set_joint_targets(self, q, qd=None) -> None: ...


class ArmWithGripper:
    """An arm whose gripper's joints are the last ones of its trajectories.

    Args:
        arm: of the simulator; it has ``gripper_width``, ``gripper_speed`` (m, m/s) and ``set_gripper``, too.
        gripper: the profile's, for the units of its joints.
    """

    def __init__(self, arm, gripper: Gripper):
        self._arm, self._gripper = arm, gripper

    @property
    def q(self) -> np.ndarray:
        fingers = [self._gripper.joint_position(self._arm.gripper_width)] * len(self._gripper.joints)
        return np.concatenate([self._arm.q, fingers])

    @property
    def qd(self) -> np.ndarray:
        fingers = [self._gripper.joint_velocity(self._arm.gripper_speed)] * len(self._gripper.joints)
        return np.concatenate([self._arm.qd, fingers])

    def set_joint_targets(self, q, qd=None) -> None:
        count = len(self._gripper.joints)
        self._arm.set_joint_targets(q[:-count], None if qd is None else qd[:-count])
        self._arm.set_gripper(self._gripper.opening(q[-count:]))


@dataclass(frozen=True)
class JointsState:
    """One reading of a controller: setpoint and measured joints, each (n,); rad and rad/s, or m and m/s."""

    desired_position: np.ndarray
    desired_velocity: np.ndarray
    position: np.ndarray
    velocity: np.ndarray


class JointController:
    """Follows trajectories as ros2_control's joint_trajectory_controller does. Safe to call from several threads.

    Args:
        command: the profile's: what the controller is called, and its topics.
        joints: in the controller's order.
        servos: what it drives.
        partial: whether a trajectory may leave joints out, which then stay where they are.
        lock: held while the simulator changes.
        clock: the simulated time, s.
    """

    def __init__(
        self,
        command: Command,
        joints: Sequence[str],
        servos: Servos,
        partial: bool,
        lock: threading.Lock,
        clock: Callable[[], float],
    ):
        self.command, self.joints, self.partial = command, tuple(joints), partial
        self._servos, self._lock, self._clock = servos, lock, clock
        self.restart()

    @property
    def time(self) -> float:
        """The simulated time, s."""
        return self._clock()

    def follow(self, names: Sequence[str], points: Sequence[Point], start: float | None) -> Trajectory:
        """Replaces the running trajectory by a new one.

        Args:
            names: joints of the points.
            points: the trajectory.
            start: when it starts, s; None is now.

        Returns:
            The trajectory, whose identity tells whether it is still the running one.

        Raises:
            TrajectoryError: the trajectory is refused; the running one goes on.
        """
        with self._lock:
            now = self.time
            start = now if start is None else start
            self._trajectory = Trajectory(self.joints, names, points, start, now, *self._desired, self.partial)
            return self._trajectory

    def is_running(self, trajectory: Trajectory) -> bool:
        """Whether it has not been replaced, nor cancelled."""
        return self._trajectory is trajectory

    def hold(self, trajectory: Trajectory | None = None) -> None:
        """Stops at the present setpoint; only if ``trajectory`` is the running one, when it is given."""
        with self._lock:
            if trajectory is None or self._trajectory is trajectory:
                self._trajectory = None
                self._desired = (self._desired[0], np.zeros(len(self.joints)))

    def state(self) -> JointsState:
        """Where the joints should be and where they are."""
        with self._lock:
            return JointsState(*self._desired, np.array(self._servos.q), np.array(self._servos.qd))

    def advance(self, time: float) -> None:
        """Sends the servos the setpoint for ``time``, s. With the lock held."""
        if self._trajectory is not None:
            self._desired = self._trajectory.sample(time)
        self._servos.set_joint_targets(*self._desired)

    def restart(self) -> None:
        """Forgets the trajectory and stays where the joints are. With the lock held."""
        self._trajectory: Trajectory | None = None
        self._desired = (np.array(self._servos.q), np.zeros(len(self.joints)))
