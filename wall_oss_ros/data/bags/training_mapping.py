# SPDX-License-Identifier: Apache-2.0
"""The mapping that training reads a converted dataset by: which of its columns is what of the robot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from wall_oss_ros.data.lerobot import Feature
from wall_oss_ros.robots.profile import RobotProfile

_HEAD = """\
# Written by wall-oss data from-bag: how this dataset is read for robot {robot}. See docs/reference/mapping.md.
"""


def training_mapping(profile: RobotProfile, features: Mapping[str, Feature], plans: bool = False) -> str:
    """A mapping of columns (:mod:`wall_oss_ros.data.mapping`) as YAML, for a dataset with these features; ``plans``:
    and with those of the recordings."""
    names = {name: list(feature.names or ()) for name, feature in features.items()}
    state, action = (_half(profile, names, prefix, column) for prefix, column in (
        ("observation", "observation.state"), ("action", "action"),
    ))  # fmt: skip
    base = profile.base
    if base is not None and f"{base.dof}.x" in names["observation.state"]:
        at = [f"{base.dof}.{axis}" for axis in ("x", "y", "yaw")]
        state["base"] = {"column": "observation.state", "at": at}
        velocity = {"velocity": {"column": "action.base_velocity", "at": ["x", "y", "yaw"]}}
        action["base"] = velocity if "action.base_velocity" in names else {"pose": {"column": "action", "at": at}}
    content = {
        "description": f"Recordings of {profile.full_name}, converted from ROS 2 bags",
        "views": {view.name: f"observation.images.{view.name}" for view in profile.views},
        "state": state,
        "action": action,
        "language": {"instruction": "task", "subtask": "subtask"} | ({"plan": "plan"} if plans else {}),
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    return _HEAD.format(robot=profile.full_name) + text


def _half(profile: RobotProfile, names: Mapping[str, list[str]], prefix: str, column: str) -> dict[str, Any]:
    arms: dict[str, Any] = {}
    for one in profile.arms:
        name = one.arm.name
        if one.arm.joints[0] in names.get(f"{prefix}.joints", ()):
            arm: dict[str, Any] = {"joints": {"column": f"{prefix}.joints", "at": list(one.arm.joints)}}
        else:
            at = [f"{name}.{axis}" for axis in ("x", "y", "z", "qx", "qy", "qz", "qw")]
            arm = {
                "position": {"column": f"{prefix}.poses", "at": at[:3]},
                "rotation": {"column": f"{prefix}.poses", "at": at[3:], "form": "quaternion_xyzw"},
            }
        arm["gripper"] = {"column": column, "at": [one.gripper.dof], "unit": "m"}
        arms[name] = arm
    half: dict[str, Any] = {"arms": arms}
    parts = {}
    for part in profile.parts:
        size = profile.dof_config[part.dof]
        at = [part.dof] if size == 1 else [f"{part.dof}.{joint}" for joint in part.joints]
        if at[0] in names[column]:
            parts[part.name] = {"column": column, "at": at}
    if parts:
        half["parts"] = parts
    return half
