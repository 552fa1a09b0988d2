# SPDX-License-Identifier: Apache-2.0
"""A robot's simulated scene as others see it: made by a seed, told in plain numbers and words, and judged by them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim.goals import COLOURS, Goal
from wall_oss_ros.sim.world import World


class Scenery(ABC):
    """One kind of scene for one robot.

    Attributes:
        profile: the robot's.
        language: the task's, see :class:`wall_oss_ros.sim.task.Task`.
        spec: the type of what stands in a scene; it has ``random(rng)`` and ``colours``.
        thing: what carries a colour in it, in a word.
    """

    language: ModuleType
    spec: type
    thing: str

    def __init__(self, profile: RobotProfile):
        self.profile = profile

    @abstractmethod
    def recoloured(self, spec, colours: tuple[str, ...]):
        """The same scene with its things in other colours, in their order."""

    @abstractmethod
    def simulator(self, spec) -> World:
        """The robot in the scene."""

    @abstractmethod
    def truth(self, simulator) -> dict:
        """Where everything is, fit for JSON: what /simulation/ground_truth says, m and rad in the arms' base frame."""

    @abstractmethod
    def reached(self, goal: Goal, truth: Mapping) -> bool:
        """Whether a goal is reached by that truth."""

    @abstractmethod
    def where(self, colour: str, truth: Mapping) -> str:
        """Where the thing of a colour is by that truth, in words; empty where there is none."""

    def instruction(self, colour: str) -> str:
        """An instruction about the thing of a colour."""
        return self.language.goals([colour])[0].text()

    def goals(self, instruction: str) -> list[Goal]:
        """The goals that an instruction names.

        Raises:
            WallOSSError: it is empty, or none that can be judged here.
        """
        return self.language.parse(instruction)

    def scene(self, seed: int, colours: str = "") -> Any:
        """The scene of a seed, recoloured when ``colours`` names as many as there are things ("red,green,blue").

        Raises:
            WallOSSError: the colours are not different ones that the simulation has, one for each thing.
        """
        spec = self.spec.random(np.random.default_rng(seed))
        names = tuple(name.strip() for name in colours.split(",") if name.strip())
        if not names:
            return spec
        count = len(spec.colours)
        if len(names) != count or len(set(names)) != count or not set(names) <= set(COLOURS):
            raise WallOSSError(
                f"The colours {colours!r} cannot be had.",
                f"Name {count} different ones of {', '.join(COLOURS)}, separated by commas.",
            )
        return self.recoloured(spec, names)

    def describe(self, goals: Sequence[Goal], truth: Mapping) -> str:
        """Where the things that the goals name are by that truth, in words."""
        places = []
        for colour in dict.fromkeys(goal.colour for goal in goals):
            where = self.where(colour, truth)
            places.append(f"the {colour} {self.thing} {where}" if where else f"there is no {colour} {self.thing}")
        return "; ".join(places)
