#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of MetaWorld's scripted experts as a LeRobot dataset. Needs the packages metaworld, pyarrow and av.

Two of three episodes are disturbed: now and then the hand is pushed aside for some steps, or closed fingers are held
open, so that what they held is lost and has to be taken again. The column `action` is what the expert wanted, so that
the way back is learnt; `executed_action` is what was done.
Episodes that failed go into a dataset of their own beside it. What only a simulator knows is said in words alone, as
questions that point to hand, object and goal (language_events), and never is an input of a policy.

Killed at any point, the same command goes on where it was.

    python collect.py --tasks mt10 --output demonstrations
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from typing import Protocol

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from suite import DEMONSTRATIONS, FIRST_UNSEEN_SEED, PIXELS, RATE_HZ, TASKS, chosen, questions

from wall_oss_ros.data.lerobot import Entry, EpisodeData, Feature, LeRobotWriter, open_dataset
from wall_oss_ros.errors import WallOSSError

VIEW = "observation.image"
TAIL = 10
"""Steps that an expert goes on for after its success: chunks that begin shortly before it are whole."""
ATTEMPTS = 4
"""Times the demonstrations wanted, after which a task is given up."""
PUSHES = 0.03
"""In each step, the chance that a push begins; it lasts 4 to 10 steps."""
SLIPS = 0.01
"""In each step of closing or closed fingers, the chance that they begin to be held open, for 6 to 14 steps."""
ACTION = ("x", "y", "z", "effort")


def features(pixels: int) -> dict[str, Feature]:
    return {
        VIEW: Feature("video", (pixels, pixels, 3), ("height", "width", "channels")),
        "observation.state": Feature("float32", (4,), ("x", "y", "z", "gripper")),
        "action": Feature("float32", (4,), ACTION),
        "executed_action": Feature("float32", (4,), ACTION),
    }


def writing(folder: Path, pixels: int) -> LeRobotWriter:
    """Writes episodes as :func:`demonstrate` makes them, behind those that are there."""
    return LeRobotWriter(
        folder,
        RATE_HZ,
        features=features(pixels),
        robot_type="metaworld_sawyer",
        append=True,
        language=("language_events", "language_events.further"),  # several questions about a picture
    )


class Acts(Protocol):
    """Who acts, knowing what the expert wants."""

    strength: float

    def __call__(self, wanted: np.ndarray, picture: np.ndarray, state: np.ndarray) -> np.ndarray:
        """The action (4,) that is done."""


class Disturbance:
    """What becomes of an expert's actions in an episode.

    Args:
        seed: of the episode; every third one is left alone.
        strength: standard deviation of a push along each axis, in the action's unit (1 cm a step); 0 for none, and no
            slips either.
    """

    def __init__(self, seed: int, strength: float):
        self.strength = 0.0 if seed % 3 == 0 else strength
        self._rng, self._pushed, self._open, self._push = np.random.default_rng([seed, 12]), 0, 0, np.zeros(3)

    def __call__(
        self, wanted: np.ndarray, picture: np.ndarray | None = None, state: np.ndarray | None = None
    ) -> np.ndarray:
        """The action (4,) that is done instead of the one that is wanted; whatever is seen."""
        if not self.strength:
            return wanted
        done = wanted.copy()
        if self._pushed:
            self._pushed -= 1
        elif self._rng.random() < PUSHES:
            self._pushed = int(self._rng.integers(3, 10))
            self._push = self.strength * self._rng.normal(size=3)
        else:
            self._push = np.zeros(3)
        done[:3] = np.clip(done[:3] + self._push, -1, 1)
        if self._open:
            self._open -= 1
            done[3] = -1
        elif wanted[3] > 0 and self._rng.random() < SLIPS:
            self._open = int(self._rng.integers(6, 15))
        return done


def demonstrate(task, name: str, seed: int, acts: Acts, tail: int = TAIL, longest: int = 10_000) -> EpisodeData:
    """One episode, with what the expert wants at each step.

    Args:
        task: :class:`simulated.Task`.
        acts: what becomes of that, until the task has succeeded.
        tail: steps after success.
        longest: steps, at most.
    """
    observation, left = task.reset(seed), None
    pictures, states, actions, executed, events = [], [], [], [], []
    for row in range(longest):
        wanted = task.expert(observation)
        pictures.append(task.picture())
        states.append(task.state(observation))
        done = acts(wanted, pictures[-1], states[-1]) if left is None else wanted
        actions.append(wanted)
        executed.append(done)
        for question, answer in questions(TASKS[name].sentence, task.points(observation)):
            events += [
                (row, Entry("user", question, "vqa", None, VIEW)),
                (row, Entry("assistant", answer, "vqa", None, VIEW)),
            ]
        observation, success, over = task.step(done)
        if left is None and success:
            left = tail
        if over or left == 0:
            break
        left = left and left - 1
    columns = {"observation.state": states, "action": actions, "executed_action": executed}
    return EpisodeData(
        {key: np.array(values, np.float32) for key, values in columns.items()},
        {VIEW: np.array(pictures)},
        TASKS[name].sentence,
        events=events,
        extra={"metaworld_task": name, "seed": seed, "disturbance": acts.strength, "success": left is not None},
    )


