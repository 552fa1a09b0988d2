# SPDX-License-Identifier: Apache-2.0
"""A gripper, as the control node commands it: by its action, and only when something changes."""

from __future__ import annotations

from wall_oss_ros.robots import parts

from control_msgs.action import GripperCommand
from rclpy.action import ActionClient


class Gripper:
    """A client of the gripper's action.

    Args:
        node: whose client it is.
        profile: the gripper's part of the robot's profile.

    Attributes:
        name: of the action.
        ready: whether the action's server was there at the last ``look``.
    """

    def __init__(self, node, profile: parts.Gripper):
        self._profile, self.name = profile, profile.action
        self._client = ActionClient(node, GripperCommand, profile.action)
        self._sent: float | None = None
        self.ready = False

    def destroy(self) -> None:
        self._client.destroy()

    def look(self) -> None:
        """Sees whether the server is there; one that has come anew is told the opening again."""
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
