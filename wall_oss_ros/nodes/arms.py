# SPDX-License-Identifier: Apache-2.0
"""A robot's arms with their grippers, as the control node moves them: one cycle for all, each by its own publisher."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from wall_oss_ros.control.beat import Beat
from wall_oss_ros.control.input_monitor import CONTROLLER, InputMonitor
from wall_oss_ros.control.readings import ArmReadings
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.setpoints import Setpoint, StreamedGripper
from wall_oss_ros.nodes.command_publishers import CommandPublishers, Cycle
from wall_oss_ros.nodes.conversions import seconds
from wall_oss_ros.nodes.grippers import ActionGripper, GripperClient, TrajectoryGripper
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.qos import SENSOR
from wall_oss_ros.robots.profile import RobotProfile

from control_msgs.msg import JointTrajectoryControllerState
from geometry_msgs.msg import WrenchStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

_NAMED_FIRST = 0.2  # s


class Arms:
    """Sends the arms what their motion says, and their grippers the openings of the actions.

    Args:
        node: whose subscriptions and clients these are.
        profile: the robot.
        publishers: of commands.
        motion: the motion of all arms.
        monitor: told what is heard of them.
    """

    def __init__(
        self,
        node: WallOSSNode,
        profile: RobotProfile,
        publishers: CommandPublishers,
        motion: RobotMotion,
        monitor: InputMonitor,
    ):
        self._node, self._motion, self._monitor = node, motion, monitor
        self._limbs = [_Limb(node, one, publishers) for one in profile.arms]
        self._streams, self._stepped = any(limb.streams for limb in self._limbs), node.steady()
        self._period = 1.0 / profile.command.rate_hz
        self._beat = Beat(self._period, node.value("stamp_commands") and not self._streams)
        self.readings = ArmReadings(profile, motion)
        monitor.watch(self.readings)
        for topic in dict.fromkeys(one.command.state_topic for one in profile.arms if one.command.state_topic):
            controller = f"the controller at {topic}"
            monitor.expect(controller, CONTROLLER, needed=False)
            node.listen(JointTrajectoryControllerState, topic, partial(self._on_state, controller), SENSOR)
        # Arms whose joints come apart are each to be heard of.
        apart = len({one.joint_states for one in profile.arms}) > 1
        self._apart = [f"the joints of the {one.arm.name}" for one in profile.arms] if apart else []
        for what in self._apart:
            monitor.expect(what, profile.watchdog.joint_state_age)
        node.listen_to_joints(profile, self._on_joints)
        programs = [one.command.program_running_topic for one in profile.arms] if node.value("watch_program") else []
        for topic in dict.fromkeys(filter(None, programs)):
            monitor.expect(topic)
            node.listen_to_any(Bool, topic, partial(self._on_program, topic))
        for one in profile.arms if node.value("watch_forces") else ():
            if (force := one.arm.force) is not None:
                monitor.expect(force.topic, profile.watchdog.joint_state_age)
                node.listen(WrenchStamped, force.topic, partial(self._on_wrench, force.topic, one.arm.name), SENSOR)

    @property
    def heard(self) -> float | None:
        """When the joints of all arms were measured last, by the stamps of their messages, s; None before.

        Of arms whose joints come apart, one that is silent is missed by its name first.
        """
        stamp = self.readings.stamp
        return stamp if stamp is None or not self._apart else min(stamp + _NAMED_FIRST, self.readings.newest)

    @property
    def measured(self) -> np.ndarray | None:
        """The newest joints of all arms (n,) that are believed, rad; None before the first."""
        return self._motion.believed

    def at(self, stamp: float) -> np.ndarray | None:
        """The joints of all arms at a time of the last second, (n,) rad; None where they were not heard of then."""
        return self.readings.at(stamp)

    def step(self, now: float, running: bool) -> bool:
        """One cycle; whether any arm was sent something.

        Args:
            now: s.
            running: whether they may move; if not, they decelerate and hold.
        """
        self._stepped = self._node.steady()
        tick = self._beat.next(now, self._stepped)
        if tick is None:
            return False
        openings = self._motion.openings(now) if running else [None] * len(self._limbs)
        # A gripper that did not answer is asked again while the arms wait: none goes on with a hand that does nothing.
        waits = any(limb.unsure for limb, opening in zip(self._limbs, openings) if opening is not None)
        sent = self._motion.step(tick.time, running and not waits, lost=tick.lost)
        for arm, (limb, setpoints, opening) in enumerate(zip(self._limbs, sent, openings)):
            limb.send(setpoints, opening, *self.readings.opening(arm), tick.time, tick.lost)
        for anchor in self._motion.anchors:
            self._node.tell(anchor.told)
        self._monitor.gripper = next((limb.fault for limb in self._limbs if limb.fault), "")
        if not any(sent):
            self._beat.forget()
        return any(sent)

    def braking(self) -> list[Cycle]:
        """What is still to be done after the last cycle, so that arms which are sent positions alone come to rest."""
        return [Cycle(self._period, self._stepped, self._brake)] if self._streams and self._motion.moving else []

    def _brake(self) -> bool:
        moving = self._motion.moving
        self.step(self._node.now(), False)
        return moving

    def look(self) -> dict[str, bool]:
        """Whether a gripper's server or controller is there, by its action or topic."""
        return {action: there for limb in self._limbs for action, there in limb.look().items()}

    @property
    def grippers(self) -> dict[str, str]:
        """How the last goal of each gripper stands that is commanded apart from its arm, by its action or topic."""
        return {name: words for limb in self._limbs for name, words in limb.told().items()}

    def _on_joints(self, message: JointState) -> None:
        now, stamp = self._node.now(), seconds(message.header.stamp)
        for limb in self._limbs:
            limb.hear(message, now)
        self.readings.hear(now, stamp, message.name, message.position)
        for arm, what in enumerate(self._apart):
            if (heard := self.readings.stamp_of(arm)) is not None:
                self._monitor.heard(what, now, heard)

    def _on_program(self, topic: str, message: Bool) -> None:
        self._monitor.program(topic, message.data, self._node.now())

    def _on_wrench(self, topic: str, arm: str, message: WrenchStamped) -> None:
        force, torque = message.wrench.force, message.wrench.torque
        self._motion.feel(arm, math.hypot(force.x, force.y, force.z))
        now, stamp = self._node.now(), seconds(message.header.stamp)
        self._monitor.wrench(topic, (force.x, force.y, force.z), (torque.x, torque.y, torque.z), now, stamp)

    def _on_state(self, controller: str, _message: JointTrajectoryControllerState) -> None:
        self._monitor.heard(controller, self._node.now())


