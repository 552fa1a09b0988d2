# SPDX-License-Identifier: Apache-2.0
"""The model's side, here or on another machine than the robot's: the planner and the action expert.

ros2 launch wall_oss_ros model.launch.py robot:=ur sim:=false device:=cuda
"""

from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare, namespace, robot_remappings, switch, value
from wall_oss_ros.bringup.launch_nodes import check_nodes, end_at_sigterm, parameter_files, process_options
from wall_oss_ros.bringup.system import THINKING

PROCESSES = {"together": ["model"], "apart": THINKING, "elsewhere": []}


def model(context):
    decided = check_nodes(context, PROCESSES[value(context, "model_side")])
    return [process(context, spec) for spec in decided.values()]


def process(context, spec):
    parameters = {
        **spec.parameters,  # robot, model and use_sim_time, as wall-oss run has them, too: bringup/system.py
        "autostart": switch(context, "autostart"),
        "device": value(context, "device"),
        "dtype": value(context, "dtype"),
    }
    if "planner" in (*spec.nodes, spec.name):
        parameters.update({name: value(context, name) for name in ("approval", "reasoning")})
    return Node(
        package="wall_oss_ros",
        executable=spec.executable,
        name=None if spec.nodes else spec.name,
        namespace=namespace(context, "wall_oss"),
        parameters=parameter_files(context, spec.name, parameters, spec.nodes),
        remappings=robot_remappings(context),
        **process_options(context, spec.name),
    )


def generate_launch_description():
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "sim", "namespace", "controller", "base_topic"),
            *declare("model", "device", "dtype", "model_side", "approval", "reasoning"),
            *declare("autostart", "respawn", "params_file", "log_level"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=model),
        ]
    )
