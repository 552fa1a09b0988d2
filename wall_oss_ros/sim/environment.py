# SPDX-License-Identifier: Apache-2.0
"""A robot in random scenes, seen by its cameras and moved by its arms' servos: what all tasks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np

from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile, load_profile
from wall_oss_ros.sim.appearance import PLAIN, Appearance
from wall_oss_ros.sim.goals import Goal
from wall_oss_ros.sim.steps import CONTROL_DT, DT
from wall_oss_ros.sim.world import IMAGE_SIZE, World

_LEAD = 0.01  # m


class Environment(ABC):
    """A simulated robot that frames are taken from.

    Attributes:
        arms: kinematics of each arm, in the profile's order.
        down: (3, 3) rotation of a tool at rest.
        goals: what the present demonstration has followed so far, the one under way last.
        simulator: what is moved and seen, a ``simulator_type`` with scenes of type ``spec`` (see ``Task.spec``).
    """

    simulator: World
    simulator_type: type[World]
    spec: type

    def __init__(self, rng: np.random.Generator, robot: str | RobotProfile):
        self.rng = rng
        self.profile = (load_profile(robot) if isinstance(robot, str) else robot).simulated()
        self.arms = tuple(Arm(one) for one in self.profile.arms)
        self.layout = Layout(self.profile)
        self.down = self.layout.tool_rotation(np.zeros(3))
        self.views = [view.name for view in self.profile.views]
        self.goals: list[Goal] = []
        self.simulator = self.simulator_type(self.spec.random(rng), self.profile)

    def new_scene(self, spec=None) -> None:
        """Another random scene, or this one, the robot at home; every second one looks otherwise than the plain one."""
        self.simulator.reset(self.spec.random(self.rng) if spec is None else spec)
        plain, cameras = self.rng.random() < 0.5, self.simulator.standing_cameras
        self.simulator.dress(PLAIN if plain else Appearance.random(self.rng, cameras, self.spec.free))

    @abstractmethod
    def truth(self) -> np.ndarray:
        """The record of what is where now (a scalar of the task's frame type), without chunks."""

    @abstractmethod
    def chunks(self) -> np.ndarray:
        """The expert's chunk for every subtask, as the record holds them."""

    @abstractmethod
    def pose(self) -> bool:
        """Puts hands and objects somewhere at random; False when that cannot be."""

    @abstractmethod
    def demonstrate(self, keep_every: int) -> Iterator[tuple[np.ndarray, np.void]]:
        """Follows the expert in a new scene, goal after goal, with pushes on the way; yields each n-th frame.

        A goal that begins is added to ``goals`` before its first frame, which is taken where the one before has ended.
        """

    def frame(self) -> tuple[np.ndarray, np.void]:
        """What the cameras see now (V, H, W, 3), and the truth with the expert's chunk for every subtask."""
        record = self.truth()
        record["chunks"] = self.chunks()
        return np.stack([self.simulator.render(view) for view in self.views]), record[()]

    def pixel(self, view: str, point: np.ndarray) -> np.ndarray:
        """Where ``point`` (3,) appears in a view, (2,) x and y; NaN when it is outside."""
        pixel = self.simulator.project(view, point)
        return pixel if (pixel >= 0).all() and (pixel < IMAGE_SIZE).all() else np.full(2, np.nan)

    def lead(self, arm: int, aim: np.ndarray) -> np.ndarray:
        """``aim`` (3,) brought near to where that arm's hand is.

        An aim leads the arm a little, as a controller's reference does, but never runs away from it.
        """
        here = self.simulator.arms[arm].tcp[0]
        return here + np.clip(aim - here, -_LEAD, _LEAD)

    def aside(self, reach: float, near: float) -> np.ndarray:
        """(2,) m from a goal, at any height alike: within ``reach`` of it, every second time within about ``near``.

        Were low hands always well aligned, as an expert's are, height alone would tell when to close or let go, and
        the model would not learn to look.
        """
        if self.rng.random() < 0.5:
            return self.rng.normal(0, near, 2)
        angle, distance = self.rng.uniform(0, 2 * np.pi), reach * self.rng.random()
        return distance * np.array([np.cos(angle), np.sin(angle)])

    def move(self, positions: Sequence[np.ndarray], openings: Sequence[float]) -> None:
        """Moves each arm's tool, pointing down, to a position (3,) within ``DT``, and its gripper to an opening."""
        paths = []
        for hand, arm, position, opening in zip(self.simulator.arms, self.arms, positions, openings, strict=True):
            hand.set_gripper(opening)
            start = hand.targets
            paths.append((hand, start, arm.ik(position, self.down, start).q - start))
        steps = round(DT / CONTROL_DT)
        for k in range(1, steps + 1):
            for hand, start, way in paths:
                hand.set_joint_targets(start + way * k / steps)
            self.simulator.step(CONTROL_DT)
