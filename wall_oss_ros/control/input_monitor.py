# SPDX-License-Identifier: Apache-2.0
"""The monitor of all that control relies on: clocks, observations, joints, forces, controllers, grippers, programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from wall_oss_ros.control.monitors import ClockMonitor, ForceMonitor, JumpMonitor
from wall_oss_ros.control.readings import Readings
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.stamps import Evidence, StampWatch

_STANDSTILL = 0.5  # s of steady time without a cycle: the clock stands still, or this machine does not keep up
CONTROLLER = 0.5  # s without a word from a controller that has spoken before
_TOOL_SLACK = 0.05  # m that an observation may be off
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

    def __init__(self, profile: RobotProfile, steady: float):
        self._layout, self._name = Layout(profile), robot_identity(profile)
        self._robot = self._name
        self._clock = ClockMonitor()
        self._readings: list[Readings] = []
        self._relied: list[Readings] = []
        self._forces = {
            one.arm.force.topic: ForceMonitor(one.arm.name, one.arm.force) for one in profile.arms if one.arm.force
        }
        self._stamps = {topic: StampWatch(f"forces at {topic}", Evidence(), unstamped=True) for topic in self._forces}
        self._tools = [
            JumpMonitor(f"the observed tool of the {one.arm.name}", "m", _POSSIBLE * one.arm.max_tcp_speed, _TOOL_SLACK)
            for one in profile.arms
        ]
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

    def watch(self, readings: Readings, relied: bool = True) -> None:
        """These are known from now on, and start over when the clock leaps; ``relied`` ones must be in order, too."""
        for known in (self._readings, self._relied) if relied else (self._readings,):
            if readings not in known:
                known.append(readings)

    @property
    def waits(self) -> bool:
        """Whether a person has to look at some readings before anything moves: see ``accept``."""
        return any(readings.waits for readings in self._relied)

    def accept(self) -> bool:
        """A person resumes: readings that jumped are believed anew, once at rest. Whether any waited for that."""
        return max([readings.accept() for readings in self._readings], default=False)  # all of them

    def heard(self, what: str, now: float, stamp: float | None = None) -> None:
        """Something has been heard of, at ``now`` of the node's clock, or has been measured at ``stamp``, s."""
        if what in self._sources:
            self._sources[what].last = now if stamp is None else min(stamp, now)

    def program(self, topic: str, runs: bool, now: float) -> None:
        """A topic that is expected has said whether the robot's own program runs, at ``now`` of the node's clock."""
        self._programs[topic] = runs
        self.heard(topic, now)

    def wrench(self, topic: str, force, torque, now: float, stamp: float = 0.0) -> None:
        """A topic that is expected has said what is measured at its arm: force (3,) N, torque (3,) N m.

        Args:
            now: when that has come, s.
            stamp: of the message, s; 0 where the driver leaves it so.
        """
        watch = self._stamps[topic]
        if watch.take(stamp, now):
            watch.evidence.fine()
            self._forces[topic].update(now, force, torque)
            self.heard(topic, now, watch.newest)

    @property
    def pushed(self) -> str:
        """By how much an arm is pushed harder than it may be, in words; empty when none is."""
        return next((watch.excess for watch in self._forces.values() if watch.excess), "")

    def cycle(self, now: float, steady: float) -> str:
        """A control cycle begins. Returns how far the clock has jumped; if it has, all starts over. Empty if not."""
        self._cycle = steady
        leap = self._clock.update(now, steady)
        if leap:
            monitors: list[Any] = [*self._tools, *self._forces.values(), *self._stamps.values(), *self._readings]
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
        doubts = [watch.doubt for watch in self._forces.values()]
        doubts += [watch.evidence.reason for watch in self._stamps.values()]
        if doubt := next(filter(None, doubts), ""):
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
        watches: list[Any] = [*self._relied, *self._tools]
        return next((watch.reason for watch in watches if watch.reason), "")
