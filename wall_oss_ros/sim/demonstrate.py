# SPDX-License-Identifier: Apache-2.0
"""Makes a LeRobot dataset of a simulated robot's demonstrations, or goes on with one.

Attempts are numbered, and each is a function of seed and number alone: however often the making was broken off, and
however many processes share it, the same episodes come in the same order. Those that failed go into a dataset beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.lerobot import EpisodeData, LeRobotWriter, open_dataset
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.datasets import in_processes
from wall_oss_ros.sim.episodes import FPS, LANGUAGE, EpisodeMaker, demonstrations
from wall_oss_ros.sim.registry import task_of

MAPPING = "mapping.yaml"
_PATIENCE = 50
"""Failures in a row after which it is given up."""
_EACH = 1.3
"""Demonstrations of an attempt, about; so that not many more are made than are wanted."""
Key = tuple[int, int]
"""Number of the attempt, and of the demonstration in it."""


class Made(NamedTuple):
    """What there is now: successes, failures, and how many of both were made just now."""

    episodes: int
    failed: int
    new: int


def failed_folder(output: Path) -> Path:
    """Where the failures go."""
    return output.with_name(f"{output.name}-failed")


def make_demonstrations(
    robot: str, episodes: int, seed: int, output: Path, workers: int = 0, say: Callable[[str], None] = print
) -> Made:
    """Adds to ``output`` until it holds so many successful episodes.

    Args:
        workers: processes; 0 for one a core, 1 for none beside this one.
        say: is given each line for the user.

    Raises:
        WallOSSError: the robot has no simulation, the folder holds something else, or nothing succeeds.
    """
    profile = load_profile(robot)
    maker = EpisodeMaker(task_of(profile))
    folders = (output, failed_folder(output))
    there = [_known(folder, seed) for folder in folders]
    good, bad, new = len(there[0]), len(there[1]), 0
    known = {*there[0], *there[1]}
    options = dict(features=maker.features, robot_type=profile.full_name, append=True, language=LANGUAGE)
    writers: list[LeRobotWriter | None] = [LeRobotWriter(output, FPS, **options), None]
    try:
        (output / MAPPING).write_text(maker.mapping(), encoding="utf-8")
        in_a_row = 0
        number = max((attempt for attempt, _ in known), default=0)
        while good < episodes:
            count = -int(-(episodes - good) // _EACH)
            jobs = [(robot, seed, attempt) for attempt in range(number, number + count)]
            number += count
            for key, episode in _made(jobs, workers):
                if key in known or good >= episodes:
                    continue
                success = bool(episode.extra["success"])
                writer = writers[not success]
                if writer is None:
                    writer = writers[1] = LeRobotWriter(folders[1], FPS, **options)
                    (folders[1] / MAPPING).write_text(maker.mapping(), encoding="utf-8")
                writer.add(episode)
                known.add(key)
                good, bad, new = good + success, bad + (not success), new + 1
                in_a_row = 0 if success else in_a_row + 1
                word = f"episode {good - 1}" if success else "failed"
                say(f"attempt {key[0]}.{key[1]}: {word}, {len(episode.columns['action'])} frames, {episode.task}")
                if in_a_row >= _PATIENCE:
                    raise WallOSSError(
                        f"{_PATIENCE} demonstrations in a row failed, and were written to {folders[1]}.",
                        "Look at them: wall-oss data view.",
                    )
    finally:
        for one in writers:
            if one is not None:
                one.close()
    return Made(good, bad, new)


def _made(jobs: list[tuple[str, int, int]], workers: int) -> Iterator[tuple[Key, EpisodeData]]:
    """Episodes attempt by attempt, in order."""
    done = map(_attempt, jobs) if workers == 1 else in_processes(_attempt, jobs, workers)
    for (_, _, attempt), made in zip(jobs, done):
        for part, episode in enumerate(made):
            yield (attempt, part), episode


def _attempt(job: tuple[str, int, int]) -> list[EpisodeData]:
    robot, seed, attempt = job
    task = task_of(robot)
    maker, words = EpisodeMaker(task), np.random.default_rng([seed, 4, attempt])
    shown = demonstrations(task, np.random.default_rng([seed, 3, attempt]))
    return [
        maker.episode(one, words, {"seed": seed, "attempt": attempt, "part": part}) for part, one in enumerate(shown)
    ]


def _known(folder: Path, seed: int) -> set[Key]:
    """Which demonstrations a dataset holds; none where there is no dataset.

    Raises:
        WallOSSError: it is of something else, or of another seed.
    """
    if not (folder / "meta" / "info.json").exists():
        return set()
    found = set()
    for episode in open_dataset(folder).episodes:
        key = tuple(episode.extra.get(name) for name in ("seed", "attempt", "part"))
        if None in key:
            raise WallOSSError(
                f"{folder} is there already, and no dataset of demonstrations in simulation.", "Name another folder."
            )
        if key[0] != seed:
            raise WallOSSError(
                f"{folder} was made with the seed {key[0]}, not {seed}.",
                f"Say --seed {key[0]}, or name another folder.",
            )
        found.add((int(key[1]), int(key[2])))
    return found
