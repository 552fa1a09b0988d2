# SPDX-License-Identifier: Apache-2.0
"""Statistics as stored against those of the data: of the whole set, and of each episode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Rows, Survey
from wall_oss_ros.data.lerobot.layout import has_statistics
from wall_oss_ros.data.lerobot.statistics import numeric
from wall_oss_ros.data.statistics import QUANTILES, Statistics

NEAR = 2e-3
"""Of a number's range: what rounding, float32 and others' histograms of 5000 bins may be off."""
RANK = 0.01
"""In rank: the same for quantiles."""
_NAMES = ("min", "max", "mean", "std")
_ANEW = "Compute them anew: wall-oss data stats --write"
_PICTURES = "Compute them anew: wall-oss data stats --write --pictures"


def start(survey: Survey) -> dict[str, Statistics]:
    """For all columns of numbers, those included that every dataset has."""
    return {
        key: Statistics(feature.entries)
        for key, feature in survey.info.features.items()
        if has_statistics(key, feature) and feature.dtype != "bool"
    }


def add(statistics: Mapping[str, Statistics], rows: Rows) -> None:
    for key, one in statistics.items():
        values = rows.columns.get(key)
        if values is not None and values.shape[1] == one.width:
            one.add(values)


def of_episode(survey: Survey, rows: Rows) -> Iterator[Finding]:
    """An episode's own statistics."""
    for key, stored in survey.stored_episodes.get(rows.episode, {}).items():
        values = rows.columns.get(key)
        if (
            values is None
            or values.dtype == object
            or not len(values)
            or key in ("index", "episode_index", "task_index")
        ):
            continue
        whole = np.where(np.isfinite(values), values, np.nan)
        if np.isnan(whole).any():
            continue  # said elsewhere
        right = {"min": whole.min(0), "max": whole.max(0), "mean": whole.mean(0), "std": whole.std(0)}
        for name in _NAMES:
            problem = _differs(stored.get(name), right[name], right["max"] - right["min"], np.abs(whole).max(0))
            if problem is not None:
                at, said, true = problem
                yield Finding(
                    "warning",
                    "episode statistics",
                    f"Stored is {name} {said:.5g}; its rows have {true:.5g}.",
                    _ANEW,
                    rows.episode,
                    None,
                    survey.label(key, at),
                )
                break


def of_dataset(survey: Survey, statistics: Mapping[str, Statistics]) -> Iterator[Finding]:
    if not survey.stored:
        if survey.info.version != "v2.1" and any(one.rows for one in statistics.values()):
            yield Finding("warning", "statistics", "meta/stats.json is missing.", _ANEW)
        yield from _per_episode(survey)
        return
    if survey.info.version != "v2.0":
        yield from _per_episode(survey)
    for key, one in statistics.items():
        if not one.rows or key in ("index", "episode_index", "task_index", "frame_index", "timestamp"):
            continue
        stored = survey.stored.get(key)
        if stored is None:
            yield Finding("warning", "statistics", f"meta/stats.json has none of {key}.", _ANEW, column=key)
            continue
        yield from _feature(survey, key, stored, one)
    for key in survey.colours():
        if (stored := survey.stored.get(key)) is not None:
            yield from _pictures(key, stored)


def _feature(survey: Survey, key: str, stored: Mapping[str, Any], one: Statistics) -> Iterator[Finding]:
    right = one.result()
    count = _flat(stored.get("count"))
    counts = (one.rows, right["count"][0])  # with and without rows that hold no number
    if count is not None and len(count) and np.isfinite(count).all() and int(count[0]) not in counts:
        yield Finding(
            "warning", "statistics", f"They are of {int(count[0])} rows; there are {one.rows}.", _ANEW, column=key
        )
    span, size = right["max"] - right["min"], np.maximum(np.abs(right["min"]), np.abs(right["max"]))
    for name in _NAMES:
        problem = _differs(stored.get(name), right[name], span, size)
        if problem is not None:
            at, said, true = problem
            yield Finding(
                "warning",
                "statistics",
                f"Stored is {name} {said:.5g}; the data have {true:.5g}.",
                _ANEW,
                column=survey.label(key, at),
            )
    averaged = _averaged(survey, key)
    worst: tuple[float, str, int, float] | None = None
    for name, share in QUANTILES.items():
        values = _flat(stored.get(name))
        if values is None or len(values) != one.width:
            if name in stored:
                yield Finding(
                    "warning",
                    "statistics",
                    f"Stored is {name} of {0 if values is None else len(values)} numbers; there are {one.width}.",
                    _ANEW,
                    column=key,
                )
            continue
        for at, value in enumerate(values):
            off = _off_rank(one, at, value, share, right[name][at], span[at])
            if off > 0 and (worst is None or off > worst[0]):
                worst = (off, name, at, float(value))
    if worst is not None:
        off, name, at, said = worst
        as_lerobot = averaged is not None and all(
            (values := _flat(stored.get(n))) is None
            or np.allclose(values, averaged[n], rtol=1e-4, atol=1e-6, equal_nan=True)
            for n in QUANTILES
        )
        why = ", the mean of the episodes' own, as lerobot writes it" if as_lerobot else ""
        yield Finding(
            "note" if as_lerobot else "warning",
            "quantiles",
            f"Stored is {name} {said:.5g}{why}; the data have {right[name][at]:.5g}: off by {off:.0%} of the rows.",
            _ANEW,
            column=survey.label(key, at),
        )


