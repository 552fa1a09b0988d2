# SPDX-License-Identifier: Apache-2.0
"""Faults of words, and of whole episodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_check.fault import ACTION, STATE, Fault
from data_check.sets import Content


def _short(content: Content) -> None:
    one = content.episodes[5]
    one.columns = {key: value[:9] for key, value in one.columns.items()}
    one.pictures = {key: value[:9] for key, value in one.pictures.items()}


def _long(content: Content) -> None:
    one = content.episodes[5]
    rng = np.random.default_rng(1)
    for group in (one.columns, one.pictures):
        for key, value in group.items():
            group[key] = np.concatenate([value] * 9)
    for key in (STATE, ACTION):
        one.columns[key] = one.columns[key] + rng.normal(0, 1e-3, one.columns[key].shape).astype(np.float32)


def _twice(content: Content) -> None:
    content.episodes[6] = content.episodes[1]


def _task(index: int, text: str):
    def plant(content: Content) -> None:
        content.episodes[index].task = text

    return plant


def _failed(content: Content) -> None:
    for index, episode in enumerate(content.episodes):
        episode.extra["success"] = index != 4


def _subtasks(content: Content) -> None:
    content.subtasks = ["reach", "grasp"]
    for index, episode in enumerate(content.episodes):
        values = (np.arange(len(episode)) > 30).astype(np.int64)
        if index == 2:
            values[40:] = 7
        episode.columns["subtask_index"] = values


def _latin(folder: Path) -> None:
    path = folder / "meta/tasks.jsonl"
    path.write_bytes(path.read_text().replace("drawer", "dr\u00e4wer").encode("latin-1"))


FAULTS = (
    Fault(
        "a task under two spellings",
        ("spelling",),
        ("spelling", "duplicate task", "similar"),
        content=_task(4, "Close the  wooden drawer."),
    ),
    Fault(
        "a task mistyped",
        ("spelling",),
        ("spelling", "duplicate task", "similar"),
        content=_task(4, "close the woden drawer"),
    ),
    Fault("an empty task", ("empty task",), ("empty", "task"), content=_task(4, "  ")),
    Fault("words that are not UTF-8", ("encoding",), ("utf", "decode", "encoding"), files=_latin, version="v2.1"),
    Fault("subtask out of range", ("subtasks",), ("subtask",), content=_subtasks, episode=2),
    Fault("a very short episode", ("episode length",), ("short",), content=_short, episode=5),
    Fault("a very long episode", ("episode length",), ("long",), content=_long, episode=5),
    Fault("an episode twice", ("duplicate episodes",), ("duplicate",), content=_twice, episode=6),
    Fault("an episode marked as failed", ("failed",), ("fail", "success"), content=_failed, episode=4),
)
