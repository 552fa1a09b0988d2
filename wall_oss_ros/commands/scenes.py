"""Fits instruction and scene to each other: a scene has three cubes of four colours."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.sim.scene import SceneSpec
from wall_oss_ros.sim.tasks import COLOURS, parse_instruction

_SEEDS = 1000  # how far to look; each pair of colours is in half of all scenes


def scene(seed: int) -> SceneSpec:
    """The scene of a seed, as the simulated robot makes it."""
    return SceneSpec.random(np.random.default_rng(seed))


def choose(instruction: str | None, seed: int | None) -> tuple[str, int]:
    """Completes what the user left open.

    Args:
        instruction: None for one that suits the scene.
        seed: None for the first scene that has the cubes which the instruction names.

    Returns:
        Instruction and seed.

    Raises:
        WallOSSError: the instruction cannot be judged, or the scene lacks a cube that it names.
    """
    if seed is not None and seed < 0:
        raise WallOSSError(f"--seed {seed} is below 0.", "Use 0 or more.")
    if instruction is None:
        present = COLOURS if seed is None else [colour for colour in COLOURS if colour in scene(seed).colours]
        instruction = f"put the {present[0]} cube in the left tray"
    wanted = {goal.colour for goal in parse_instruction(instruction)}
    if seed is None:
        for candidate in range(_SEEDS):
            if wanted <= set(scene(candidate).colours):
                return instruction, candidate
        raise WallOSSError("No scene has all these cubes.", "A scene has three: name at most three colours.")
    if missing := sorted(wanted - set(scene(seed).colours)):
        raise WallOSSError(
            f"Scene {seed} has no {' and no '.join(missing)} cube; it has {', '.join(scene(seed).colours)}.",
            "Name one of those, or choose another --seed.",
        )
    return instruction, seed
