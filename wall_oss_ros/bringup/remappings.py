# SPDX-License-Identifier: Apache-2.0
"""Names of topics and actions where a robot is put into a namespace or its controller has another name. No ROS here."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wall_oss_ros.bringup.system import NAMESPACE
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile

# Absolute names that no profile has, and that would be shared by all robots. /diagnostics is: there names say whose.
_OURS = ("/clock", "/tf", "/tf_static", "/robot_description", "/simulation/ground_truth", "/simulation/reset")
_RECORDED = (  # besides the profile's topics
    *(f"/{NAMESPACE}/{name}" for name in ("instruction", "observation", "plan", "status")),
    *(f"/{NAMESPACE}/{name}" for name in ("observation_state", "model", "action_request", "action_chunk")),
    *(f"/{NAMESPACE}/{name}" for name in ("answers", "pointed_at", "gripper_commands", "record", "emergency_stop")),
    *_OURS[:-1],
)
_NAMESPACE = re.compile(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*")
ACTION_PARTS = ("send_goal", "get_result", "cancel_goal", "feedback", "status")  # an action's services and topics


def profile_names(profile: RobotProfile) -> tuple[list[str], list[str]]:
    """The topics and the actions that a profile names."""
    found = list(_absolute_names(profile.model_dump(exclude={"urdf"})))
    topics = dict.fromkeys(name for field, name in found if field != "action")
    return list(topics), list(dict.fromkeys(name for field, name in found if field == "action"))


def remappings(
    profile: RobotProfile, namespace: str = "", controller: str = "", base_topic: str = ""
) -> list[tuple[str, str]]:
    """What becomes of the profile's names.

    Args:
        profile: the robot.
        namespace: put before every absolute name; without slashes around it.
        controller: the name of the first arm's trajectory controller, where it is not the profile's.
        base_topic: of the base's velocities, where it is not the profile's.

    Raises:
        WallOSSError: ROS permits no such namespace.
    """
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise WallOSSError(f"{namespace!r} is no namespace.", "Give letters, digits and _, such as left_cell.")
    topics, actions = profile_names(profile)
    # ROS remaps an action's services and topics, not the action as a whole.
    parts = [f"{action}/_action/{part}" for action in actions for part in ACTION_PARTS]
    renamed = [(name, remapped(name, profile, namespace, controller, base_topic)) for name in (*topics, *_OURS, *parts)]
    return [(name, new) for name, new in renamed if name != new]


def remapped(name: str, profile: RobotProfile, namespace: str = "", controller: str = "", base_topic: str = "") -> str:
    """What one of the profile's names becomes; the arguments are those of ``remappings``."""
    old = f"/{profile.command.controller}/"  # of no name where it has no controller
    if controller and name.startswith(old):
        name = f"/{controller}/{name[len(old) :]}"
    if base_topic and profile.base is not None and name == profile.base.topic:
        name = f"/{base_topic.lstrip('/')}"
    return f"/{namespace}{name}" if namespace else name


def recorded_topics(
    profile: RobotProfile, namespace: str = "", controller: str = "", base_topic: str = ""
) -> list[str]:
    """What a recording holds: the robot's topics and those of WALL-OSS; the arguments are those of ``remappings``.

    Depth images are left out: they are as large as all else together, nothing is trained on them, and the observations
    that are recorded have what the model's side makes use of.
    """
    depths = {topic for view in profile.views for topic in (view.depth_topic, view.depth_info_topic)}
    names = (*(name for name in profile_names(profile)[0] if name not in depths), *_RECORDED)
    return [*(remapped(name, profile, namespace, controller, base_topic) for name in names), "/diagnostics", "/rosout"]


def _absolute_names(value, field: str = "") -> Iterator[tuple[str, str]]:
    """Absolute names and the fields they stand in."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _absolute_names(inner, key)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _absolute_names(inner, field)
    elif isinstance(value, str) and value.startswith("/"):
        yield field, value
