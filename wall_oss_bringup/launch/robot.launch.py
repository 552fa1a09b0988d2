# SPDX-License-Identifier: Apache-2.0
"""Everything that makes a robot follow instructions: its driver or a simulation, the model's nodes, rviz.

ros2 launch wall_oss_bringup robot.launch.py robot:=franka
ros2 launch wall_oss_bringup robot.launch.py robot:=ur ur_type:=ur10e sim:=false robot_ip:=192.168.56.101
ros2 launch wall_oss_bringup robot.launch.py robot:=ur sim:=false robot_ip:=192.168.56.101 cameras:=realsense \\
    camera_devices:='face_view=123622270300 right_wrist_view=123622270301'
ros2 launch wall_oss_bringup robot.launch.py --show-args
"""

import re
import shutil
import sys
from pathlib import Path

from launch import LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription, OpaqueFunction
from launch.conditions import IfCondition, UnlessCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import (
    cameras_given,
    declare,
    namespace,
    robot_name,
    robot_profile,
    switch,
    value,
)
from wall_oss_ros.bringup.launch_cameras import check as check_cameras
from wall_oss_ros.bringup.launch_driver import check as check_driver
from wall_oss_ros.bringup.launch_nodes import check_nodes, end_at_sigterm, is_installed
from wall_oss_ros.bringup.remappings import recorded_topics
from wall_oss_ros.errors import WallOSSError


def check(context):
    """Refuses what cannot work before anything is started."""
    check_nodes(context)
    check_cameras(context)
    folder = value(context, "record")
    if folder.lower() in ("true", "false", "yes", "no", "on", "off", "1", "0"):
        raise WallOSSError(f"record:={folder} names no folder.", "Give one that is not there yet: record:=bags/first")
    if folder and Path(folder).exists():
        raise WallOSSError(
            f"There is a {folder} already.", "ros2 bag makes the folder itself: give record:= another name."
        )
    return [] if switch(context, "sim") else check_driver(context)


def record(context):
    """``ros2 bag record``, where the argument record names a folder; or ``wall-oss record``, if it is not installed."""
    folder = value(context, "record")
    if not folder:
        return []
    names = namespace(context), value(context, "controller"), value(context, "base_topic")
    if not is_installed("ros2bag"):
        options = ("--namespace", "--controller", "--base-topic", "--cameras")
        given = dict(zip(options, (*names, cameras_given(context))))
        own = ["--robot", robot_name(context), "--output", folder, "--auto"]
        own += [word for option, text in given.items() if text for word in (option, text)]
        program = [shutil.which("python3") or sys.executable, "-m", "wall_oss_ros.commands.main", "record"]
        return [ExecuteProcess(cmd=[*program, *own], name="record", output="screen", sigterm_timeout="20")]
    pattern = "|".join(map(re.escape, recorded_topics(robot_profile(context), *names)))
    # A pattern, because the option that names topics differs between distributions.
    storage = ["--storage", "mcap"] if is_installed("rosbag2_storage_mcap") else []  # the default from Iron on
    command = ["ros2", "bag", "record", *storage, "--output", folder, "--regex", f"^({pattern})$"]
    return [ExecuteProcess(cmd=command, name="record", output="screen", sigterm_timeout="20")]


def include(package, file, **options):
    path = PathJoinSubstitution([FindPackageShare(package), "launch", file])
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(path), **options)


def generate_launch_description():
    sim = LaunchConfiguration("sim")
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "sim"),
            *declare("model", "device", "dtype", "model_side", "approval", "reasoning"),
            *declare("rviz", "record"),
            *declare("home_planner", "check_targets", "seed", "description"),
            *declare("robot_ip", "use_mock_hardware", "mock_gripper", "camera_frames"),
            *declare("cameras", "camera_devices"),
            *declare("driver", "driver_file", "driver_arguments"),
            *declare("controller", "base_topic", "twists", "stamp_commands"),
            *declare("namespace", "params_file", "log_level", "autostart", "respawn"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=check),
            OpaqueFunction(function=record),
            include("wall_oss_ros", "simulation.launch.py", condition=IfCondition(sim)),
            include("wall_oss_bringup", "driver.launch.py", condition=UnlessCondition(sim)),
            include("wall_oss_bringup", "cameras.launch.py", condition=UnlessCondition(sim)),
            include("wall_oss_ros", "perception.launch.py"),
            include("wall_oss_ros", "model.launch.py"),
            include("wall_oss_ros", "control.launch.py"),
            include("wall_oss_ros", "visualization.launch.py"),
        ]
    )
