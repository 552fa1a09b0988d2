# SPDX-License-Identifier: Apache-2.0
"""The launch arguments: what they are, and what was given for them."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration

from launch import LaunchContext
from wall_oss_ros.errors import WallOSSError


def _see_virtual_environment() -> None:
    """Has this interpreter find the packages of the active virtual environment before its own.

    ros2 runs on the system's interpreter even where an environment is active; the nodes run on the environment's.
    """
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path(os.environ.get("VIRTUAL_ENV", sys.prefix)) / "lib" / python / "site-packages"
    if packages.is_dir() and str(packages) not in sys.path:
        before = list(sys.path)
        site.addsitedir(str(packages))
        sys.path[:] = [path for path in sys.path if path not in before] + before


_see_virtual_environment()
try:
    from wall_oss_ros.bringup import names as ros_names
    from wall_oss_ros.bringup.system import DEFAULT_ROBOT
    from wall_oss_ros.homing import PLANNERS
    from wall_oss_ros.robots.profile import RobotProfile, available_profiles, load_profile
    from wall_oss_ros.robots.ur import types as ur_types
except ModuleNotFoundError as error:
    raise WallOSSError(
        f"The Python package {error.name} is not installed for the interpreter that ros2 runs on.",
        "Install the packages that pip brings as docs/ros2.md says.",
    ) from error

_SWITCH = ["true", "false"]

# Name: default, description, choices.
_ARGUMENTS: dict[str, tuple[str | LaunchConfiguration, str, list[str] | None]] = {
    "robot": (
        DEFAULT_ROBOT,
        f"Robot profile: {', '.join(available_profiles())} (those in config/robots), or the path of a YAML profile. A variant "
        "follows a colon: ur:ur10e.",
        None,
    ),
    "ur_type": (
        "",
        "Which Universal Robots arm, with robot:=ur. Empty: the profile's own choice, ur5e.",
        ["", *ur_types()],
    ),
    "sim": ("true", "true simulates the robot; false is for a real one, or for its driver's mock hardware.", _SWITCH),
    "namespace": ("", "Put before every name, so that several robots can share a network. Empty: none.", None),
    "controller": (
        "",
        "The (first) arm's trajectory controller. Empty: the driver's on this distribution, or else the profile's.",
        None,
    ),
    "base_topic": (
        "",
        "Where a driving base takes its velocities; it differs between releases. Empty: the profile's.",
        None,
    ),
    "twists": (
        "",
        "Whether these are geometry_msgs/Twist (plain) or TwistStamped. Empty: as the profile has it.",
        ["", "plain", "stamped"],
    ),
    "seed": ("0", "With sim:=true: which scene, a whole number from 0.", None),
    "model": ("", "A checkpoint: its folder, or its name in models/. Empty: the one that ships for the robot.", None),
    "device": ("cpu", "Torch device of the model, such as cpu, cuda or cuda:1.", None),
    "require_approval": (
        "false",
        "Whether every plan waits for the service /wall_oss/approve_plan before the arm moves.",
        _SWITCH,
    ),
    "planner": (
        "auto",
        "Who plans the way home: moveit, which knows the objects in its planning scene, builtin, which knows none, or auto: "
        "moveit where moveit_py is installed.",
        [*PLANNERS],
    ),
    "check_targets": (
        "false",
        "Whether the arms hold where something would touch, in MoveIt's planning scene, at an action chunk's targets; needs "
        "moveit_py.",
        _SWITCH,
    ),
    "autostart": (
        "true",
        "Whether our nodes configure and activate themselves; false leaves it to a lifecycle manager.",
        _SWITCH,
    ),
    "respawn": ("true", "Whether a node of ours that dies is started again, after 2 s.", _SWITCH),
    "params_file": (
        "",
        "A YAML file of ROS parameters; it wins over config/nodes.yaml and over these arguments.",
        None,
    ),
    "log_level": ("info", "Least severe messages that our nodes log.", ["debug", "info", "warn", "error", "fatal"]),
    "rviz": ("true", "Whether rviz is started, with what it shows made from the robot's profile.", _SWITCH),
    "driver": ("true", "With sim:=false: whether the robot's driver is started; false expects it to run.", _SWITCH),
    "driver_file": (
        "",
        "With sim:=false: a YAML file that says how the driver is started. Empty: the robot's in config/drivers.",
        None,
    ),
    "driver_arguments": (
        "",
        "With sim:=false: more arguments for the driver's launch file, such as 'headless_mode:=true'.",
        None,
    ),
    "robot_ip": ("", "With sim:=false: the robot's address, where it has one.", None),
    "use_mock_hardware": (
        "false",
        "With sim:=false: the driver without a robot; its joints follow every command, and it has no cameras.",
        _SWITCH,
    ),
    "mock_gripper": (
        LaunchConfiguration("use_mock_hardware"),
        "With sim:=false: whether a gripper that only pretends serves the gripper's action. Else as use_mock_hardware.",
        _SWITCH,
    ),
    "description": (
        "",
        "With sim:=true: which description rviz and tf have, our own or the vendor's. Empty: the vendor's, if installed.",
        ["", "own", "vendor"],
    ),
    "camera_frames": (
        "false",
        "With sim:=false: whether the cameras are put into tf where the profile's simulation has them. Only for cameras that "
        "stand there, and whose drivers do not put them into tf.",
        _SWITCH,
    ),
    "record": (
        "",
        "A folder that is not there yet, in which ros2 bag records what matters. Empty records nothing.",
        None,
    ),
}


def arguments(*names: str) -> list[DeclareLaunchArgument]:
    """The launch arguments of these names; ``ros2 launch <package> <file> --show-args`` prints them."""
    return [
        DeclareLaunchArgument(name, default_value=default, description=description, choices=choices)
        for name, (default, description, choices) in ((name, _ARGUMENTS[name]) for name in names)
    ]


def arguments_of(*names: str) -> list[DeclareLaunchArgument]:
    """The launch arguments that these nodes need."""
    own = {
        "simulated_robot": ["seed"],
        "planner": ["model", "device", "require_approval"],
        "control": ["model", "device", "twists", "planner", "check_targets"],
    }
    wanted = ["robot", "ur_type", "sim", *dict.fromkeys(argument for name in names for argument in own.get(name, []))]
    return arguments(
        *wanted, "namespace", "controller", "base_topic", "autostart", "respawn", "params_file", "log_level"
    )


def value(context: LaunchContext, name: str, default: str | None = None) -> str:
    """The text that an argument has."""
    return LaunchConfiguration(name, default=default).perform(context)


def switch(context: LaunchContext, name: str, default: str | None = None) -> bool:
    """Whether an argument is true; ``default`` where the launch file does not declare it."""
    return value(context, name, default).lower() == "true"


def robot_name(context: LaunchContext) -> str:
    """The profile that the arguments robot and ur_type name, as ``load_profile`` takes it."""
    name, kind = value(context, "robot"), value(context, "ur_type", "")
    return f"{name}:{kind}" if kind else name


def robot_profile(context: LaunchContext) -> RobotProfile:
    """The profile that the arguments robot and ur_type name.

    Raises:
        WallOSSError: there is no such profile.
    """
    return load_profile(robot_name(context))


def remappings(context: LaunchContext) -> list[tuple[str, str]]:
    """What becomes of the profile's topics and actions, by the arguments namespace, controller and base_topic.

    Raises:
        WallOSSError: the namespace is none.
    """
    names = (value(context, "controller", ""), value(context, "base_topic", ""))
    return ros_names.remappings(robot_profile(context), namespace(context), *names)


def namespace(context: LaunchContext) -> str:
    """The argument namespace, without slashes around it."""
    return value(context, "namespace", "").strip("/")
