# SPDX-License-Identifier: Apache-2.0
"""The simulated robot, with a real driver's interface: cameras, joint states, controllers, /clock; its cell in tf."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare, namespace, robot_remappings, switch
from wall_oss_ros.bringup.launch_nodes import check_nodes, end_at_sigterm, parameter_files, process_options
from wall_oss_ros.bringup.launch_robot_description import robot_state_publisher


def simulated_robot(context):
    decided = check_nodes(context, ["simulated_robot"])["simulated_robot"]
    parameters = {
        **decided.parameters,  # robot, seed and pace, as wall-oss run has them, too: bringup/system.py
        "autostart": switch(context, "autostart"),
    }
    node = Node(
        package="wall_oss_ros",
        executable="simulated_robot",
        name="simulated_robot",
        namespace=namespace(context),  # not below wall_oss, as the driver of a real robot is not
        parameters=parameter_files(context, "simulated_robot", parameters),
        remappings=robot_remappings(context),
        **process_options(context, "simulated_robot"),
    )
    return [node]


def generate_launch_description():
    simulated = IfCondition(LaunchConfiguration("sim"))
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "sim", "seed", "description", "namespace", "controller", "base_topic"),
            *declare("autostart", "respawn", "params_file", "log_level"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=simulated_robot, condition=simulated),
            OpaqueFunction(function=robot_state_publisher, condition=simulated),
        ]
    )
