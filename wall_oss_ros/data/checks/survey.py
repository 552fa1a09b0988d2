# SPDX-License-Identifier: Apache-2.0
"""A LeRobot dataset as it lies on the disk, read so that what is broken in it becomes a finding and not the end.

A reader for training stops at the first thing that is wrong, and mends what it can; who checks wants to see all of it,
as it is. So tables and files are read here one by one, rows in the order in which they lie.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.lerobot.arrays import to_numpy
from wall_oss_ros.data.lerobot.layout import PICTURES, Feature, Info, path_of, read_info
from wall_oss_ros.data.lerobot.tables import ARROW_ERRORS, first_line, open_parquet
from wall_oss_ros.errors import WallOSSError

STANDARD = ("timestamp", "frame_index", "episode_index", "index", "task_index")
_BATCH = 8192
_AGAIN = "Download or write the dataset again."


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
            if key not in STANDARD and feature.dtype not in (*PICTURES, "string", "language")
        }

    def views(self) -> dict[str, Feature]:
        return {key: feature for key, feature in self.info.features.items() if feature.dtype in PICTURES}

    def label(self, column: str, at: int) -> str:
        """A column's entry as people know it."""
        feature = self.info.features.get(column)
        if feature is None or feature.shape == (1,):
            return column
        names = feature.names if feature.names and len(feature.names) == int(np.prod(feature.shape)) else None
        return f"{column}[{at}]" + (f" {names[at]}" if names else "")

    def name(self, column: str, at: int) -> str:
        """The name of an entry, or an empty text."""
        feature = self.info.features.get(column)
        named = feature is not None and feature.names and len(feature.names) == int(np.prod(feature.shape))
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

    def data_files(self) -> list[Path]:
        """All Parquet files below the folder of data, in the order of their numbers."""
        root = self.folder / self.info.data_path.split("/")[0]
        return sorted(
            (path for path in root.rglob("*.parquet") if not path.name.startswith(".")),
            key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))],
        )

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
                    raise WallOSSError(f"{path} has no column episode_index.", _AGAIN)
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
            self.found("error", "layout", f"{self.of(path)} cannot be read: {first_line(error)}.", _AGAIN)
        except WallOSSError as error:
            self.found("error", "layout", error.message.replace(f"{self.folder}/", ""), error.hint or _AGAIN)
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
            if name not in there and feature.dtype not in ("video", "language"):
                self.found(
                    "error",
                    "columns",
                    f"{self.of(path)} has no column {name}; info.json tells of it.",
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
                    raise WallOSSError(f"{path}: the column episode_index cannot be read.", _AGAIN) from None
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


def open_survey(folder: Path) -> Survey:
    """Reads the tables.

    Raises:
        WallOSSError: there is no dataset, or its info.json or table of episodes cannot be read at all.
    """
    survey = Survey(folder, read_info(folder))
    v3 = survey.info.generation == "v3"
    rows = (
        _parquet(survey, sorted((folder / "meta/episodes").glob("*/*.parquet")))
        if v3
        else (_lines(survey, folder / "meta/episodes.jsonl"))
    )
    if rows is None:
        at = "meta/episodes" if v3 else "meta/episodes.jsonl"
        if survey.info.values.get("total_episodes") != 0:
            raise WallOSSError(f"{folder}/{at} is missing or cannot be read.", _AGAIN)
        rows = []
    counts = Counter(row.get("episode_index") for row in rows)
    for index, times in counts.items():
        if not isinstance(index, int) or index < 0:
            survey.found("error", "episode table", f"The table of episodes has the episode_index {index!r}.", _AGAIN)
        elif times > 1:
            survey.found(
                "error",
                "episode table",
                f"The table of episodes has {times} rows for episode {index}.",
                "Keep the one that fits the data.",
                episode=index,
            )
    for row in rows:
        if isinstance(index := row.get("episode_index"), int) and index >= 0:
            survey.stored_episodes[index] = _nested({k: v for k, v in row.items() if k.startswith("stats/")})
            survey.table[index] = {k: v for k, v in row.items() if not k.startswith("stats/")}
    survey.tasks = _texts(survey, "task", folder / ("meta/tasks.parquet" if v3 else "meta/tasks.jsonl"))
    survey.subtasks = _texts(survey, "subtask", folder / "meta/subtasks.parquet")
    _read_statistics(survey)
    return survey


def _read_statistics(survey: Survey) -> None:
    path = survey.folder / "meta/stats.json"
    if path.is_file():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            survey.stored = {k: v for k, v in stored.items() if isinstance(v, dict)} if isinstance(stored, dict) else {}
        except (OSError, ValueError, RecursionError) as error:
            survey.found(
                "error",
                "statistics",
                f"meta/stats.json cannot be read: {first_line(error)}.",
                "Compute it anew: wall-oss data stats --write",
            )
    path = survey.folder / "meta/episodes_stats.jsonl"
    for row in (_lines(survey, path) or []) if path.is_file() else []:
        if isinstance(row.get("episode_index"), int) and isinstance(row.get("stats"), dict):
            survey.stored_episodes[row["episode_index"]] = row["stats"]


def _nested(flat: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        feature, _, name = key.removeprefix("stats/").rpartition("/")
        if value is not None:
            found.setdefault(feature, {})[name] = value
    return found


def _lines(survey: Survey, path: Path) -> list[dict[str, Any]] | None:
    """The objects of a JSON lines file; None if there is no such file. A line that is none becomes a finding."""
    if not path.is_file():
        return None
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            survey.found(
                "error",
                "encoding",
                f"{survey.of(path)}, line {number}, byte {error.start + 1} is not UTF-8.",
                "Save the file as UTF-8.",
            )
            text = line.decode("utf-8", "replace")
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            if not isinstance(row, dict):
                raise ValueError("it is no object")
            rows.append(row)
        except (ValueError, RecursionError) as error:
            survey.found(
                "error", "layout", f"{survey.of(path)}, line {number} is not JSON: {first_line(error)}.", _AGAIN
            )
    return rows


def _parquet(survey: Survey, paths: list[Path]) -> list[dict[str, Any]] | None:
    rows: list[dict[str, Any]] = []
    read = 0
    for path in paths:
        try:
            with open_parquet(path) as file:
                table = file.read(use_threads=False)
        except (WallOSSError, *ARROW_ERRORS) as error:
            survey.found("error", "layout", f"{survey.of(path)} cannot be read: {first_line(error)}.", _AGAIN)
            continue
        read += 1
        rows += _pylist(survey, table, path)
    return rows if read else None


def _pylist(survey: Survey, table: pa.Table, path: Path) -> list[dict[str, Any]]:
    try:
        return table.to_pylist()
    except UnicodeDecodeError:
        survey.found("error", "encoding", f"{survey.of(path)} holds text that is not UTF-8.", "Write it as UTF-8.")
    rows: list[dict[str, Any]] = [{} for _ in range(len(table))]
    for name in table.column_names:
        try:
            values = table.column(name).to_pylist()
        except UnicodeDecodeError:
            column = table.column(name)
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                raw = column.cast(pa.large_binary()).to_pylist()
                values = [None if text is None else text.decode("utf-8", "replace") for text in raw]
            else:
                values = [None] * len(table)
        for row, value in zip(rows, values):
            row[name] = value
    return rows


def _texts(survey: Survey, kind: str, path: Path) -> dict[int, str]:
    if not path.is_file():
        if kind == "task":
            survey.found("error", "tasks", f"{survey.of(path)} is missing.", _AGAIN)
        return {}
    rows = (_lines(survey, path) if path.suffix == ".jsonl" else _parquet(survey, [path])) or []
    texts: dict[int, str] = {}
    for row in rows:
        index = row.get(f"{kind}_index")
        names = (kind, "__index_level_0__", "index", *row)
        text = next((row[name] for name in names if isinstance(row.get(name), str)), None)
        if not isinstance(index, int) or text is None:
            survey.found(
                "error",
                f"{kind}s",
                f"{survey.of(path)} has a row without {kind}_index or {kind}: {row!r:.80}",
                "Each row names a text and its number.",
            )
        elif index in texts and texts[index] != text:
            survey.found(
                "error",
                f"{kind}s",
                f"{survey.of(path)}: {kind} {index} is both {texts[index]!r} and {text!r}.",
                "Keep the one that is meant.",
            )
        else:
            texts[index] = text
    return texts


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
