# SPDX-License-Identifier: Apache-2.0
"""What a controller is sent each cycle: the next point, and how to come to rest should no further one follow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.robots.components import Gripper

_MOVED = 0.005  # m by which fingers are elsewhere than they were left: more than servos leave over
_LASTS = 10  # cycles
_BRAKE = 0.8  # share of the acceleration limit used to come to rest


@dataclass(frozen=True)
class Setpoint:
    """One point of a motion: s from the command's time, (n,) rad or m, (n,) rad/s or m/s."""

    time: float
    position: np.ndarray
    velocity: np.ndarray

    def of(self, joints: slice) -> Setpoint:
        """The same for some of the joints."""
        return Setpoint(self.time, self.position[joints], self.velocity[joints])

    def at_rest(self) -> Setpoint:
        """The same place at rest: where joints stop that are told positions alone, and no further one."""
        return Setpoint(self.time, self.position, np.zeros_like(self.velocity))


@dataclass(frozen=True)
class Going:
    """Where joints are while they follow setpoints: (n,) rad or m, and its first and second derivatives."""

    position: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray


def gone_on(setpoints: Sequence[Setpoint], seconds: float) -> Going:
    """Where a joint trajectory controller has led joints, that long after the time that setpoints count from.

    Between two points it interpolates by a cubic (Hermite) spline of positions and velocities, as ros2_controllers'
    joint_trajectory_controller does; behind the last one it rests there.

    Args:
        seconds: not before the first point.
    """
    for before, after in zip(setpoints, setpoints[1:]):
        if seconds < after.time:
            span = after.time - before.time
            s = float(np.clip((seconds - before.time) / span, 0.0, 1.0))
            a, b, u, v = before.position, after.position, before.velocity * span, after.velocity * span
            c, d = 3 * (b - a) - 2 * u - v, 2 * (a - b) + u + v
            position = a + s * (u + s * (c + s * d))
            return Going(position, (u + s * (2 * c + 3 * s * d)) / span, (2 * c + 6 * s * d) / span**2)
    rest = setpoints[-1].position
    return Going(rest, np.zeros_like(rest), np.zeros_like(rest))


class Stopping:
    """Makes setpoints that end at rest.

    Args:
        dt: s between commands.
        low, high: (n,) bounds of the positions.
        acceleration: (n,) the limits.
    """

    def __init__(self, dt: float, low, high, acceleration):
        self._dt, self._low, self._high = dt, np.asarray(low, float), np.asarray(high, float)
        self._deceleration = _BRAKE * np.asarray(acceleration, float)

    def setpoints(self, q: np.ndarray, qd: np.ndarray) -> list[Setpoint]:
        """The next point; one cycle at that speed, should the next command be late; then rest, should none come.

        They last ten cycles and more, as a controller refuses what is over already when it comes.
        """
        dt, low, high = self._dt, self._low, self._high
        qd = np.where((q <= low) & (qd < 0) | (q >= high) & (qd > 0), 0.0, qd)
        next_point = Setpoint(dt, q, qd)
        if not np.any(qd):
            return [next_point, Setpoint(_LASTS * dt, q, qd)]
        brake = max(float((np.abs(qd) / self._deceleration).max()), dt)
        rest = q + qd * (dt + brake / 2)
        # A joint that would pass its limit brakes at once.
        coast = np.where((rest < low) | (rest > high), 0.0, qd)
        coasted = np.clip(q + (qd + coast) / 2 * dt, low, high)
        rest = np.clip(coasted + coast * brake / 2, low, high)
        points = [next_point, Setpoint(2 * dt, coasted, coast), Setpoint(2 * dt + brake, rest, np.zeros_like(qd))]
        if points[-1].time < _LASTS * dt:
            points.append(Setpoint(_LASTS * dt, rest, np.zeros_like(qd)))
        return points


class StreamedGripper:
    """A gripper that is told its next position in each cycle of its arm: its joints follow the arm's in each setpoint.

    It moves no faster than the profile's ``speed``, and within its stroke.

    Args:
        gripper: the profile's; it is ``streamed``.
        stands: whether it is sent its next position only, and stands there where no further one follows.
    """

    def __init__(self, gripper: Gripper, stands: bool = False):
        self._gripper, self._stands = gripper, stands
        self._opening: float | None = None  # told last, m
        self._speed = 0.0  # m/s of it
        self._told: list[Setpoint] = []  # what was told last, as openings: (1,) m, m/s
        self._nearest = 0.0  # m from what they were told last that they have come since
        self._live = False

    def append_to(
        self,
        setpoints: Sequence[Setpoint] | None,
        wanted: float | None,
        measured: float,
        rests: bool = True,
        lost: float = 0.0,
    ) -> list[Setpoint] | None:
        """The arm's setpoints with the gripper's joints appended, in their own unit; None if the arm is sent nothing.

        Args:
            setpoints: of the arm (n joints), the first one cycle away, the last at rest.
            wanted: opening, m; None stops the fingers.
            measured: opening by readings that are believed, m. Where commands begin anew, the fingers begin at what
                they were told last, so as not to let go of what keeps them from closing; if they rest closed further,
                or have been moved away from it meanwhile, there.
            rests: whether they rest there, by several readings.
            lost: see :class:`~wall_oss_ros.control.beat.Tick`; meanwhile they went on as they were told last.
        """
        if self._told and (lost or setpoints is None):
            stands = lost and self._stands
            here = self._told[0].at_rest() if stands else gone_on(self._told, lost or math.inf)
            self._opening, self._speed = float(here.position[0]), float(here.velocity[0])
        last = measured if self._opening is None else self._opening
        away = abs(measured - last)
        self._nearest = away if self._live else min(away, self._nearest)
        if setpoints is None:
            self._live, self._speed = False, 0.0
            return None
        low, high, dt = self._gripper.closed, self._gripper.open, setpoints[0].time
        if rests and not self._live and (measured < last - _MOVED or away > self._nearest + _MOVED):
            last = measured
        last = float(np.clip(last, low, high))
        if wanted is None:
            self._opening, self._speed = float(np.clip(last + self._speed * dt / 2, low, high)), 0.0
        else:
            reach = self._gripper.speed * dt
            self._opening = float(np.clip(wanted, max(low, last - reach), min(high, last + reach)))
            self._speed = (self._opening - last) / dt
        self._live = True
        rest = float(np.clip(self._opening + self._speed * dt / 2, low, high))
        points = self._with_fingers(setpoints, rest)
        openings = [(self._opening, self._speed)] + [(rest, 0.0)] * (len(points) - 1)
        self._told = [Setpoint(point.time, *np.array([[x], [v]])) for point, (x, v) in zip(points, openings)]
        return points

    def _with_fingers(self, setpoints: Sequence[Setpoint], rest: float) -> list[Setpoint]:
        """The fingers go on through the first point, and come to rest at an opening (m) in the cycle after it."""
        first, *others = setpoints
        if self._speed and len(others) == 1:  # an arm at rest: its second point is far away
            others.insert(0, Setpoint(2 * first.time, others[0].position, others[0].velocity))
        points = [self._append(first, self._opening, self._speed)]
        return points + [self._append(point, rest, 0.0) for point in others]

    def _append(self, point: Setpoint, opening: float, speed: float) -> Setpoint:
        count, gripper = len(self._gripper.joints), self._gripper
        position, velocity = gripper.joint_position(opening), gripper.joint_velocity(speed)
        return Setpoint(
            point.time,
            np.concatenate([point.position, np.full(count, position)]),
            np.concatenate([point.velocity, np.full(count, velocity)]),
        )
