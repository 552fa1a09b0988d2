# SPDX-License-Identifier: Apache-2.0
"""The launch arguments: how they are declared, and what was given for them."""

from __future__ import annotations

from pathlib import Path

import yaml
from launch import LaunchContext
from launch.action import Action
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetLaunchConfiguration
from launch.substitutions import LaunchConfiguration

from wall_oss_ros.bringup.remappings import remappings
from wall_oss_ros.bringup.system import DEFAULT_ROBOT, MODEL_SIDES
from wall_oss_ros.homing import PLANNERS
from wall_oss_ros.paths import data_path
from wall_oss_ros.policy.number_types import NAMES
from wall_oss_ros.robots.cameras import Cameras, presets, read_cameras, with_cameras
from wall_oss_ros.robots.profile import RobotProfile, available_profiles, load_profile
from wall_oss_ros.uni_cot.plan import APPROVALS, REASONING

_SWITCH = ["true", "false"]
_UR_TYPES = yaml.safe_load(data_path("urdf/ur/types.yaml").read_text(encoding="utf-8"))
# Arguments that had another name, which is still accepted: the old name and, where they were others, its values with
# what they are now; None for what was the default.
_RENAMED: dict[str, tuple[str, dict[str, str | None]]] = {
    "home_planner": ("planner", {}),
    "approval": ("require_approval", {"true": "plan", "false": None}),
}

# Name: default, description, choices.
_ARGUMENTS: dict[str, tuple[str | LaunchConfiguration, str, list[str] | None]] = {
    # The robot.
    "robot": (
        DEFAULT_ROBOT,
        f"Robot profile: {', '.join(available_profiles())} (those in config/robots), or the path of a YAML profile. "
        "A variant follows a colon: ur:ur10e.",
        None,
    ),
    "ur_type": (
        "",
        "Which Universal Robots arm, with robot:=ur. Empty: the profile's own choice, ur5e.",
        ["", *_UR_TYPES],
    ),
    "sim": ("true", "true simulates the robot; false is for a real one, or for its driver's mock hardware.", _SWITCH),
    "seed": ("0", "With sim:=true: which scene, a whole number from 0.", None),
    "namespace": ("", "Put before every name, so that several robots can share a network. Empty: none.", None),
    "controller": (
        "",
        "The (first) arm's trajectory controller. Empty: the driver's on this distribution, or else the profile's.",
        None,
    ),
    "base_topic": (
        "",
        "Where a driving base listens for velocities; it differs between releases. Empty: the profile's.",
        None,
    ),
    "twists": (
        "",
        "Whether these are geometry_msgs/Twist (plain) or TwistStamped. Empty: as the profile has it.",
        ["", "plain", "stamped"],
    ),
    "stamp_commands": (
        "true",
        "Whether commands carry the time they are for, which takes out jitter. false where the controllers' clock "
        "cannot be synchronised with this computer's: then they count from their arrival.",
        _SWITCH,
    ),
    # The model, and what it may do.
    "model": (
        "",
        "A checkpoint: its folder, or its name in models/. Empty: the one that ships for the robot.",
        None,
    ),
    "device": ("cpu", "Torch device of the model, such as cpu, cuda or cuda:1.", None),
    "dtype": (
        "auto",
        "Type of the model's weights: auto, which measures what is fast on a processor; float32; bfloat16; or int8, "
        "with torchao: half of bfloat16's memory for the large ones.",
        [*NAMES],
    ),
    "model_side": (
        "together",
        "Where the model runs: planner and action expert together, in one process on one copy of the weights; apart, "
        "in two; or elsewhere, on a machine where model.launch.py runs.",
        [*MODEL_SIDES],
    ),
    "approval": (
        "none",
        "What waits for the service /wall_oss/approve_plan before the arm moves: no plan, every plan, each subtask as "
        "well, or only plans that are made anew (replan).",
        [*APPROVALS],
    ),
    "reasoning": (
        "subtask",
        "What the model does before the robot moves: full, where the checkpoint was trained to write what it sees, and "
        "then the subtasks; subtask; or none: the robot acts on the instruction itself.",
        [*REASONING],
    ),
    "home_planner": (
        "auto",
        "Who plans the way home: moveit, which knows the objects in its planning scene, builtin, which knows none, or "
        "auto: moveit where moveit_py is installed.",
        [*PLANNERS],
    ),
    "check_targets": (
        "false",
        "Whether the arms hold where something would touch, in MoveIt's planning scene, at an action chunk's targets; "
        "needs moveit_py.",
        _SWITCH,
    ),
    # How our nodes run, and what is seen of them.
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
    "log_level": (
        "info",
        "The least severe messages that our nodes log.",
        ["debug", "info", "warn", "error", "fatal"],
    ),
    "rviz": ("true", "Whether rviz is started, with what it shows made from the robot's profile.", _SWITCH),
    "description": (
        "",
        "With sim:=true: which description rviz and tf have, our own or the vendor's. Empty: the vendor's, if "
        "installed.",
        ["", "own", "vendor"],
    ),
    "record": (
        "",
        "A folder, not there yet, in which ros2 bag records what matters, or wall-oss record where ros2 bag is not "
        "installed. Empty records nothing.",
        None,
    ),
    # The driver of a real robot.
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
    "cameras": (
        "",
        "Where the views' pictures come from: the name of a driver that is then started "
        f"({', '.join(presets())}), or the path of a YAML file, or "
        "{view: {field: value}} with fields of the profile's views. Empty: as the profile has it.",
        None,
    ),
    "camera_devices": (
        "",
        "Which camera is which view's, where a driver is started: view=device, with spaces between; a device is a "
        "serial number or such as /dev/video0.",
        None,
    ),
    "camera_frames": (
        "false",
        "With sim:=false: whether the cameras are put into tf where the profile's simulation has them. Only for "
        "cameras that stand there, and whose drivers do not put them into tf.",
        _SWITCH,
    ),
}


