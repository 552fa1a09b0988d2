# SPDX-License-Identifier: Apache-2.0
"""The publishers of all commands: one class for each kind of command that drivers take."""

from __future__ import annotations

import heapq
import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.control.stopping_check import HOLD
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import trajectory_message
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.qos import EVENTS
from wall_oss_ros.robots.components import Command
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

from geometry_msgs.msg import Twist, TwistStamped
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

_PATIENCE = 2 * HOLD  # s, after which it is given up


class CommandPublisher(ABC):
    """Sends the joints of an arm, group or gripper what their motion says.

    Args:
        node: whose publisher it is.
        topic: where commands go.
        kind: of message.

    Attributes:
        streams: whether it is sent its next position alone. Such commands do not end at rest by themselves: further
            ones must follow until the joints rest.
    """

    streams = False

    def __init__(self, node: WallOSSNode, topic: str, kind: type):
        self._node, self._out = node, node.publish_to(kind, topic, EVENTS)

    @abstractmethod
    def send(self, setpoints: Sequence[Setpoint] | None, now: float) -> None:
        """One cycle.

        Args:
            setpoints: the first one cycle away, the last at rest; None where the joints rest and have been sent that.
            now: s of the node's clock.
        """

    def forget(self) -> None:
        """Others may have moved the joints since the last command: it is not sent again."""

    def listeners(self) -> int:
        """How many listen."""
        return self._out.get_subscription_count()


class TrajectoryPublisher(CommandPublisher):
    """To a joint trajectory controller, which is sent all setpoints: it comes to rest by them should no more follow.

    Args:
        joints: what the driver calls them.
    """

    def __init__(self, node: WallOSSNode, command: Command, joints: Sequence[str]):
        super().__init__(node, command.topic, JointTrajectory)
        self._joints = list(joints)

    def send(self, setpoints: Sequence[Setpoint] | None, now: float) -> None:
        if setpoints is not None:
            stamp = now if self._node.value("stamp_commands") else None
            self._node.send(self._out, trajectory_message(self._joints, setpoints, stamp))


class StreamingPublisher(CommandPublisher):
    """Sends the next position in each cycle, and once more where the joints rest when nothing further is to be sent."""

    streams = True
    _rest: np.ndarray | None = None

    def send(self, setpoints: Sequence[Setpoint] | None, now: float) -> None:
        position = self._rest if setpoints is None else setpoints[0].position
        self._rest = None if setpoints is None else setpoints[-1].position
        if position is not None:
            self._node.send(self._out, self.message(position))

    def forget(self) -> None:
        self._rest = None

    @abstractmethod
    def message(self, position: np.ndarray):
        """What is sent for positions (n,), rad or m."""


class PositionsPublisher(StreamingPublisher):
    """To a forward position controller. Its joints have no names here: their order is that of its own parameters."""

    def __init__(self, node: WallOSSNode, command: Command, _joints: Sequence[str]):
        super().__init__(node, command.topic, Float64MultiArray)

    def message(self, position: np.ndarray) -> Float64MultiArray:
        return Float64MultiArray(data=position.tolist())


class InterbotixGroupPublisher(StreamingPublisher):
    """To a group of joints of an Interbotix driver, in position mode. Their order is that of its motors' configuration.

    Raises:
        WallOSSError: interbotix_xs_msgs is not installed.
    """

    def __init__(self, node: WallOSSNode, command: Command, _joints: Sequence[str]):
        self._kind, self._group = _interbotix("JointGroupCommand"), command.group
        super().__init__(node, command.topic, self._kind)

    def message(self, position: np.ndarray):
        return self._kind(name=self._group, cmd=position.tolist())


class InterbotixSinglePublisher(StreamingPublisher):
    """To one joint of an Interbotix driver, such as a gripper, in a mode that takes positions.

    Args:
        joint: what the driver calls it.

    Raises:
        WallOSSError: interbotix_xs_msgs is not installed.
    """

    def __init__(self, node: WallOSSNode, topic: str, joint: str):
        self._kind, self._joint = _interbotix("JointSingleCommand"), joint
        super().__init__(node, topic, self._kind)

    def message(self, position: np.ndarray):
        return self._kind(name=self._joint, cmd=float(position[0]))


_PUBLISHERS = {
    "trajectory": TrajectoryPublisher,
    "positions": PositionsPublisher,
    "joint_group": InterbotixGroupPublisher,
}


def make_command_publisher(node: WallOSSNode, command: Command, joints: Sequence[str]) -> CommandPublisher:
    """The publisher that a profile's command asks for by ``sink``.

    Args:
        joints: what the driver calls them, in the order of setpoints.

    Raises:
        WallOSSError: its messages are not installed.
    """
    return _PUBLISHERS[command.sink](node, command, joints)


