# SPDX-License-Identifier: Apache-2.0
"""How joints are told where to go: one class for each kind of command that drivers take."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import trajectory_message
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.qos import EVENTS
from wall_oss_ros.robots.parts import Command

from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory


class Sink(ABC):
    """Tells the joints of an arm, part or gripper what their motion says.

    Args:
        node: whose publisher it is.
        topic: where commands go.
        kind: of message.

    Attributes:
        streams: whether it is told its next position alone. What it was told last does not end at rest by itself then: it
            must be told on until it rests.
    """

    streams = False

    def __init__(self, node: WallOSSNode, topic: str, kind: type):
        self._node, self._out = node, node.publish_to(kind, topic, EVENTS)

    @abstractmethod
    def send(self, setpoints: Sequence[Setpoint] | None, now: float) -> None:
        """One cycle.

        Args:
            setpoints: the first one cycle away, the last at rest; None where the joints rest and have been told so.
            now: s of the node's clock.
        """

    def forget(self) -> None:
        """Others may have moved the joints since they were told something: that is not told again."""

    def listeners(self) -> int:
        """How many listen."""
        return self._out.get_subscription_count()


class TrajectorySink(Sink):
    """A joint trajectory controller, which is sent all setpoints: it comes to rest by them should no more follow.

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


class StreamingSink(Sink):
    """Is sent the next position in each cycle, and where it rests once more when there is nothing further to be said."""

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


class PositionsSink(StreamingSink):
    """A forward position controller. Its joints have no names here: their order is that of its own parameters."""

    def __init__(self, node: WallOSSNode, command: Command, _joints: Sequence[str]):
        super().__init__(node, command.topic, Float64MultiArray)

    def message(self, position: np.ndarray) -> Float64MultiArray:
        return Float64MultiArray(data=position.tolist())


class JointGroupSink(StreamingSink):
    """A group of joints of an Interbotix driver, in position mode. Their order is that of its motors' configuration.

    Raises:
        WallOSSError: interbotix_xs_msgs is not installed.
    """

    def __init__(self, node: WallOSSNode, command: Command, _joints: Sequence[str]):
        self._kind, self._group = _interbotix("JointGroupCommand"), command.group
        super().__init__(node, command.topic, self._kind)

    def message(self, position: np.ndarray):
        return self._kind(name=self._group, cmd=position.tolist())


class JointSingleSink(StreamingSink):
    """One joint of an Interbotix driver, such as a gripper, in a mode that takes positions.

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


_SINKS = {"trajectory": TrajectorySink, "positions": PositionsSink, "joint_group": JointGroupSink}


def make_sink(node: WallOSSNode, command: Command, joints: Sequence[str]) -> Sink:
    """The sink that a profile's command names.

    Args:
        joints: what the driver calls them, in the order of setpoints.

    Raises:
        WallOSSError: its messages are not installed.
    """
    return _SINKS[command.sink](node, command, joints)


def _interbotix(name: str) -> type:
    """A message type of interbotix_xs_msgs, which only robots need whose profile names one of these sinks."""
    try:
        return getattr(importlib.import_module("interbotix_xs_msgs.msg"), name)
    except ImportError as error:
        raise WallOSSError(
            "This robot is told what to do by interbotix_xs_msgs, which is not installed.",
            "In the workspace: git clone -b $ROS_DISTRO https://github.com/Interbotix/interbotix_ros_core "
            "src/interbotix_ros_core && rm src/interbotix_ros_core/interbotix_ros_xseries/COLCON_IGNORE "
            "&& colcon build --packages-up-to interbotix_xs_msgs, and source it.",
        ) from error
