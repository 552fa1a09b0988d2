#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of scenes that no demonstration shows, with questions that point to hand, object and goal. Needs metaworld.

Fifty demonstrations have fifty goals, which are learnt by heart. Where things are can be learnt from pictures alone:
nothing in them says what to do. The answers are the simulator's truth, and are said to be privileged. LLaVA's form, for
a recipe's ``questions``. Their seeds are neither those of demonstrations nor those of evaluations.

    python scenes.py --tasks mt10 --output scenes --scenes 300
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np
from suite import PIXELS, SCENE_SEED, TASKS, chosen, questions

_LATEST = 60
"""Steps of the expert, at most, before the picture is taken: hands are not always at home."""


def picture(task, name: str, seed: int) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """A picture (pixels, pixels, 3) and what is asked about it, with answers."""
    observation, rng = task.reset(seed), np.random.default_rng(seed)
    for _ in range(int(rng.integers(_LATEST)) if rng.random() < 0.5 else 0):
        wanted = task.expert(observation)
        wanted[:3] = np.clip(wanted[:3] + rng.normal(0, 0.7, 3), -1, 1)
        observation, success, _ = task.step(wanted)
        if success:
            break
    return task.picture(), questions(TASKS[name].sentence, task.points(observation))


def work(job: tuple[str, int, int, int, Path]) -> list[dict]:
    """All scenes of one task; what stands in the file about them."""
    from PIL import Image
    from simulated import Task

    name, first, count, pixels, folder = job
    task, entries = Task(name, pixels), []
    for seed in range(first, first + count):
        shown, asked = picture(task, name, seed)
        file = f"{name}_{seed}.png"
        Image.fromarray(shown).save(folder / file)
        turns = [turn for question, answer in asked for turn in (("human", question), ("gpt", answer))]
        entries.append({"image": file, "conversations": [{"from": who, "value": words} for who, words in turns]})
    task.close()
    return entries


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--tasks", default="mt10", help="mt10, mt50, a group, or tasks, by commas (default: %(default)s)")
    add("--output", type=Path, required=True, metavar="DIR", help="for the pictures and questions.jsonl")
    add("--scenes", type=int, default=300, metavar="N", help="of each task (default: %(default)s)")
    add("--pixels", type=int, default=PIXELS, help="side of the pictures (default: %(default)s)")
    add("--processes", type=int, default=2, metavar="N")
    args = parser.parse_args(arguments)
    if args.scenes < 1 or args.processes < 1 or args.pixels < 28:
        parser.error("scenes and processes are 1 or more, pixels 28 or more")
    try:
        tasks = chosen(args.tasks)
    except ValueError as error:
        parser.error(str(error))
    file = args.output / "questions.jsonl"
    if file.exists():
        print(f"{file} is there already")
        return 0
    args.output.mkdir(parents=True, exist_ok=True)
    jobs = [(name, SCENE_SEED, args.scenes, args.pixels, args.output) for name in tasks]
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        entries = [entry for found in pool.imap(work, jobs) for entry in found]
    part = file.with_suffix(".part")
    part.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    part.rename(file)
    print(f"{len(entries)} scenes of {len(tasks)} tasks in {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
