# SPDX-License-Identifier: Apache-2.0
"""What a person sees: the plan and the path ahead as markers, and rviz with the robot's configuration."""

from pathlib import Path

from launch.actions import LogInfo, OpaqueFunction
from launch.conditions import IfCondition
from launch.logging import launch_config
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription
from wall_oss_ros.bringup.arguments import arguments, arguments_of, namespace, remappings, robot_profile, switch
from wall_oss_ros.bringup.launch_nodes import nodes, optional_node
from wall_oss_ros.bringup.rviz import write


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
        remappings=[("/tf", "tf"), ("/tf_static", "tf_static"), *remappings(context)],
    )


def generate_launch_description():
    return LaunchDescription(
        [
            *arguments_of("plan_markers"),
            *arguments("rviz"),
            nodes("plan_markers"),
            OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )
