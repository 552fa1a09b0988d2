# SPDX-License-Identifier: Apache-2.0
"""Tables against rows: lengths, offsets, files, indices that count on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Rows, Survey

_EDITED = "Stale after an edit or a merge; write the set anew: wall-oss data filter."
_AGAIN = "Download or write the dataset again."
_NAMED = 10  # episodes in a message


class Run(NamedTuple):
    """Where rows of an episode lie."""

    episode: int
    length: int
    file: Path
    at: int
    first_index: float
    first_frame: float
    tasks: tuple[int, ...]


def run(rows: Rows) -> Run:
    """What is kept of rows for ``of_dataset``."""
    index, frame, task = (rows.columns.get(name) for name in ("index", "frame_index", "task_index"))
    return Run(
        rows.episode,
        len(rows),
        rows.file,
        rows.at,
        np.nan if index is None else float(index[0, 0]),
        np.nan if frame is None else float(frame[0, 0]),
        () if task is None else tuple(int(number) for number in np.unique(task)),
    )


def of_episode(survey: Survey, rows: Rows) -> Iterator[Finding]:
    """Indices that do not count on by one."""
    episode = rows.episode
    for name in ("frame_index", "index"):
        if name not in rows.columns:
            continue
        steps = np.diff(rows.columns[name][:, 0])
        if (wrong := np.flatnonzero(steps != 1)).size:
            at = int(wrong[0])
            kind = "is there twice" if steps[at] == 0 else "goes back" if steps[at] < 0 else "leaves out rows"
            yield Finding(
                "error",
                name.replace("_", " "),
                f"{name} {kind} {len(wrong)} times: {rows.columns[name][at, 0]:g} is followed by "
                f"{rows.columns[name][at + 1, 0]:g}.",
                _EDITED if name == "index" else "Rows are missing or out of order; write the episode again.",
                episode,
                at + 1,
                name,
            )


def of_dataset(survey: Survey, runs: list[Run]) -> Iterator[Finding]:
    """What the tables say against what lies there."""
    by_episode: dict[int, list[Run]] = {}
    for one in runs:
        by_episode.setdefault(one.episode, []).append(one)
    yield from _totals(survey, runs, by_episode)
    for episode, row in sorted(survey.table.items()):
        there = by_episode.get(episode, [])
        length, count = row.get("length"), sum(one.length for one in there)
        if not there:
            if length != 0:
                yield Finding(
                    "error",
                    "missing rows",
                    f"The table of episodes has episode {episode} of {length} frames; the data hold no row of it.",
                    _AGAIN,
                    episode,
                )
            continue
        if length != count:
            yield Finding(
                "error",
                "length",
                f"The table of episodes says {length} frames, the data hold {count} rows.",
                _EDITED,
                episode,
            )
        if len(there) > 1:
            yield Finding(
                "error",
                "scattered rows",
                f"The rows lie in {len(there)} places, with other episodes between.",
                _EDITED,
                episode,
            )
        yield from _place(survey, episode, row, there[0], count)
    for episode in sorted(set(by_episode) - set(survey.table)):
        yield Finding(
            "error",
            "episode table",
            f"The data hold {sum(o.length for o in by_episode[episode])} rows of episode "
            f"{episode}, which the table of episodes does not have.",
            _EDITED,
            episode,
        )


def _place(survey: Survey, episode: int, row: Mapping, first: Run, count: int) -> Iterator[Finding]:
    if (path := survey.data_path(episode)) is None:
        yield Finding(
            "error", "offsets", "The table of episodes does not say in which file its rows are.", _EDITED, episode
        )
    elif path != first.file:
        yield Finding(
            "error",
            "offsets",
            f"The rows are in {survey.of(first.file)}, not in {survey.of(path)} as the tables say.",
            _EDITED,
            episode,
        )
    low, high = row.get("dataset_from_index"), row.get("dataset_to_index")
    if low is not None and low != first.at:
        yield Finding(
            "error",
            "offsets",
            f"dataset_from_index is {low}; the rows begin at {first.at}.",
            _EDITED,
            episode,
            0,
            "dataset_from_index",
        )
    if low is not None and high is not None and high - low != count:
        yield Finding(
            "error",
            "offsets",
            f"dataset_from_index {low} to dataset_to_index {high} are {high - low} rows; there are {count}.",
            _EDITED,
            episode,
            None,
            "dataset_to_index",
        )
    if np.isfinite(first.first_index) and first.first_index != first.at:
        yield Finding(
            "error",
            "index",
            f"index begins at {first.first_index:g}; it is row {first.at} of the dataset.",
            _EDITED,
            episode,
            0,
            "index",
        )
    if np.isfinite(first.first_frame) and first.first_frame != 0:
        yield Finding(
            "error",
            "frame index",
            f"frame_index begins at {first.first_frame:g} instead of 0.",
            _EDITED,
            episode,
            0,
            "frame_index",
        )


def _totals(survey: Survey, runs: list[Run], by_episode: Mapping[int, list[Run]]) -> Iterator[Finding]:
    values = survey.info.values
    frames = sum(one.length for one in runs)
    for key, there in (
        ("total_episodes", len(survey.table)),
        ("total_frames", frames),
        ("total_tasks", len(survey.tasks)),
    ):
        if key in values and values[key] != there:
            yield Finding(
                "warning",
                "totals",
                f"info.json says {key} {values[key]!r}; there are {there}.",
                "Correct info.json, or write the set anew: wall-oss data filter.",
                column=key,
            )
    missing = _left_out(survey.table)
    if missing:
        yield Finding(
            "warning",
            "episode numbers",
            f"Episodes are numbered up to {max(survey.table)}, without "
            f"{', '.join(map(str, missing[:_NAMED]))}{' ...' if len(missing) > _NAMED else ''}.",
            "Many readers expect 0, 1, 2 ...; number them anew: wall-oss data filter.",
        )
    order = [one.episode for one in runs]
    if order != sorted(order):
        at = next(i for i in range(1, len(order)) if order[i] < order[i - 1])
        yield Finding(
            "warning",
            "order of rows",
            f"Rows of episode {order[at]} lie after those of episode {order[at - 1]}.",
            "Readers that go by offsets take other rows; write the set anew: wall-oss data filter.",
            order[at],
        )
    listed = {survey.data_path(episode) for episode in survey.table}
    for path in survey.data_files():
        if path not in listed and not any(one.file == path for one in runs):
            yield Finding("warning", "layout", f"{survey.of(path)} belongs to no episode of the table.", "Remove it.")
    for path in sorted(p for p in listed - set(survey.data_files()) if p is not None):
        yield Finding("error", "layout", f"{survey.of(path)} is missing.", _AGAIN)
    for episode, ones in by_episode.items():
        unknown = sorted({task for one in ones for task in one.tasks if task not in survey.tasks})
        if unknown:
            yield Finding(
                "error",
                "tasks",
                f"task_index {unknown[0]} is not in the table of tasks, which has {len(survey.tasks)}.",
                "Add the task, or relabel: wall-oss data relabel.",
                episode,
                None,
                "task_index",
            )
        named = survey.table.get(episode, {}).get("tasks")
        named = [named] if isinstance(named, str) else named
        used = {survey.tasks[task] for one in ones for task in one.tasks if task in survey.tasks}
        if isinstance(named, list) and used and not unknown and set(named) != used:
            yield Finding(
                "warning",
                "tasks",
                f"The table of episodes says {_texts(named)}, the rows say {_texts(used)}.",
                "Say which is meant: wall-oss data relabel.",
                episode,
                None,
                "task_index",
            )


def _left_out(episodes: Iterable[int]) -> list[int]:
    """The first numbers up to the largest that no episode has, one more than are named; numbers may be dates."""
    found: list[int] = []
    expected = 0
    for index in sorted(episodes):
        found += range(expected, min(index, expected + _NAMED + 1 - len(found)))
        expected = index + 1
    return found


def _texts(texts) -> str:
    return " and ".join(repr(text)[:60] for text in sorted(map(str, texts))) or "no task"
