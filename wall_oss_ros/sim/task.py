# SPDX-License-Identifier: Apache-2.0
"""What a simulated task offers for making data, training on it, and measuring how well it is done.

A robot's profile names its scene, and with it the task: cubes for one arm, trays for two. Everything that is said and
learnt about either is in the two subclasses; what trains and measures is written once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any

import numpy as np

from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.environment import HORIZON, Environment
from wall_oss_ros.sim.goals import Goal
from wall_oss_ros.sim.scenery import Scenery

DOF = 20
"""Entries of the released models' layout."""


class Task(ABC):
    """One kind of work. It has no state: one object serves all who use it.

    Attributes:
        scenery: the scenes that it takes place in.
        frame: numpy's type of the record that comes with each frame of a dataset.
        language: the module with what is said about such a record and what may be asked for: ``sample``,
            ``instruction``, ``plan_text``, ``active_subtask``, ``vocabulary``, ``goals``, ``random_goal`` and
            ``parse``, as in :mod:`wall_oss_ros.sim.cubes.language`.
        slots: the entries of the 20-D layout that the task moves, those of the record's chunks.
        things: what may be in view, by name.
        thing: what is picked up, in a word.
        place: what it may be put into, in a word; None where it is put nowhere.
    """

    scenery: type[Scenery]
    frame: np.dtype
    slots: slice
    things: tuple[str, ...]
    place: str | None = None

    @property
    def language(self) -> ModuleType:
        return self.scenery.language

    @property
    def thing(self) -> str:
        return self.scenery.thing

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

    # To carry out and judge

    @abstractmethod
    def environment(self, rng: np.random.Generator, robot: str) -> Environment:
        """A simulated robot with random scenes and a scripted expert."""

    def scene(self, rng: np.random.Generator) -> Any:
        """A random scene, as the environment's simulator takes it; ``colours`` are those of the things in it."""
        return self.scenery.spec.random(rng)

    @abstractmethod
    def lifted(self, environment: Environment) -> str | None:
        """The colour of a thing that is off the table now, or None."""

    def placed(self, environment: Environment, colour: str) -> str | None:
        """Which place the thing of that colour lies in now, if any."""
        return None

    def reached(self, environment: Environment, goals: list[Goal]) -> bool:
        """Whether the simulator's state is what the goals ask for."""
        return self.language.active_subtask(environment.truth()[()], goals) == prompts.DONE
