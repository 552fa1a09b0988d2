# SPDX-License-Identifier: Apache-2.0
"""Perception: synchronised views and joint states in, observations for the model out."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import cameras_given, declare, namespace, robot_remappings, switch
from wall_oss_ros.bringup.launch_nodes import check_nodes, end_at_sigterm, parameter_files, process_options


def perception(context):
    decided = check_nodes(context, ["perception"])["perception"]
    parameters = {
        **decided.parameters,  # robot and use_sim_time, as wall-oss run has them, too: bringup/system.py
        "autostart": switch(context, "autostart"),
        "cameras": cameras_given(context),
    }
    node = Node(
        package="wall_oss_ros",
        executable="perception",
        name="perception",
        namespace=namespace(context, "wall_oss"),
        parameters=parameter_files(context, "perception", parameters),
        remappings=robot_remappings(context),
        **process_options(context, "perception"),
    )
    return [node]


def generate_launch_description():
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "sim", "cameras", "namespace", "controller", "base_topic"),
            *declare("autostart", "respawn", "params_file", "log_level"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=perception),
        ]
    )
