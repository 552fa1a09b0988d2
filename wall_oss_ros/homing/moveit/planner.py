# SPDX-License-Identifier: Apache-2.0
"""The way home by MoveIt, which knows the objects in its planning scene; and when it is MoveIt that plans."""

from __future__ import annotations

import queue

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.homing.builtin import BuiltinPlanner, HomingPlanner, Way
from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.homing.moveit.link import MoveItLink, installed
from wall_oss_ros.robots.profile import RobotProfile

_ATTEMPTS = 3  # a random planner may find another way
_PATIENCE = 10.0  # s for one: twice what it is given to plan


class MoveItPlanner:
    """Has MoveIt plan, and looks at the way as at any other: MoveIt knows no workspace."""

    name = "moveit"

    def __init__(self, link: MoveItLink, clearance: Clearance):
        self._link, self._clearance = link, clearance

    def plan(self, q) -> Way:
        """A way home from joints (n,) rad at which the arms rest. Waits for MoveIt: call it beside control."""
        q, home = np.asarray(q, float), self._clearance.home
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                request = {"do": "plan", "start": q.tolist(), "goal": home.tolist()}
                answer = self._link.ask(request).get(timeout=_PATIENCE)
            except queue.Empty:
                return Way(None, f"MoveIt has not answered for {_PATIENCE:.0f} s")
            if "reason" in answer:
                without = "; with home_planner at builtin, the arms go without it" if self._link.reason else ""
                return Way(None, f"MoveIt: {answer['reason']}{without}")
            knots = np.vstack([q, np.reshape(answer["knots"], (-1, len(q))), home])
            reason = self._clearance.objection(knots)
            if not reason:
                return Way(knots)
        return Way(
            None, f"of {_ATTEMPTS} ways that MoveIt found none keeps to the robot's profile: on the last one {reason}"
        )


def wants_moveit(choice: str, profile: RobotProfile) -> bool:
    """Whether MoveIt plans, by one of ``homing.PLANNERS``; for auto, where it is installed and can read the joints.

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
        "Set home_planner to builtin and check_targets to false.",
    )


def make_planner(clearance: Clearance, link: MoveItLink | None) -> HomingPlanner:
    """The planner: MoveIt over a link, else the built-in one.

    Where MoveIt plans and finds no way, the built-in planner is not asked: it does not know the objects there.
    """
    return BuiltinPlanner(clearance) if link is None else MoveItPlanner(link, clearance)
