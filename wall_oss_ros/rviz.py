"""The robot's rviz configuration, made from its profile: frames, cameras and names differ, the rest does not."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.profile import RobotProfile

_TEMPLATE = "config/rviz/robot.rviz"


def configuration(profile: RobotProfile, namespace: str = "") -> dict:
    """What rviz shows of a robot, as ``rviz2 -d`` reads it from YAML.

    Args:
        profile: the robot.
        namespace: put before every topic; without slashes around it.
    """
    content = yaml.safe_load(data_path(_TEMPLATE).read_text(encoding="utf-8"))
    manager = content["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = profile.arm.base_frame
    displays = []
    for display in manager["Displays"]:
        if display["Class"] == "rviz_default_plugins/Image":
            displays += [_image(display, view) for view in profile.views]
            continue
        if "Reference Frame" in display:
            display["Reference Frame"] = profile.arm.base_frame
        displays.append(display)
    for display in displays if namespace else ():
        for topic in (display.get("Topic"), display.get("Description Topic")):
            if topic:
                topic["Value"] = f"/{namespace}{topic['Value']}"
    manager["Displays"] = displays
    manager["Views"]["Current"]["Target Frame"] = profile.arm.base_frame
    content["Window Geometry"] |= {view.prompt.capitalize(): {"collapsed": False} for view in profile.views}
    return content


def write(profile: RobotProfile, folder: Path, namespace: str = "") -> Path:
    """Writes the configuration into a folder, which is made; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{namespace.replace('/', '_') + '_' if namespace else ''}{profile.name}.rviz"
    path.write_text(yaml.safe_dump(configuration(profile, namespace), sort_keys=False), encoding="utf-8")
    return path


def _image(pattern: dict, view) -> dict:
    display = copy.deepcopy(pattern)
    display["Name"] = view.prompt.capitalize()
    display["Topic"]["Value"] = view.image_topic
    return display
