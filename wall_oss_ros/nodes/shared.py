# SPDX-License-Identifier: Apache-2.0
"""What all nodes need: imported, and described to DDS, once before they begin as copies of one process."""

from __future__ import annotations

import wall_oss_ros.nodes.running  # noqa: F401  with all that it imports
from wall_oss_ros.embedded import auto

from diagnostic_msgs.msg import DiagnosticArray
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from wall_oss_msgs.msg import ActionChunk, ActionRequest, ControlStatus, ModelInfo, Observation, SubtaskPlan

_TYPES = (
    DiagnosticArray, Clock, String, ActionChunk, ActionRequest, ControlStatus, ModelInfo, Observation, SubtaskPlan,
)  # fmt: skip


def prepare() -> None:
    """Describes the types that most nodes use, where it is the embedded library that would do so for each of them."""
    if auto.IN_USE:
        from wall_oss_ros.embedded.described import describe, describe_nodes  # on ROS 2 there may be no cyclonedds

        describe_nodes()
        describe(_TYPES)
