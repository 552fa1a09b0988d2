# SPDX-License-Identifier: Apache-2.0
"""DAgger: the model acts, and the expert says what should have been done wherever that led.

Demonstrations only show states that an expert, or chance, gets into. A model makes mistakes of its own and then stands
where no demonstration has been; labelled, these states are what it learns most from (DAgger, arXiv 1011.0686).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from wall_oss_ros.data.frames import FrameSet, is_made, write_frames
from wall_oss_ros.policy import Policy
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.closed_loop import ClosedLoop
from wall_oss_ros.sim.datasets import SimulatedDataset, in_processes, shared_task, stacked
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.training.recipe import Recipe

_loops: list[ClosedLoop] = []  # one for each robot
_frames: list[tuple[np.ndarray, np.void]] = []  # of the running episode


class Dagger:
    """Collects, for a recipe, what its model meets when it acts; as training calls it.

    Args:
        workers: processes; 0 for one a core.
    """

    def __init__(self, recipe: Recipe, workers: int = 0):
        self._recipe, self._workers = recipe, workers

    def __call__(self, model: Path, folder: Path, episodes: int, stage: int) -> SimulatedDataset:
        """What the checkpoint ``model`` meets while it follows random instructions.

        It is stored in ``folder``, or left if it is there already. Each episode has a scene of its own, each stage
        others; the recipe's robots take turns, episode by episode.
        """
        recipe, task = self._recipe, shared_task(self._recipe)
        seed = recipe.data.seed + stage
        settings = {"dagger": episodes, "seed": seed, "robots": list(recipe.robots), "version": 1}
        if not is_made(folder, settings):
            jobs = [(seed, number) for number in range(episodes)]
            made = in_processes(_follow, jobs, self._workers, _start_worker, (str(model), tuple(recipe.robots)))
            images, frames, reached = map(list, zip(*track(made, "DAgger", total=episodes)))
            count = sum(map(len, frames))
            print(f"DAgger: {sum(reached)} of {episodes} instructions followed, {count} frames to learn from")
            write_frames(folder, images, frames, settings)
        return SimulatedDataset(FrameSet.open(folder, task.frame), task, recipe.robots)


def _start_worker(model: str, robots: Sequence[str]) -> None:
    policy = Policy.from_pretrained(model, threads=1, robot=load_profile(robots[0]).trained_as)
    policy.unlist()  # it is to learn all that the task asks for, not only what its checkpoint lists already
    for robot in robots:
        environment = task_of(robot).environment(np.random.default_rng(0))
        _loops.append(ClosedLoop(policy, environment, on_look=lambda e=environment: _frames.append(e.frame())))


def _follow(job: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, bool]:
    seed, number = job
    rng = np.random.default_rng([seed, 2, number])
    loop = _loops[number % len(_loops)]
    task = loop.task
    scene = task.scene(rng)
    loop.environment.simulator.reset(scene)
    instruction, goals = task.language.instruction(rng, loop.environment.truth()[()], absent_share=0.0)
    _frames.clear()
    episode = loop.run(scene, instruction, goals, seed=int(rng.integers(2**31)))
    return (*stacked(_frames, task), episode.success)
