# SPDX-License-Identifier: Apache-2.0
"""Cameras' drivers as actions of ROS 2's launch: between ``robots/cameras.py``, which says how, and launch files."""

from __future__ import annotations

from pathlib import Path

import yaml
from launch import LaunchContext
from launch.logging import launch_config
from launch_ros.actions import Node

from wall_oss_ros.bringup.launch_arguments import cameras, namespace, robot_name, robot_profile, switch, value
from wall_oss_ros.bringup.launch_nodes import is_installed, process_options
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.cameras import CameraNode, camera_nodes, with_devices


def check(context: LaunchContext) -> list:
    """Refuses cameras that cannot be started. No action.

    Raises:
        WallOSSError: the cameras are not known or not installed, it is not said which is which, or they are simulated.
    """
    nodes = _nodes(context)
    if nodes and switch(context, "sim", "false"):
        raise WallOSSError("The simulation has cameras of its own.", "Leave cameras out, or launch with sim:=false.")
    if not nodes and value(context, "camera_devices", ""):
        raise WallOSSError(
            "camera_devices says which camera is which, and no driver of cameras is to be started.",
            "Name one: cameras:=realsense, or cameras:=usb_cam.",
        )
    for node in nodes:
        if not is_installed(node.package):
            raise WallOSSError(
                f"The cameras' driver, package {node.package}, is not installed.",
                f"{node.install}; or start the cameras yourself and name their topics, see docs/how-to/cameras.md.",
            )
    return []


def start(context: LaunchContext) -> list:
    """A node of the cameras' driver for each view of the robot; none where no driver was named."""
    check(context)
    return [_node(context, node) for node in _nodes(context)]


def _nodes(context: LaunchContext) -> list[CameraNode]:
    said = with_devices(cameras(context), value(context, "camera_devices", ""))
    profile = robot_profile(context)
    names = {view.name for view in profile.views}
    if strange := [view for view in said.views if view not in names]:
        raise WallOSSError(
            f"camera_devices names the view {', '.join(strange)}, which {robot_name(context)} does not have.",
            f"Its views are {', '.join(sorted(names))}.",
        )
    return camera_nodes(profile, said)


def _node(context: LaunchContext, node: CameraNode) -> Node:
    folder = Path(launch_config.log_dir)
    folder.mkdir(parents=True, exist_ok=True)
    # As a file, since launch would make a number of a serial number.
    path = folder / f"{'_'.join((*filter(None, namespace(context).split('/')), node.view))}_camera.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": node.parameters}}), encoding="utf-8")
    return Node(
        package=node.package,
        executable=node.executable,
        name=node.node,
        namespace=namespace(context, node.namespace),
        parameters=[str(path)],
        remappings=[("/tf", "tf"), ("/tf_static", "tf_static")] if namespace(context) else [],
        **process_options(context, f"{node.view}_camera"),
    )
