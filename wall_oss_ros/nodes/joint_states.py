# SPDX-License-Identifier: Apache-2.0
"""Joint states under the names that the profile and the URDF give the joints, whatever the driver calls them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from wall_oss_ros.nodes.base import WallOSSNode
from wall_oss_ros.nodes.qos import SENSOR
from wall_oss_ros.robots.profile import RobotProfile

from sensor_msgs.msg import JointState


def listen_to_joints(node: WallOSSNode, profile: RobotProfile, take: Callable[[JointState], None]) -> None:
    """Has ``take`` called with each joint state of the robot, from all topics that its profile names."""
    for topic, prefix in profile.joint_sources.items():
        node.listen(JointState, topic, partial(_renamed, prefix, take) if prefix else take, SENSOR)


def _renamed(prefix: str, take: Callable[[JointState], None], message: JointState) -> None:
    message.name = [prefix + name for name in message.name]
    take(message)
