# SPDX-License-Identifier: Apache-2.0
"""Makes datasets: many frames of a task's posed and demonstrated scenes.

Work is split into numbered jobs with a seed each, so the result does not depend on how many processes share it.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from wall_oss_ros.sim.cubes.frames import is_made, write_frames
from wall_oss_ros.sim.registry import task_of

POSED_PER_JOB = 100
EPISODES_PER_JOB = 4


def _job(arguments: tuple) -> tuple[np.ndarray, np.ndarray]:
    kind, number, seed, keep_every, robot = arguments
    rng = np.random.default_rng([seed, 0 if kind == "posed" else 1, number])
    task = task_of(robot)
    environment = task.environment(rng, robot)
    taken: list[tuple[np.ndarray, np.void]] = []
    if kind == "posed":
        while len(taken) < POSED_PER_JOB:
            if environment.pose():
                taken.append(environment.frame())
    else:
        for _ in range(EPISODES_PER_JOB):
            taken.extend(environment.demonstrate(keep_every))
    environment.simulator.close()
    return np.stack([images for images, _ in taken]), np.array([record for _, record in taken], task.frame)


def generate(
    folder: str | Path,
    episodes: int,
    posed_frames: int,
    keep_every: int,
    seed: int,
    workers: int = 0,
    robots: Sequence[str] = ("franka",),
) -> Path:
    """Makes a dataset in ``folder``, or leaves it if it is there already with the same settings.

    Args:
        episodes: demonstrations, rounded up to whole jobs.
        posed_frames: posed frames, rounded up to whole jobs.
        keep_every: keep each n-th frame (0.1 s apart) of a demonstration.
        seed: decides every scene and disturbance.
        workers: processes; 0 for one a core.
        robots: profiles that take turns, job by job; all of one task.
    """
    folder = Path(folder)
    settings = {
        "episodes": episodes, "posed_frames": posed_frames, "keep_every": keep_every, "seed": seed,
        "robots": list(robots), "version": 2,
    }  # fmt: skip
    if is_made(folder, settings):
        return folder
    turn = itertools.cycle(robots)
    jobs = [("posed", n, seed, keep_every, next(turn)) for n in range(-(-posed_frames // POSED_PER_JOB))]
    jobs += [("demonstrated", n, seed, keep_every, next(turn)) for n in range(-(-episodes // EPISODES_PER_JOB))]
    jobs = [jobs[i] for i in np.random.default_rng(seed).permutation(len(jobs))]  # kinds mix, also in the held-out end
    images, frames = [], []
    with multiprocessing.get_context("spawn").Pool(workers or os.cpu_count()) as pool:
        for some_images, some_frames in track(pool.imap(_job, jobs), "demonstrations", total=len(jobs)):
            images.append(some_images)
            frames.append(some_frames)
    write_frames(folder, images, frames, settings)
    return folder
