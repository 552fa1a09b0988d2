# SPDX-License-Identifier: Apache-2.0
"""Datasets from the simulator, as training reads them, and how they are made: scripted demonstrations and posed scenes.

Each frame carries labels for every subtask that could be asked for, because the same picture is shown to the model with
different instructions: only then do the words, not the picture alone, decide what the arm does. Work is split into
numbered jobs with a seed each, so the result does not depend on how many processes share it.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.progress import track

from wall_oss_ros.data.dataset import ActingSample, Dataset, LanguageSample, follow_path
from wall_oss_ros.data.frames import FrameSet, is_made, write_frames
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.normalizer import Normalizer, from_values
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.steps import HORIZON
from wall_oss_ros.sim.task import DOF, Task
from wall_oss_ros.training.recipe import Recipe

POSED_PER_JOB = 100
EPISODES_PER_JOB = 4
_LEAST_RANGE = 0.1  # m or rad
Frames = tuple[np.ndarray, np.ndarray]
"""Images (n, V, H, W, 3) and records (n,)."""


class SimulatedDataset(Dataset):
    """Frames of a task. What is asked about a frame, and which of its chunks are shown, the task draws.

    Args:
        frames: with the task's records.
        robots: the profiles they are of, which share views and statistics.
        held_out: how many of the last frames are kept for validation.
    """

    horizon = HORIZON

    def __init__(self, frames: FrameSet, task: Task, robots: Sequence[str], held_out: int = 0):
        self.frames, self.task, self.held_out, self.things = frames, task, held_out, task.things
        profiles = [load_profile(robot) for robot in robots]
        self.robots = tuple(profile.trained_as for profile in profiles)
        self.views = tuple(view.name for view in profiles[0].views)
        self._grippers = [layout.gripper for layout in Layout(profiles[0]).arms]
        self._mask = np.isin(np.arange(DOF), np.arange(DOF)[task.slots])

    def __len__(self) -> int:
        return len(self.frames)

    def images(self, indices: np.ndarray) -> np.ndarray:
        return self.frames.images[indices]

    def states(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        states = self.task.states(self.frames.frames[indices])
        return states, np.broadcast_to(self._mask, states.shape)

    def language(
        self, rng: np.random.Generator, index: int, kinds: Mapping[str, float] | None = None
    ) -> LanguageSample:
        return LanguageSample(*self.task.language.sample(rng, self.frames.frames[index], kinds))

    def acting(
        self, rng: np.random.Generator, index: int, count: int, paths: Mapping[str, float] | None = None
    ) -> list[ActingSample]:
        """Different subtasks, as a rule; of those of which ``paths`` make something else, some may be the same."""
        frame = self.frames.frames[index]
        mask, found = np.broadcast_to(self._mask, (HORIZON, DOF)), []
        for text, i in self.task.acting(rng, frame, count):
            said = ""
            if paths is not None and rng.random() * sum(paths.values()) >= paths.get("subtask", 0):
                text, i, said = self._instructed(rng, frame, paths) or (text, i, said)
            found.append(ActingSample(text, self.task.actions(frame["chunks"][i]), mask, said))
        return found

    def _instructed(
        self, rng: np.random.Generator, frame: np.void, paths: Mapping[str, float]
    ) -> tuple[str, int, str] | None:
        """An instruction, the chunk for what it calls for, and what is said first; None where it calls for nothing."""
        language, names = self.task.language, self.task.subtasks(frame)[0]
        text, goals = language.instruction(rng, frame, absent_share=0.0)
        subtask = language.active_subtask(frame, goals)
        if subtask not in names or len(language.phases(goals)) > 1:  # of several phases, a frame tells none
            return None
        others = {path: share for path, share in paths.items() if path != "subtask"}
        thought = language.thought(frame, goals) if others.get("thought") else None
        way = follow_path(rng, others, text, subtask, thought)
        return way and (way[0], names.index(subtask), way[1])

    def statistics(self) -> tuple[Normalizer, Normalizer]:
        """Least value and range. A position or angle that hardly moves gets ``_LEAST_RANGE`` around its middle, so that
        noise in it is not blown up."""
        frames, slots = self.frames.frames, self.task.slots
        least = np.where(np.isin(np.arange(DOF), self._grippers), 0.0, _LEAST_RANGE)[slots]
        chunks = frames["chunks"].reshape(-1, len(least))
        states, actions = (
            from_values(values, least=least, dof_mask=np.ones(len(least), bool)).placed(DOF, slots)
            for values in (self.task.arm_states(frames), chunks)
        )
        return states, actions

    def vocabulary(self) -> list[str]:
        return self.task.language.vocabulary()

    def sentences(self) -> dict[str, Any]:
        return self.task.language.sentences()

    def vision_targets(self, indices: np.ndarray) -> np.ndarray:
        return self.task.pixels(self.frames.frames[indices])

    def after(self, earlier: Sequence[SimulatedDataset]) -> SimulatedDataset:
        joined = object.__new__(SimulatedDataset)
        joined.__dict__ |= self.__dict__ | {"frames": self.frames.after([one.frames for one in earlier])}
        return joined


def shared_task(recipe: Recipe) -> Task:
    """What the recipe's robots are to learn.

    Raises:
        WallOSSError: their scenes, or their views, differ.
    """
    profiles = [load_profile(robot) for robot in recipe.robots]
    tasks = [task_of(profile) for profile in profiles]
    for what, values in (
        ("views", [[view.name for view in profile.views] for profile in profiles]),
        ("tasks", [type(task).__name__ for task in tasks]),
    ):
        if any(value != values[0] for value in values):
            raise WallOSSError(
                f"The recipe {recipe.name} trains on {', '.join(recipe.robots)}, whose {what} differ: {values}.",
                f"Train robots with different {what} each by a recipe of its own.",
            )
    return tasks[0]


def make_dataset(recipe: Recipe, folder: Path, workers: int = 0) -> SimulatedDataset:
    """The recipe's dataset, made in ``folder`` unless it is there already with the same settings.

    Episodes and posed frames are rounded up to whole jobs; the recipe's robots take turns, job by job.

    Args:
        workers: processes; 0 for one a core.

    Raises:
        WallOSSError: as :func:`shared_task`.
    """
    d, task, settings = recipe.data, shared_task(recipe), _settings(recipe)
    if not is_made(folder, settings):
        turn = itertools.cycle(recipe.robots)
        counts = _job_counts(recipe)
        jobs = [(kind, n, d.seed, d.keep_every, next(turn)) for kind, count in counts.items() for n in range(count)]
        # Kinds mix, also in the held-out end.
        jobs = [jobs[i] for i in np.random.default_rng(d.seed).permutation(len(jobs))]
        made = in_processes(_demonstrate, jobs, workers)
        images, records = map(list, zip(*track(made, "demonstrations", total=len(jobs))))
        write_frames(folder, images, records, settings)
    return SimulatedDataset(FrameSet.open(folder, task.frame), task, recipe.robots, d.held_out)


def _settings(recipe: Recipe) -> dict:
    """What decides the recipe's frames."""
    d = recipe.data
    return {
        "episodes": d.episodes, "posed_frames": d.posed_frames, "keep_every": d.keep_every, "seed": d.seed,
        "robots": list(recipe.robots), "version": 3,
    }  # fmt: skip


