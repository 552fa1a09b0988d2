# SPDX-License-Identifier: Apache-2.0
"""The planner: instructions in, plans in the model's words out, followed to their end."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare, namespace, robot_remappings, switch, value
from wall_oss_ros.bringup.launch_nodes import check_nodes, end_at_sigterm, parameter_files, process_options


def planner(context):
    decided = check_nodes(context, ["planner"])["planner"]
    parameters = {
        **decided.parameters,  # robot, model and use_sim_time, as wall-oss run has them, too: bringup/system.py
        "autostart": switch(context, "autostart"),
        "device": value(context, "device"),
        "require_approval": switch(context, "require_approval"),
    }
    node = Node(
        package="wall_oss_ros",
        executable="planner",
        name="planner",
        namespace=namespace(context, "wall_oss"),
        parameters=parameter_files(context, "planner", parameters),
        remappings=robot_remappings(context),
        **process_options(context, "planner"),
    )
    return [node]


def generate_launch_description():
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "sim", "namespace", "controller", "base_topic"),
            *declare("model", "device", "require_approval"),
            *declare("autostart", "respawn", "params_file", "log_level"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=planner),
        ]
    )
