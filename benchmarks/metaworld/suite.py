# SPDX-License-Identifier: Apache-2.0
"""The tasks of MetaWorld: LeRobot's sentences and groups of difficulty (tasks.json), which seeds are for what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

GROUPS = ("easy", "medium", "hard", "very_hard")
LONGEST = 500
"""Steps of an episode, as MetaWorld and LeRobot have it."""
RATE_HZ = 80.0
"""Steps a second: five of MuJoCo's of 2.5 ms."""
PIXELS = 168
"""Side of the pictures, in which a puck has ten pixels."""
DEMONSTRATIONS = 50
"""Of a task at most, as in LeRobot's dataset."""
SCENE_SEED = 500_000
"""Scenes of which only pictures are shown have seeds from here on."""
PRACTICE_SEED = 700_000
"""Scenes in which a trained model practises have seeds from here on."""
FIRST_UNSEEN_SEED = 1_000_000
"""Scenes of evaluation have seeds from here on, those of demonstrations lie below."""


class TaskWords(NamedTuple):
    """A task.

    Attributes:
        name: MetaWorld's, such as ``reach-v3``.
        sentence: the instruction.
        group: of ``GROUPS``.
    """

    name: str
    sentence: str
    group: str


def _read() -> tuple[dict[str, TaskWords], tuple[str, ...]]:
    content = json.loads((Path(__file__).parent / "tasks.json").read_text())
    tasks = {name: TaskWords(name, **words) for name, words in content["tasks"].items()}
    return tasks, tuple(content["mt10"])


TASKS, MT10 = _read()


def chosen(names: str) -> list[str]:
    """Names of tasks: ``mt10``, ``mt50``, a group of difficulty, or names with or without -v3, by commas.

    Raises:
        ValueError: there is no such task.
    """
    found: list[str] = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name == "mt50":
            found += TASKS
        elif name == "mt10":
            found += MT10
        elif name in GROUPS:
            found += [task for task, words in TASKS.items() if words.group == name]
        elif (full := f"{name.removesuffix('-v3')}-v3") in TASKS:
            found.append(full)
        else:
            raise ValueError(f"there is no task {name!r}: name mt10, mt50, one of {', '.join(GROUPS)}, or a task")
    if not found:
        raise ValueError("no task was named: mt10, mt50, a group or tasks, by commas")
    return list(dict.fromkeys(found))


def questions(sentence: str, points: dict[str, tuple[int, int] | None]) -> list[tuple[str, str]]:
    """Questions that point, and their answers, for what is in the picture.

    Args:
        sentence: the task's; which thing is the object, and where the goal is, depends on it.
        points: column and row of ``hand``, ``object`` and ``goal``; None for what is not in the picture.
    """
    asked = {
        "hand": "Point to the hand.",
        "object": f"Point to the object of the task: {sentence}",
        "goal": f"Point to the goal of the task: {sentence}",
    }
    return [(asked[name], f"<point>[{at[0]}, {at[1]}]</point>") for name, at in points.items() if at is not None]
