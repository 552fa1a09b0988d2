# SPDX-License-Identifier: Apache-2.0
"""Practice: the model acts, and the expert says what should have been done wherever that led.

Demonstrations only show states that an expert, or chance, gets into. A model makes mistakes of its own and then stands
where no demonstration has been; labelled, these states are what it learns most from (DAgger, arXiv 1011.0686).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from wall_oss_ros.policy import Policy
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.closed_loop import ClosedLoop
from wall_oss_ros.sim.cubes.frames import is_made, write_frames
from wall_oss_ros.sim.registry import task_of

_loops: list[ClosedLoop] = []  # one a robot
_seen: list[tuple[np.ndarray, np.void]] = []


def _start_worker(model: str, robots: Sequence[str]) -> None:
    policy = Policy.from_pretrained(model, threads=1, robot=load_profile(robots[0]).trained_as)
    for robot in robots:
        environment = task_of(robot).environment(np.random.default_rng(0), robot)
        _loops.append(
            ClosedLoop(policy, environment, on_look=lambda environment=environment: _seen.append(environment.frame()))
        )


def _practise(arguments: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, bool]:
    seed, number = arguments
    rng = np.random.default_rng([seed, 2, number])
    loop = _loops[number % len(_loops)]
    task = loop.task
    scene = task.scene(rng)
    loop.environment.simulator.reset(scene)
    instruction, goals = task.language.instruction(rng, loop.environment.truth()[()], absent_share=0.0)
    _seen.clear()
    episode = loop.run(scene, instruction, goals, seed=int(rng.integers(2**31)))
    return (
        np.stack([images for images, _ in _seen]),
        np.array([record for _, record in _seen], task.frame),
        episode.success,
    )


def practise(model: Path, folder: Path, episodes: int, seed: int, robots: Sequence[str], workers: int = 0) -> Path:
    """Makes a dataset of what a model sees while it follows random instructions, or leaves it if it is there already.

    Args:
        model: checkpoint folder.
        folder: for the dataset.
        episodes: instructions to follow, each on a scene of its own.
        seed: decides scenes, instructions and noise.
        robots: profiles that take turns, episode by episode; all of one task.
        workers: processes; 0 for one a core.
    """
    settings = {"practice": episodes, "seed": seed, "robots": list(robots), "version": 1}
    if is_made(folder, settings):
        return folder
    images, frames, reached = [], [], 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers or os.cpu_count(), _start_worker, (str(model), tuple(robots))) as pool:
        results = pool.imap(_practise, [(seed, number) for number in range(episodes)])
        for some_images, some_frames, success in track(results, "practice", total=episodes):
            images.append(some_images)
            frames.append(some_frames)
            reached += success
    print(f"practice: {reached} of {episodes} instructions followed, {sum(map(len, frames))} frames to learn from")
    write_frames(folder, images, frames, settings)
    return folder
