# SPDX-License-Identifier: Apache-2.0
"""Grippers that are commanded apart from their arm, and only when something changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.nodes.conversions import trajectory_message
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.qos import EVENTS
from wall_oss_ros.robots.components import Gripper

from control_msgs.action import GripperCommand
from rclpy.action import ActionClient
from trajectory_msgs.msg import JointTrajectory

_LEAST = 0.1  # s: no motion is asked for in less


class GripperClient(ABC):
    """Tells a gripper its opening.

    Args:
        name: of what must be there for it to move, an action or a topic.

    Attributes:
        name: the same.
        ready: whether it was there at the last ``look``.
    """

    def __init__(self, name: str):
        self.name, self.ready = name, False
        self._sent: float | None = None

    def look(self) -> None:
        """Checks whether anything is there to be commanded; what has come anew is told the opening again."""
        ready = self._is_there()
        if ready and not self.ready:
            self._sent = None
        self.ready = ready

    def command(self, opening: float | None, step: float) -> None:
        """Sends the fingers to an opening (m), unless it is within ``step`` of the last one. None does nothing."""
        if opening is None or (self._sent is not None and abs(opening - self._sent) < step):
            return
        before, self._sent = self._sent, opening
        self._send(opening, before)

    def destroy(self) -> None:
        """Lets go of what the node does not destroy itself."""

    @abstractmethod
    def _is_there(self) -> bool: ...

    @abstractmethod
    def _send(self, opening: float, before: float | None) -> None:
        """Sends an opening (m) after the one before (m); None when that is not known."""


class ActionGripper(GripperClient):
    """A client of the gripper's action.

    Args:
        node: whose client it is.
        profile: the gripper of the robot's profile.
    """

    def __init__(self, node: WallOSSNode, profile: Gripper):
        super().__init__(profile.action)
        self._profile, self._client = profile, ActionClient(node, GripperCommand, profile.action)

    def destroy(self) -> None:
        self._client.destroy()

    def _is_there(self) -> bool:
        return self._client.server_is_ready()

    def _send(self, opening: float, before: float | None) -> None:
        goal = GripperCommand.Goal()
        goal.command.position = self._profile.action_position(opening)
        goal.command.max_effort = self._profile.max_effort
        self._client.send_goal_async(goal)


class TrajectoryGripper(GripperClient):
    """Sends a joint trajectory controller of the gripper's own a trajectory of one point.

    The fingers take as long as the profile's ``speed`` needs from the last opening; from any, when none was sent.

    Args:
        node: whose publisher it is.
        profile: the gripper of the robot's profile, with a topic.
        joints: what the driver calls its joints.
    """

    def __init__(self, node: WallOSSNode, profile: Gripper, joints: Sequence[str]):
        super().__init__(profile.topic)
        self._node, self._profile, self._joints = node, profile, list(joints)
        self._out = node.publish_to(JointTrajectory, profile.topic, EVENTS)

    def _is_there(self) -> bool:
        return self._out.get_subscription_count() > 0

    def _send(self, opening: float, before: float | None) -> None:
        travel = self._profile.open - self._profile.closed if before is None else abs(opening - before)
        position = np.full(len(self._joints), self._profile.joint_position(opening))
        setpoint = Setpoint(max(_LEAST, travel / self._profile.speed), position, np.zeros(len(self._joints)))
        self._node.send(self._out, trajectory_message(self._joints, [setpoint], None))
