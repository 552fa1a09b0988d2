# SPDX-License-Identifier: Apache-2.0
"""The monitor of all that control relies on: clocks, observations, joints, forces, controllers, grippers, programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.control.monitors import ClockMonitor, ForceMonitor, JumpMonitor
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

_STANDSTILL = 0.5  # s of steady time without a cycle: the clock stands still, or this machine does not keep up
CONTROLLER = 0.5  # s without a word from a controller that has spoken before
_TOOL_SLACK, _JOINT_SLACK = 0.05, 0.15  # m and rad that a reading may be off
_POSSIBLE = 2.0  # times the profile's limits: what moves faster has jumped


@dataclass
class _Source:
    limit: float  # s that it may be silent
    needed: bool  # from the start; else only once it has spoken
    last: float | None = None


class InputMonitor:
    """Hears of every input, and says what is wrong. Times are in s; ``steady`` ones never stop or jump.

    Args:
        profile: the robot.
        arms: the kinematics of its arms.
        steady: the present time.

    Attributes:
        listeners: how many subscribers commands have, by topic.
        servers: whether a gripper can be commanded, by its action or topic.
        gripper: what a gripper has made of what it was told, where that is wrong; empty when nothing is.
        description: why the robot's own description is not of the profile's robot; empty when it is, or none has come.
    """

    def __init__(self, profile: RobotProfile, arms: Sequence[Arm], steady: float):
        self._layout, self._name = Layout(profile), robot_identity(profile)
        self._robot = self._name
        self._clock = ClockMonitor()
        self._tools, self._joints = [], []
        self._forces = {
            one.arm.force.topic: ForceMonitor(one.arm.name, one.arm.force) for one in profile.arms if one.arm.force
        }
        for one, arm in zip(profile.arms, arms):
            name, fastest = one.arm.name, _POSSIBLE * one.arm.max_tcp_speed
            self._tools.append(JumpMonitor(f"the observed tool of the {name}", "m", fastest, _TOOL_SLACK))
            what = f"a joint's reading of the {name}"
            self._joints.append(JumpMonitor(what, "rad", _POSSIBLE * arm.velocity, _JOINT_SLACK))
        self._ends = np.cumsum([len(one.arm.joints) for one in profile.arms])[:-1]
        self._cycle = steady
        self._sources: dict[str, _Source] = {}
        self.listeners: dict[str, int] = {}
        self.servers: dict[str, bool] = {}
        self.gripper = ""
        self.description = ""
        self._programs: dict[str, bool] = {}

    def expect(self, what: str, limit: float = math.inf, needed: bool = True) -> None:
        """Something is to be heard of every ``limit`` s: from the start if needed, else from the first time on."""
        self._sources[what] = _Source(limit, needed)

    def heard(self, what: str, now: float) -> None:
        """Something has been heard of, at ``now`` of the node's clock."""
        if what in self._sources:
            self._sources[what].last = now

    def program(self, topic: str, runs: bool, now: float) -> None:
        """A topic that is expected has said whether the robot's own program runs, at ``now`` of the node's clock."""
        self._programs[topic] = runs
        self.heard(topic, now)

    def wrench(self, topic: str, force, torque, now: float) -> None:
        """A topic that is expected has said what is measured at its arm, at ``now``: force (3,) N, torque (3,) N m."""
        self._forces[topic].update(now, force, torque)
        self.heard(topic, now)

    @property
    def pushed(self) -> str:
        """By how much an arm is pushed harder than it may be, in words; empty when none is."""
        return next((watch.excess for watch in self._forces.values() if watch.excess), "")

    def cycle(self, now: float, steady: float) -> str:
        """A control cycle begins. Returns how far the clock has jumped; if it has, all starts over. Empty if not."""
        self._cycle = steady
        leap = self._clock.update(now, steady)
        if leap:
            monitors: list[JumpMonitor | ForceMonitor] = [*self._tools, *self._joints, *self._forces.values()]
            for monitor in monitors:
                monitor.forget()
            for source in self._sources.values():
                source.last = source.last if source.limit == math.inf else None
        return leap

    def observation(self, robot: str, stamp: float, state) -> None:
        """An observation of that robot has come. state: (A,)."""
        self._robot = robot
        if np.shape(state) == (self._layout.size,):
            for tool, layout in zip(self._tools, self._layout.arms):
                tool.update(stamp, layout.tool_positions(state))

    def joints(self, stamp: float, positions) -> None:
        """The joints of all arms have come, (n,) rad, arm by arm."""
        for watch, values in zip(self._joints, np.split(np.asarray(positions, float), self._ends)):
            watch.update(stamp, values)

    def fault(self, now: float, steady: float) -> str:
        """The first thing that is wrong; empty when nothing is."""
        if steady - self._cycle > _STANDSTILL:
            return f"the clock has not moved for {steady - self._cycle:.1f} s"
        if leap := self._clock.reason(steady):
            return leap
        for topic, runs in self._programs.items():
            if not runs:
                return f"the robot's program is not running, says {topic}"
        for topic, count in self.listeners.items():
            if not count:
                return f"no controller listens at {topic}"
        for what, source in self._sources.items():
            if source.last is None and source.needed:
                return f"nothing from {what} yet"
            if source.last is not None and now - source.last > source.limit:
                return f"nothing from {what} for {now - source.last:.1f} s"
        if doubt := next((watch.doubt for watch in self._forces.values() if watch.doubt), ""):
            return doubt
        for action, there in self.servers.items():
            if not there:
                return self.gripper or f"no gripper server or controller at {action}"
        if self.gripper:
            return self.gripper
        if self.description:
            return self.description
        if self._robot != self._name:
            return f"the observations are of robot {self._robot!r}, this is {self._name!r}"
        return next((watch.reason for watch in (*self._joints, *self._tools) if watch.reason), "")
