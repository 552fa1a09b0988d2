# SPDX-License-Identifier: Apache-2.0
"""The two actions that move grippers: GripperCommand and ParallelGripperCommand of control_msgs, told in one way."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from wall_oss_ros.robots.components import Gripper

import control_msgs.action as types

_FEEDBACK = "_FeedbackMessage"  # follows the action's name in the type of its feedback topic


class GripperAction(ABC):
    """One of the actions: its goals and results, in positions of the profile's ``action_positions``.

    Attributes:
        name: of its type.
        type: the class of it; None where this distribution's control_msgs lacks it.
    """

    def __init__(self, kind: str):
        self.name, self.type = f"control_msgs/action/{kind}", getattr(types, kind, None)

    @abstractmethod
    def goal(self, profile: Gripper, joints: Sequence[str], opening: float):
        """The goal for an opening, m. joints: what the driver calls the gripper's."""

    @abstractmethod
    def position(self, goal) -> float | None:
        """The position that a goal asks for; None when it asks for none, or for several."""

    @abstractmethod
    def outcome(self, result) -> tuple[bool, float | None]:
        """Whether the fingers have stalled, and where they are; None when that is not said."""

    @abstractmethod
    def result(self, joints: Sequence[str], position: float, reached: bool, stalled: bool):
        """What a server says at the end."""


class _GripperCommand(GripperAction):
    def goal(self, profile: Gripper, joints: Sequence[str], opening: float):
        goal = self.type.Goal()
        goal.command.position, goal.command.max_effort = profile.action_position(opening), profile.max_effort
        return goal

    def position(self, goal) -> float | None:
        return goal.command.position

    def outcome(self, result) -> tuple[bool, float | None]:
        return result.stalled, result.position if math.isfinite(result.position) else None

    def result(self, joints: Sequence[str], position: float, reached: bool, stalled: bool):
        return self.type.Result(position=position, reached_goal=reached, stalled=stalled)


class _ParallelGripperCommand(GripperAction):
    """Its goals and states are joint states. parallel_gripper_controller takes exactly one joint, the first."""

    def goal(self, profile: Gripper, joints: Sequence[str], opening: float):
        goal = self.type.Goal()
        goal.command.name = [joints[0]]
        goal.command.position = [profile.action_position(opening)]
        if profile.speed is not None:
            goal.command.velocity = [abs(profile.action_speed(profile.speed))]
        goal.command.effort = [profile.max_effort]
        return goal

    def position(self, goal) -> float | None:
        return goal.command.position[0] if len(goal.command.position) == 1 else None

    def outcome(self, result) -> tuple[bool, float | None]:
        told = len(result.state.position) > 0 and math.isfinite(result.state.position[0])
        return result.stalled, float(result.state.position[0]) if told else None

    def result(self, joints: Sequence[str], position: float, reached: bool, stalled: bool):
        result = self.type.Result(reached_goal=reached, stalled=stalled)
        result.state.name, result.state.position = [joints[0]], [position]
        return result


_ALL = {
    "gripper_command": _GripperCommand("GripperCommand"),
    "parallel_gripper_command": _ParallelGripperCommand("ParallelGripperCommand"),
}
ACTIONS: dict[str, GripperAction] = {name: action for name, action in _ALL.items() if action.type is not None}
"""Those that this distribution has, by the profile's name for them; the first is taken where a server offers both."""


def offered(node, action: str) -> set[str]:
    """The types that servers of an action have, such as ``control_msgs/action/GripperCommand``."""
    publishers = node.get_publishers_info_by_topic(f"{action}/_action/feedback")
    return {each.topic_type.removesuffix(_FEEDBACK) for each in publishers if each.topic_type.endswith(_FEEDBACK)}
