# SPDX-License-Identifier: Apache-2.0
"""A new dataset of episodes of others: written beside its place, opened and compared, and only then given its name.

Killed at any point there is the old and nothing else: what is unfinished lies in a hidden folder, which the next edit
to the same place removes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.edits.beside import MAPPING, beside
from wall_oss_ros.data.edits.picks import Part, compatible
from wall_oss_ros.data.edits.rows import RowWriter, Taken
from wall_oss_ros.data.edits.verify import verify
from wall_oss_ros.data.edits.videos import Placed, VideoCopies
from wall_oss_ros.data.edits.words import described, with_words_alike
from wall_oss_ros.data.lerobot.episodes import is_extra
from wall_oss_ros.data.lerobot.feature_statistics import lists, results
from wall_oss_ros.data.lerobot.files import hold, sync, write_json, write_lines
from wall_oss_ros.data.lerobot.layout import path_of
from wall_oss_ros.data.lerobot.schema import texts_table
from wall_oss_ros.data.lerobot.statistics import combine, numeric
from wall_oss_ros.data.lerobot.tables import ARROW_ERRORS, first_line
from wall_oss_ros.errors import WallOSSError


class Made(NamedTuple):
    """What came of it. ``rank_error`` is that of the quantiles, a share of the rows, 0 where they are exact; ``left``
    names what the sources have and the format does not, which did not go along."""

    folder: Path
    episodes: int
    frames: int
    tasks: int
    videos_copied: int
    videos_cut: int
    unused_frames: int
    rank_error: float
    left: tuple[str, ...] = ()


def compose(
    parts: Sequence[Part], output: Path, link: bool = False, tell: Callable[[str], None] = lambda text: None
) -> Made:
    """Writes the parts, one after another, as one dataset.

    Args:
        output: a folder that is not there yet.
        link: hard links to whole videos instead of copies.

    Raises:
        WallOSSError: they do not fit together, something cannot be read, or the place is taken; nothing is left.
    """
    parts = [part for part in parts if part.episodes]
    if not parts:
        raise WallOSSError("No episode is left: nothing is written.", "Choose others.")
    parts = with_words_alike(parts)
    compatible(parts)
    if output.exists() or output.is_symlink():
        raise WallOSSError(f"{output} is there already.", "Name another folder, or move that one away.")
    for part in parts:
        if output.resolve().is_relative_to(part.survey.folder.resolve()):
            raise WallOSSError(f"{output} is inside of the dataset {part.survey.folder}.", "Name a folder beside it.")
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.partial")
    lock = _begin(partial)
    try:
        made = _write(parts, partial, link, tell)
        tell("verifying")
        verify(partial, parts, made[1])
        for path in sorted(partial.rglob("*")):  # on the disk before it gets its name
            sync(path)
        if output.exists():
            raise WallOSSError(f"{output} appeared meanwhile.", "Name another folder.")
        os.rename(partial, output)
        return made[0]._replace(folder=output)
    finally:
        os.close(lock)
        if partial.exists():
            shutil.rmtree(partial, ignore_errors=True)


def _begin(partial: Path) -> int:
    """Removes what a killed edit has left, and keeps others out."""
    partial.mkdir(exist_ok=True)
    lock = hold(partial)
    for entry in partial.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    return lock


def _write(parts: Sequence[Part], folder: Path, link: bool, tell: Callable[[str], None]) -> tuple[Made, list[Taken]]:
    info = parts[0].survey.info
    v3 = info.generation == "v3"

    def data_path(number: int) -> Path:
        return path_of(folder, info.data_path, _numbers(number, v3, info.chunks_size), "data_path of info.json")

    rows = RowWriter(data_path, by_episode=not v3)
    for number, part in enumerate(parts):
        tell(f"rows of {part.survey.folder.name}")
        rows.add(number, part)
    places: dict[str, list[Placed]] = {}
    copies = []
    for key, feature in parts[0].survey.views().items():
        if feature.dtype != "video":
            continue

        def video_path(number: int, key: str = key) -> Path:
            values = {**_numbers(number, v3, info.chunks_size), "video_key": key}
            return path_of(folder, info.video_path, values, "video_path of info.json")

        one = VideoCopies(key, video_path, info.fps, link)
        for number, part in enumerate(parts):
            tell(f"videos of {part.survey.folder.name}, {key}")
            places.setdefault(key, []).extend(one.add(part, [t for t in rows.taken if t.part == number]))
        copies.append(one)
    _tables(parts, folder, rows, places)
    mappings = {file.read_bytes() if (file := part.survey.folder / MAPPING).is_file() else None for part in parts}
    if len(mappings) == 1 and (mapping := next(iter(mappings))) is not None:
        (folder / MAPPING).write_bytes(mapping)
    made = Made(
        folder,
        len(rows.taken),
        rows.frames,
        len(rows.tasks.texts),
        sum(c.copied for c in copies),
        sum(c.cut for c in copies),
        sum(c.unused for c in copies),
        max((s.rank_error for s in rows.whole.values()), default=0.0),
        tuple(dict.fromkeys(name for part in parts for name in beside(part.survey, len(mappings) == 1))),
    )
    return made, rows.taken


def _numbers(number: int, v3: bool, chunks: int) -> dict[str, object]:
    if v3:
        return {"chunk_index": number // chunks, "file_index": number % chunks}
    return {"episode_chunk": number // chunks, "episode_index": number}


def _tables(parts: Sequence[Part], folder: Path, rows: RowWriter, places: Mapping[str, list[Placed]]) -> None:
    first = parts[0].survey
    v3, chunks = first.info.generation == "v3", first.info.chunks_size
    table: list[dict[str, Any]] = []
    statistics: list[dict[str, dict[str, Any]]] = []
    for index, taken in enumerate(rows.taken):
        survey = parts[taken.part].survey
        old = survey.table.get(taken.source, {})
        row: dict[str, Any] = {"episode_index": index, "tasks": list(taken.tasks), "length": taken.length}
        row |= {key: value for key, value in old.items() if is_extra(key)}
        if v3:
            row |= {
                "data/chunk_index": taken.file // chunks,
                "data/file_index": taken.file % chunks,
                "dataset_from_index": taken.first,
                "dataset_to_index": taken.first + taken.length,
            }
            for key, ones in places.items():
                row |= {
                    f"videos/{key}/chunk_index": ones[index].file // chunks,
                    f"videos/{key}/file_index": ones[index].file % chunks,
                    f"videos/{key}/from_timestamp": ones[index].start,
                    f"videos/{key}/to_timestamp": ones[index].end,
                }
        table.append(row)
        own: dict[str, dict[str, Any]] = dict(taken.statistics)
        stored = survey.stored_episodes.get(taken.source, {})
        views = {key: known for key in survey.views() if (known := numeric(stored.get(key))) is not None}
        own |= {key: {name: value.tolist() for name, value in one.items()} for key, one in views.items()}
        statistics.append(own)
    stats: dict[str, dict[str, Any]] = lists(results(rows.whole, first.info.features))
    stats |= _of_pictures(parts, statistics)
    _write_tables(folder, first, described(parts), rows, table, statistics, stats, len(places))


def _write_tables(folder, first: Survey, values, rows: RowWriter, table, statistics, stats, videos: int) -> None:
    meta, version, chunks = folder / "meta", first.info.version, first.info.chunks_size
    if first.info.generation == "v3":
        flat = [
            {
                **row,
                **{f"stats/{key}/{name}": value for key, one in own.items() for name, value in one.items()},
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
            for row, own in zip(table, statistics)
        ]
        path = meta / "episodes/chunk-000/file-000.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(_of_episodes(flat), path)
        pq.write_table(texts_table({n: text for text, n in rows.tasks.texts.items()}, "task"), meta / "tasks.parquet")
    else:
        write_lines(meta / "episodes.jsonl", table)
        write_lines(meta / "tasks.jsonl", rows.tasks.rows("task"))
        if version == "v2.1":
            write_lines(
                meta / "episodes_stats.jsonl",
                [{"episode_index": index, "stats": own} for index, own in enumerate(statistics)],
            )
    if rows.subtasks.texts:
        pq.write_table(
            texts_table({n: t for t, n in rows.subtasks.texts.items()}, "subtask"), meta / "subtasks.parquet"
        )
    if version != "v2.1":
        write_json(meta / "stats.json", stats)
    info = {
        **values,
        "total_episodes": len(table),
        "total_frames": rows.frames,
        "total_tasks": len(rows.tasks.texts),
        "splits": {"train": f"0:{len(table)}"},
    }
    if "total_videos" in info:
        info["total_videos"] = len(table) * videos
    if "total_chunks" in info:
        info["total_chunks"] = -(-len(table) // chunks)
    write_json(meta / "info.json", info)


def _of_episodes(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Raises: WallOSSError: a column is of one type in some rows and of another one in others."""
    columns = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        try:
            columns[name] = pa.array([row.get(name) for row in rows])
        except (TypeError, *ARROW_ERRORS) as error:
            raise WallOSSError(
                f"The column {name} of the table of episodes has several types: {first_line(error)}.",
                "Give it one type in all datasets, or take it out.",
            ) from None
    return pa.table(columns)


def _of_pictures(parts: Sequence[Part], statistics: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Of the whole from the episodes' own; where these are not stored, of the parts as stored. Quantiles are not
    known from parts, and left out unless nothing was put together."""
    views = list(parts[0].survey.views())
    arrays = [
        {key: {n: np.asarray(v) for n, v in own[key].items()} for key in views if key in own} for own in statistics
    ]
    found = combine(arrays) if all(len(one) == len(views) for one in arrays) else {}
    if not found and views:
        wholes = [
            {key: known for key in views if (known := numeric(p.survey.stored.get(key))) is not None} for p in parts
        ]
        found = combine(wholes)
    return {key: {name: np.asarray(value).tolist() for name, value in one.items()} for key, one in found.items()}
