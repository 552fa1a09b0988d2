# SPDX-License-Identifier: Apache-2.0
"""Sees every command, the real joints, control's status and the plan; judges the commands as they come."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fault_campaign.judge import CommandJudge, Sent, Sink, sinks
from wall_oss_ros.nodes.conversions import seconds
from wall_oss_ros.nodes.qos import LATCHED
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim.joint_trajectory_controller import Point

from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory
from wall_oss_msgs.msg import ControlStatus, SubtaskPlan

FOREIGN = "somebody_else"  # frame of commands that the campaign sends itself
FAST = 1.3  # of a joint's fastest, which a servo may overshoot
STILL = 0.05  # of a joint's fastest: slower than that it rests
_ALL = QoSProfile(depth=1000)  # none must be missed, however late they are looked at


@dataclass
class Record:
    """What was seen from one moment on.

    Attributes:
        worst: the largest share of each limit.
        unsafe: what was wrong with commands: seconds since the beginning, and why.
        commands: how many there were.
        speeds: (when, share of the fastest) of the real joints.
        fast: (s since the beginning, share) where real joints went faster than servos overshoot.
        moved: when commands to move were sent.
        states: (when, state, reason, needs a resume) of control, whenever it changed.
    """

    begun: float
    worst: dict[str, float] = field(default_factory=dict)
    unsafe: list[tuple[float, str]] = field(default_factory=list)
    commands: int = 0
    speeds: list[tuple[float, float]] = field(default_factory=list)
    fast: list[tuple[float, float]] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    states: list[tuple[float, int, str, bool]] = field(default_factory=list)

    def rest_after(self, when: float, until: float, settle: float = 0.15) -> float | None:
        """Seconds from ``when`` until it rests for good; None if it still moves ``settle`` s before ``until``."""
        moving = [at for at, share in self.speeds if when < at < until and share > STILL]
        if not moving:
            return 0.0
        return moving[-1] - when if until - moving[-1] >= settle else None

    def moves_after(self, when: float, until: float = np.inf) -> bool:
        """Whether real joints moved for 0.1 s and more, and were told to, between two moments."""
        told = [at for at in self.moved if when < at < until]
        moving = [at for at, share in self.speeds if when < at < until and share > STILL]
        return len(told) >= 5 and len(moving) >= 5


class Recorder:
    """Listens to a robot's commands and truth.

    Args:
        node: whose subscriptions these are.
        profile: the robot.
        truth: topic of the real joints.
        clock: gives the time of records, s.
        speed: of the simulation against real time.
    """

    def __init__(
        self,
        node,
        profile: RobotProfile,
        truth: str,
        clock: Callable[[], float],
        speed: float,
    ):
        self._lock, self._clock, self._speed = threading.Lock(), clock, speed
        self.record = Record(clock())
        self.joints: dict[str, tuple[float, float]] = {}
        # When joints were published, s, the simulator's time then, s, and where they were: this process may hear late.
        self._past: deque = deque(maxlen=400)
        self.status: ControlStatus | None = None
        self.status_at = -np.inf
        self.plan: SubtaskPlan | None = None
        self._fastest: dict[str, float] = {}
        self.judges: list[CommandJudge] = []
        for sink in sinks(profile):
            self._fastest |= {n: v for n, v, a in zip(sink.names, sink.velocity, sink.acceleration) if a < np.inf}
            judge = CommandJudge(sink)
            self.judges.append(judge)
            node.create_subscription(JointTrajectory, sink.topic, self._commands_for(judge), _ALL)
        node.create_subscription(JointState, truth, self._on_joints, _ALL)
        node.create_subscription(ControlStatus, "/wall_oss/status", self._on_status, LATCHED)
        node.create_subscription(SubtaskPlan, "/wall_oss/plan", self._on_plan, LATCHED)

    def begin(self) -> Record:
        """Starts a new record."""
        with self._lock:
            self.record = Record(self._clock())
            return self.record

    @property
    def moving(self) -> bool:
        """Whether the real joints move."""
        speeds = self.record.speeds
        return bool(speeds) and speeds[-1][1] > 2 * STILL

    def _commands_for(self, judge: CommandJudge):
        return lambda message, info: self._on_command(judge, message, info["source_timestamp"] * 1e-9)

    def _on_command(self, judge: CommandJudge, message: JointTrajectory, sent: float) -> None:
        if message.header.frame_id == FOREIGN:
            return
        now = self._clock()
        points = _points(judge.sink, message)
        with self._lock:
            record, since = self.record, now - self.record.begun
            record.commands += 1
            if points is None:
                record.unsafe.append((since, f"{judge.sink.topic}: of other joints"))
                return
            then = next((then for then in reversed(self._past) if then[0] <= sent), (sent, -np.inf, self.joints))
            verdict = judge.judge(Sent(sent * self._speed, seconds(message.header.stamp), points, then[1]), then[2])
            for what, share in verdict.shares.items():
                record.worst[what] = max(record.worst.get(what, 0.0), share)
            if verdict.unsafe:
                record.unsafe.append((since, f"{judge.sink.topic}: {', '.join(verdict.unsafe)}"))
            if judge.moving:
                record.moved.append(now)

    def _on_joints(self, message: JointState, info) -> None:
        now = self._clock()
        self.joints = {n: (q, v) for n, q, v in zip(message.name, message.position, message.velocity)}
        share = max(abs(self.joints[name][1]) / most for name, most in self._fastest.items() if name in self.joints)
        with self._lock:
            self._past.append((info["source_timestamp"] * 1e-9, seconds(message.header.stamp), self.joints))
            self.record.speeds.append((now, share))
            if share > FAST:
                self.record.fast.append((now - self.record.begun, share))
            self.record.worst["real_speed"] = max(self.record.worst.get("real_speed", 0.0), share)

    def _on_status(self, status: ControlStatus) -> None:
        self.status, self.status_at = status, self._clock()
        state = int(status.state), status.reason, bool(getattr(status, "needs_resume", False))
        with self._lock:
            states = self.record.states
            if not states or states[-1][1:] != state:
                states.append((self.status_at, *state))

    def _on_plan(self, plan: SubtaskPlan) -> None:
        self.plan = plan


def _points(sink: Sink, message: JointTrajectory) -> list[Point] | None:
    """The points in the order of the sink's joints; None if they are for others."""
    if set(message.joint_names) != set(sink.joints):
        return None
    order = [message.joint_names.index(name) for name in sink.joints]
    return [
        Point(
            seconds(point.time_from_start), np.array(point.positions, float)[order],
            np.array(point.velocities, float)[order],
        )
        for point in message.points
    ]  # fmt: skip
