# SPDX-License-Identifier: Apache-2.0
"""Grippers that are commanded apart from their arm, and only when something changes."""

from __future__ import annotations

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


class ActionGripper:
    """A client of the gripper's action.

    Args:
        node: whose client it is.
        profile: the gripper's part of the robot's profile.

    Attributes:
        name: of the action.
        ready: whether the action's server was there at the last ``look``.
    """

    def __init__(self, node, profile: Gripper):
        self._profile, self.name = profile, profile.action
        self._client = ActionClient(node, GripperCommand, profile.action)
        self._sent: float | None = None
        self.ready = False

    def destroy(self) -> None:
        self._client.destroy()

    def look(self) -> None:
        """Checks whether the server is there; a new one is told the opening again."""
        ready = self._client.server_is_ready()
        if ready and not self.ready:
            self._sent = None
        self.ready = ready

    def command(self, opening: float | None, step: float) -> None:
        """Sends the fingers to an opening (m), unless it is within ``step`` of the last one. None does nothing."""
        if opening is None or (self._sent is not None and abs(opening - self._sent) < step):
            return
        self._sent = opening
        goal = GripperCommand.Goal()
        goal.command.position = self._profile.action_position(opening)
        goal.command.max_effort = self._profile.max_effort
        self._client.send_goal_async(goal)


class TrajectoryGripper:
    """Sends a trajectory of one point whenever the opening wanted changes; offers what ``ActionGripper`` offers.

    Args:
        node: whose publisher it is.
        profile: the gripper's part of the robot's profile, with a topic.
        joints: what the driver calls its joints.

    Attributes:
        name: of what must be there for it to move.
        ready: whether something listened at the last ``look``.
    """

    def __init__(self, node: WallOSSNode, profile: Gripper, joints: Sequence[str]):
        self._joints = list(joints)
        self._node, self._profile, self.name = node, profile, profile.topic
        self._out = node.publish_to(JointTrajectory, profile.topic, EVENTS)
        self._sent: float | None = None
        self.ready = False

    def destroy(self) -> None:
        """The node destroys the publisher itself."""

    def look(self) -> None:
        """Checks whether something listens; a new listener is told the opening again."""
        ready = self._out.get_subscription_count() > 0
        if ready and not self.ready:
            self._sent = None
        self.ready = ready

    def command(self, opening: float | None, step: float) -> None:
        """Sends the fingers to an opening (m), unless it is within ``step`` of the last one. None does nothing.

        They take as long as the profile's ``speed`` needs from the last opening; from any, when none was sent.
        """
        if opening is None or (self._sent is not None and abs(opening - self._sent) < step):
            return
        stroke = self._profile.open - self._profile.closed
        travel = stroke if self._sent is None else abs(opening - self._sent)
        self._sent = opening
        position = np.full(len(self._joints), self._profile.joint_position(opening))
        setpoint = Setpoint(max(_LEAST, travel / self._profile.speed), position, np.zeros(len(self._joints)))
        self._node.send(self._out, trajectory_message(self._joints, [setpoint], None))
