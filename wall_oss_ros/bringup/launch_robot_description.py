# SPDX-License-Identifier: Apache-2.0
"""robot_state_publisher with the robot in its cell, as ``urdf/cells`` makes it; and the cameras' frames alone."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import yaml
from launch import LaunchContext
from launch.actions import LogInfo
from launch.logging import launch_config
from launch_ros.actions import Node

from wall_oss_ros.bringup.drivers import load_driver
from wall_oss_ros.bringup.launch_arguments import (
    namespace,
    robot_name,
    robot_profile,
    robot_remappings,
    switch,
    value,
)
from wall_oss_ros.bringup.launch_nodes import apt, is_installed, optional_node
from wall_oss_ros.bringup.remappings import remapped
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.profile import RobotProfile

_CELL = "urdf/cells/cell.urdf.xacro"


def robot_state_publisher(context: LaunchContext) -> list:
    """robot_state_publisher with the robot in its cell, as our own or the vendor's description has it.

    Raises:
        WallOSSError: the vendor's description was asked for and cannot be had.
    """
    profile = robot_profile(context)
    urdf, actions = described(profile, value(context, "description", ""))
    parameters = {"robot_description": urdf, "use_sim_time": switch(context, "sim")}
    return actions + optional_node(
        "robot_state_publisher",
        "robot_state_publisher",
        purpose="tf of the robot's links, and no robot model in rviz",
        namespace=namespace(context),
        parameters=[parameters],
        remappings=[
            ("/tf", "tf"),
            ("/tf_static", "tf_static"),
            ("joint_states", remapped(profile.joint_states, profile, namespace(context))),
            *robot_remappings(context),
        ],
    )


def described(profile: RobotProfile, wanted: str = "", **arguments: str) -> tuple[str, list]:
    """The robot in its cell as URDF, and lines for the log.

    Args:
        profile: the robot.
        wanted: own, vendor, or empty for the vendor's where its packages are installed.
        arguments: of ``urdf/cells/cell.urdf.xacro``, besides those that the profile gives.

    Raises:
        WallOSSError: the vendor's description was asked for and cannot be had.
    """
    if not is_installed("xacro"):
        plain = profile.urdf_path.read_text(encoding="utf-8")
        return plain, [LogInfo(msg=f"Package xacro is not installed: no cameras in tf. To have it: {apt('xacro')}")]
    if wanted != "own":
        try:
            return vendors(profile, **arguments), []
        except WallOSSError as error:
            if wanted == "vendor":
                raise
            note = (
                [] if not _vendors_packages(profile) or _missing(profile) else [LogInfo(msg=f"{error} Ours is used.")]
            )
    else:
        note = []
    return cell(profile, urdf=str(profile.urdf_path), **arguments), note


def vendors(profile: RobotProfile, **arguments: str) -> str:
    """The robot in its cell, as its vendor describes it.

    Raises:
        WallOSSError: there is none, its packages are not installed, or it is not the profile's robot.
    """
    if not _vendors_packages(profile):
        raise WallOSSError(f"No vendor's description of {profile.name} is known here.", "Launch with description:=own.")
    if missing := _missing(profile):
        raise WallOSSError(
            f"The vendor's description of {profile.name} needs {', '.join(missing)}, not installed here.",
            f"Launch with description:=own, or run: {' && '.join(apt(package) for package in missing)}",
        )
    try:
        urdf = cell(profile, vendor=profile.name, ur_type=profile.variant or "", **arguments)
    except Exception as error:  # whatever xacro and the vendor's files raise
        cause = " ".join(str(error).split())
        raise WallOSSError(
            f"The vendor's description of {profile.name} cannot be read: {cause}.", "Launch with description:=own."
        ) from error
    if lacking := _needed(profile) - _names(urdf):
        raise WallOSSError(
            f"The vendor's description of {profile.name} lacks {', '.join(sorted(lacking))}.",
            "Launch with description:=own.",
        )
    return urdf


def cell(profile: RobotProfile, **arguments: str) -> str:
    """``urdf/cells/cell.urdf.xacro`` with this profile, its variant's fields in place."""
    import xacro

    folder = Path(launch_config.log_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{profile.name}_profile.yaml"
    path.write_text(yaml.safe_dump(profile.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    mappings = {"profile": str(path), **arguments}
    return xacro.process_file(str(data_path(_CELL)), mappings=mappings).toxml()


def camera_frames(context: LaunchContext) -> list:
    """Each camera's optical frame put into tf where the profile's simulation has it, without a description.

    Raises:
        WallOSSError: the profile does not say where its cameras are.
    """
    profile = robot_profile(context)
    if profile.simulation is None:
        raise WallOSSError(
            f"The profile of {robot_name(context)} does not say where its cameras are.", "Launch without camera_frames."
        )
    joints = {joint.get("name"): joint for joint in ElementTree.fromstring(described(profile, "own")[0]).iter("joint")}
    nodes = []
    for view in profile.views:
        joint = joints.get(f"{view.optical_frame}_joint")
        if joint is None:
            return [LogInfo(msg=f"Package xacro is not installed: no cameras in tf. To have it: {apt('xacro')}")]
        place = zip(
            ("x", "y", "z", "roll", "pitch", "yaw"), " ".join(map(joint.find("origin").get, ("xyz", "rpy"))).split()
        )
        words = [word for name, number in place for word in (f"--{name}", number)]
        words += ["--frame-id", joint.find("parent").get("link"), "--child-frame-id", view.optical_frame]
        nodes.append(
            Node(
                package="tf2_ros",
                executable="static_transform_publisher",
                name=f"{view.name}_frame",
                namespace=namespace(context),
                arguments=words,
                remappings=[("/tf_static", "tf_static")],
                output="screen",
            )
        )
    return nodes


def _vendors_packages(profile: RobotProfile) -> tuple[str, ...]:
    try:
        return load_driver(profile.name, variant=profile.variant).description
    except WallOSSError:  # a robot of the user's own
        return ()


def _missing(profile: RobotProfile) -> list[str]:
    return [package for package in _vendors_packages(profile) if not is_installed(package)]


def _needed(profile: RobotProfile) -> set[str]:
    """The links and joints that a description of this robot must have."""
    arms = [arm for one in profile.arms for arm in (one.arm.base_frame, one.arm.tcp_frame, *one.arm.joints)]
    return {*arms, *(joint for part in profile.parts for joint in part.joints)}


def _names(urdf: str) -> set[str]:
    return {element.get("name") for element in ElementTree.fromstring(urdf) if element.tag in ("link", "joint")}
