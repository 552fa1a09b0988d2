# SPDX-License-Identifier: Apache-2.0
"""A real robot's driver as actions of ROS 2's launch: between ``drivers.py``, which says how, and the launch files."""

from __future__ import annotations

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescriptionSource
from launch.actions import GroupAction, IncludeLaunchDescription, LogInfo, SetLaunchConfiguration
from launch.launch_description_sources import AnyLaunchDescriptionSource, PythonLaunchDescriptionSource
from launch_ros.actions import Node, SetRemap

from wall_oss_ros.bringup.drivers import Driver, load_driver
from wall_oss_ros.bringup.launch_arguments import namespace, robot_name, robot_profile, robot_remappings, switch, value
from wall_oss_ros.bringup.launch_nodes import is_installed, parameter_files, process_options
from wall_oss_ros.bringup.launch_robot_description import camera_frames
from wall_oss_ros.bringup.remappings import remapped
from wall_oss_ros.bringup.system import NAMESPACE
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path

_NO_ADDRESS = "0.0.0.0"  # mock hardware: some driver wants any


def chosen(context: LaunchContext) -> Driver:
    """The driver that the launch arguments name.

    Raises:
        WallOSSError: it is not known how to start one.
    """
    profile = robot_profile(context)
    name = value(context, "driver_file") or profile.name
    return load_driver(name, os.environ.get("ROS_DISTRO", ""), profile.variant, switch(context, "use_mock_hardware"))


def check(context: LaunchContext) -> list:
    """Refuses a driver that cannot be started; gives what our own nodes have to know of one that can.

    Raises:
        WallOSSError: the driver is not known or not installed, has no address or another version, or takes no
            namespace.
    """
    if not switch(context, "driver"):
        return _known_controller(context)
    driver = chosen(context)
    if driver.package is None:
        raise WallOSSError(
            f"There is no driver of {robot_name(context)} to start here.",
            f"{driver.instead} Launch with driver:=false.",
        )
    missing = [package for package in (driver.package, *driver.needs) if not is_installed(package)]
    if missing:
        raise WallOSSError(
            f"The driver of {robot_name(context)}, package {', '.join(missing)}, is not installed.",
            f"{driver.install}; or start a driver yourself and launch with driver:=false.",
        )
    if driver.needs_address and not value(context, "robot_ip"):
        raise WallOSSError(
            f"The address of {robot_name(context)} is not known.",
            "Give robot_ip:=<address>, or use_mock_hardware:=true.",
        )
    if namespace(context) and not driver.takes_namespace:
        raise WallOSSError(
            f"The driver of {robot_name(context)} cannot be put into a namespace.",
            "Leave namespace out, or start the driver yourself and launch with driver:=false.",
        )
    _arguments(context, driver)
    return _known_controller(context)


def start(context: LaunchContext) -> list:
    """The driver's own launch file, our controller where it starts none, and a mock gripper where one is wanted."""
    actions: list = []
    if switch(context, "driver"):
        driver = chosen(context)
        # A scope of its own: the driver's launch file must see none of our arguments (its "model" is a robot's, ours a
        # checkpoint), nor we its.
        include = IncludeLaunchDescription(_launch_file(driver), launch_arguments=_arguments(context, driver).items())
        remaps = [SetRemap(src=src, dst=dst) for src, dst in driver.remap_driver.items()]
        actions.append(GroupAction([*remaps, include], scoped=True, forwarding=False))
        if driver.controllers:
            actions.append(_spawner(context, driver))
        if driver.note:
            actions.append(LogInfo(msg=driver.note))
    if switch(context, "camera_frames"):
        actions += camera_frames(context)
    if switch(context, "mock_gripper"):
        actions += _mock_gripper(context)
    return actions


def _known_controller(context: LaunchContext) -> list:
    """Sets the argument controller, where it was left empty, to the driver's."""
    try:
        driver = chosen(context)
    except WallOSSError:
        if value(context, "driver_file"):
            raise
        return []  # a robot of the user's own, whose driver runs already
    if (
        driver.controller
        and robot_profile(context).command.sink == "trajectory"
        and not value(context, "controller", "")
    ):
        return [SetLaunchConfiguration("controller", driver.controller)]
    return []


def _controller(context: LaunchContext, driver: Driver) -> str:
    command = robot_profile(context).command
    known = driver.controller if command.sink == "trajectory" else None  # it is a trajectory controller's name
    return value(context, "controller", "") or known or command.controller or ""


def _launch_file(driver: Driver) -> LaunchDescriptionSource:
    from ament_index_python.packages import get_package_share_directory

    path = str(Path(get_package_share_directory(driver.package)) / driver.launch_file)
    # AnyLaunchDescriptionSource, which reads XML and YAML too, does not say what is wrong with a file.
    return PythonLaunchDescriptionSource(path) if path.endswith(".py") else AnyLaunchDescriptionSource(path)


def _arguments(context: LaunchContext, driver: Driver) -> dict[str, str]:
    """What the driver's launch file is given: by its description, and by the argument driver_arguments."""
    source = _launch_file(driver)
    try:
        description = source.get_launch_description(context)
    except Exception as error:  # whatever a launch file raises: it is not ours
        raise WallOSSError(
            f"The driver's launch file {source.location} cannot be read: {error}.",
            f"Is it installed whole? {driver.install}",
        ) from error
    values = {
        "robot": robot_name(context),
        "robot_ip": value(context, "robot_ip") or _NO_ADDRESS,
        "use_mock_hardware": value(context, "use_mock_hardware"),
        "namespace": namespace(context),
        "variant": robot_profile(context).variant or "",
        "controller": _controller(context, driver),
    }
    return {
        **driver.launch_arguments([argument.name for argument in description.get_launch_arguments()], values),
        **_more(value(context, "driver_arguments")),
    }


def _more(text: str) -> dict[str, str]:
    """The argument driver_arguments. Nested launch files may know names that the outer one does not declare."""
    pairs = [word.partition(":=") for word in text.split()]
    if wrong := [name for name, sign, _ in pairs if not (name and sign)]:
        raise WallOSSError(f"driver_arguments has {wrong[0]!r}.", "Give name:=value, with spaces between several.")
    return {name: word for name, _, word in pairs}


def _spawner(context: LaunchContext, driver: Driver) -> Node:
    path = Path(driver.controllers)
    file = path if path.is_absolute() else data_path(driver.controllers)
    return Node(
        package="controller_manager",
        executable="spawner",
        namespace=namespace(context),
        arguments=[_controller(context, driver), "--param-file", str(file)],
        output="screen",
    )


def _mock_gripper(context: LaunchContext) -> list:
    try:
        topic = chosen(context).gripper_joint_states
    except WallOSSError:  # a robot of the user's own, whose driver runs already
        topic = robot_profile(context).joint_states
    if topic is None:
        return []
    parameters = {
        "robot": robot_name(context),
        "autostart": switch(context, "autostart"),
        "joint_states": remapped(topic, robot_profile(context), namespace(context)),
    }
    node = Node(
        package="wall_oss_ros",
        executable="mock_gripper",
        name="mock_gripper",
        namespace=namespace(context, NAMESPACE),
        parameters=parameter_files(context, "mock_gripper", parameters),
        remappings=robot_remappings(context),
        **process_options(context, "mock_gripper"),
    )
    return [node]
