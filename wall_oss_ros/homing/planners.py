# SPDX-License-Identifier: Apache-2.0
"""Who plans the way home."""

from __future__ import annotations

from typing import Protocol

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.homing.builtin import BuiltinPlanner, Way
from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.homing.moveit.link import MoveItLink, installed
from wall_oss_ros.homing.moveit.planner import MoveItPlanner
from wall_oss_ros.robots.profile import RobotProfile


class Planner(Protocol):
    """Plans ways home. ``name`` is what people call it."""

    name: str

    def plan(self, q) -> Way:
        """A way home from joints (n,) rad of all arms, at rest; or none, and why. May take seconds."""


def wants_moveit(choice: str, profile: RobotProfile) -> bool:
    """Whether MoveIt plans, by one of ``homing.PLANNERS``: auto is where it is installed and can read the robot's joints.

    Raises:
        WallOSSError: it is to plan, and cannot read them.
    """
    if choice == "moveit" and not profile.plain_joints:
        raise cannot_read(profile)
    return choice == "moveit" or (choice == "auto" and profile.plain_joints and installed())


def cannot_read(profile: RobotProfile) -> WallOSSError:
    """Why MoveIt cannot be used for a robot whose joints come on several topics, or under the driver's names."""
    return WallOSSError(
        f"MoveIt cannot read the joint states of {profile.name}: it expects one topic and the URDF's names, and they "
        f"come on {', '.join(profile.joint_sources)}, under the driver's names.",
        "Set planner to builtin and check_targets to false.",
    )


def make_planner(clearance: Clearance, link: MoveItLink | None) -> Planner:
    """The planner: MoveIt over a link, else the built-in one.

    Where MoveIt plans and finds no way, the built-in planner is not asked: it does not know the objects there.
    """
    return BuiltinPlanner(clearance) if link is None else MoveItPlanner(link, clearance)
