# SPDX-License-Identifier: Apache-2.0
"""Control: the active subtask and observations in, bounded motion for the robot's controllers out."""

from launch import LaunchDescription
from wall_oss_ros.bringup.arguments import arguments_of
from wall_oss_ros.bringup.launch_nodes import nodes


def generate_launch_description():
    return LaunchDescription([*arguments_of("control"), nodes("control")])