def declare(*names: str) -> list[Action]:
    """Declares the launch arguments of these names; ``ros2 launch <package> <file> --show-args`` prints them."""
    actions: list[Action] = []
    for name in names:
        default, description, choices = _ARGUMENTS[name]
        actions.append(DeclareLaunchArgument(name, default_value=default, description=description, choices=choices))
        if name in _RENAMED:
            old, values = _RENAMED[name]
            hint, known = f"The old name of {name}, accepted for now.", ["", *(values or choices)]
            actions.append(DeclareLaunchArgument(old, default_value="", description=hint, choices=known))
            actions.append(OpaqueFunction(function=_rename, args=[old, name, values]))
    return actions


def _rename(context: LaunchContext, old: str, name: str, values: dict[str, str | None]) -> list[Action]:
    given = value(context, old)
    if not given:
        return []
    now = values.get(given, given)
    how = "leave it out" if now is None else f"use {name}:={now}"
    warning = LogInfo(msg=f"Warning: the argument {old} is now called {name}; {how}.")
    # The old one is emptied, so that included launch files do not warn again.
    emptied = SetLaunchConfiguration(old, "")
    return [warning, emptied] if now is None else [warning, SetLaunchConfiguration(name, now), emptied]


def value(context: LaunchContext, name: str, default: str | None = None) -> str:
    """What was given for an argument; ``default`` where the launch file does not declare it."""
    return LaunchConfiguration(name, default=default).perform(context)


def switch(context: LaunchContext, name: str, default: str | None = None) -> bool:
    """Whether an argument is true; ``default`` where the launch file does not declare it."""
    return value(context, name, default).lower() == "true"


def robot_name(context: LaunchContext) -> str:
    """The profile that the arguments robot and ur_type name, as ``load_profile`` reads it."""
    name, kind = value(context, "robot"), value(context, "ur_type", "")
    return f"{name}:{kind}" if kind else name


def robot_profile(context: LaunchContext) -> RobotProfile:
    """The profile that the arguments robot and ur_type name, with views as the argument cameras has them.

    Raises:
        WallOSSError: there is no such profile, or the cameras do not fit it.
    """
    return with_cameras(load_profile(robot_name(context)), cameras(context))


def cameras_given(context: LaunchContext) -> str:
    """The argument cameras, a path made absolute."""
    text = value(context, "cameras", "").strip()
    return str(Path(text).absolute()) if text.endswith((".yaml", ".yml")) and not text.startswith("{") else text


def cameras(context: LaunchContext) -> Cameras:
    """What the argument cameras says.

    Raises:
        WallOSSError: it names no preset or file, or does not describe cameras.
    """
    return read_cameras(cameras_given(context))


def robot_remappings(context: LaunchContext) -> list[tuple[str, str]]:
    """What becomes of the profile's names, by the arguments namespace, controller and base_topic.

    Raises:
        WallOSSError: ROS permits no such namespace.
    """
    names = (value(context, "controller", ""), value(context, "base_topic", ""))
    return remappings(robot_profile(context), namespace(context), *names)


def namespace(context: LaunchContext, below: str = "") -> str:
    """The argument namespace, without slashes around it, and a namespace ``below`` it."""
    return "/".join(part for part in (value(context, "namespace", "").strip("/"), below) if part)
