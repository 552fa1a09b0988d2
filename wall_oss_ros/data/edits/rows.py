# SPDX-License-Identifier: Apache-2.0
"""Rows taken over into new files: numbered anew, all else as it was, pictures and words included."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.edits.picks import Part, Words
from wall_oss_ros.data.edits.words import words_of
from wall_oss_ros.data.lerobot.arrays import to_numpy
from wall_oss_ros.data.lerobot.branches import SUBTASK, TASK
from wall_oss_ros.data.lerobot.feature_statistics import lists, results
from wall_oss_ros.data.lerobot.images import embedded
from wall_oss_ros.data.lerobot.language import LOST_TABLE, tells_nothing
from wall_oss_ros.data.lerobot.layout import Feature, has_statistics
from wall_oss_ros.data.lerobot.schema import column_array
from wall_oss_ros.data.lerobot.tables import ARROW_ERRORS, first_line, open_parquet
from wall_oss_ros.data.statistics import Statistics
from wall_oss_ros.errors import WallOSSError, out_of_room

_BATCH = 512
RENUMBERED = ("index", "episode_index", "task_index", "subtask_index", TASK, SUBTASK)


class Taken(NamedTuple):
    """An episode in the new dataset.

    Attributes:
        part: of which part, by its place.
        source: its index there.
        first: rows before it in the new dataset.
        file: number of the new data file.
        tasks: its tasks, as they are now.
        statistics: of its numbers, by feature and name.
        digest: fingerprint of its rows, without what is numbered anew.
        stamps: (length,) timestamps.
    """

    part: int
    source: int
    first: int
    length: int
    file: int
    tasks: tuple[str, ...]
    statistics: dict[str, dict[str, list]]
    digest: bytes
    stamps: np.ndarray


class Open:
    """An episode that is being written."""

    def __init__(self, part: int, source: int, first: int, file: int, survey: Survey) -> None:
        self.part, self.source, self.first, self.file = part, source, first, file
        self.length = 0
        self.tasks: dict[str, None] = {}
        self.hashes: dict[str, Any] = {}
        self.stamps: list[np.ndarray] = []
        self.features = number_features(survey)
        self.statistics = {key: Statistics(feature.entries) for key, feature in self.features.items()}

    def done(self, whole: dict[str, Statistics]) -> Taken:
        """What is kept of it; its numbers go into ``whole``."""
        digest = hashlib.blake2b(b"".join(self.hashes[key].digest() for key in sorted(self.hashes))).digest()
        stamps = np.concatenate(self.stamps) if self.stamps else np.empty(0)
        known = {key: one for key, one in self.statistics.items() if one.rows}
        for key, one in known.items():
            whole.setdefault(key, Statistics(one.width)).merge(one)
        own = lists(results(known, self.features))
        return Taken(self.part, self.source, self.first, self.length, self.file, tuple(self.tasks), own, digest, stamps)


def number_features(survey: Survey) -> dict[str, Feature]:
    """Features of numbers that have statistics, the standard ones included."""
    return {key: feature for key, feature in survey.info.features.items() if has_statistics(key, feature)}


class RowWriter:
    """Writes the rows of parts into ``folder``, a file for each file of the sources that has some of them.

    Args:
        path: of a new data file, by its number (v3.0), or of an episode's, by its index (v2).
    """

    def __init__(self, path: Callable[[int], Path], by_episode: bool) -> None:
        self._path, self._by_episode = path, by_episode
        self.tasks, self.subtasks = Words(), Words()
        self.taken: list[Taken] = []
        self.whole: dict[str, Statistics] = {}
        self.frames = 0
        self._files = 0
        self._schema: pa.Schema | None = None

    def add(self, number: int, part: Part) -> None:
        """Takes a part's episodes over.

        Raises:
            WallOSSError: rows cannot be read, lie in two places, or are missing.
        """
        for path in part.survey.data_files():
            self._file(number, part, path)
        got = {taken.source for taken in self.taken if taken.part == number}
        missing = sorted(part.episodes - got)
        if missing:
            raise WallOSSError(
                f"{part.survey.folder}: the data hold no rows of episode {missing[0]}"
                f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}.",
                "Leave these episodes out, or restore the files: wall-oss data check tells which.",
            )

    def _file(self, number: int, part: Part, path: Path) -> None:
        writer: pq.ParquetWriter | None = None
        current: Open | None = None
        wanted = np.array(sorted(part.episodes))
        try:
            for batch in batches(path):
                owners = _column(batch, "episode_index", part.survey, path)
                cuts = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(owners)]
                for start, stop in zip(cuts, cuts[1:]):
                    owner = int(owners[start]) if stop > start else -1
                    if current is not None and (owner != current.source):
                        self._close(current)
                        current = None
                        if self._by_episode and writer is not None:
                            writer.close()
                            writer = None
                    if stop <= start or owner not in wanted:
                        continue
                    if current is None:
                        if any(t.part == number and t.source == owner for t in self.taken):
                            raise WallOSSError(f"{path}: rows of episode {owner} lie in two places.", "Leave it out.")
                        current = Open(number, owner, self.frames, self._files, part.survey)
                    rows = self._changed(batch.slice(start, stop - start), part, current, path)
                    if writer is None:
                        target = self._path(len(self.taken) if self._by_episode else self._files)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        writer = pq.ParquetWriter(target, rows.schema, compression="snappy")
                    writer.write_table(rows)
            if current is not None:
                self._close(current)
        except ARROW_ERRORS as error:
            if out_of_room(error):
                raise
            raise WallOSSError(f"{path} cannot be read or written: {first_line(error)}.", "Restore the file.") from None
        finally:
            if writer is not None:
                writer.close()
                self._files += 1

    def _close(self, current: Open) -> None:
        self.taken.append(current.done(self.whole))

    def _changed(self, batch: pa.RecordBatch, part: Part, current: Open, path: Path) -> pa.Table:
        """The rows as they go into the new file; what is known of the episode grows with them."""
        survey, count = part.survey, len(batch)
        index = len(self.taken)
        columns = {name: batch.column(at) for at, name in enumerate(batch.schema.names)}
        columns |= words_of(columns, part, f"{path}, episode {current.source}")
        for name in columns:
            if (feature := survey.info.features.get(name)) is not None and feature.dtype == "image":
                columns[name] = embedded(
                    columns[name], survey.folder, f"{path}, episode {current.source}, column {name}"
                )
        for name, column in columns.items():
            if name not in RENUMBERED:
                current.hashes.setdefault(name, hashlib.blake2b()).update(
                    fingerprint(column, part, current.source, name)
                )
        columns["episode_index"] = pa.array(np.full(count, index))
        columns["index"] = pa.array(np.arange(self.frames, self.frames + count))
        for name, texts, known, words in (
            ("task_index", survey.tasks, part.task, self.tasks),
            ("subtask_index", survey.subtasks, part.subtask, self.subtasks),
            (TASK, survey.tasks, part.task, self.tasks),
            (SUBTASK, survey.subtasks, part.subtask, self.subtasks),
        ):
            if name not in columns:
                continue
            numbers = np.asarray(to_numpy(columns[name], survey.info.features[name], f"{path}, {name}"))
            changed = np.full(numbers.shape, -1, np.int64)
            for old in np.unique(numbers):
                if old < 0 and name != "task_index":
                    continue
                if name == "subtask_index" and tells_nothing(texts, survey.info.features):
                    continue
                if int(old) not in texts:
                    raise WallOSSError(
                        f"{path}, episode {current.source}: {name} {old} is in no table.",
                        LOST_TABLE
                        if name in ("subtask_index", SUBTASK) and not texts
                        else "Leave the episode out, or add the text: wall-oss data check tells which.",
                    )
                text = known(current.source, texts[int(old)])
                changed[numbers == old] = words.number(text)
                if name == "task_index":
                    current.tasks[text] = None
            columns[name] = column_array(changed, name, survey.info.features[name])
        for name in ("language_persistent", "language_events"):
            if name in columns:
                columns[name] = _words(columns[name], lambda text: part.subtask(current.source, text))
        for key, one in current.statistics.items():
            if key in columns:
                feature = survey.info.features[key]
                one.add(to_numpy(columns[key], feature, f"{path}, {key}").astype(np.float64).reshape(count, -1))
        if "timestamp" in columns:
            current.stamps.append(_column(batch, "timestamp", survey, path))
        current.length += count
        self.frames += count
        table = pa.table(list(columns.values()), names=list(columns)).replace_schema_metadata(batch.schema.metadata)
        self._schema = self._schema or table.schema
        try:
            return table.select(self._schema.names).cast(self._schema)
        except (KeyError, *ARROW_ERRORS) as error:
            raise WallOSSError(
                f"{path} has other columns or types than the first file: {first_line(error)}.",
                "Write the datasets with one version of one tool first.",
            ) from None


def fingerprint(column: pa.Array, part: Part | None, episode: int, name: str) -> bytes:
    """Bytes that are the same for the same rows, whichever Arrow type holds them. ``part`` says how words change."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if pa.types.is_struct(kind.value_type) or column.null_count:
            break
        column = column.flatten()
        kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return np.ascontiguousarray(column.to_numpy(zero_copy_only=False), np.float64).tobytes()
    values = column.to_pylist()
    if part is not None and name.startswith("language_"):
        values = [_reworded(value, lambda text: part.subtask(episode, text)) for value in values]
    return b"".join(_bytes(value) + b"\0" for value in values)


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return value["bytes"]
    return repr(value).encode()


def _reworded(entries: Any, change: Callable[[str], str]) -> Any:
    if not isinstance(entries, list):
        return entries
    return [
        {**entry, "content": change(entry["content"])}
        if isinstance(entry, dict) and entry.get("style") == "subtask" and entry.get("content")
        else entry
        for entry in entries
    ]


def _words(column: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """A language column, its subtasks changed."""
    values = column.to_pylist()
    changed = [_reworded(value, change) for value in values]
    return column if changed == values else pa.array(changed, column.type)


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    with open_parquet(path) as file:
        pictures = any(pa.types.is_struct(kind) for kind in file.schema_arrow.types)
        yield from file.iter_batches(32 if pictures else _BATCH, use_threads=False)


def _column(batch: pa.RecordBatch, name: str, survey: Survey, path: Path) -> np.ndarray:
    feature = survey.info.features.get(name)
    if feature is None or name not in batch.schema.names:
        raise WallOSSError(f"{path} has no column {name}.", "Every LeRobot dataset has it.")
    return np.asarray(to_numpy(batch.column(batch.schema.get_field_index(name)), feature, f"{path}, {name}"))
