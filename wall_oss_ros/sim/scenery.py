# SPDX-License-Identifier: Apache-2.0
"""A robot's simulated scene as others see it: made by a seed, told in plain numbers and words, and judged by them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim.cubes.scene import SceneSpec
from wall_oss_ros.sim.cubes.simulator import Simulator
from wall_oss_ros.sim.goals import COLOURS, Goal, parse_instruction
from wall_oss_ros.sim.world import World

LIFTED = 0.05  # m: a held cube's centre above the table's surface, 3 cm higher than when it lies there


class Scenery(ABC):
    """One kind of scene for one robot.

    Attributes:
        profile: the robot's.
        thing: what carries a colour in it, in a word.
    """

    thing: str

    def __init__(self, profile: RobotProfile):
        self.profile = profile

    @abstractmethod
    def random(self, rng: np.random.Generator):
        """What stands in a random scene: a spec with ``colours``."""

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

    @abstractmethod
    def instruction(self, colour: str) -> str:
        """Something to be done with the thing of a colour."""

    def goals(self, instruction: str) -> list[Goal]:
        """The goals that an instruction names.

        Raises:
            WallOSSError: it is empty, or none that can be judged here.
        """
        return parse_instruction(instruction, self.profile.simulation.scene)

    def scene(self, seed: int, colours: str = ""):
        """The scene of a seed, recoloured when ``colours`` names as many as there are things ("red,green,blue").

        Raises:
            WallOSSError: the colours are not different ones that the simulation has, one for each thing.
        """
        spec = self.random(np.random.default_rng(seed))
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

    def describe(self, goals: list[Goal], truth: Mapping) -> str:
        """Where the things that the goals name are by that truth, in words."""
        places = []
        for colour in dict.fromkeys(goal.colour for goal in goals):
            where = self.where(colour, truth)
            places.append(f"the {colour} {self.thing} {where}" if where else f"there is no {colour} {self.thing}")
        return "; ".join(places)


class CubeScenery(Scenery):
    """Three cubes and two trays."""

    thing = "cube"

    def random(self, rng: np.random.Generator) -> SceneSpec:
        return SceneSpec.random(rng)

    def recoloured(self, spec: SceneSpec, colours: tuple[str, ...]) -> SceneSpec:
        return replace(spec, cubes=tuple(replace(cube, colour=name) for cube, name in zip(spec.cubes, colours)))

    def simulator(self, spec: SceneSpec) -> Simulator:
        return Simulator(spec, self.profile)

    def truth(self, simulator: Simulator) -> dict:
        """``cubes`` by colour: position, yaw and the place they are in; ``trays`` by side: x and y."""
        cubes = {}
        for colour, (position, quaternion) in simulator.cubes().items():
            x, y, z, w = (float(value) for value in quaternion)
            cubes[colour] = {
                "position": [round(float(value), 4) for value in position],
                "yaw": round(float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))), 4),
                "where": simulator.where(colour),
            }
        return {"cubes": cubes, "trays": {tray.side: [tray.x, tray.y] for tray in simulator.spec.trays}}

    def reached(self, goal: Goal, truth: Mapping) -> bool:
        cube = truth["cubes"].get(goal.colour)
        if cube is None:
            return False
        if goal.kind == "place":
            return cube["where"] == f"{goal.tray} tray"  # "gripper" as long as the fingers are around it
        return cube["where"] == "gripper" and cube["position"][2] > LIFTED

    def where(self, colour: str, truth: Mapping) -> str:
        cube = truth["cubes"].get(colour)
        if cube is None:
            return ""
        if cube["where"] == "gripper":
            return f"is in the gripper, {100 * cube['position'][2]:.0f} cm above the table"
        return f"is {'on' if cube['where'] == 'table' else 'in'} the {cube['where']}"

    def instruction(self, colour: str) -> str:
        return f"put the {colour} cube in the left tray"


def scenery_of(profile: RobotProfile) -> Scenery:
    """The scenery of a robot.

    Raises:
        WallOSSError: its profile has no simulation.
    """
    if profile.simulation is None:
        raise WallOSSError(f"The profile of robot {profile.name} has no simulation section.", "Choose another.")
    from wall_oss_ros.sim.lifting.scenery import TrayScenery

    return {"table": CubeScenery, "trays": TrayScenery}[profile.simulation.scene](profile)
