# SPDX-License-Identifier: Apache-2.0
"""The instruction of a simulated run: made to fit its scene, and judged by the simulator's word, not the model's."""

from __future__ import annotations

from collections.abc import Mapping

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.sim.goals import COLOURS, lasting
from wall_oss_ros.sim.task import Task

_SEEDS = 1000  # how far to look; any two colours that can be together are so in many scenes


def choose(task: Task, instruction: str | None, seed: int | None) -> tuple[str, int]:
    """Completes what the user left open.

    Args:
        task: of the simulated robot.
        instruction: None for one that suits the scene.
        seed: None for the first scene that has what the instruction names.

    Returns:
        Instruction and seed.

    Raises:
        WallOSSError: the instruction cannot be judged, or the scene lacks what it names.
    """
    if seed is not None and seed < 0:
        raise WallOSSError(f"--seed {seed} is below 0.", "Use 0 or more.")
    if instruction is None:
        present = COLOURS if seed is None else task.scene(seed).colours
        colour = next(colour for colour in COLOURS if colour in present)
        instruction = task.language.goals([colour])[0].text()
    wanted = {colour for goal in task.language.parse(instruction) for colour in goal.named}
    if seed is None:
        for candidate in range(_SEEDS):
            if wanted <= set(task.scene(candidate).colours):
                return instruction, candidate
        count = len(task.scene(0).colours)
        raise WallOSSError(
            f"No scene has all these {task.thing}s.", f"A scene has {count}: name at most {count} colours."
        )
    colours = task.scene(seed).colours
    if missing := sorted(wanted - set(colours)):
        lacks = " and no ".join(f"{colour} {task.thing}" for colour in missing)
        raise WallOSSError(
            f"Scene {seed} has no {lacks}; it has {', '.join(colours)}.", "Name one of those, or choose another --seed."
        )
    return instruction, seed


class Judge:
    """Judges one instruction over time, by the messages of /simulation/ground_truth.

    Args:
        task: of the simulated robot.
        instruction: as given; one that was not foreseen is never reached.
    """

    def __init__(self, task: Task, instruction: str):
        self._task = task
        try:
            goals = task.language.parse(instruction)
        except WallOSSError:  # somebody may publish anything
            goals = []
        self._goals, self._phases = lasting(goals), [lasting(phase) for phase in task.language.phases(goals)]
        self._since: float | None = None

    def held_for(self, truth: Mapping) -> float:
        """How long all goals have been reached without a break, in simulated seconds; above 0 as soon as they are."""
        while len(self._phases) > 1 and self._reached(truth):
            self._phases.pop(0)
        if len(self._phases) > 1 or not self._reached(truth):
            self._since = None
            return 0.0
        if self._since is None:
            self._since = truth["time"]
        return max(truth["time"] - self._since, 1e-6)

    def _reached(self, truth: Mapping) -> bool:
        """Whether all goals of the phase under way are reached."""
        return bool(self._phases[0]) and all(self._task.shows(truth, goal) for goal in self._phases[0])

    def describe(self, truth: Mapping) -> str:
        """Where the things that were named are, in words."""
        return self._task.describe(self._goals, truth) or "the instruction names no task that can be judged"
