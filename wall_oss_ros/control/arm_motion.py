# SPDX-License-Identifier: Apache-2.0
"""One arm's motion along targets: no command breaks a limit, and every motion ends at rest."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.control.anchor import Anchor
from wall_oss_ros.control.beat import STANDS
from wall_oss_ros.control.follower import CartesianFollower, TrackingPlan
from wall_oss_ros.control.setpoints import Setpoint, Stopping, gone_on
from wall_oss_ros.control.stopping_check import RestPostures
from wall_oss_ros.control.trust import Possible
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

_NEAR = 0.05  # rad: what servos give way to a load, and controllers leave over
_LOST = 0.35  # rad: an arm this far from what it was told is not following
_FASTER = 2.0  # times the limits: what is read to move faster has jumped
_SLACK, _STILL = 0.05, 0.01  # rad that a reading may be off, and readings at rest from each other


class ArmMotion:
    """Keeps an arm moving along targets, or brings it to rest.

    Args:
        profile: a robot with this arm alone.
        arm: its kinematics.
        postures: of all the robot's arms.
        number: this one's among them.

    Attributes:
        anchor: ties its commands to its readings.
        fault: what was wrong with the last step; empty when all was well.
    """

    def __init__(self, profile: RobotProfile, arm: Arm, postures: RestPostures, number: int):
        self._layout = Layout(profile)
        self._follower = CartesianFollower(profile, arm, postures, number)
        self._stopping = Stopping(self._follower.dt, arm.lower, arm.upper, profile.arm.limits.acceleration)
        self._alone = profile.command.sink == "trajectory"  # whether the controller goes on by what it was sent last
        self._sent: list[Setpoint] | None = None
        self._live = False  # whether the arm follows our commands; if not, they start anew
        joints = profile.arm.joints
        one = np.ones(len(joints))
        bounds = _FASTER * arm.velocity, _SLACK * one, _NEAR * one, _STILL * one, arm.lower, arm.upper
        self.anchor = Anchor(
            profile.arm.name, Possible(*bounds, "rad", joints, nowhere=bool(np.any(arm.home))), _LOST * one
        )
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

    def plan(self, now: float, times: np.ndarray, targets: np.ndarray) -> TrackingPlan:
        """How to go through absolute targets (n, A), due at times (n,) s, from the present motion on."""
        if reason := self._begin():
            return TrackingPlan.refused(reason)
        if reason := self._layout.fault(targets):  # halfway between opposite rotations, where chunks are mixed
            return TrackingPlan.refused(reason)
        if self._layout.joints is not None:
            return self._follower.plan_joints(now, times, targets[:, self._layout.joints])
        poses = [self._layout.unpack(target) for target in targets]
        return self._follower.plan(now, times, [pose[0] for pose in poses], [pose[1] for pose in poses])

    def follow(self, plan: TrackingPlan) -> None:
        """Replaces the targets by those of a plan made in this cycle."""
        self._follower.follow(plan)

    def follow_joints(self, now: float, times: np.ndarray, knots: np.ndarray) -> str:
        """Replaces the targets by joints (k, n) rad at times (k,) s, from the present motion on; or says why not."""
        if reason := self._begin():
            return reason
        ahead = times > now
        knots = np.concatenate([self._follower.q[None], knots[ahead]])
        self._follower.follow(TrackingPlan(np.concatenate([[now], times[ahead]]), knots))
        return ""

    def headway(self, now: float) -> float:
        """How fast it can follow its targets in this cycle, as a share of the time that passes: 1 is in time."""
        return self._follower.headway(now)

    @property
    def slowed_by(self) -> str:
        """What kept it from following in time in the last cycle; empty when nothing did."""
        return self._follower.slowed_by

    def step(self, now: float, running: bool, lost: float = 0.0, headway: float | None = None) -> list[Setpoint] | None:
        """What to send this cycle; None when the arm is at rest and nothing is to be sent.

        Args:
            now: s.
            running: whether it may move; if not, it decelerates and holds.
            lost: see :class:`~wall_oss_ros.control.beat.Tick`.
            headway: how fast targets are followed, where other arms decide that, too.
        """
        self.fault = ""
        if lost and self._sent is not None:
            self._goes_on(lost)
        if not np.isfinite(now):
            running, self.fault = False, "the time is not a finite number"
        elif running or self._begun:
            self.fault = self.anchor.check() if self._begun else self._begin()
            running = running and not self.fault
        if not running:
            self._follower.stop()
        if not (running or self._live or self._follower.moving):
            self.anchor.rests()
            if (believed := self.anchor.trust.believed) is not None:
                self._follower.stands(believed)
            self._sent = None
            return None
        command = self._follower.step(now, headway)
        self.fault = self.fault or command.reason
        self._live = running or self._follower.moving
        self.anchor.sent(now, command.q)
        self._sent = self._stopping.setpoints(command.q, command.qd)
        return self._sent

    def _goes_on(self, lost: float) -> None:
        """Without a cycle for that time (s), the arm has gone on by what it was sent; at rest, all begins anew."""
        if not self._alone and lost < STANDS:
            return
        sent = self._sent if self._alone else [self._sent[0].at_rest()]
        going = gone_on(sent, lost)
        if lost < sent[-1].time:
            self._follower.goes_on(going.position, going.velocity)
        else:
            self._follower.reset(going.position)
            self.anchor.command, self._live, self._sent = going.position, False, None

    @property
    def following(self) -> bool:
        """Whether it has targets, reached or not."""
        return self._follower.following

    @property
    def _begun(self) -> bool:
        """Whether it is under way, or about to be; if not, it may have been moved by somebody else."""
        return self._live or self._follower.moving or self._follower.following

    def _begin(self) -> str:
        """Sees to it that motion starts where it may; why it must not start, if so."""
        if self._begun:
            return self.anchor.reason
        start, reason = self.anchor.begin()
        if start is not None:
            self._follower.reset(start)
        return reason
