# SPDX-License-Identifier: Apache-2.0
"""What a robot's URDF says of its joints, without a library for kinematics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.etree import ElementTree

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots import urdf_file
from wall_oss_ros.robots.profile import RobotProfile


def read_joints(profile: RobotProfile) -> dict[str, ElementTree.Element]:
    """The joints of the profile's URDF by name.

    Raises:
        WallOSSError: there is no such file, or it is not XML.
    """
    root = urdf_file.parse(profile.urdf_path, profile.name)
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


def refuse_standstill(profile: RobotProfile, velocities: Mapping[str, float]) -> None:
    """Says which of these joints, with the most they may move at, rad/s or m/s, the URDF lets not move at all.

    Raises:
        WallOSSError: there is one.
    """
    for name, velocity in velocities.items():
        if not velocity > 0:  # nor is a number that is none
            raise WallOSSError(
                f"{profile.urdf_path}: joint {name} may move no faster than {velocity:g} rad/s or m/s, so not at all.",
                "Correct velocity in the joint's limit; a joint that shall not move is fixed, and not in the profile.",
            )


def velocity_limits(profile: RobotProfile, names: Iterable[str]) -> np.ndarray:
    """The most that each of these joints may move at (n,), rad/s or m/s; without end where it has no limit.

    Raises:
        WallOSSError: the URDF has no such joint, or lets one not move.
    """
    names = list(names)
    position_limits(profile, names)
    joints = read_joints(profile)
    limits = [joints[name].find("limit") for name in names]
    found = [np.inf if limit is None else float(limit.get("velocity", np.inf)) for limit in limits]
    refuse_standstill(profile, dict(zip(names, found)))
    return np.array(found)


def mimicked(profile: RobotProfile, positions: dict[str, float]) -> dict[str, float]:
    """``positions`` and those of the joints that mimic them: multiplier times the other's position, plus offset."""
    followed = dict(positions)
    mimics = {name: mimic for name, joint in read_joints(profile).items() if (mimic := joint.find("mimic")) is not None}
    while True:  # one that mimics may be mimicked
        more = {
            name: float(mimic.get("multiplier", 1)) * followed[mimic.get("joint")] + float(mimic.get("offset", 0))
            for name, mimic in mimics.items()
            if name not in followed and mimic.get("joint") in followed
        }
        if not more:
            return followed
        followed |= more