class _Limb:
    """One arm's commands and its gripper's: with the arm's, in its own trajectories, by an action, as the profile says.

    Attributes:
        streams: whether the arm is sent its next position alone.
    """

    def __init__(self, node: WallOSSNode, profile: RobotProfile, publishers: CommandPublishers):
        self._node, self._gripper, count = node, profile.gripper, len(profile.arm.joints)
        streamed, single = profile.gripper.streamed, profile.gripper.joint_single
        self._streamed_gripper = StreamedGripper(profile.gripper, profile.gripper_stands) if streamed else None
        self._client = None if streamed else node.keep(_client(node, profile))
        arm = publishers.by_topic[profile.command.topic]
        self._publishers = [(arm, slice(None) if single is None else slice(count))]
        if single is not None:
            self._publishers.append((publishers.by_topic[single], slice(count, None)))
        self.streams = arm.streams

    def send(
        self,
        setpoints: Sequence[Setpoint] | None,
        opening: float | None,
        measured: float,
        rests: bool,
        now: float,
        lost: float = 0.0,
    ) -> None:
        """Sends setpoints (None: the arm rests) and an opening, m (None: as it is).

        Args:
            measured, rests, lost: see :meth:`StreamedGripper.append_to`.
        """
        if self._client is not None:
            self._client.command(opening, self._node.value("gripper_step_m"), now)
        else:
            setpoints = self._streamed_gripper.append_to(setpoints, opening, measured, rests, lost)
        for publisher, joints in self._publishers:
            publisher.send(None if setpoints is None else [point.of(joints) for point in setpoints], now)

    def look(self) -> dict[str, bool]:
        if self._client is None:
            return {}
        self._client.look()
        return {self._client.name: self._client.ready}

    @property
    def fault(self) -> str:
        """What is wrong with the gripper; empty when nothing is."""
        return "" if self._client is None else self._client.fault

    @property
    def unsure(self) -> bool:
        """Whether the arm had better wait for the gripper's answer."""
        return self._client is not None and self._client.unsure

    def told(self) -> dict[str, str]:
        """How the gripper's last goal stands, by its action or topic."""
        return {} if self._client is None else {self._client.name: self._client.words}

    def hear(self, message: JointState, now: float) -> None:
        """Joint states have come, at ``now`` (s)."""
        if self._client is not None:
            self._client.hear(message, now)


def _client(node: WallOSSNode, profile: RobotProfile) -> GripperClient:
    """What commands a gripper apart from its arm, and only when something changes."""
    kind = ActionGripper if profile.gripper.action else TrajectoryGripper
    return kind(node, profile.gripper, profile.driver_names(profile.gripper.joints))
