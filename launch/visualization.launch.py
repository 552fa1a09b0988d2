# SPDX-License-Identifier: Apache-2.0
"""What a person sees: the plan and the path ahead as markers, and rviz with the robot's configuration."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import LogInfo, OpaqueFunction
from launch.conditions import IfCondition
from launch.logging import launch_config
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare, namespace, robot_profile, robot_remappings, switch
from wall_oss_ros.bringup.launch_nodes import (
    check_nodes,
    end_at_sigterm,
    optional_node,
    parameter_files,
    process_options,
)
from wall_oss_ros.bringup.rviz import write


def plan_markers(context):
    decided = check_nodes(context, ["plan_markers"])["plan_markers"]
    parameters = {
        **decided.parameters,  # robot, use_sim_time and text_z, as wall-oss run has them, too: bringup/system.py
        "autostart": switch(context, "autostart"),
    }
    node = Node(
        package="wall_oss_ros",
        executable="plan_markers",
        name="plan_markers",
        namespace=namespace(context, "wall_oss"),
        parameters=parameter_files(context, "plan_markers", parameters),
        remappings=robot_remappings(context),
        **process_options(context, "plan_markers"),
    )
    return [node]


def rviz(context):
    try:
        options = ["-d", str(write(robot_profile(context), Path(launch_config.log_dir), namespace(context)))]
    except OSError as error:
        return [LogInfo(msg=f"No rviz: its configuration cannot be written ({error}).")]
    return optional_node(
        "rviz2",
        "rviz2",
        purpose="rviz",
        namespace=namespace(context),
        arguments=options,
        parameters=[{"use_sim_time": switch(context, "sim")}],
        remappings=[("/tf", "tf"), ("/tf_static", "tf_static"), *robot_remappings(context)],
    )


def generate_launch_description():
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "sim", "rviz", "namespace", "controller", "base_topic"),
            *declare("autostart", "respawn", "params_file", "log_level"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=plan_markers),
            OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )
