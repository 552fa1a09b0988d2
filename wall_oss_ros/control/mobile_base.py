# SPDX-License-Identifier: Apache-2.0
"""A driving base: from targets in its odometry to velocities within its limits, and to rest."""

from __future__ import annotations

import numpy as np
import ruckig

from wall_oss_ros.control.stopping_check import holdable_speed, velocity_motion
from wall_oss_ros.control.trust import Frozen, Possible, Trust
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

LOOKAHEAD = 0.3  # s: steering to where the path will be then follows without lag
_STILL = 1e-4  # m/s or rad/s
_FASTEST, _SLACK, _AT_REST = (2.0, 2.0, 3.0), (0.1, 0.1, 0.15), 0.02  # of odometry, whoever drives: m or rad, and per s
_TRAVEL = 0.1  # m or rad: told to go farther, its odometry has to change
_ZEROS = 0.5  # s for which zero velocities are sent to a base at rest; then its topic is left to others


class MobileBaseMotion:
    """Drives a base along targets; x, y (m) and yaw (rad) in its odometry's frame, velocities in its own.

    Args:
        profile: of a robot that has a base.

    Attributes:
        velocity: (3,) the fastest it goes, m/s, m/s, rad/s.
        trust: in its odometry, without full turns.
    """

    def __init__(self, profile: RobotProfile):
        base = profile.base
        self._slot, self._holonomic = Layout(profile).slots[base.dof], base.holonomic
        self._dt, limits = 1.0 / base.rate_hz, base.limits
        self.velocity = holdable_speed(limits.velocity, limits.acceleration, limits.jerk, self._dt)
        self._generator, self._next = ruckig.Ruckig(3, self._dt), ruckig.OutputParameter(3)
        self._state = velocity_motion(limits, self.velocity)
        endless = np.full(3, np.inf)
        possible = Possible(
            np.array(_FASTEST),
            np.array(_SLACK),
            np.array(_SLACK),
            np.full(3, _AT_REST),
            -endless,
            endless,
            "m or rad",
            ("x", "y", "yaw"),
        )
        self.trust, self._frozen = Trust("base", possible), Frozen("base", _TRAVEL)
        self._gone, self._turns = np.zeros(3), None  # what it was told to go, and the yaw heard last without full turns
        self._zeros = 0  # cycles for which zero velocities are still to be sent

    @property
    def moving(self) -> bool:
        """Whether the last velocities sent were not zero."""
        return bool(np.abs(self._state.current_velocity).max() > _STILL)

    def hear(self, stamp: float, pose: np.ndarray) -> None:
        """Takes in odometry (3,) of finite numbers at ``stamp`` (s)."""
        pose = np.array(pose, float)
        if self._turns is not None:
            pose[2] += 2 * np.pi * np.round((self._turns - pose[2]) / (2 * np.pi))
        self._turns = pose[2]
        self._frozen.hear(pose)
        self.trust.hear(stamp, pose)

    @property
    def reason(self) -> str:
        """Why the base must not move, by its odometry; empty when it may."""
        return self.trust.reason or self._frozen.reason

    @property
    def waits(self) -> bool:
        """Whether a person has to look before it moves."""
        return bool(self.trust.latched or self._frozen.reason)

    def accept(self) -> bool:
        """A person has looked. Whether anything waited for that."""
        waited = self.waits
        self._frozen.forget()
        self.trust.accept()
        return waited

    def forget(self) -> None:
        """The clock has leapt: odometry starts over."""
        self._frozen.forget()
        self.trust.forget()

    def step(self, now: float, target: np.ndarray | None) -> np.ndarray | None:
        """The velocities (3,) to send this cycle; None when the base stands and has been told so.

        Args:
            now: s.
            target: (A,) where the robot is to be in ``LOOKAHEAD`` s, in its layout; None brings the base to rest, as
                does odometry that is not believed.
        """
        if target is not None and not self.reason:
            self.trust.commanded = True
            self._state.target_velocity = self._towards(target[self._slot], self.trust.believed).tolist()
            self._zeros = round(_ZEROS / self._dt)
        elif self.moving:
            self._state.target_velocity = [0.0] * 3
        else:
            self.halt()
            self._zeros -= 1
            return np.zeros(3) if self._zeros >= 0 else None
        if int(self._generator.update(self._state, self._next)) < 0:
            self.halt()
            return np.zeros(3)
        self._next.pass_to_input(self._state)
        speed = np.array(self._state.current_velocity)
        self._gone = self._gone + np.abs(speed) * self._dt
        self._frozen.told(now, self._gone)
        return speed

    def halt(self) -> None:
        """From now on it counts as standing."""
        self._state.current_velocity = self._state.current_acceleration = [0.0] * 3

    def _towards(self, target: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """The velocity (3,) that leads there, scaled as a whole so that no part of it is too fast."""
        x, y, yaw = target - pose
        cosine, sine = np.cos(pose[2]), np.sin(pose[2])
        turn = (yaw + np.pi) % (2 * np.pi) - np.pi
        speed = np.array([cosine * x + sine * y, cosine * y - sine * x, turn]) / LOOKAHEAD
        if not self._holonomic:
            speed[1] = 0.0
        return speed * min(1.0, float((self.velocity / np.maximum(np.abs(speed), 1e-9)).min()))
