# SPDX-License-Identifier: Apache-2.0
"""Recording with rosbag2, as an action of ROS 2's launch."""

from __future__ import annotations

import re
from pathlib import Path

from launch.actions import ExecuteProcess

from launch import LaunchContext
from wall_oss_ros.bringup.arguments import namespace, robot_profile, value
from wall_oss_ros.bringup.launch_nodes import apt, is_installed
from wall_oss_ros.bringup.names import of_profile, placed
from wall_oss_ros.bringup.system import NAMESPACE
from wall_oss_ros.errors import WallOSSError

_OURS = ("instruction", "observation", "plan", "action_chunk", "status", "emergency_stop")
_OTHERS = ("/tf", "/tf_static", "/robot_description", "/clock", "/simulation/ground_truth")


def topics(context: LaunchContext) -> list[str]:
    """What is recorded: the robot's topics, as its profile names them, and what WALL-OSS says of its work."""
    names = [*of_profile(robot_profile(context))[0], *(f"/{NAMESPACE}/{name}" for name in _OURS), *_OTHERS]
    where = namespace(context), value(context, "controller", ""), value(context, "base_topic", "")
    return [*(placed(name, robot_profile(context), *where) for name in names), "/diagnostics", "/rosout"]


def check(context: LaunchContext) -> None:
    """Refuses what cannot be recorded.

    Raises:
        WallOSSError: the folder is there already, or rosbag2 is not.
    """
    folder = value(context, "record")
    if folder and Path(folder).exists():
        raise WallOSSError(
            f"There is a {folder} already.", "ros2 bag makes the folder itself: give record:= another name."
        )
    if folder and not is_installed("ros2bag"):
        raise WallOSSError("Nothing can be recorded: package ros2bag is not installed.", f"{apt('rosbag2')}.")


def start(context: LaunchContext) -> list:
    """``ros2 bag record``, where the argument record names a folder."""
    folder = value(context, "record")
    if not folder:
        return []
    pattern = "|".join(re.escape(topic) for topic in topics(context))
    # A pattern, because the option that names topics differs between distributions.
    command = ["ros2", "bag", "record", "--output", folder, "--regex", f"^({pattern})$"]
    return [ExecuteProcess(cmd=command, name="record", output="screen", sigterm_timeout="20")]
