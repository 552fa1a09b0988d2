# SPDX-License-Identifier: Apache-2.0
"""What a robot has beside its arms, as the control node moves it: joints such as head and lift, and a driving base."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from wall_oss_ros.control.beat import Beat
from wall_oss_ros.control.input_monitor import CONTROLLER, InputMonitor
from wall_oss_ros.control.joint_group import JointGroupMotion
from wall_oss_ros.control.mobile_base import LOOKAHEAD, MobileBaseMotion
from wall_oss_ros.control.readings import BaseReadings, PartReadings
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.nodes.command_publishers import CommandPublisher, CommandPublishers, Cycle
from wall_oss_ros.nodes.conversions import planar_pose, seconds, to_stamp
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.qos import SENSOR
from wall_oss_ros.robots.profile import RobotProfile

from control_msgs.msg import JointTrajectoryControllerState
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState

_HALT = 0.1  # s of steady time without a cycle, after which a base that must not move is stopped outside its cycle


class TorsoAndBase:
    """Moves the parts that the model decides, each at its own rate, while the robot may move; else they come to rest.

    Args:
        node: whose subscriptions and timers these are.
        profile: the robot.
        publishers: of commands, which know what the model moves.
        monitor: told what is heard of them.
        motion: the motion of the arms, which must not touch the parts, and rest when anything is wrong with one.
        target: what the robot is to do at a time (s), in its layout (A,); None while it may not move.
    """

    def __init__(
        self,
        node: WallOSSNode,
        profile: RobotProfile,
        publishers: CommandPublishers,
        monitor: InputMonitor,
        motion: RobotMotion,
        target: Callable[[float], np.ndarray | None],
    ):
        self._node, self._publishers, self._monitor = node, publishers, monitor
        self._motion, self._target = motion, target
        self._silence = profile.watchdog.joint_state_age
        self._readings: dict[str, PartReadings] = {}
        self._groups: list[JointGroupMotion] = []
        stamped = node.value("stamp_commands")
        self._beats = {part.name: Beat(1.0 / part.command.rate_hz, stamped) for part in profile.parts}
        self._stepped: dict[str, float] = {}  # when a part had its last cycle, s of steady time
        for part in profile.parts:
            if (topic := part.command.state_topic) is not None:
                controller = f"the controller at {topic}"
                monitor.expect(controller, CONTROLLER, needed=False)
                node.listen(JointTrajectoryControllerState, topic, partial(self._on_state, controller), SENSOR)
            group = JointGroupMotion(profile, part)
            self._groups.append(group)
            self._readings[part.name] = PartReadings(profile, part, group)
            monitor.watch(self._readings[part.name], relied=False)
            node.every(1.0 / part.command.rate_hz, partial(self._move, group), ros_time=True)
        if self._readings:
            node.listen_to_joints(profile, self._on_joints)
        self._base, self._driven = None, -math.inf
        if publishers.base is not None:
            self._base, self._odometry = MobileBaseMotion(profile), f"the odometry at {publishers.base.odometry}"
            self._odometry_readings = BaseReadings(publishers.base.odometry, self._base)
            monitor.watch(self._odometry_readings, relied=False)
            node.listen(Odometry, publishers.base.odometry, self._on_odometry, SENSOR)
            node.every(1.0 / publishers.base.rate_hz, self._drive, ros_time=True)
        self.rely()

    def rely(self) -> None:
        """Once it is known what the model moves: from now on that must be heard of."""
        for group in self._groups:
            if self._publishers.moved(group.group.dof):
                self._monitor.expect(_joints_of(group.group.name), self._silence)
                self._monitor.watch(self._readings[group.group.name])
        if self._base is not None and self._publishers.moved(self._publishers.base.dof):
            self._monitor.expect(self._odometry, self._silence)
            self._monitor.watch(self._odometry_readings)

    def watch(self, running: bool) -> None:
        """Makes sure, by a clock that does not stop, that a base which must not move has been told so."""
        if self._base is not None and not running and self._node.steady() - self._driven > _HALT:
            self.halt()

    def halt(self) -> None:
        """A base that moves stands, at once: for when there is no further cycle."""
        if self._base is not None and self._base.moving:
            self._base.halt()
            self._send_twist(np.zeros(3))

    def braking(self) -> list[Cycle]:
        """What is still to be done after the last cycle, so that joints which are sent positions alone come to rest."""
        moving = [group for group in self._groups if group.moving and self._publisher(group).streams]
        return [
            Cycle(1.0 / m.group.command.rate_hz, self._stepped[m.group.name], partial(self._brake, m)) for m in moving
        ]

    def _brake(self, group: JointGroupMotion) -> bool:
        moving = group.moving
        self._move(group)
        return moving

    def _publisher(self, group: JointGroupMotion) -> CommandPublisher:
        return self._publishers.by_topic[group.group.command.topic]

    def _on_joints(self, message: JointState) -> None:
        now, stamp = self._node.now(), seconds(message.header.stamp)
        for name, readings in self._readings.items():
            if readings.hear(now, stamp, message.name, message.position):
                self._monitor.heard(_joints_of(name), now, stamp)
                if readings.believed is not None and not self._publishers.moved(readings.part.dof):
                    self._motion.place(readings.part.joints, readings.believed)

    def _on_state(self, controller: str, _message: JointTrajectoryControllerState) -> None:
        self._monitor.heard(controller, self._node.now())

    def _on_odometry(self, message: Odometry) -> None:
        now, readings = self._node.now(), self._odometry_readings
        readings.hear(now, seconds(message.header.stamp), planar_pose(message.pose.pose))
        if readings.stamp is not None:
            self._monitor.heard(self._odometry, now, readings.stamp)

    def _move(self, group: JointGroupMotion) -> None:
        believed, beat = self._readings[group.group.name].believed, self._beats[group.group.name]
        moved = self._publishers.moved(group.group.dof)
        if not (moved or group.moving):
            return
        self._stepped[group.group.name] = steady = self._node.steady()
        if (tick := beat.next(self._node.now(), steady)) is None:
            return
        now = tick.time
        setpoints = group.step(now, self._target(now) if moved else None, self._publishers.moves, lost=tick.lost)
        if setpoints is None:
            beat.forget()
        self._publisher(group).send(setpoints, now)
        self._node.tell(group.anchor.told)
        if setpoints is not None:
            self._motion.place(group.group.joints, setpoints[-1].position)
            if self._target(now) is not None and (touching := self._motion.touching()):
                self._motion.fail(f"{touching} would touch, by the motion of the {group.group.name}")
        elif believed is not None:
            self._motion.place(group.group.joints, believed)
        if group.fault:
            self._motion.fail(group.fault)

    def _drive(self) -> None:
        self._driven = self._node.steady()
        moved = self._publishers.moved(self._publishers.base.dof)
        target = self._target(self._node.now() + LOOKAHEAD) if moved else None
        speed = self._base.step(self._node.now(), target)
        if speed is not None:
            self._send_twist(speed)

    def _send_twist(self, speed: np.ndarray) -> None:
        twist, base = Twist(), self._publishers.base
        twist.linear.x, twist.linear.y, twist.angular.z = speed.tolist()
        message = TwistStamped(twist=twist) if base.stamped else twist
        if base.stamped:
            message.header.frame_id = base.frame
            if self._node.value("stamp_commands"):
                message.header.stamp = to_stamp(self._node.now())
        self._node.send(self._publishers.twists, message)


def _joints_of(name: str) -> str:
    return f"the joints of the {name}"
