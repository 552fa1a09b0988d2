# SPDX-License-Identifier: Apache-2.0
"""Perception: synchronised views and joint states in, observations for the model out."""

from launch import LaunchDescription
from wall_oss_ros.bringup.arguments import arguments_of
from wall_oss_ros.bringup.launch_nodes import nodes


def generate_launch_description():
    return LaunchDescription([*arguments_of("perception"), nodes("perception")])
