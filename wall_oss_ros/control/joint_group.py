# SPDX-License-Identifier: Apache-2.0
"""Joints beside the arms, such as a head or a lift: they follow targets within their limits, or come to rest."""

from __future__ import annotations

import numpy as np
import ruckig

from wall_oss_ros.control.anchor import Anchor
from wall_oss_ros.control.beat import STANDS
from wall_oss_ros.control.setpoints import Setpoint, Stopping, gone_on
from wall_oss_ros.control.stopping_check import holdable_speed, velocity_motion
from wall_oss_ros.control.trust import Possible
from wall_oss_ros.robots.components import JointGroup
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.urdf import position_limits, slides, velocity_limits

# What follows is counted in s at full speed, since a head turns and a lift slides, but for the second number of each.
_LOST = 1.0  # joints farther than that from their commands do not follow them
_NEAR, _MOST_NEAR = 0.2, 0.05  # what servos give way to a load and readings may be off, at most that many rad or m
_AT_REST, _MOST_AT_REST = 0.05, 0.01  # readings at rest from each other
_FASTER = 2.0  # times the limits: what is read to move faster has jumped
_STILL = 1e-4  # rad/s or m/s


def possible_readings(profile: RobotProfile, group: JointGroup) -> Possible:
    """What readings of a group's joints may do.

    Raises:
        WallOSSError: the URDF has not all of its joints.
    """
    low, high = position_limits(profile, group.joints)
    velocity = np.minimum(group.limits.velocity, velocity_limits(profile, group.joints))
    sliding = slides(profile, group.joints)
    unit = "rad" if not any(sliding) else "m" if all(sliding) else "rad or m"
    near, still = np.minimum(_NEAR * velocity, _MOST_NEAR), np.minimum(_AT_REST * velocity, _MOST_AT_REST)
    return Possible(_FASTER * velocity, near, near, still, low, high, unit, tuple(group.joints))


class JointGroupMotion:
    """Keeps a group of joints moving towards its targets. Positions are rad or m, as the joints turn or slide.

    Args:
        profile: the robot.
        group: one of its groups of joints.

    Attributes:
        group: the profile's.
        velocity: (n,) the fastest it goes.
        anchor: ties its commands to its readings.
        fault: what was wrong with the last step; empty when all was well.

    Raises:
        WallOSSError: the URDF has not all of its joints.
    """

    def __init__(self, profile: RobotProfile, group: JointGroup):
        self.group, self._slot = group, Layout(profile).slots[group.dof]
        self._low, self._high = position_limits(profile, group.joints)
        dt, limits = 1.0 / group.command.rate_hz, group.limits
        velocity = np.minimum(limits.velocity, velocity_limits(profile, group.joints))
        self.velocity = holdable_speed(velocity, limits.acceleration, limits.jerk, dt)
        self._generator, self._next = ruckig.Ruckig(len(group.joints), dt), ruckig.OutputParameter(len(group.joints))
        self._state = velocity_motion(limits, self.velocity)
        self._stopping = Stopping(dt, self._low, self._high, limits.acceleration)
        possible = possible_readings(profile, group)
        self.anchor = Anchor(group.name, possible, _LOST * self.velocity)
        self._alone = group.command.sink == "trajectory"  # whether its controller goes on by what it was sent last
        self._sent: list[Setpoint] | None = None
        self._live = False
        self.fault = ""
        self._reset(np.array(group.home))

    @property
    def moving(self) -> bool:
        """Whether the commanded motion has not come to rest."""
        return bool(np.abs(self._state.current_velocity).max() > _STILL)

    def step(
        self,
        now: float,
        target: np.ndarray | None,
        moves: np.ndarray | None = None,
        measured: np.ndarray | None = None,
        lost: float = 0.0,
    ) -> list[Setpoint] | None:
        """What to send this cycle; None when the joints are at rest and nothing is to be sent.

        Args:
            now: s.
            target: (A,) where the robot is to be now, in its layout; None brings the joints to rest.
            moves: (A,) bool, the entries of the layout that the model decides; the group's other joints stay put.
                All of them when None.
            measured: (n,) the joints now, where they are known otherwise than by the anchor's ``hear``.
            lost: see :class:`~wall_oss_ros.control.beat.Tick`.
        """
        if lost and self._sent is not None:
            self._goes_on(lost)
        self.fault = "" if measured is None else self.anchor.know(now, np.array(measured, float))
        begun = self._live or self.moving
        if begun:
            self.fault = self.fault or self.anchor.check()
        elif target is not None and not self.fault:
            start, self.fault = self.anchor.begin()
            if start is not None:
                self._reset(start)
        target = None if self.fault else target
        if target is None and not begun:
            self.anchor.rests()
            self._sent = None
            return None
        moved = np.ones(len(self._held), bool) if moves is None else np.asarray(moves, bool)[self._slot]
        self._steer(target, moved)
        self._live = target is not None or self.moving
        q, qd = np.array(self._state.current_position), np.array(self._state.current_velocity)
        self.anchor.sent(now, q)
        self._sent = self._stopping.setpoints(q, qd)
        return self._sent

    def _goes_on(self, lost: float) -> None:
        """Without a cycle for that time (s), joints have gone on by what they were sent; at rest, all begins anew."""
        if not self._alone and lost < STANDS:
            return
        state, sent = self._state, self._sent if self._alone else [self._sent[0].at_rest()]
        going = gone_on(sent, lost)
        if lost >= sent[-1].time:
            self._reset(going.position)
            self.anchor.command, self._live, self._sent = going.position, False, None
            return
        state.current_position = np.clip(going.position, self._low, self._high).tolist()
        state.current_velocity = np.clip(going.velocity, -self.velocity, self.velocity).tolist()
        state.current_acceleration = [0.0] * len(self._held)

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
