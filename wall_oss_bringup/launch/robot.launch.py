# SPDX-License-Identifier: Apache-2.0
"""Everything that makes a robot follow instructions: its driver or a simulation, the model's nodes, rviz.

ros2 launch wall_oss_bringup robot.launch.py robot:=franka
ros2 launch wall_oss_bringup robot.launch.py robot:=ur ur_type:=ur10e sim:=false robot_ip:=192.168.56.101
ros2 launch wall_oss_bringup robot.launch.py --show-args
"""

from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.conditions import IfCondition, UnlessCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from wall_oss_ros.bringup.arguments import arguments, switch
from wall_oss_ros.bringup.launch_driver import check as check_driver
from wall_oss_ros.bringup.launch_nodes import end_at_sigterm, specs
from wall_oss_ros.bringup.launch_recording import check as check_recording
from wall_oss_ros.bringup.launch_recording import start as start_recording


def check(context):
    """Refuses what cannot work before anything is started."""
    specs(context)
    check_recording(context)
    return end_at_sigterm(context) + ([] if switch(context, "sim") else check_driver(context))


def include(package, file, **options):
    path = PathJoinSubstitution([FindPackageShare(package), "launch", file])
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(path), **options)


def generate_launch_description():
    sim = LaunchConfiguration("sim")
    return LaunchDescription(
        [
            *arguments("robot", "ur_type", "sim", "model", "device", "require_approval", "rviz", "record"),
            *arguments("planner", "check_targets", "seed", "description"),
            *arguments("robot_ip", "use_mock_hardware", "mock_gripper", "camera_frames"),
            *arguments("driver", "driver_file", "driver_arguments", "controller", "base_topic", "twists"),
            *arguments("namespace", "params_file", "log_level", "autostart", "respawn"),
            OpaqueFunction(function=check),
            OpaqueFunction(function=start_recording),
            include("wall_oss_ros", "simulation.launch.py", condition=IfCondition(sim)),
            include("wall_oss_bringup", "driver.launch.py", condition=UnlessCondition(sim)),
            include("wall_oss_ros", "perception.launch.py"),
            include("wall_oss_ros", "planner.launch.py"),
            include("wall_oss_ros", "control.launch.py"),
            include("wall_oss_ros", "visualization.launch.py"),
        ]
    )