class CommandPublishers:
    """The publishers of all of a robot's commands. They outlast any motion, so that what was sent last arrives.

    Args:
        node: whose they are.
        profile: the robot.
        moves: (A,) bool, the entries of the layout that the model decides; none until it is known.

    Attributes:
        moves: the same. What the model does not decide stays where it is and is sent nothing.
        by_topic: of the arms, of groups of joints, and of grippers with single commands.
        base: the robot's base, as it is commanded; None where it has none.
        twists: the publisher of its velocities.

    Raises:
        WallOSSError: the package of a message is not installed.
    """

    def __init__(self, node: WallOSSNode, profile: RobotProfile, moves: np.ndarray | None = None):
        self._layout = Layout(profile)
        self.moves = np.zeros(self._layout.size, bool) if moves is None else np.asarray(moves, bool)
        self._parts = profile.parts
        self.by_topic: dict[str, CommandPublisher] = {}
        for one in profile.arms:
            gripper = one.gripper
            joints = one.driver_names((*one.arm.joints, *(gripper.joints if gripper.in_trajectory else ())))
            self.by_topic[one.command.topic] = make_command_publisher(node, one.command, joints)
            if (topic := gripper.joint_single) is not None:
                self.by_topic[topic] = InterbotixSinglePublisher(node, topic, *one.driver_names(gripper.joints))
        for part in profile.parts:
            self.by_topic[part.command.topic] = make_command_publisher(
                node, part.command, profile.driver_names(part.joints)
            )
        self.base, self.twists = profile.base, None
        if self.base is not None:
            if kind := node.value("twists"):
                self.base = self.base.model_copy(update={"stamped": kind == "stamped"})
            self.twists = node.publish_to(TwistStamped if self.base.stamped else Twist, self.base.topic, EVENTS)

    def forget(self) -> None:
        """Motion begins anew: what was sent before the node was last deactivated is not sent again."""
        for publisher in self.by_topic.values():
            publisher.forget()

    def moved(self, dof: str) -> bool:
        """Whether the model decides any of these entries of the layout: a group's, or the base's."""
        return bool(self.moves[self._layout.slots[dof]].any())

    def topics(self) -> list[str]:
        """The topics of all that is commanded."""
        still = {part.command.topic for part in self._parts if not self.moved(part.dof)}
        driven = [self.base.topic] if self.base is not None and self.moved(self.base.dof) else []
        return [topic for topic in self.by_topic if topic not in still] + driven

    def listeners(self) -> dict[str, int]:
        """How many listen, by topic of all that is commanded."""
        counts = {topic: self.by_topic[topic].listeners() for topic in self.topics() if topic in self.by_topic}
        if self.base is None or not self.moved(self.base.dof):
            return counts
        return counts | {self.base.topic: self.twists.get_subscription_count()}


@dataclass(frozen=True)
class Cycle:
    """Something that moves, and is sent its next position alone.

    Attributes:
        period: s between its commands.
        last: when it had the last one, s of steady time.
        step: sends the next one; whether it needs a further one.
    """

    period: float
    last: float
    step: Callable[[], bool]


def come_to_rest(cycles: Sequence[Cycle], steady: Callable[[], float]) -> None:
    """Goes on with cycles, each at its own pace, until all rest; for ``HOLD`` s nothing else of the node runs.

    Args:
        steady: gives the present time.
    """
    end = steady() + _PATIENCE
    due = [(cycle.last + cycle.period, number) for number, cycle in enumerate(cycles)]
    heapq.heapify(due)
    while due and due[0][0] < end:
        when, number = heapq.heappop(due)
        when = max(when, steady())  # late ones are not made up for
        time.sleep(max(0.0, when - steady()))
        if cycles[number].step():
            heapq.heappush(due, (when + cycles[number].period, number))


def _interbotix(name: str) -> type:
    """A message type of interbotix_xs_msgs, which only robots need whose profile asks for them."""
    try:
        return getattr(importlib.import_module("interbotix_xs_msgs.msg"), name)
    except ImportError as error:
        raise WallOSSError(
            "This robot is commanded by interbotix_xs_msgs, which is not installed.",
            "In the workspace: git clone -b $ROS_DISTRO https://github.com/Interbotix/interbotix_ros_core "
            "src/interbotix_ros_core && rm src/interbotix_ros_core/interbotix_ros_xseries/COLCON_IGNORE "
            "&& colcon build --packages-up-to interbotix_xs_msgs, and source it.",
        ) from error
