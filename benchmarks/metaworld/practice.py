#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Episodes in which a trained model acts, and the scripted expert says at each step what should be done (DAgger, arXiv
1011.0686). Needs the packages metaworld, pyarrow, av and openpi-client.

Demonstrations show how things go well; here it is shown how to stay, and to come back from where the model's own
mistakes lead. Model and expert take turns of some steps each, so that episodes get beyond what the model cannot do yet.
The dataset is as `collect.py` writes it: `action` is what the expert wanted, `executed_action` what was done. Scenes
are neither those of demonstrations nor those of evaluations. Episodes without success are kept with the others: what
the expert wants in them is right all the same.

    wall-oss serve CHECKPOINT --robot sawyer.yaml --mapping metaworld      # elsewhere
    python practice.py --tasks mt10 --episodes 20 --output practice
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from collect import demonstrate, episodes, so_far, writing
from evaluate import EXECUTED, actions_of
from suite import PIXELS, PRACTICE_SEED, TASKS, chosen

from wall_oss_ros.errors import WallOSSError

SHARE = 0.7
"""Of turns that are the model's."""
LONGEST, TAIL = 200, 25
"""Steps of an episode, and those of the expert after its success, in which it shows how to stay."""


class Turns:
    """Model and expert act by turns.

    Args:
        infer: an observation to an answer with ``actions`` (n, 4), as an openpi client's.
        sentence: the task's.
        seed: of the episode.
    """

    strength = 0.0

    def __init__(self, infer, sentence: str, seed: int):
        self._infer, self._sentence, self._rng = infer, sentence, np.random.default_rng([seed, 31])
        self._chunk: list[np.ndarray] = []
        self._left, self._first = 0, True

    def __call__(self, wanted: np.ndarray, picture: np.ndarray, state: np.ndarray) -> np.ndarray:
        """The action (4,) of whose turn it is, -1 to 1."""
        if not self._left:
            self._left, self._chunk = EXECUTED, []
            if self._rng.random() < SHARE:
                request = {
                    "observation/image": picture, "observation/state": state, "prompt": self._sentence,
                    "reset": self._first,
                }  # fmt: skip
                self._chunk = list(actions_of(self._infer(request))[:EXECUTED])
                self._left, self._first = len(self._chunk), False
        self._left -= 1
        return np.clip(self._chunk.pop(0), -1, 1) if self._chunk else wanted


def work(tasks, results, wanted: int, pixels: int, uri: str) -> None:
    """What a process does: practises tasks (name, episodes so far, next seed) until there are none left."""
    from openpi_client.websocket_client_policy import WebsocketClientPolicy
    from simulated import Task

    client = WebsocketClientPolicy(uri)
    for name, count, seed in iter(tasks.get, None):
        task = Task(name, pixels)
        for number in range(wanted - count):
            turns = Turns(client.infer, TASKS[name].sentence, seed + number)
            results.put((name, demonstrate(task, name, seed + number, turns, TAIL, LONGEST)))
        results.put((name, None))
        task.close()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--tasks", default="mt10", help="mt10, mt50, a group, or tasks, by commas (default: %(default)s)")
    add("--uri", default="ws://127.0.0.1:8000", help="of the model's server (default: %(default)s)")
    add("--output", type=Path, required=True, metavar="DIR")
    add("--episodes", type=int, default=20, metavar="N", help="of each task (default: %(default)s)")
    add("--pixels", type=int, default=PIXELS, help="side of the pictures (default: %(default)s)")
    add("--processes", type=int, default=2, metavar="N")
    args = parser.parse_args(arguments)
    if not 1 <= args.episodes <= 1000 or args.processes < 1 or args.pixels % 2:
        parser.error("episodes are 1 to 1000, processes 1 or more, pixels even")
    try:
        names = chosen(args.tasks)
    except ValueError as error:
        parser.error(str(error))
    good, bad, after = so_far([args.output])
    there = good + bad
    todo = [
        (name, there[name], max(after.get(name, 0), PRACTICE_SEED)) for name in names if there[name] < args.episodes
    ]
    began, reached = time.monotonic(), 0
    with writing(args.output, args.pixels) as writer:
        for name, episode in episodes(todo, args.processes, work, args.episodes, args.pixels, args.uri):
            if episode is None:
                print(f"{name}: done after {time.monotonic() - began:.0f} s, {reached} successes so far", flush=True)
                continue
            writer.add(episode)
            reached += episode.extra["success"]
    print(f"{len(names)} tasks practised {args.episodes} times each, in {args.output}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WallOSSError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