def _job_counts(recipe: Recipe) -> dict[str, int]:
    d = recipe.data
    return {"posed": -(-d.posed_frames // POSED_PER_JOB), "demonstrated": -(-d.episodes // EPISODES_PER_JOB)}


@contextmanager
def foretaste(recipe: Recipe, folder: Path, workers: int = 0) -> Iterator[tuple[SimulatedDataset, str]]:
    """The recipe's dataset where ``folder`` holds it, or else some of it, for as long as the context lasts; and what
    making all of it takes, in words."""
    if is_made(folder, _settings(recipe)):
        yield make_dataset(recipe, folder), f"the demonstrations are in {folder} already"
        return
    robots, counts = len(recipe.robots), _job_counts(recipe)
    few = {
        "episodes": min(EPISODES_PER_JOB * robots, recipe.data.episodes),
        "posed_frames": min(POSED_PER_JOB * robots, recipe.data.posed_frames),
    }
    small = recipe.model_copy(update={"data": recipe.data.model_copy(update=few | {"held_out": 16})})
    with TemporaryDirectory() as work:
        began = time.monotonic()
        data, made = make_dataset(small, Path(work), workers), _job_counts(small)
        spent = time.monotonic() - began
        demonstrated = (len(data) - made["posed"] * POSED_PER_JOB) / made["demonstrated"]
        frames = counts["posed"] * POSED_PER_JOB + counts["demonstrated"] * demonstrated
        size, minutes = frames * np.prod(data.frames.images.shape[1:]) / 1e9, spent / 60 * frames / len(data)
        yield (
            data,
            f"shown are {len(data)} frames; the run makes about {frames:,.0f} in {folder}: {size:.1f} GB, and about "
            f"{minutes:.0f} min at the pace of these",
        )


def in_processes(
    work: Callable, jobs: Sequence, workers: int, initializer: Callable | None = None, arguments: tuple = ()
) -> Iterator:
    """What ``work`` gives for each job, in their order, by ``workers`` processes; 0 for one a core."""
    with multiprocessing.get_context("spawn").Pool(workers or os.cpu_count(), initializer, arguments) as pool:
        yield from pool.imap(work, jobs)


def stacked(frames: Sequence[tuple[np.ndarray, np.void]], task: Task) -> Frames:
    """Frames as an environment gives them, one by one, as two arrays."""
    return np.stack([images for images, _ in frames]), np.array([record for _, record in frames], task.frame)


def _demonstrate(job: tuple[str, int, int, int, str]) -> Frames:
    kind, number, seed, keep_every, robot = job
    rng = np.random.default_rng([seed, 0 if kind == "posed" else 1, number])
    task = task_of(robot)
    environment = task.environment(rng)
    frames: list[tuple[np.ndarray, np.void]] = []
    if kind == "posed":
        while len(frames) < POSED_PER_JOB:
            if environment.pose():
                frames.append(environment.frame())
    else:
        for _ in range(EPISODES_PER_JOB):
            frames.extend(environment.demonstrate(keep_every))
    environment.simulator.close()
    return stacked(frames, task)
