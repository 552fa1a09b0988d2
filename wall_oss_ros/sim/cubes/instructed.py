# SPDX-License-Identifier: Apache-2.0
"""Scenes with an instruction for which there is something left to do, or that cannot be followed at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wall_oss_ros.sim.cubes import instructions
from wall_oss_ros.sim.cubes.goals import CubeGoal
from wall_oss_ros.sim.cubes.language import there
from wall_oss_ros.sim.cubes.scene import CUBE_SIZE, TRAYS, CubeSpec
from wall_oss_ros.sim.cubes.seen import Seen
from wall_oss_ros.sim.goals import COLOURS

_IN_TRAYS = 0.35
"""Share of scenes in which some cubes lie in trays from the start."""
_NEED_TRAYS = {"swap", "out"}  # forms that mean something only then


def scene_with_instruction(
    rng: np.random.Generator, forms: Sequence[str] = (), unseen: bool = False
) -> tuple[CubeSpec, str, str, list[CubeGoal]]:
    """A random scene and an instruction: its form, its words, its goals; not all of them are reached already.

    Args:
        forms, unseen: as :func:`instructions.draw` has them.
    """
    while True:
        scene = CubeSpec.random_with_trays(rng, 1.0 if _NEED_TRAYS & {*forms} else _IN_TRAYS)
        where = {cube.colour: scene.place(cube) for cube in scene.cubes}
        at = {cube.colour: np.array([cube.x, cube.y, CUBE_SIZE / 2]) for cube in scene.cubes}
        try:
            form, text, goals = instructions.draw(rng, Seen(where, at), forms=forms, unseen=unseen)
        except ValueError:  # not on this scene
            continue
        if any(goal.place is None or where[goal.colour] != there(goal.place) for goal in goals):
            return scene, form, text, goals


UNFOLLOWABLE = ("absent", "unclear", "senseless")
"""Names a cube that is not there; leaves open what is meant; makes no sense."""


def scene_without_instruction(rng: np.random.Generator, form: str) -> tuple[CubeSpec, str, str]:
    """A random scene, an instruction of one of the forms ``UNFOLLOWABLE``, and what is right to do about it: it is
    ``refused`` or ``asked back``."""
    scene = CubeSpec.random(rng)
    if form == "unclear":
        return scene, instructions.unclear(rng)[0], "asked back"
    if form == "senseless":
        return scene, instructions.senseless(rng), "refused"
    missing = next(colour for colour in COLOURS if colour not in scene.colours)
    phrase = str(rng.choice(instructions.FORMS["place"].phrases))
    return scene, phrase.format(c=missing, t=rng.choice(tuple(TRAYS))), "refused"
