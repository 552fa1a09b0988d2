"""Who plans the way home."""

from __future__ import annotations

from typing import Protocol

from wall_oss_ros.homing.builtin import BuiltinPlanner, Way
from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.moveit_link.link import MoveItLink, installed
from wall_oss_ros.moveit_link.planner import MoveItPlanner


class Planner(Protocol):
    """Plans ways home. ``name`` is what people call it."""

    name: str

    def plan(self, q) -> Way:
        """A way home from joints (n,) rad of all arms, at rest; or none, and why. May take seconds."""


def wants_moveit(choice: str) -> bool:
    """Whether MoveIt plans by one of ``homing.PLANNERS``: auto takes it where it is installed."""
    return choice == "moveit" or choice == "auto" and installed()


def make_planner(clearance: Clearance, link: MoveItLink | None) -> Planner:
    """The planner: MoveIt over a link, else the built-in one.

    Where MoveIt plans and finds no way, the built-in planner is not asked: it does not know the objects there.
    """
    return BuiltinPlanner(clearance) if link is None else MoveItPlanner(link, clearance)
