# SPDX-License-Identifier: Apache-2.0
"""Statistics of a LeRobot dataset as they are stored, and of episodes put together where nothing else is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.data.lerobot.episodes import episode_tables
from wall_oss_ros.data.lerobot.layout import Info, integer
from wall_oss_ros.data.lerobot.tables import read_lines, read_table
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief, read_json

Statistics = dict[str, dict[str, np.ndarray]]
"""By feature and name of the statistic: min, max, mean, std, count, and in newer sets q01, q10, q50, q90, q99."""

STATS, EPISODES_STATS = "meta/stats.json", "meta/episodes_stats.jsonl"
_HINT = "Compute the statistics anew, or remove the file."


def read_statistics(folder: Path, info: Info) -> Statistics:
    """stats.json as it is; where there is none, what the statistics of the episodes come to; else nothing.

    Quantiles cannot be had from those of parts, so that they are only there if stats.json has them.

    Raises:
        WallOSSError: a file cannot be read, or holds something else.
    """
    path = folder / STATS
    if path.exists():
        values = read_json(path, _HINT)
        if not isinstance(values, dict):
            raise WallOSSError(f"{path} holds {brief(values)} instead of an object.", _HINT)
        return {key: _arrays(given, f"{path}, {key}") for key, given in values.items()}
    return combine(read_episode_statistics(folder, info).values())


def read_episode_statistics(folder: Path, info: Info) -> dict[int, Statistics]:
    """The statistics of each episode that has some."""
    if info.generation == "v2":
        path = folder / EPISODES_STATS
        return {
            integer(row.get("episode_index"), f"{path}: an episode_index"): {
                key: _arrays(given, f"{path}, {key}") for key, given in _object(row.get("stats"), path).items()
            }
            for row in (read_lines(path) if path.exists() else [])
        }
    found: dict[int, Statistics] = {}
    for path in episode_tables(folder):
        for row in read_table(path, lambda name: name == "episode_index" or name.startswith("stats/")).to_pylist():
            index = integer(row.get("episode_index"), f"{path}: an episode_index")
            found[index] = {key: _arrays(given, f"{path}, {key}") for key, given in nested(row).items()}
    return found


def nested(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """An episode's statistics, by feature and name, out of its row in v3.0's table: ``stats/FEATURE/NAME``."""
    found: dict[str, dict[str, Any]] = {}
    for column, value in row.items():
        if column.startswith("stats/") and value is not None:
            key, _, name = column.removeprefix("stats/").rpartition("/")
            found.setdefault(key, {})[name] = value
    return found


def combine(parts: Iterable[Statistics]) -> Statistics:
    """Statistics of all samples from those of parts of them, quantiles left out."""
    by_key: dict[str, list[dict[str, np.ndarray]]] = {}
    for part in parts:
        for key, given in part.items():
            if {"min", "max", "mean", "std", "count"} <= given.keys() and given["count"].sum() > 0:
                by_key.setdefault(key, []).append(given)
    found: Statistics = {}
    for key, kept in by_key.items():
        if len({one["mean"].shape for one in kept}) > 1:
            raise WallOSSError(f"The statistics of {key} have different shapes in different episodes.", _HINT)
        count = np.sum([one["count"] for one in kept], axis=0)
        mean = np.sum([one["mean"] * (one["count"] / count) for one in kept], axis=0)
        # Of the whole: what varies within the parts, and what the parts' means vary.
        spread = [(one["std"] ** 2 + (one["mean"] - mean) ** 2) * (one["count"] / count) for one in kept]
        found[key] = {
            "min": np.min([one["min"] for one in kept], axis=0),
            "max": np.max([one["max"] for one in kept], axis=0),
            "mean": mean,
            "std": np.sqrt(np.sum(spread, axis=0)),
            "count": count,
        }
    return found


def numeric(given: object) -> dict[str, np.ndarray] | None:
    """Stored statistics of a feature as arrays; None where something in them is no finite number."""
    try:
        values = _arrays(given, "")
    except WallOSSError:
        return None
    return values if all(np.isfinite(value).all() for value in values.values()) else None


def _arrays(given: object, what: str) -> dict[str, np.ndarray]:
    values = {}
    for name, value in _object(given, what).items():
        try:
            values[name] = np.atleast_1d(np.asarray(value, dtype=np.int64 if name == "count" else np.float64))
        except (TypeError, ValueError, OverflowError):
            raise WallOSSError(f"{what}: {name} is {brief(value)} instead of numbers.", _HINT) from None
    return values


def _object(value: object, what: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise WallOSSError(f"{what}: {brief(value)} instead of an object.", _HINT)
    return value
