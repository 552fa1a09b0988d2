# SPDX-License-Identifier: Apache-2.0
"""What a simulated task offers to those who make data of it, train on it, and measure how well it is done.

A robot's profile names its scene, and with it the task: cubes for one arm, trays for two. Everything that is said and
learnt about either is in the two subclasses; what trains and measures is written once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.robots.profile import RobotProfile, load_profile
from wall_oss_ros.sim.cubes.frames import HORIZON
from wall_oss_ros.sim.goals import Goal

if TYPE_CHECKING:
    from wall_oss_ros.sim.environment import Environment

DOF = 20
"""Entries of the released models' layout."""


class Task(ABC):
    """One kind of work. It has no state: one object serves all who use it.

    Attributes:
        frame: numpy's type of the record that comes with each frame of a dataset.
        language: the module with what is said about such a record: ``sample``, ``instruction``, ``plan_text``,
            ``active_subtask`` and ``vocabulary``, as in :mod:`wall_oss_ros.sim.cubes.language`.
        slots: the entries of the 20-D layout that the task moves, those of the record's chunks.
        things: what may be seen in a picture, by name.
        thing: what is taken and lifted, in a word.
        place: what it may be put into, in a word; None where it is put nowhere.
    """

    frame: np.dtype
    language: ModuleType
    slots: slice
    things: tuple[str, ...]
    thing: str
    place: str | None = None

    # To learn from

    @abstractmethod
    def states(self, frames: np.ndarray) -> np.ndarray:
        """The ``slots`` of the state of records (B,): (B, n), m and rad."""

    @abstractmethod
    def pixels(self, frames: np.ndarray) -> np.ndarray:
        """Where each of ``things`` is in each view: (B, views, things, 2) x and y; NaN where it is not seen."""

    @abstractmethod
    def subtasks(self, frame: np.void) -> tuple[list[str], np.ndarray]:
        """What may be asked for on this frame, in the order of its chunks, and how often each should be, sum 1."""

    def acting(self, rng: np.random.Generator, frame: np.void, count: int) -> list[tuple[str, int]]:
        """Subtasks to act on: (text, index into the frame's chunks). Mostly what makes sense now, never only that."""
        names, weights = self.subtasks(frame)
        chosen = rng.choice(len(names), size=count, replace=False, p=weights)
        return [(names[i], int(i)) for i in chosen]

    def state(self, frames: np.ndarray) -> np.ndarray:
        """The whole state of records (B,): (B, 20) float32, 0 where the task does not move."""
        state = np.zeros((len(frames), DOF), np.float32)
        state[:, self.slots] = self.states(frames)
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

    @abstractmethod
    def scene(self, rng: np.random.Generator) -> Any:
        """A random scene, as the environment's simulator takes it; ``colours`` are those of the things in it."""

    @abstractmethod
    def goals(self, scene: Any) -> list[Goal]:
        """All that may be asked for in a scene, one goal each."""

    @abstractmethod
    def random_goal(self, rng: np.random.Generator, scene: Any) -> Goal:
        """One of them."""

    @abstractmethod
    def text(self, goal: Goal) -> str:
        """The plain instruction for a goal."""

    @abstractmethod
    def lifted(self, environment: Environment) -> str | None:
        """The colour of a thing that is off the table now, or None."""

    def placed(self, environment: Environment, colour: str) -> str | None:
        """Which place the thing of that colour lies in now, if any."""
        return None

    def reached(self, environment: Environment, goals: list[Goal]) -> bool:
        """Whether the simulator's state is what the goals ask for."""
        return self.language.active_subtask(environment.truth()[()], goals) == prompts.DONE


def task_of(robot: str | RobotProfile) -> Task:
    """The task of a robot's simulated scene.

    Raises:
        WallOSSError: there is no such profile, or it has no simulation.
    """
    profile = load_profile(robot) if isinstance(robot, str) else robot
    if profile.simulation is None:
        raise WallOSSError(
            f"The robot {profile.name} has no simulation.",
            "Add a simulation section to its profile (docs/how-to/new_robot.md).",
        )
    from wall_oss_ros.sim.cubes.task import CubeTask
    from wall_oss_ros.sim.lifting.task import LiftingTask

    return {"table": CubeTask, "trays": LiftingTask}[profile.simulation.scene]()
