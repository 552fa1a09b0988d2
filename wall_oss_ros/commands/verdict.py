# SPDX-License-Identifier: Apache-2.0
"""Whether the robot did what it was told, read from the simulator's state and not from the model's opinion."""

from __future__ import annotations

from collections.abc import Mapping

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.sim.scenery import Scenery


class Judge:
    """Judges one instruction over time, by the messages of /simulation/ground_truth.

    Args:
        scenery: of the simulated robot.
        instruction: as given; one that was not foreseen is never reached.
    """

    def __init__(self, scenery: Scenery, instruction: str):
        self._scenery = scenery
        try:
            self._goals = scenery.goals(instruction)
        except WallOSSError:  # somebody may publish anything
            self._goals = []
        self._since: float | None = None

    def held_for(self, truth: Mapping) -> float:
        """How long all goals have been reached without a break, in simulated seconds; above 0 as soon as they are."""
        if not self._goals or not all(self._scenery.reached(goal, truth) for goal in self._goals):
            self._since = None
            return 0.0
        if self._since is None:
            self._since = truth["time"]
        return max(truth["time"] - self._since, 1e-6)

    def describe(self, truth: Mapping) -> str:
        """Where the things that were named are, in words."""
        return self._scenery.describe(self._goals, truth) or "the instruction names no task that can be judged"
