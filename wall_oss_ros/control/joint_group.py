# SPDX-License-Identifier: Apache-2.0
"""Joints beside the arms, such as a head or a lift: they follow targets within their limits, or come to rest."""

from __future__ import annotations

import numpy as np
import ruckig

from wall_oss_ros.control.setpoints import Setpoint, Stopping
from wall_oss_ros.control.stopping_check import holdable_speed, velocity_motion
from wall_oss_ros.robots.components import JointGroup
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.urdf import position_limits

_LOST = 1.0  # s at full speed: joints farther than that from their commands do not follow them
_STILL = 1e-4  # rad/s or m/s


class JointGroupMotion:
    """Keeps a group of joints moving towards its targets. Positions are rad or m, as the joints turn or slide.

    Args:
        profile: the robot.
        group: one of its groups of joints.

    Attributes:
        group: the profile's.
        velocity: (n,) the fastest it goes.
        fault: what was wrong with the last step; empty when all was well.

    Raises:
        WallOSSError: the URDF has not all of its joints.
    """

    def __init__(self, profile: RobotProfile, group: JointGroup):
        self.group, self._slot = group, Layout(profile).slots[group.dof]
        self._low, self._high = position_limits(profile, group.joints)
        dt, limits = 1.0 / group.command.rate_hz, group.limits
        self.velocity = holdable_speed(limits.velocity, limits.acceleration, limits.jerk, dt)
        self._generator, self._next = ruckig.Ruckig(len(group.joints), dt), ruckig.OutputParameter(len(group.joints))
        self._state = velocity_motion(limits, self.velocity)
        self._stopping = Stopping(dt, self._low, self._high, limits.acceleration)
        self._live = False
        self.fault = ""
        self._reset(np.array(group.home))

    @property
    def moving(self) -> bool:
        """Whether the commanded motion has not come to rest."""
        return bool(np.abs(self._state.current_velocity).max() > _STILL)

    def step(
        self, target: np.ndarray | None, measured: np.ndarray, moves: np.ndarray | None = None
    ) -> list[Setpoint] | None:
        """What to send this cycle; None when the joints are at rest and nothing is to be sent.

        Args:
            target: (A,) where the robot is to be now, in its layout; None brings the joints to rest.
            measured: (n,) the joints now.
            moves: (A,) bool, the entries of the layout that the model decides; the group's other joints stay put.
                All of them when None.
        """
        self.fault = ""
        if not (self._live or self.moving):
            self._reset(measured)  # somebody else may have moved them
        elif (away := np.abs(measured - np.array(self._state.current_position)) / self.velocity).max() > _LOST:
            joint = self.group.joints[int(away.argmax())]
            self.fault = f"{joint} of the {self.group.name} does not follow its commands"
            self._reset(measured)
            target = None
        if target is None and not (self._live or self.moving):
            return None
        moved = np.ones(len(self._held), bool) if moves is None else np.asarray(moves, bool)[self._slot]
        self._steer(target, moved)
        self._live = target is not None or self.moving
        return self._stopping.setpoints(np.array(self._state.current_position), np.array(self._state.current_velocity))

    def _steer(self, target: np.ndarray | None, moves: np.ndarray) -> None:
        """One cycle towards the target, or towards rest. A way to a target inside the limits never leaves them."""
        state = self._state
        if target is not None:
            goal = np.where(moves, np.clip(target[self._slot], self._low, self._high), self._held)
            state.control_interface, state.target_position = ruckig.ControlInterface.Position, goal.tolist()
        if target is None or int(self._generator.update(state, self._next)) < 0:
            state.control_interface = ruckig.ControlInterface.Velocity
            self._generator.update(state, self._next)
        self._next.pass_to_input(state)
        state.current_position = np.clip(state.current_position, self._low, self._high).tolist()

    def _reset(self, q: np.ndarray) -> None:
        self._held = np.clip(q, self._low, self._high)
        still = [0.0] * len(self._held)
        self._state.current_position = self._held.tolist()
        self._state.current_velocity, self._state.current_acceleration = still, still
        self._state.target_velocity, self._state.target_acceleration = still, still
