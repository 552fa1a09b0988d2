# SPDX-License-Identifier: Apache-2.0
"""Faults of tables, rows and statistics: what the files say of each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_check.fault import ACTION, STATE, Fault, data, json_file, table
from data_check.sets import VIEWS, lines


def _shift(key: str, by: float):
    def change(rows: list[dict]) -> None:
        for row in rows[3:]:
            row[key] += by

    return table(change)


def _scrambled(rows: list[dict]) -> None:
    key = f"videos/{VIEWS[0]}/from_timestamp"
    rows[2][key], rows[4][key] = rows[4][key], rows[2][key]


def _merged(stats: dict) -> None:
    """As after a merge whose quantiles were averaged."""
    for key in (STATE, ACTION):
        for name in ("q01", "q10", "q90", "q99"):
            stats[key][name] = [0.6 * q + 0.4 * m for q, m in zip(stats[key][name], stats[key]["mean"])]


def _half(stats: dict) -> None:
    """As if they were of one of two sets that were merged."""
    stats[STATE]["mean"] = [m + 0.1 for m in stats[STATE]["mean"]]
    stats[STATE]["count"] = [stats[STATE]["count"][0] // 2]


def _truncate(folder: Path) -> None:
    path = sorted((folder / "data").rglob("*.parquet"))[-1]
    path.write_bytes(path.read_bytes()[:-400])


def _drop_rows(found: pa.Table) -> pa.Table:
    return found.slice(0, len(found) - 7)


def _other_episode(found: pa.Table) -> pa.Table:
    at = found.schema.get_field_index("episode_index")
    values = np.array(found.column(at).to_pylist())
    values[20:30] = 5
    return found.set_column(at, "episode_index", pa.array(values))


def _bad_tasks(folder: Path) -> None:
    path = folder / "meta/tasks.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    lines(path, rows[:-1])


FAULTS = (
    Fault(
        "rows cut off", ("length", "totals", "offsets"), ("mismatch", "total_frames", "length"), files=data(_drop_rows)
    ),
    Fault(
        "data file not finished",
        ("layout",),
        ("parquet", "read", "unreadable", "corrupt"),
        files=_truncate,
        version="v2.1",
    ),
    Fault(
        "rows of another episode",
        ("scattered rows", "length"),
        ("mismatch", "episode_index", "length"),
        files=data(_other_episode),
    ),
    Fault(
        "lengths of the table stale",
        ("length",),
        ("mismatch", "length"),
        files=table(lambda rows: rows[2].update(length=rows[2]["length"] + 9)),
    ),
    Fault(
        "dataset_from_index stale",
        ("offsets",),
        ("from_index", "offset", "index"),
        files=_shift("dataset_from_index", 5),
    ),
    Fault(
        "from_timestamp stale",
        ("video offsets", "video length"),
        ("from_timestamp", "timestamp"),
        files=_shift(f"videos/{VIEWS[0]}/from_timestamp", -0.5),
    ),
    Fault("from_timestamp scrambled", ("video offsets",), ("from_timestamp", "timestamp"), files=table(_scrambled)),
    Fault("task_index out of range", ("tasks",), ("task",), files=_bad_tasks, version="v2.1"),
    Fault("statistics of half the set", ("statistics",), ("stat", "mean"), files=json_file("meta/stats.json", _half)),
    Fault(
        "quantiles averaged by a merge",
        ("quantiles",),
        ("quantile", "q01", "q99"),
        files=json_file("meta/stats.json", _merged),
    ),
)
