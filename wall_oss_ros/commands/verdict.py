"""Whether the robot did what it was told, read from the simulator's state and not from the model's opinion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.sim.tasks import Goal, parse_instruction

LIFTED = 0.05  # m: a held cube's centre above the table's surface, 3 cm higher than when it lies there


def reached(goal: Goal, truth: Mapping) -> bool:
    """Whether one goal is reached now.

    Args:
        goal: what was asked for.
        truth: the message of /simulation/ground_truth.
    """
    cube = truth["cubes"].get(goal.colour)
    if cube is None:
        return False
    if goal.kind == "place":
        return cube["where"] == f"{goal.tray} tray"  # "gripper" as long as the fingers are around it
    return cube["where"] == "gripper" and cube["position"][2] > LIFTED


def describe(goals: Sequence[Goal], truth: Mapping) -> str:
    """Where the cubes that were named are, in words."""
    places = []
    for colour in dict.fromkeys(goal.colour for goal in goals):
        cube = truth["cubes"].get(colour)
        if cube is None:
            places.append(f"there is no {colour} cube")
        elif cube["where"] == "gripper":
            places.append(f"the {colour} cube is in the gripper, {100 * cube['position'][2]:.0f} cm above the table")
        else:
            places.append(f"the {colour} cube is {'on' if cube['where'] == 'table' else 'in'} the {cube['where']}")
    return "; ".join(places)


class Judge:
    """Judges one instruction over time.

    Args:
        instruction: as given; one that was not foreseen is never reached.
    """

    def __init__(self, instruction: str):
        try:
            self._goals = parse_instruction(instruction)
        except WallOSSError:  # somebody may publish anything
            self._goals = []
        self._since: float | None = None

    def held_for(self, truth: Mapping) -> float:
        """How long all goals have been reached without a break, in simulated seconds; above 0 as soon as they are."""
        if not self._goals or not all(reached(goal, truth) for goal in self._goals):
            self._since = None
            return 0.0
        if self._since is None:
            self._since = truth["time"]
        return max(truth["time"] - self._since, 1e-6)

    def describe(self, truth: Mapping) -> str:
        """Where the cubes that were named are, in words."""
        return describe(self._goals, truth) or "the instruction names no task that can be judged"
