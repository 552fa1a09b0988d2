# SPDX-License-Identifier: Apache-2.0
"""One arm's motion along targets: no command breaks a limit, and every motion ends at rest."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.control.follower import CartesianFollower, TrackingPlan
from wall_oss_ros.control.setpoints import Setpoint, Stopping
from wall_oss_ros.control.stopping_check import RestPostures
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

_AWAY = 0.3  # rad: an arm that is this far from its command is told to stay where it is


class ArmMotion:
    """Keeps an arm moving along targets, or brings it to rest.

    Args:
        profile: a robot with this arm alone.
        arm: its kinematics.
        postures: of all the robot's arms.
        number: this one's among them.

    Attributes:
        fault: what was wrong with the last step; empty when all was well.
    """

    def __init__(self, profile: RobotProfile, arm: Arm, postures: RestPostures, number: int):
        self._layout = Layout(profile)
        self._follower = CartesianFollower(profile, arm, postures, number)
        self._stopping = Stopping(self._follower.dt, arm.lower, arm.upper, profile.arm.limits.acceleration)
        self._live = False  # whether the arm follows our commands; if not, they start anew from where it is
        self.fault = ""

    @property
    def moving(self) -> bool:
        """Whether the commanded motion has not come to rest."""
        return self._follower.moving

    def feel(self, newtons: float) -> None:
        """How hard the arm is pushed now."""
        self._follower.pressing.feel(newtons)

    def stop(self) -> None:
        """Forgets all targets; the following steps come to rest."""
        self._follower.stop()

    def plan(self, now: float, times: np.ndarray, targets: np.ndarray, measured: np.ndarray | None) -> TrackingPlan:
        """How to go through absolute targets (n, A), due at times (n,) s, from the present motion on.

        Args:
            measured: (n,) the joints now, rad.
        """
        self._begin(measured)
        if reason := self._layout.fault(targets):  # halfway between opposite rotations, where chunks are mixed
            return TrackingPlan.refused(reason)
        if self._layout.joints is not None:
            return self._follower.plan_joints(now, times, targets[:, self._layout.joints])
        poses = [self._layout.unpack(target) for target in targets]
        return self._follower.plan(now, times, [pose[0] for pose in poses], [pose[1] for pose in poses])

    def follow(self, plan: TrackingPlan) -> None:
        """Replaces the targets by those of a plan made in this cycle."""
        self._follower.follow(plan)

    def follow_joints(self, now: float, times: np.ndarray, knots: np.ndarray, measured: np.ndarray) -> None:
        """Replaces the targets by joints (k, n) rad at times (k,) s, from the present motion on.

        Args:
            measured: (n,) the joints now, rad.
        """
        self._begin(measured)
        ahead = times > now
        knots = np.concatenate([self._follower.q[None], knots[ahead]])
        self._follower.follow(TrackingPlan(np.concatenate([[now], times[ahead]]), knots))

    def step(self, now: float, running: bool, measured: np.ndarray | None) -> list[Setpoint] | None:
        """What to send this cycle; None when the arm is at rest and nothing is to be sent.

        Args:
            now: s.
            running: whether it may move; if not, it decelerates and holds.
            measured: (n,) the joints now, rad; None when they are not known.
        """
        self.fault = ""
        if not np.isfinite(now):
            running, self.fault = False, "the time is not a finite number"
        if not running:
            self._follower.stop()
        self._begin(measured)
        if not self._live and not (running or self._follower.moving):
            return None
        command = self._follower.step(now, measured)
        q, qd = command.q, command.qd
        if not command.ok:
            self.fault = command.reason
            if _known(measured) and np.abs(measured - q).max() > _AWAY:
                self._follower.reset(measured)
                q, qd = self._follower.q, self._follower.qd
        self._live = running or self._follower.moving
        return self._stopping.setpoints(q, qd)

    def _begin(self, measured: np.ndarray | None) -> None:
        """An arm that was not commanded may have been moved by somebody else."""
        follower = self._follower
        if not (self._live or follower.moving or follower.following) and _known(measured):
            follower.reset(measured)


def _known(measured: np.ndarray | None) -> bool:
    return measured is not None and bool(np.isfinite(measured).all())