def work(tasks, results, wanted: int, strength: float, pixels: int) -> None:
    """What a process does: demonstrates tasks (name, successes so far, next seed) until there are none left."""
    from simulated import Task

    for name, successes, seed in iter(tasks.get, None):
        task, attempts = Task(name, pixels), 0
        while successes < wanted and attempts < ATTEMPTS * wanted and seed < FIRST_UNSEEN_SEED:
            episode = demonstrate(task, name, seed, Disturbance(seed, strength))
            successes += episode.extra["success"]
            seed, attempts = seed + 1, attempts + 1
            results.put((name, episode))
        results.put((name, None))
        task.close()


def so_far(folders: list[Path]) -> tuple[Counter, Counter, dict[str, int]]:
    """Successes and failures that are on the disk, and the next seed, by task."""
    good, bad, after = Counter(), Counter(), {}
    for folder in folders:
        if not (folder / "meta" / "info.json").exists():
            continue
        for episode in open_dataset(folder).episodes:
            name = episode.extra["metaworld_task"]
            (good if episode.extra["success"] else bad)[name] += 1
            after[name] = max(after.get(name, 0), int(episode.extra["seed"]) + 1)
    return good, bad, after


def episodes(
    todo: list[tuple[str, int, int]], processes: int, work: Callable, *settings
) -> Iterator[tuple[str, EpisodeData | None]]:
    """Episodes as they come, and None after the last of a task.

    Args:
        todo: tasks, each with how many there are already and the next seed.
        work: what a process does, such as :func:`work`.

    Raises:
        WallOSSError: a process ended before its work did.
    """
    context = multiprocessing.get_context("spawn")
    tasks, results = context.Queue(), context.Queue(maxsize=2 * processes)
    for one in [*todo, *[None] * processes]:
        tasks.put(one)
    workers = [context.Process(target=work, args=(tasks, results, *settings), daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    left = len(todo)
    try:
        while left:
            try:
                name, episode = results.get(timeout=5)
            except Empty:
                if any(worker.exitcode for worker in workers) or not any(worker.is_alive() for worker in workers):
                    raise WallOSSError(
                        "A process that demonstrates has ended early; what it said stands above.",
                        "Mend that and give the same command again: it goes on where it was.",
                    ) from None
                continue
            left -= episode is None
            yield name, episode
    finally:
        for worker in workers:
            worker.terminate()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--tasks", default="mt10", help="mt10, mt50, a group, or tasks, by commas (default: %(default)s)")
    add("--output", type=Path, required=True, metavar="DIR", help="failed episodes go to DIR-failed")
    add("--demonstrations", type=int, default=DEMONSTRATIONS, metavar="N", help="of each task (default: %(default)s)")
    add("--disturbance", type=float, default=0.5, metavar="S", help="of pushes, cm a step (default: %(default)s)")
    add("--pixels", type=int, default=PIXELS, help="side of the pictures (default: %(default)s)")
    add("--processes", type=int, default=2, metavar="N")
    args = parser.parse_args(arguments)
    if not 1 <= args.demonstrations <= 1000 or args.processes < 1 or args.pixels % 2 or args.disturbance < 0:
        parser.error("demonstrations are 1 to 1000, processes 1 or more, pixels even, a disturbance 0 or more")
    try:
        tasks = chosen(args.tasks)
    except ValueError as error:
        parser.error(str(error))
    failed = args.output.with_name(args.output.name + "-failed")
    good, bad, after = so_far([args.output, failed])
    todo = [(name, good[name], after.get(name, 0)) for name in tasks if good[name] < args.demonstrations]
    began, frames = time.monotonic(), 0
    with writing(args.output, args.pixels) as writer, writing(failed, args.pixels) as aside:
        settings = (args.demonstrations, args.disturbance, args.pixels)
        for name, episode in episodes(todo, args.processes, work, *settings):
            if episode is None:
                print(
                    f"{name}: {good[name]} demonstrations, {bad[name]} failed; {frames} frames in "
                    f"{time.monotonic() - began:.0f} s",
                    flush=True,
                )
                continue
            success = episode.extra["success"]
            (writer if success else aside).add(episode)
            (good if success else bad)[name] += 1
            frames += len(episode.columns["action"])
    for name in tasks:
        if good[name] < args.demonstrations:
            print(f"{name}: only {good[name]} of {args.demonstrations} demonstrations succeeded")
    print(f"{sum(good[name] for name in tasks)} demonstrations of {len(tasks)} tasks in {args.output}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WallOSSError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
