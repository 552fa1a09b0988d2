# SPDX-License-Identifier: Apache-2.0
"""The simulated robot, with a real driver's face: cameras, joint states, controllers, /clock, and its cell in tf."""

from launch.actions import OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription
from wall_oss_ros.bringup.arguments import arguments, arguments_of
from wall_oss_ros.bringup.launch_description import robot_state_publisher
from wall_oss_ros.bringup.launch_nodes import nodes


def generate_launch_description():
    simulated = IfCondition(LaunchConfiguration("sim"))
    return LaunchDescription(
        [
            *arguments_of("simulated_robot"),
            *arguments("description"),
            nodes("simulated_robot"),
            OpaqueFunction(function=robot_state_publisher, condition=simulated),
        ]
    )
