"""What is wrong with what control relies on: clocks, observations, joints, controller, gripper, the robot's program."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.control.watches import ClockWatch, Continuity
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

_STANDSTILL = 0.5  # s of steady time without a cycle: the clock stands still, or this machine does not keep up
_CONTROLLER = 0.5  # s without a word from a controller that has spoken before
_TOOL_SLACK, _JOINT_SLACK = 0.05, 0.15  # m and rad that a reading may be off
_POSSIBLE = 2.0  # times the profile's limits: what moves faster has jumped


class Health:
    """Listens to everything, and says what is wrong. Times are in s; ``steady`` ones never stop or jump."""

    def __init__(self, profile: RobotProfile, arm: Arm, layout: Layout, steady: float):
        self._profile, self._layout = profile, layout
        self._clock = ClockWatch()
        self._tool = Continuity("the observed tool", "m", _POSSIBLE * profile.arm.max_tcp_speed, _TOOL_SLACK)
        self._joints = Continuity("a joint's reading", "rad", _POSSIBLE * arm.velocity, _JOINT_SLACK)
        self._cycle = steady
        self._robot = profile.name
        self._controller: float | None = None  # node's time of its last word
        self.gripper_ready = True
        self.listeners = 1  # of the commands
        self.program_runs = True  # the robot's own program, for robots that have one

    def cycle(self, now: float, steady: float) -> str:
        """A control cycle begins; how far the clock has leapt, or an empty text. After a leap all is new."""
        self._cycle = steady
        leap = self._clock.add(now, steady)
        if leap:
            self._tool.forget()
            self._joints.forget()
            self._controller = None
        return leap

    def observation(self, robot: str, stamp: float, state) -> None:
        """An observation of that robot has come. state: (A,)."""
        self._robot = robot
        if np.shape(state) == (self._layout.size,):
            self._tool.add(stamp, np.asarray(state)[self._layout.position])

    def joints(self, stamp: float, positions) -> None:
        """The arm's joints have come, (n,) rad."""
        self._joints.add(stamp, positions)

    def controller(self, now: float) -> None:
        """The controller has said something, at ``now`` of the node's clock."""
        self._controller = now

    def fault(self, now: float, steady: float) -> str:
        """The first thing that is wrong, or an empty text."""
        profile = self._profile
        if steady - self._cycle > _STANDSTILL:
            return f"the clock has not moved for {steady - self._cycle:.1f} s"
        if leap := self._clock.reason(steady):
            return leap
        if not self.program_runs:
            return "the robot's program is not running"
        if not self.listeners:
            return f"no controller listens at {profile.command.topic}"
        if self._controller is not None and now - self._controller > _CONTROLLER:
            return f"nothing from the controller at {profile.command.state_topic} for {now - self._controller:.1f} s"
        if not self.gripper_ready:
            return f"no gripper action server at {profile.gripper.action}"
        if self._robot != profile.name:
            return f"the observations are of robot {self._robot!r}, this is {profile.name!r}"
        return self._joints.reason or self._tool.reason
