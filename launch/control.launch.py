# SPDX-License-Identifier: Apache-2.0
"""Control: action chunks in, bounded motion for the robot's controllers out. Needs no model on this machine."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare, namespace, robot_remappings, switch, value
from wall_oss_ros.bringup.launch_nodes import check_nodes, end_at_sigterm, parameter_files, process_options


def control(context):
    decided = check_nodes(context, ["control"])["control"]
    parameters = {
        **decided.parameters,  # robot, model and use_sim_time, as wall-oss run has them, too: bringup/system.py
        "autostart": switch(context, "autostart"),
        "twists": value(context, "twists"),
        "stamp_commands": switch(context, "stamp_commands"),
        "home_planner": value(context, "home_planner"),
        "check_targets": switch(context, "check_targets"),
    }
    if not switch(context, "sim") and switch(context, "use_mock_hardware", "false"):
        # Mock hardware reports neither a running program nor how hard an arm is pushed.
        parameters |= {"watch_program": False, "watch_forces": False}
    node = Node(
        package="wall_oss_ros",
        executable="control",
        name="control",
        namespace=namespace(context, "wall_oss"),
        parameters=parameter_files(context, "control", parameters),
        remappings=robot_remappings(context),
        **process_options(context, "control"),
    )
    return [node]


def generate_launch_description():
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "sim", "namespace", "controller", "base_topic", "twists", "stamp_commands"),
            *declare("home_planner", "check_targets"),
            *declare("autostart", "respawn", "params_file", "log_level"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=control),
        ]
    )
