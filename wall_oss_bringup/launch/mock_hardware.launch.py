# SPDX-License-Identifier: Apache-2.0
"""Mock hardware by ros2_control alone, for a robot whose driver has none that works: joints go at once where told.

It has the driver's controllers, on the topics that the robot's profile names. driver.launch.py starts it where a file
in config/drivers says so.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare, namespace, robot_profile, value
from wall_oss_ros.bringup.launch_nodes import end_at_sigterm
from wall_oss_ros.bringup.launch_robot_description import described
from wall_oss_ros.bringup.remappings import remapped
from wall_oss_ros.paths import data_path


def start(context):
    profile, where = robot_profile(context), namespace(context)
    urdf, notes = described(profile, "own", mock="true")
    limbs = (*profile.arms, *profile.parts)
    commands = [limb.command for limb in limbs]
    file = str(data_path(value(context, "controllers")))

    def put(topic):
        return remapped(topic, profile, where)

    topics = [(put(f"/{c.controller}/joint_trajectory"), put(c.topic)) for c in commands]
    topics += [(put(f"/{c.controller}/controller_state"), put(c.state_topic)) for c in commands]
    states = [("joint_states", put(profile.joint_states))]
    frames = [("/tf", "tf"), ("/tf_static", "tf_static")]
    names = ["joint_state_broadcaster", *(command.controller for command in commands)]

    def node(package, executable, **options):
        return Node(package=package, executable=executable, namespace=where, output="screen", **options)

    return [
        *notes,
        node("robot_state_publisher", "robot_state_publisher",
             parameters=[{"robot_description": urdf}], remappings=[*frames, *states]),
        node("controller_manager", "ros2_control_node",
             parameters=[file], remappings=[("~/robot_description", put("/robot_description")), *topics, *states]),
        node("controller_manager", "spawner", arguments=[*names, "--param-file", file]),
    ]  # fmt: skip


def generate_launch_description():
    controllers = DeclareLaunchArgument(
        "controllers", description="The controllers' parameters, below share/wall_oss_ros."
    )
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "namespace"),
            controllers,
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=start),
        ]
    )
