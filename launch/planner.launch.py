# SPDX-License-Identifier: Apache-2.0
"""The planner: instructions in, plans in the model's words out, followed to their end."""

from launch import LaunchDescription
from wall_oss_ros.bringup.arguments import arguments_of
from wall_oss_ros.bringup.launch_nodes import nodes


def generate_launch_description():
    return LaunchDescription([*arguments_of("planner"), nodes("planner")])
