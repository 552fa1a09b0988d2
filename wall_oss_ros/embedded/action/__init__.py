# SPDX-License-Identifier: Apache-2.0
"""Actions, with rclpy.action's names."""

from wall_oss_ros.embedded.action.client import ActionClient, ClientGoalHandle
from wall_oss_ros.embedded.action.goal import CancelResponse, GoalResponse, GoalStatus
from wall_oss_ros.embedded.action.graph import (
    get_action_client_names_and_types_by_node,
    get_action_names_and_types,
    get_action_server_names_and_types_by_node,
)
from wall_oss_ros.embedded.action.server import ActionServer, ServerGoalHandle

__all__ = [
    "ActionClient", "ActionServer", "CancelResponse", "ClientGoalHandle", "GoalResponse", "GoalStatus",
    "ServerGoalHandle", "get_action_client_names_and_types_by_node", "get_action_names_and_types",
    "get_action_server_names_and_types_by_node",
]  # fmt: skip
