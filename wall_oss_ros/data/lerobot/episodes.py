# SPDX-License-Identifier: Apache-2.0
"""The tables beside a LeRobot dataset's data: its episodes, tasks and subtasks, in whichever generation."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wall_oss_ros.data.lerobot.layout import Info, integer
from wall_oss_ros.data.lerobot.tables import read_lines, read_table
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

EPISODES = "meta/episodes"
TASKS = {"v2": "meta/tasks.jsonl", "v3": "meta/tasks.parquet"}
SUBTASKS = "meta/subtasks.parquet"

_OWN = ("episode_index", "length", "tasks", "dataset_from_index", "dataset_to_index")
_OF_FILES = ("data/", "videos/", "meta/", "stats/")
_log = logging.getLogger(__name__)


class Episode(NamedTuple):
    """An episode as the tables have it.

    Attributes:
        index: its number, by which it is asked for.
        length: frames.
        tasks: instructions that were given in it.
        extra: further columns of the table of episodes, such as success.
    """

    index: int  # type: ignore[assignment]  # hides the tuple's own method, which nobody needs here
    length: int
    tasks: tuple[str, ...]
    extra: Mapping[str, Any]


class VideoPlace(NamedTuple):
    """Where an episode's frames are in the videos of v3.0; seconds in the file."""

    chunk: int
    file: int
    start: float
    end: float | None


class Place(NamedTuple):
    """Where v3.0's table says that an episode is: file of data, and of each video."""

    chunk: int
    file: int
    videos: Mapping[str, VideoPlace]


def read_episodes(folder: Path, info: Info) -> tuple[tuple[Episode, ...], dict[int, Place]]:
    """The episodes in order of their index, and for v3.0 where each is said to be.

    Raises:
        WallOSSError: the tables are missing, broken, or contradict themselves.
    """
    if info.generation == "v2":
        path = folder / "meta/episodes.jsonl"
        rows = [(path, row) for row in read_lines(path)] if path.is_file() or _expected(info, path) else []
    else:
        rows = list(_parquet_rows(folder, info))
    episodes: dict[int, Episode] = {}
    places: dict[int, Place] = {}
    for path, row in rows:
        if "episode_index" not in row or "length" not in row:
            missing = "episode_index" if "episode_index" not in row else "length"
            raise WallOSSError(f"{path}: the column {missing} is missing.", "A table of episodes has it.")
        index = integer(row["episode_index"], f"{path}: an episode_index")
        what = f"{path}, episode {index}"
        if index in episodes:
            raise WallOSSError(f"{what} is there twice.", "Remove one of them; which one is right, nobody can say.")
        tasks = row.get("tasks")
        tasks = [tasks] if isinstance(tasks, str) else tasks or []
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            raise WallOSSError(f"{what}: tasks is {brief(tasks)} instead of a list of texts.")
        extra = {key: value for key, value in row.items() if is_extra(key)}
        length = integer(row["length"], f"{what}: length")
        episodes[index] = Episode(index, length, tuple(tasks), extra)
        if info.generation == "v3":
            places[index] = _place(row, info, what)
    said = info.values.get("total_episodes")
    if isinstance(said, int) and said != len(episodes):
        _log.warning(
            "%s: info.json tells of %s episodes, the table of episodes of %d; the table counts.",
            folder,
            brief(said),
            len(episodes),
        )
    return tuple(episodes[index] for index in sorted(episodes)), places


def read_texts(folder: Path, info: Info, kind: str) -> dict[int, str]:
    """Tasks or subtasks ("task", "subtask") by their number; none where there is no such table."""
    path = folder / (SUBTASKS if kind == "subtask" else TASKS[info.generation])
    if not path.exists() and not path.is_symlink():
        return {}
    key = f"{kind}_index"
    rows = read_lines(path) if path.suffix == ".jsonl" else read_table(path).to_pylist()
    texts: dict[int, str] = {}
    for row in rows:
        text = text_of(row, kind)
        if key not in row or text is None:
            raise WallOSSError(
                f"{path}: {brief(row)} has no {key} or no {kind}.", f"Each row names a {kind} and its number."
            )
        index = integer(row[key], f"{path}: a {key}")
        if texts.setdefault(index, text) != text:
            raise WallOSSError(f"{path}: {key} {index} is both {brief(texts[index])} and {brief(text)}.")
    return texts


def text_of(row: Mapping[str, Any], kind: str) -> str | None:
    """The text in a row of a table of tasks or subtasks; None where there is none."""
    # It stands in a column of its own, in the one that pandas makes of a table's index, or in any other.
    names = (kind, "__index_level_0__", "index", *(name for name in row if name != f"{kind}_index"))
    return next((row[name] for name in names if isinstance(row.get(name), str)), None)


def text_columns(row: Mapping[str, Any], kind: str) -> set[str]:
    """The columns of a table of tasks or subtasks that hold number and text."""
    text = text_of(row, kind)
    return {f"{kind}_index", *(name for name in row if text is not None and row[name] == text)}


def is_extra(column: str) -> bool:
    """Whether a column of the table of episodes is a further one, such as success, and none of LeRobot's own."""
    return column not in _OWN and not column.startswith(_OF_FILES)


def episode_tables(folder: Path) -> list[Path]:
    """v3.0's tables of episodes, in order; without hidden files, such as macOS leaves beside each on other disks."""
    return sorted(path for path in (folder / EPISODES).glob("*/*.parquet") if not path.name.startswith("."))


def _parquet_rows(folder: Path, info: Info) -> Iterable[tuple[Path, dict[str, Any]]]:
    paths = episode_tables(folder)
    if not paths:
        _expected(info, folder / EPISODES)
    for path in paths:
        for row in read_table(path, lambda name: not name.startswith("stats/")).to_pylist():
            yield path, row


def _expected(info: Info, path: Path) -> bool:
    """Whether a missing table of episodes is missed: a dataset that was begun and holds nothing has none."""
    said = info.values.get("total_episodes", 1)
    if said != 0:
        raise WallOSSError(
            f"{path} is missing, and info.json tells of {brief(said)} episodes.",
            "The dataset is incomplete; download or write it again.",
        )
    return False


def _place(row: dict[str, Any], info: Info, what: str) -> Place:
    videos = {}
    for key, feature in info.features.items():
        if feature.dtype != "video":
            continue
        at = f"videos/{key}/"
        if row.get(at + "chunk_index") is None and row.get(at + "file_index") is None:
            continue  # said when a picture is asked for
        videos[key] = VideoPlace(
            integer(row.get(at + "chunk_index"), f"{what}: {at}chunk_index"),
            integer(row.get(at + "file_index"), f"{what}: {at}file_index"),
            _seconds(row.get(at + "from_timestamp", 0.0), f"{what}: {at}from_timestamp"),
            _end(row.get(at + "to_timestamp")),
        )
    return Place(
        integer(row.get("data/chunk_index", 0), f"{what}: data/chunk_index"),
        integer(row.get("data/file_index", 0), f"{what}: data/file_index"),
        videos,
    )


def _seconds(value: object, what: str) -> float:
    number = isinstance(value, (int, float, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= 1e9:  # type: ignore[arg-type, operator]
        raise WallOSSError(f"{what} is {brief(value)}; seconds are expected.")
    return float(value)  # type: ignore[arg-type]


def _end(value: object) -> float | None:
    """Where an episode's frames end; as it comes from the container it is often a little off, and never relied on."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
