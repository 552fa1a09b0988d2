# SPDX-License-Identifier: Apache-2.0
"""What a robot's URDF says of its joints, without a library for kinematics."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile


def read_joints(profile: RobotProfile) -> dict[str, ElementTree.Element]:
    """The joints of the profile's URDF by name.

    Raises:
        WallOSSError: there is no such file, or it is not XML.
    """
    try:
        root = ElementTree.parse(profile.urdf_path).getroot()
    except OSError as error:
        raise WallOSSError(
            f"The URDF {profile.urdf_path} of profile {profile.name!r} cannot be read ({error.strerror}).",
            "Put the robot's URDF there, or correct the profile's field urdf.",
        ) from error
    except ElementTree.ParseError as error:
        raise WallOSSError(f"The URDF {profile.urdf_path} is not XML: {error}.", "Correct the file.") from error
    return {joint.get("name"): joint for joint in root.iter("joint") if joint.get("type")}


def position_limits(profile: RobotProfile, names: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest position (n,) of each of these joints, rad or m; a full turn either way if it has no limit.

    Raises:
        WallOSSError: the URDF has no such joint.
    """
    joints, names = read_joints(profile), list(names)
    if missing := [name for name in names if name not in joints]:
        raise WallOSSError(
            f"{profile.urdf_path} has no joint {', '.join(missing)}, which profile {profile.name!r} names.",
            "Correct the names in the profile.",
        )
    limits = [None if joints[name].get("type") == "continuous" else joints[name].find("limit") for name in names]
    low = [-2 * np.pi if limit is None else float(limit.get("lower", 0)) for limit in limits]
    high = [2 * np.pi if limit is None else float(limit.get("upper", 0)) for limit in limits]
    return np.array(low), np.array(high)


def slides(profile: RobotProfile, names: Iterable[str]) -> list[bool]:
    """Of each of these joints, whether it slides; the others turn."""
    joints = read_joints(profile)
    return [joints[name].get("type") == "prismatic" for name in names]


def mimicked(profile: RobotProfile, positions: dict[str, float]) -> dict[str, float]:
    """``positions`` and those of the joints that mimic them: multiplier times the other's position, plus offset."""
    followed = dict(positions)
    for name, joint in read_joints(profile).items():
        mimic = joint.find("mimic")
        if mimic is not None and mimic.get("joint") in positions:
            position = positions[mimic.get("joint")]
            followed.setdefault(name, float(mimic.get("multiplier", 1)) * position + float(mimic.get("offset", 0)))
    return followed
