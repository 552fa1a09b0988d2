# SPDX-License-Identifier: Apache-2.0
"""The robot's rviz configuration, made from its profile: frames, cameras and names differ, the rest does not."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.profile import RobotProfile

_MENU = "Interactive Markers Namespace"
_TEMPLATE = "config/rviz/robot.rviz"
_POINTED = "What the model points at"


def configuration(profile: RobotProfile, namespace: str = "") -> dict:
    """What rviz shows of a robot, as ``rviz2 -d`` reads it from YAML.

    Args:
        profile: the robot.
        namespace: put before every topic; without slashes around it.
    """
    content = yaml.safe_load(data_path(_TEMPLATE).read_text(encoding="utf-8"))
    manager = content["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = profile.arm.base_frame
    low, high = _reach(profile)
    displays = []
    for display in manager["Displays"]:
        if display["Class"] == "rviz_default_plugins/Image":
            displays += [_image(display, view.prompt.capitalize(), view.image_topic) for view in profile.views]
            displays.append(_image(display, _POINTED, "/wall_oss/annotated_image"))
            continue
        if display["Class"] == "rviz_default_plugins/Wrench":
            displays += [_force(display, one.arm) for one in profile.arms if one.arm.force]
            continue
        if "Reference Frame" in display:
            display["Reference Frame"] = profile.arm.base_frame
            display["Offset"]["Z"] = low[2]  # close to the table, where a robot works on one
        displays.append(display)
    for display in displays if namespace else ():
        for topic in (display.get("Topic"), display.get("Description Topic")):
            if topic:
                topic["Value"] = f"/{namespace}{topic['Value']}"
        if _MENU in display:
            display[_MENU] = f"/{namespace}{display[_MENU]}"
    manager["Displays"] = displays
    view = manager["Views"]["Current"]
    view["Target Frame"] = profile.arm.base_frame
    view["Focal Point"] = {axis: round((a + b) / 2, 3) for axis, a, b in zip("XYZ", low, high)}
    names = [*(view.prompt.capitalize() for view in profile.views), _POINTED]
    content["Window Geometry"] |= {name: {"collapsed": False} for name in names}
    return content


def write(profile: RobotProfile, folder: Path, namespace: str = "") -> Path:
    """Writes the configuration into a folder, which is made; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{namespace.replace('/', '_') + '_' if namespace else ''}{profile.name}.rviz"
    path.write_text(yaml.safe_dump(configuration(profile, namespace), sort_keys=False), encoding="utf-8")
    return path


def _reach(profile: RobotProfile) -> tuple[list[float], list[float]]:
    """The corners of the box around the workspaces of all arms, m, base frame."""
    spaces = [one.arm.workspace for one in profile.arms]
    return [min(axis) for axis in zip(*(s.min for s in spaces))], [max(axis) for axis in zip(*(s.max for s in spaces))]


def _force(pattern: dict, arm) -> dict:
    display = copy.deepcopy(pattern)
    display["Name"] = f"Force {arm.name}".rstrip()
    display["Topic"]["Value"] = arm.force.topic
    return display


def _image(pattern: dict, name: str, topic: str) -> dict:
    display = copy.deepcopy(pattern)
    display["Name"], display["Topic"]["Value"] = name, topic
    return display
