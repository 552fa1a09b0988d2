# SPDX-License-Identifier: Apache-2.0
"""Faults of time and of numbers: states and actions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from data_check.fault import ACTION, STATE, Fault, column, info
from data_check.sets import Content


def _both(change, only=None):
    def plant(content: Content) -> None:
        for name in (STATE, ACTION):
            column(name, change, only)(content)

    return plant


def _set(rows, at, value):
    def change(values: np.ndarray) -> np.ndarray:
        values[rows, at] = value
        return values

    return change


def _scaled(at, factor):
    def change(values: np.ndarray) -> np.ndarray:
        values[:, at] *= factor
        return values

    return change


def _clipped(at: int):
    def change(values: np.ndarray) -> np.ndarray:
        values[:, at] = np.minimum(values[:, at], 0.05)
        return values

    return change


def _swap(values: np.ndarray) -> np.ndarray:
    values[:, [0, 2]] = values[:, [2, 0]]
    return values


def _leap(values: np.ndarray) -> np.ndarray:
    values[40, 1] += 1.8
    return values


def _late(frames: int):
    def change(values: np.ndarray) -> np.ndarray:
        return np.concatenate([np.repeat(values[:1], frames, 0), values])[: len(values)]

    return change


def _time(change: Callable[[np.ndarray], np.ndarray], only: int | None = 2):
    def plant(content: Content) -> None:
        for index, episode in enumerate(content.episodes):
            if only is None or index == only:
                time = np.arange(len(episode)) / content.fps
                episode.columns["timestamp"] = change(time).astype(np.float32)

    return plant


def _gap(time: np.ndarray) -> np.ndarray:
    time[30:] += 0.4
    return time


def _back(time: np.ndarray) -> np.ndarray:
    time[30] = time[28]
    return time


def _jitter(time: np.ndarray) -> np.ndarray:
    return time + np.random.default_rng(0).uniform(-0.3, 0.3, len(time)) / 30 * (np.arange(len(time)) > 0)


FAULTS = (
    Fault("fps truncated", ("rate",), ("fps", "interval", "rate"), files=info(lambda values: values.update(fps=29))),
    Fault("timestamps at another rate", ("rate",), ("fps", "interval", "rate"), content=_time(lambda t: t * 1.2, None)),
    Fault("a gap in time", ("gaps",), ("gap", "dropped"), content=_time(_gap), episode=2),
    Fault("time goes back", ("timestamps",), ("monoton", "increas"), content=_time(_back), episode=2),
    Fault(
        "jitter", ("jitter",), ("jitter", "interval", "irregular", "gap", "toler"), content=_time(_jitter), episode=2
    ),
    Fault(
        "NaN in the state",
        ("not finite",),
        ("nan",),
        content=column(STATE, _set(slice(20, 24), 3, np.nan), 1),
        episode=1,
    ),
    Fault("infinite action", ("not finite",), ("inf",), content=column(ACTION, _set(10, 2, np.inf), 1), episode=1),
    Fault(
        "constant dimension",
        ("constant",),
        ("constant", "zero var", "static", "stuck", "variance"),
        content=column(STATE, _set(slice(None), 3, 0.7)),
    ),
    Fault(
        "sensor hung in an episode",
        ("stuck",),
        ("stuck", "static", "frozen", "constant"),
        content=column(STATE, _set(slice(None), 2, 1.2), 4),
        episode=4,
    ),
    Fault("clipped at a limit", ("saturated",), ("clip", "satur", "at maximum"), content=column(ACTION, _clipped(0))),
    Fault("swapped dimensions", ("swapped numbers",), ("swap", "correl"), content=column(STATE, _swap)),
    Fault(
        "degrees in the state",
        ("units",),
        ("degree", "unit", "radian"),
        content=column(STATE, _scaled(slice(0, 6), 57.29578)),
    ),
    Fault(
        "degrees throughout", ("units",), ("degree", "unit", "radian"), content=_both(_scaled(slice(0, 6), 57.29578))
    ),
    Fault(
        "degrees in an episode",
        ("units",),
        ("degree", "unit", "radian"),
        content=_both(_scaled(slice(0, 6), 57.29578), 3),
        episode=3,
    ),
    Fault(
        "gripper the other way",
        ("direction",),
        ("gripper", "invert", "direction"),
        content=column(ACTION, lambda v: np.column_stack([v[:, :6], 1 - v[:, 6]])),
    ),
    Fault(
        "gripper the other way in an episode",
        ("direction",),
        ("gripper", "invert", "direction"),
        content=column(ACTION, lambda v: np.column_stack([v[:, :6], 1 - v[:, 6]]), 3),
        episode=3,
    ),
    Fault("state 15 frames late", ("delay",), ("delay", "lag", "latency"), content=column(STATE, _late(13))),
    Fault("action after the state", ("delay",), ("delay", "lag", "latency"), content=column(ACTION, _late(6))),
    Fault(
        "an episode with another delay",
        ("delay",),
        ("delay", "lag", "latency"),
        content=column(STATE, _late(7), 3),
        episode=3,
    ),
    Fault(
        "action copied from the state",
        ("copied",),
        ("identical", "copy", "same as"),
        content=lambda c: [e.columns.update(action=e.columns[STATE].copy()) for e in c.episodes] and None,
    ),
    Fault(
        "the state leaps",
        ("leap",),
        ("jump", "leap", "spike", "outlier", "discontin"),
        content=column(STATE, _leap, 4),
        episode=4,
    ),
)
