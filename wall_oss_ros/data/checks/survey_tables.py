# SPDX-License-Identifier: Apache-2.0
"""The tables of a dataset that is surveyed: episodes, tasks and stored statistics, as far as they can be read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from wall_oss_ros.data.checks.survey import AGAIN, Survey
from wall_oss_ros.data.lerobot.episodes import episode_tables, text_of
from wall_oss_ros.data.lerobot.layout import STANDARD, Feature, read_info
from wall_oss_ros.data.lerobot.statistics import nested
from wall_oss_ros.data.lerobot.tables import ARROW_ERRORS, first_line, open_parquet
from wall_oss_ros.errors import WallOSSError


def open_survey(folder: Path) -> Survey:
    """Reads the tables.

    Raises:
        WallOSSError: there is no dataset, or its info.json or table of episodes cannot be read at all.
    """
    survey = Survey(folder, read_info(folder))
    _complete(survey)
    v3 = survey.info.generation == "v3"
    rows = _parquet(survey, episode_tables(folder)) if v3 else (_lines(survey, folder / "meta/episodes.jsonl"))
    if rows is None:
        at = "meta/episodes" if v3 else "meta/episodes.jsonl"
        if survey.info.values.get("total_episodes") != 0:
            raise WallOSSError(f"{folder}/{at} is missing or cannot be read.", AGAIN)
        rows = []
    _whole_numbers(survey, rows, "The table of episodes")
    counts = Counter(row.get("episode_index") for row in rows)
    for index, times in counts.items():
        if not isinstance(index, int) or index < 0:
            survey.found("error", "episode table", f"The table of episodes has the episode_index {index!r}.", AGAIN)
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
            survey.stored_episodes[index] = nested(row)
            survey.table[index] = {k: v for k, v in row.items() if not k.startswith("stats/")}
    survey.tasks = _texts(survey, "task", folder / ("meta/tasks.parquet" if v3 else "meta/tasks.jsonl"))
    survey.subtasks = _texts(survey, "subtask", folder / "meta/subtasks.parquet")
    _read_statistics(survey)
    return survey


def _complete(survey: Survey) -> None:
    """The columns that every dataset has, whether info.json tells of them or not."""
    features = survey.info.features
    missing = [name for name in STANDARD if name not in features]
    if missing:
        features |= {name: Feature(STANDARD[name], (1,), None) for name in missing}
        survey.found(
            "warning",
            "columns",
            f"info.json does not tell of {', '.join(missing)}, which every dataset has.",
            "Add the features to info.json, or write the set anew: wall-oss data filter.",
        )


def _whole_numbers(survey: Survey, rows: list[dict[str, Any]], where: str) -> None:
    """Makes 3 of 3.0, which pandas writes of a column in which something was missing, wherever numbers count things."""
    changed: dict[str, None] = {}
    for row in rows:
        for key, value in row.items():
            if isinstance(value, float) and value.is_integer() and (key == "length" or key.endswith("_index")):
                row[key] = int(value)
                changed[key] = None
    if changed:
        survey.found(
            "warning",
            "episode table",
            f"{where} holds {', '.join(changed)} as 3.0 instead of 3.",
            "Readers that make names of files of them stop there; write the set anew: wall-oss data filter.",
        )


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
    rows = (_lines(survey, path) or []) if path.is_file() else []
    _whole_numbers(survey, rows, survey.of(path))
    for row in rows:
        if isinstance(row.get("episode_index"), int) and isinstance(row.get("stats"), dict):
            survey.stored_episodes[row["episode_index"]] = row["stats"]


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
                "error", "layout", f"{survey.of(path)}, line {number} is not JSON: {first_line(error)}.", AGAIN
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
            survey.found("error", "layout", f"{survey.of(path)} cannot be read: {first_line(error)}.", AGAIN)
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
            survey.found("error", "tasks", f"{survey.of(path)} is missing.", AGAIN)
        return {}
    rows = (_lines(survey, path) if path.suffix == ".jsonl" else _parquet(survey, [path])) or []
    _whole_numbers(survey, rows, survey.of(path))
    texts: dict[int, str] = {}
    for row in rows:
        index = row.get(f"{kind}_index")
        text = text_of(row, kind)
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
