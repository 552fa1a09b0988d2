# SPDX-License-Identifier: Apache-2.0
"""The page of a running system: the robot, its cameras, the plan with its approval and edits, Stop, and plots.

ros2 launch wall_oss_bringup dashboard.launch.py
ros2 launch wall_oss_bringup dashboard.launch.py robot:=ur ur_type:=ur10e sim:=false host:=0.0.0.0 token_file:=token
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare, namespace, robot_name, robot_remappings, switch, value
from wall_oss_ros.bringup.launch_nodes import end_at_sigterm, parameter_files, process_options
from wall_oss_ros.errors import WallOSSError


def page(context):
    port = value(context, "port")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise WallOSSError(f"The port is {port!r}.", "Give a whole number from 1 to 65535.")
    parameters = {
        "robot": robot_name(context),
        "use_sim_time": switch(context, "sim"),
        "autostart": switch(context, "autostart"),
        "host": value(context, "host"),
        "port": int(port),
        "token_file": value(context, "token_file"),
        "cameras": switch(context, "whole_pictures"),
    }
    node = Node(
        package="wall_oss_ros",
        executable="page",
        name="viewer",
        namespace=namespace(context, "wall_oss"),
        parameters=parameter_files(context, "viewer", parameters),
        remappings=robot_remappings(context),
        **process_options(context, "viewer"),
    )
    return [node]


def generate_launch_description():
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "sim", "namespace", "controller", "base_topic"),
            DeclareLaunchArgument(
                "host", default_value="127.0.0.1", description="Address of the page; 0.0.0.0 for all, with a token."
            ),
            DeclareLaunchArgument("port", default_value="8080", description="Port of the page."),
            DeclareLaunchArgument(
                "token_file",
                default_value="",
                description="A file with the token that browsers must show. Empty: the variable WALL_OSS_TOKEN, or one "
                "that is made and logged, where the page is open to other machines.",
            ),
            DeclareLaunchArgument(
                "whole_pictures",
                default_value="true",
                choices=["true", "false"],
                description="Whether the cameras' whole pictures are shown, or the model's views, which are smaller.",
            ),
            *declare("autostart", "respawn", "params_file", "log_level"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=page),
        ]
    )