def _off_rank(one: Statistics, at: int, value: float, share: float, right: float, span: float) -> float:
    """Share of the rows by which a quantile is off; 0 where it is near enough."""
    if np.isnan(right):
        return 0.0
    if not np.isfinite(value):
        return 1.0
    if abs(value - right) <= NEAR * span + 1e-6 * abs(right):
        return 0.0
    low, high = one.below(at, value)
    off = max(low - share, share - high, 0.0)
    return off if off > RANK + one.rank_error + 1.5 / max(one.rows, 1) else 0.0


def _averaged(survey: Survey, key: str) -> dict[str, np.ndarray] | None:
    """The mean of the episodes' stored quantiles, by their rows."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in QUANTILES}
    weights = []
    for episode, stored in survey.stored_episodes.items():
        parts = {name: _flat(stored.get(key, {}).get(name)) for name in QUANTILES}
        if any(part is None for part in parts.values()):
            return None
        for name, part in parts.items():
            found[name].append(part)
        weights.append(survey.table.get(episode, {}).get("length") or 0)
    if not weights or not sum(weights):
        return None
    try:
        return {name: np.average(np.stack(parts), axis=0, weights=weights) for name, parts in found.items()}
    except ValueError:
        return None


def _per_episode(survey: Survey) -> Iterator[Finding]:
    yield from _pictures_of_episodes(survey)
    if survey.info.version == "v2.1" or any(survey.stored_episodes.values()):
        missing = [episode for episode in sorted(survey.table) if not survey.stored_episodes.get(episode)]
        for episode in missing[:5]:
            yield Finding(
                "warning",
                "episode statistics",
                f"{len(missing)} episodes have no statistics of their own.",
                _ANEW,
                episode,
            )


def _pictures_of_episodes(survey: Survey) -> Iterator[Finding]:
    for episode, stored in sorted(survey.stored_episodes.items()):
        for key in survey.colours():
            if key in stored and numeric(stored[key]) is None:
                yield Finding(
                    "warning",
                    "episode statistics",
                    "Stored values of pictures are no numbers.",
                    _PICTURES,
                    episode,
                    None,
                    key,
                )


def _pictures(key: str, stored: Mapping[str, Any]) -> Iterator[Finding]:
    """Statistics of pictures are of samples; only what cannot be is named."""
    low, high, mean = (_flat(stored.get(name)) for name in ("min", "max", "mean"))
    for values in (low, high, mean):
        if values is not None and (
            not np.isfinite(values).all() or values.min(initial=0) < -1e-6 or values.max(initial=0) > 1 + 1e-6
        ):
            yield Finding(
                "warning",
                "statistics",
                f"Stored values of pictures reach from {values.min():.4g} to {values.max():.4g} instead of 0 to 1.",
                _PICTURES,
                column=key,
            )
            return
    if mean is not None and len(mean) not in (1, 3, 4):
        yield Finding("warning", "statistics", f"They are of {len(mean)} colours.", _PICTURES, column=key)


def _differs(stored: Any, right: np.ndarray, span: np.ndarray, size: np.ndarray) -> tuple[int, float, float] | None:
    """The entry that differs most, what is stored and what is right."""
    values = _flat(stored)
    if values is None:
        return None
    if len(values) != len(right):
        return 0, float(len(values)), float(len(right))
    off = np.abs(np.nan_to_num(values, nan=np.inf) - right) - (NEAR * span + 1e-5 * size + 1e-6)
    off = np.where(np.isnan(right), -1, off)
    at = int(off.argmax())
    return (at, float(values[at]), float(right[at])) if off[at] > 0 else None


def _flat(value: Any) -> np.ndarray | None:
    if value is None:
        return None
    try:
        return np.asarray(value, np.float64).reshape(-1)
    except (TypeError, ValueError):
        return np.array([np.nan])
