# SPDX-License-Identifier: Apache-2.0
"""A LeRobot dataset as it lies on the disk, read so that what is broken in it becomes a finding and not the end.

A reader for training stops at the first thing that is wrong, and mends what it can; who checks wants to see all of it,
as it is. So tables and files are read here one by one, rows in the order in which they lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.lerobot.arrays import to_numpy
from wall_oss_ros.data.lerobot.language import may_lack
from wall_oss_ros.data.lerobot.layout import PICTURES, STANDARD, Feature, Info, data_files, has_statistics, path_of
from wall_oss_ros.data.lerobot.tables import ARROW_ERRORS, first_line, open_parquet
from wall_oss_ros.errors import WallOSSError

_BATCH = 8192
AGAIN = "Download or write the dataset again."


class Rows(NamedTuple):
    """A run of rows of one episode that lie together.

    Attributes:
        episode: by the column episode_index.
        columns: (n, D) float64 for numbers, (n,) objects for texts; without pictures.
        file: where they lie.
        at: rows of the whole dataset before them.
    """

    episode: int
    columns: dict[str, np.ndarray]
    file: Path
    at: int

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


@dataclass
class Survey:
    """What the tables say.

    Attributes:
        table: the rows of the table of episodes by their index, without statistics.
        tasks, subtasks: texts by number.
        stored: statistics of the whole dataset as stored, by feature and name.
        stored_episodes: those of each episode.
        findings: what was found while reading.
    """

    folder: Path
    info: Info
    table: dict[int, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[int, str] = field(default_factory=dict)
    subtasks: dict[int, str] = field(default_factory=dict)
    stored: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stored_episodes: dict[int, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def fps(self) -> float:
        return self.info.fps

    def numbers(self) -> dict[str, Feature]:
        """The features that are columns of numbers, without the ones that every dataset has."""
        return {
            key: feature
            for key, feature in self.info.features.items()
            if key not in STANDARD and has_statistics(key, feature)
        }

    def views(self) -> dict[str, Feature]:
        return {key: feature for key, feature in self.info.features.items() if feature.dtype in PICTURES}

    def colours(self) -> dict[str, Feature]:
        """The views that can be looked at: those of distances are kept by edits, and their pictures not judged."""
        return {key: feature for key, feature in self.views().items() if not feature.depth}

    def label(self, column: str, at: int) -> str:
        """A column's entry as people know it."""
        feature = self.info.features.get(column)
        if feature is None or feature.shape == (1,):
            return column
        name = self.name(column, at)
        return f"{column}[{at}]" + (f" {name}" if name else "")

    def name(self, column: str, at: int) -> str:
        """The name of an entry, or an empty text."""
        feature = self.info.features.get(column)
        named = feature is not None and feature.names and len(feature.names) == feature.entries
        return feature.names[at] if named else ""

    def data_path(self, episode: int) -> Path | None:
        """Where the tables say that an episode's rows are; None if they do not."""
        row = self.table.get(episode, {})
        values: dict[str, object] = {"episode_index": episode, "episode_chunk": episode // self.info.chunks_size}
        if self.info.generation == "v3":
            values = {"chunk_index": row.get("data/chunk_index"), "file_index": row.get("data/file_index")}
        return _path(self.folder, self.info.data_path, values)

    def video_path(self, episode: int, key: str) -> Path | None:
        row = self.table.get(episode, {})
        values: dict[str, object] = {
            "episode_index": episode,
            "episode_chunk": episode // self.info.chunks_size,
            "video_key": key,
        }
        if self.info.generation == "v3":
            at = f"videos/{key}/"
            values = {"chunk_index": row.get(at + "chunk_index"), "file_index": row.get(at + "file_index")}
            values["video_key"] = key
        return _path(self.folder, self.info.video_path, values)

    def video_start(self, episode: int, key: str) -> float:
        """From which second of its video the tables say that an episode is shown; 0 where they do not."""
        start = self.table.get(episode, {}).get(f"videos/{key}/from_timestamp")
        known = self.info.generation == "v3" and isinstance(start, (int, float)) and np.isfinite(start)
        return float(start) if known else 0.0

    def data_files(self) -> list[Path]:
        """All Parquet files of rows, in the order of their numbers."""
        return data_files(self.folder, self.info)

    def rows(self) -> Iterator[Rows]:
        """All rows in the order in which they lie, an episode at a time; what cannot be read becomes a finding."""
        before = 0
        for path in self.data_files():
            for rows in self.of_file(path, before):
                yield rows
                before = rows.at + len(rows)

    def of_file(self, path: Path, before: int = 0) -> Iterator[Rows]:
        """The rows of one file, with ``before`` rows of the dataset before it."""
        held: list[dict[str, np.ndarray]] = []
        episode: int | None = None
        begun = before
        try:
            with open_parquet(path) as file:
                wanted = self._wanted(file, path)
                if "episode_index" not in wanted:
                    raise WallOSSError(f"{path} has no column episode_index.", AGAIN)
                for batch in file.iter_batches(_BATCH, columns=list(wanted), use_threads=False):
                    columns = self._columns(batch, path)
                    owners = columns["episode_index"][:, 0]
                    cuts = [0, *(np.flatnonzero(np.diff(owners)) + 1), len(owners)]
                    for start, stop in zip(cuts, cuts[1:]):
                        if start == stop:
                            continue
                        if episode is not None and owners[start] != episode:
                            joined = _joined(held)
                            yield Rows(episode, joined, path, begun)
                            begun += len(joined["episode_index"])
                            held = []
                        episode = int(owners[start])
                        held.append({key: value[start:stop] for key, value in columns.items()})
        except ARROW_ERRORS as error:
            self.found("error", "layout", f"{self.of(path)} cannot be read: {first_line(error)}.", AGAIN)
        except WallOSSError as error:
            self.found("error", "layout", error.message.replace(f"{self.folder}/", ""), error.hint or AGAIN)
        if held and episode is not None:
            yield Rows(episode, _joined(held), path, begun)

    def _wanted(self, file: pq.ParquetFile, path: Path) -> list[str]:
        there = file.schema_arrow.names
        known = {**self.info.features}
        for name in there:
            if name not in known and not name.startswith("__"):
                self.found(
                    "warning",
                    "columns",
                    f"{self.of(path)} has a column {name} that info.json does not tell of.",
                    "Add the feature to info.json, or drop the column.",
                    column=name,
                )
        for name, feature in known.items():
            if name not in there and may_lack(name, known):
                self.found(
                    "note",
                    "columns",
                    f"{self.of(path)} has no column {name}, of which info.json tells: nothing is said there. "
                    "lerobot's annotation leaves files so.",
                    column=name,
                )
            elif name not in there and feature.dtype != "video":
                why = "every dataset has it" if name in STANDARD else "info.json tells of it"
                self.found(
                    "error",
                    "columns",
                    f"{self.of(path)} has no column {name}; {why}.",
                    "Write the dataset again, or drop the feature from info.json.",
                    column=name,
                )
        return [name for name in there if name in known and known[name].dtype not in PICTURES]

    def _columns(self, batch: pa.RecordBatch, path: Path) -> dict[str, np.ndarray]:
        columns: dict[str, np.ndarray] = {}
        for name in batch.schema.names:
            feature = self.info.features[name]
            column = batch.column(batch.schema.get_field_index(name))
            values: np.ndarray
            try:
                if feature.dtype == "language":
                    values = np.empty(len(column), object)
                    values[:] = column.to_pylist()
                elif feature.dtype == "string":
                    values = to_numpy(column, feature, name)
                else:
                    values = to_numpy(column, feature, name).astype(np.float64).reshape(len(column), -1)
            except (WallOSSError, *ARROW_ERRORS) as error:
                text = error.message if isinstance(error, WallOSSError) else first_line(error)
                self.found(
                    "error", "columns", f"{self.of(path)}: {text}", "info.json and the data disagree.", column=name
                )
                if name == "episode_index":
                    raise WallOSSError(f"{path}: the column episode_index cannot be read.", AGAIN) from None
                continue
            columns[name] = values
        return columns

    def found(self, level: str, check: str, what: str, todo: str = "", **where: Any) -> None:
        finding = Finding(level, check, what, todo, **where)
        if finding not in self.findings:
            self.findings.append(finding)

    def of(self, path: Path) -> str:
        """A path as a message names it."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    names = set.intersection(*(set(part) for part in parts))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name in names}


def _path(folder: Path, template: str, values: dict[str, object]) -> Path | None:
    if any(value is None or (isinstance(value, int) and value < 0) for value in values.values()):
        return None
    try:
        return path_of(folder, template, values, "a path template of info.json")
    except (WallOSSError, ValueError, KeyError, TypeError):
        return None
