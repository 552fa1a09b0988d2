# SPDX-License-Identifier: Apache-2.0
"""Actions, with rclpy.action's names."""

from wall_oss_ros.embedded.action.client import ActionClient, ClientGoalHandle
from wall_oss_ros.embedded.action.goal import CancelResponse, GoalResponse, GoalStatus
from wall_oss_ros.embedded.action.server import ActionServer, ServerGoalHandle

__all__ = [
    "ActionClient", "ActionServer", "CancelResponse", "ClientGoalHandle", "GoalResponse", "GoalStatus",
    "ServerGoalHandle",
]  # fmt: skip
