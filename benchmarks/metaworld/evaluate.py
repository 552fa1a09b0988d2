#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets a policy server drive MetaWorld, by openpi's client, on scenes that no demonstration showed.

The server gets a picture, four numbers of state and the task's sentence, nothing else. An episode ends with success at
any step, or after 500. Each one is a line of a file of JSON lines; those that are there are not run again.

    wall-oss serve CHECKPOINT --robot sawyer.yaml --mapping metaworld      # elsewhere
    python evaluate.py --tasks mt10 --output episodes.jsonl
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
from suite import FIRST_UNSEEN_SEED, TASKS, chosen

EXECUTED = 8
"""Steps of a chunk that are executed before the next is asked for."""


def run_episode(task, name: str, seed: int, infer, executed: int = EXECUTED) -> dict:
    """One episode.

    Args:
        task: :class:`simulated.Task`.
        infer: an observation to an answer with ``actions`` (n, 4), as an openpi client's.

    Returns:
        What goes into the file.

    Raises:
        ValueError: the answer has no actions that can be executed.
    """
    observation, steps, spent, requests, success, over = task.reset(seed), 0, 0.0, 0, False, False
    while not (success or over):
        request = {
            "observation/image": task.picture(),
            "observation/state": task.state(observation),
            "prompt": TASKS[name].sentence,
            "reset": requests == 0,
        }
        began = time.monotonic()
        actions = actions_of(infer(request))
        spent, requests = spent + time.monotonic() - began, requests + 1
        for action in actions[:executed]:
            observation, success, over = task.step(action)
            steps += 1
            if success or over:
                break
    return {
        "task": name, "seed": seed, "success": success, "steps": steps, "requests": requests,
        "infer_ms": round(1e3 * spent / requests, 1),
    }  # fmt: skip


def actions_of(answer: dict) -> np.ndarray:
    """The actions (n, 4) of a server's answer.

    Raises:
        ValueError: they cannot be executed.
    """
    actions = np.asarray(answer["actions"], np.float64)
    if actions.ndim != 2 or actions.shape[1] != 4 or not len(actions) or not np.isfinite(actions).all():
        raise ValueError(f"the server answered actions of shape {actions.shape}; (n, 4) finite were expected")
    return actions


def done_before(file: Path) -> set[tuple[str, int]]:
    """Episodes that the file has whole, by task and seed."""
    return {(one["task"], one["seed"]) for one in read_episodes(file)}


def read_episodes(file: Path) -> list[dict]:
    """The episodes of a file; a last line that a kill cut off is left out."""
    found = []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def work(tasks, results, uri: str, executed: int) -> None:
    """What a process does: runs episodes of tasks (name, seeds) until there are none left."""
    from openpi_client.websocket_client_policy import WebsocketClientPolicy
    from simulated import Task

    try:
        client = WebsocketClientPolicy(uri)
        for name, seeds in iter(tasks.get, None):
            task = Task(name)
            for seed in seeds:
                results.put(run_episode(task, name, seed, client.infer, executed))
            task.close()
    except Exception as error:  # whatever it is, the others must not wait for this process
        results.put(f"{type(error).__name__}: {' '.join(str(error).split())}")
        return
    results.put(None)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--tasks", default="mt10", help="mt10, mt50, a group, or tasks, by commas (default: %(default)s)")
    add("--uri", default="ws://127.0.0.1:8000", help="of the server (default: %(default)s)")
    add("--output", type=Path, required=True, metavar="FILE", help="JSON lines")
    add("--episodes", type=int, default=10, metavar="N", help="of each task (default: %(default)s)")
    add("--seed", type=int, default=FIRST_UNSEEN_SEED, help="of the first scene of each task (default: %(default)s)")
    add("--executed", type=int, default=EXECUTED, metavar="N", help="steps of a chunk (default: %(default)s)")
    add("--processes", type=int, default=2, metavar="N")
    args = parser.parse_args(arguments)
    if args.seed < FIRST_UNSEEN_SEED:
        parser.error(f"seeds below {FIRST_UNSEEN_SEED} are those of demonstrations")
    if min(args.episodes, args.executed, args.processes) < 1:
        parser.error("episodes, executed and processes are 1 or more")
    try:
        names = chosen(args.tasks)
    except ValueError as error:
        parser.error(str(error))
    done = done_before(args.output)
    todo = {name: [args.seed + n for n in range(args.episodes) if (name, args.seed + n) not in done] for name in names}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    tasks, results = context.Queue(), context.Queue()
    for one in [*((name, seeds) for name, seeds in todo.items() if seeds), *[None] * args.processes]:
        tasks.put(one)
    settings = (tasks, results, args.uri, args.executed)
    workers = [context.Process(target=work, args=settings, daemon=True) for _ in range(args.processes)]
    for worker in workers:
        worker.start()
    left, successes, count = len(workers), 0, 0
    with open(args.output, "a") as file:
        while left:
            found = results.get()
            if isinstance(found, str):
                print(f"an episode could not be run: {found}", file=sys.stderr)
                for worker in workers:
                    worker.terminate()
                return 2
            if found is None:
                left -= 1
                continue
            file.write(json.dumps(found) + "\n")
            file.flush()
            successes, count = successes + found["success"], count + 1
            how = "success" if found["success"] else "failed"
            said = f"{found['task']} {found['seed']}: {how} after {found['steps']} steps; {successes} of {count}"
            print(said, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
