# SPDX-License-Identifier: Apache-2.0
"""What a simulated task offers: its scenes, data to learn from, and how well it is done.

A robot's profile names its scene, and with it the task: cubes for one arm, trays for two. Everything that is said and
learnt about either is in the two subclasses; what trains, runs and measures is written once. MuJoCo is
imported where a simulator or an environment is asked for, not before: that takes its time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim.goals import COLOURS, Goal, Language
from wall_oss_ros.sim.steps import HORIZON

if TYPE_CHECKING:
    from wall_oss_ros.sim.environment import Environment
    from wall_oss_ros.sim.world import World

DOF = 20
"""Entries of the released models' layout."""


class Task(ABC):
    """One kind of work for one robot. It has no state: one object serves all who use it.

    Attributes:
        profile: the robot's.
        language: what is said about a frame, and what may be asked for.
        spec: the type of what stands in a scene; it has ``random(rng)``, ``colours`` and, where things may stand that
            nobody names, ranges along x: ``free``, m.
        frame: numpy's type of the record that comes with each frame of a dataset.
        slots: the entries of the 20-D layout that the task moves, those of the record's chunks.
        things: what may be in view, by name.
        place: what it may be put into, in a word; None where it is put nowhere.
        forms: names of the forms of its instructions, where there are several.
        unfollowable: names of the forms that cannot be followed, where it has some.
    """

    language: Language
    spec: type
    frame: np.dtype
    slots: slice
    things: tuple[str, ...]
    place: str | None = None
    forms: tuple[str, ...] = ()
    unfollowable: tuple[str, ...] = ()

    def __init__(self, profile: RobotProfile):
        self.profile = profile

    @property
    def thing(self) -> str:
        """What carries a colour and is picked up, in a word."""
        return self.language.thing

    # Scenes

    @abstractmethod
    def simulator(self, spec) -> World:
        """The robot in a scene."""

    @abstractmethod
    def environment(self, rng: np.random.Generator) -> Environment:
        """The robot with random scenes and a scripted expert."""

    def scene(self, seed, colours: str = "") -> Any:
        """The scene of a seed, recoloured when ``colours`` names as many as there are things ("red,green,blue").

        Args:
            seed: whatever ``np.random.default_rng`` takes, also a generator.

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

    def instructed(
        self, rng: np.random.Generator, forms: Sequence[str] = (), unseen: bool = False
    ) -> tuple[Any, str, str, list[Goal]]:
        """A random scene, and an instruction for it: its form, its words, its goals.

        Args:
            forms: of these; of any where there are none.
            unseen: in words that training does not show.
        """
        scene = self.spec.random(rng)
        goal = self.language.random_goal(rng, scene.colours)
        return scene, "", goal.text(), [goal]

    def not_followed(self, rng: np.random.Generator, form: str) -> tuple[Any, str, str]:
        """A random scene, an instruction of one of the ``unfollowable`` forms, and what is right to do about it:
        ``refused`` or ``asked back``."""
        raise ValueError(f"{type(self).__name__} has no form {form}")

    @abstractmethod
    def recoloured(self, spec, colours: tuple[str, ...]):
        """The same scene with its things in other colours, in their order."""

    # To learn from

    @abstractmethod
    def arm_states(self, frames: np.ndarray) -> np.ndarray:
        """The ``slots`` of the state of records (B,): (B, n), m and rad."""

    @abstractmethod
    def pixels(self, frames: np.ndarray) -> np.ndarray:
        """Where each of ``things`` is in each view: (B, views, things, 2) x and y; NaN where it is not in view."""

    @abstractmethod
    def subtasks(self, frame: np.void) -> tuple[list[str], np.ndarray]:
        """What may be asked for on this frame, in the order of its chunks, and how often each should be, sum 1."""

    def acting(self, rng: np.random.Generator, frame: np.void, count: int) -> list[tuple[str, int]]:
        """Subtasks to act on: (text, index into the frame's chunks). Mostly what makes sense now, never only that."""
        names, weights = self.subtasks(frame)
        chosen = rng.choice(len(names), size=count, replace=False, p=weights)
        return [(names[i], int(i)) for i in chosen]

    def states(self, frames: np.ndarray) -> np.ndarray:
        """The whole state of records (B,): (B, 20) float32, 0 where the task does not move."""
        state = np.zeros((len(frames), DOF), np.float32)
        state[:, self.slots] = self.arm_states(frames)
        return state

    def actions(self, chunks: np.ndarray) -> np.ndarray:
        """Records' chunks (..., H, n) as the model's: (..., H, 20) float32."""
        actions = np.zeros((*chunks.shape[:-2], HORIZON, DOF), np.float32)
        actions[..., self.slots] = chunks
        return actions

    # To judge by the simulator's state

    @abstractmethod
    def lifted(self, environment: Environment) -> str | None:
        """The colour of a thing that is off the table now, or None."""

    def placed(self, environment: Environment, colour: str) -> str | None:
        """Which place the thing of that colour lies in now, if any."""
        return None

    def reached(self, environment: Environment, goals: list[Goal]) -> bool:
        """Whether the simulator's state is what the goals ask for."""
        return self.language.active_subtask(environment.truth()[()], goals) == prompts.DONE

    # To judge by the published ground truth

    @abstractmethod
    def truth(self, simulator) -> dict:
        """Where everything is, fit for JSON: what /simulation/ground_truth says, m and rad in the arms' base frame."""

    @abstractmethod
    def shows(self, truth: Mapping, goal: Goal) -> bool:
        """Whether a goal is reached by that truth."""

    @abstractmethod
    def where(self, colour: str, truth: Mapping) -> str:
        """Where the thing of a colour is by that truth, in words; empty where there is none."""

    def describe(self, goals: Sequence[Goal], truth: Mapping) -> str:
        """Where the things that the goals name are by that truth, in words."""
        places = []
        for colour in dict.fromkeys(goal.colour for goal in goals):
            where = self.where(colour, truth)
            places.append(f"the {colour} {self.thing} {where}" if where else f"there is no {colour} {self.thing}")
        return "; ".join(places)
