# SPDX-License-Identifier: Apache-2.0
"""Which robot a message is about: a name that two robots share only if they are the same to every node."""

from __future__ import annotations

import hashlib
import json

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile

_ARM = {"position_dof", "rotation_dof", "joints_dof", "base_frame", "tcp_frame", "joints", "tool_rotation"}
_GRIPPER = {"dof", "closed", "open", "joints", "joint_positions"}


def robot_identity(profile: RobotProfile) -> str:
    """The profile's name, its variant, and a digest of what gives states and actions their meaning.

    Speeds, topics and watchdogs are left out: they may differ between two machines without harm.

    Raises:
        WallOSSError: the URDF cannot be read.
    """
    try:
        urdf = profile.urdf_path.read_bytes()
    except OSError as error:
        raise WallOSSError(
            f"The URDF {profile.urdf_path} of profile {profile.name!r} cannot be read ({error.strerror}).",
            "Check the profile's field urdf.",
        ) from error
    meaning = {
        "dofs": profile.dof_config,
        "mode": profile.action_mode,
        "arms": [(one.arm.model_dump(include=_ARM), one.gripper.model_dump(include=_GRIPPER)) for one in profile.arms],
        "parts": [(part.dof, part.joints) for part in profile.parts],
        "base": None if profile.base is None else profile.base.dof,
    }
    digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode() + b"\n" + urdf).hexdigest()
    variant = "" if profile.variant is None else f":{profile.variant}"
    return f"{profile.name}{variant}@{digest[:8]}"
