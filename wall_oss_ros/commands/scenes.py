# SPDX-License-Identifier: Apache-2.0
"""Fits instruction and scene to each other: a scene has things of some colours, not of all."""

from __future__ import annotations

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.scenery import Scenery

_SEEDS = 1000  # how far to look; any two colours that can be together are so in many scenes


def choose(scenery: Scenery, instruction: str | None, seed: int | None) -> tuple[str, int]:
    """Completes what the user left open.

    Args:
        scenery: of the simulated robot.
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
        present = COLOURS if seed is None else scenery.scene(seed).colours
        instruction = scenery.instruction(next(colour for colour in COLOURS if colour in present))
    wanted = {goal.colour for goal in scenery.goals(instruction)}
    if seed is None:
        for candidate in range(_SEEDS):
            if wanted <= set(scenery.scene(candidate).colours):
                return instruction, candidate
        count = len(scenery.scene(0).colours)
        raise WallOSSError(
            f"No scene has all these {scenery.thing}s.", f"A scene has {count}: name at most {count} colours."
        )
    colours = scenery.scene(seed).colours
    if missing := sorted(wanted - set(colours)):
        lacks = " and no ".join(f"{colour} {scenery.thing}" for colour in missing)
        raise WallOSSError(
            f"Scene {seed} has no {lacks}; it has {', '.join(colours)}.", "Name one of those, or choose another --seed."
        )
    return instruction, seed
