# SPDX-License-Identifier: Apache-2.0
"""A driving base: from targets in its odometry to velocities within its limits, and to rest."""

from __future__ import annotations

import numpy as np
import ruckig

from wall_oss_ros.control.stopping_check import holdable_speed, velocity_motion
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

LOOKAHEAD = 0.3  # s: steering to where the path will be then follows without lag
_STILL = 1e-4  # m/s or rad/s
_ZEROS = 0.5  # s for which zero velocities are sent to a base at rest; then its topic is left to others


class MobileBaseMotion:
    """Drives a base along targets; x, y (m) and yaw (rad) in its odometry's frame, velocities in its own.

    Args:
        profile: of a robot that has a base.

    Attributes:
        velocity: (3,) the fastest it goes, m/s, m/s, rad/s.
    """

    def __init__(self, profile: RobotProfile):
        base = profile.base
        self._slot, self._holonomic = Layout(profile).slots[base.dof], base.holonomic
        self._dt, limits = 1.0 / base.rate_hz, base.limits
        self.velocity = holdable_speed(limits.velocity, limits.acceleration, limits.jerk, self._dt)
        self._generator, self._next = ruckig.Ruckig(3, self._dt), ruckig.OutputParameter(3)
        self._state = velocity_motion(limits, self.velocity)
        self._zeros = 0  # cycles for which zero velocities are still to be sent

    @property
    def moving(self) -> bool:
        """Whether the last velocities sent were not zero."""
        return bool(np.abs(self._state.current_velocity).max() > _STILL)

    def step(self, target: np.ndarray | None, pose: np.ndarray | None) -> np.ndarray | None:
        """The velocities (3,) to send this cycle; None when the base stands and has been told so.

        Args:
            target: (A,) where the robot is to be in ``LOOKAHEAD`` s, in its layout; None brings the base to rest.
            pose: (3,) where the base is by its odometry; None or a pose that is not finite brings it to rest, too.
        """
        if target is not None and pose is not None and np.isfinite(pose).all():
            self._state.target_velocity = self._towards(target[self._slot], pose).tolist()
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
        return np.array(self._state.current_velocity)

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
