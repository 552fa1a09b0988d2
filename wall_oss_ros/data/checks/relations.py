# SPDX-License-Identifier: Apache-2.0
"""State against action: swapped or turned numbers, other units, the delay between a command and what follows it.

An action is a target for the state of the same name, or the way to it: what fits better on the whole is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Rows, Survey
from wall_oss_ros.data.checks.values import is_hand

STATE, ACTION = "observation.state", "action"
WIDEST = 64
LATE = 0.25
"""Seconds between command and state from which they are called late."""
LONGEST = 1.0
"""Seconds of delay that are looked for."""


class Digest(NamedTuple):
    """Of one episode: correlations (pairs, pairs) of action with state, and of action with the state's way.

    ``scale`` is the span of the state over that of the action, by pair; ``lags`` the mean correlation at each delay.
    """

    episode: int
    length: int
    targets: np.ndarray
    ways: np.ndarray
    scale: np.ndarray
    lags: np.ndarray
    same: float


def pairs(survey: Survey) -> list[tuple[int, int]]:
    """Entries of the state and of the action that are the same thing: by name, or by place in vectors of one size."""
    features = survey.info.features
    if STATE not in features or ACTION not in features:
        return []
    sizes = [features[key].entries for key in (STATE, ACTION)]
    names = [[survey.name(key, at) for at in range(size)] for key, size in zip((STATE, ACTION), sizes)]
    if all(names[0]) and all(names[1]):
        found = [(names[0].index(name), at) for at, name in enumerate(names[1]) if names[0].count(name) == 1]
        if found or sizes[0] != sizes[1]:
            return found[:WIDEST]
    return [(at, at) for at in range(sizes[0])][:WIDEST] if sizes[0] == sizes[1] else []


def digest(survey: Survey, rows: Rows) -> Digest | None:
    which = pairs(survey)
    if not which or STATE not in rows.columns or ACTION not in rows.columns or len(rows) < 8:
        return None
    if rows.columns[STATE].shape[1] <= max(s for s, _ in which) or rows.columns[ACTION].shape[1] <= max(
        a for _, a in which
    ):
        return None
    state = rows.columns[STATE][:, [s for s, _ in which]]
    action = rows.columns[ACTION][:, [a for _, a in which]]
    if not (np.isfinite(state).all() and np.isfinite(action).all()):
        return None
    way = np.diff(state, axis=0)
    spans = [np.quantile(v, 0.95, 0) - np.quantile(v, 0.05, 0) for v in (state, action)]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = spans[0] / spans[1]
    most = max(1, min(int(LONGEST * survey.fps), len(rows) // 4))
    lags = np.array(
        [
            _diagonal(action[max(0, -lag) : len(action) - max(0, lag)], state[max(0, lag) : len(state) - max(0, -lag)])
            for lag in range(-most, most + 1)
        ]
    )
    return Digest(
        rows.episode,
        len(rows),
        _correlation(action, state),
        _correlation(action[:-1], way),
        scale,
        lags,
        float(np.mean(action == state)),
    )


def of_dataset(survey: Survey, digests: list[Digest | None]) -> Iterator[Finding]:
    which, ones = pairs(survey), [one for one in digests if one is not None]
    if not ones:
        return
    weights = np.array([one.length for one in ones], float)
    targets, ways = (mean(np.stack([getattr(one, key) for one in ones]), weights) for key in ("targets", "ways"))
    own, way = (_average(np.abs(np.diag(fits))) for fits in (targets, ways))
    late = _average(np.array([np.nanmax(one.lags) for one in ones if np.isfinite(one.lags).any()]))
    absolute = max(own, late) >= way
    fits, key = (targets, "targets") if absolute else (ways, "ways")
    swapped = list(_swapped(fits))
    for a, b in swapped:
        yield Finding(
            "error",
            "swapped numbers",
            f"It goes with the state of {survey.label(STATE, which[b][0])} "
            f"({fits[a, b]:.2f}), and hardly with its own ({fits[a, a]:.2f}); and the other way round.",
            "Their order differs between state and action: correct names or order, or the mapping.",
            None,
            None,
            survey.label(ACTION, which[a][1]),
        )
    aside = {at for pair in swapped for at in pair}
    for at, (_, a) in enumerate(which):
        if at in aside or not np.isfinite(fits[at, at]):
            continue
        label = survey.label(ACTION, a)
        if fits[at, at] < -0.7:
            hand = "The gripper's" if is_hand(survey.name(ACTION, a)) else "Its"
            yield Finding(
                "error",
                "direction",
                f"{hand} direction differs: the action rises where the state falls ({fits[at, at]:.2f}).",
                "Turn one of them round, or say so in the mapping (invert).",
                None,
                None,
                label,
            )
        yield from _odd_episodes(ones, key, at, fits[at, at], label)
    if absolute:
        yield from _delay(survey, ones, weights)
        if np.average([one.same for one in ones], weights=weights) > 0.98:
            yield Finding(
                "warning",
                "copied",
                "The action is the state of the same moment: nothing is commanded.",
                "Take the command that was sent, or the state that follows.",
                None,
                None,
                ACTION,
            )


def _swapped(fits: np.ndarray) -> Iterator[tuple[int, int]]:
    for a in range(len(fits)):
        for b in range(a + 1, len(fits)):
            cross, own = min(abs(fits[a, b]), abs(fits[b, a])), max(abs(fits[a, a]), abs(fits[b, b]))
            if cross > 0.8 and own < cross - 0.3:
                yield a, b


def _odd_episodes(ones, key, at, usual, label) -> Iterator[Finding]:
    """Episodes in which it goes the other way than in the others."""
    if abs(usual) < 0.6 or len(ones) < 3:
        return
    odd = [one for one in ones if np.sign(usual) * getattr(one, key)[at, at] < -0.7 and one.length >= 12]
    for one in odd if len(odd) <= 0.4 * len(ones) else []:
        yield Finding(
            "error",
            "direction",
            f"Action and state go {'against' if usual > 0 else 'with'} each other "
            f"({getattr(one, key)[at, at]:.2f}), other than in other episodes ({usual:.2f}).",
            "Turn it round in this episode, or leave it out.",
            one.episode,
            None,
            label,
        )


def _delay(survey: Survey, ones: list[Digest], weights: np.ndarray) -> Iterator[Finding]:
    best = [_peak(one.lags) for one in ones]
    sure = [i for i, peak in enumerate(best) if peak is not None]
    if not sure:
        return
    widest = min(len(one.lags) // 2 for one in (ones[i] for i in sure))
    middles = np.stack([ones[i].lags[len(ones[i].lags) // 2 - widest :][: 2 * widest + 1] for i in sure])
    peak = _peak(mean(middles, weights[sure]))
    if peak is None:
        return
    said = f"The state follows the action by {peak} frame{'s' * (peak != 1)}, {peak / survey.fps:.3f} s"
    if peak <= -2:
        yield Finding(
            "warning",
            "delay",
            f"The action comes {-peak} frames, {-peak / survey.fps:.3f} s, after the state that it should bring about.",
            "Shift the action back; clocks or stamps differ.",
            None,
            None,
            ACTION,
        )
    elif peak / survey.fps > LATE:
        yield Finding(
            "warning",
            "delay",
            said + ".",
            "Look for a delay in recording; shift the action, or train on the state that follows.",
            None,
            None,
            ACTION,
        )
    elif peak:
        yield Finding("note", "delay", said + ".", "", None, None, ACTION)
    for i in sure:
        apart = best[i] - peak
        if len(sure) >= 4 and abs(apart) >= max(3, 0.1 * survey.fps):
            yield Finding(
                "warning",
                "delay",
                f"The state follows the action by {best[i]} frames "
                f"({best[i] / survey.fps:.3f} s), in other episodes by {peak}.",
                "Recorded with another delay: shift it, or leave the episode out.",
                ones[i].episode,
                None,
                ACTION,
            )


def _peak(lags: np.ndarray) -> int | None:
    """The delay in frames, if one stands out: a high maximum that is not at the end, well above what is far from it."""
    middle = len(lags) // 2
    if not np.isfinite(lags).all() or lags.max() < 0.7:
        return None
    at = int(lags.argmax())
    if at in (0, len(lags) - 1) or lags[at] - min(lags[0], lags[-1]) < 0.02:
        return None
    if lags[at] - lags[middle] < 1e-4:
        return 0
    return at - middle


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(D, D) of the columns of two (n, D); NaN where one is constant."""
    a, b = a - a.mean(0), b - b.mean(0)
    norms = np.sqrt(np.outer((a * a).sum(0), (b * b).sum(0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(norms > 1e-12 * len(a), (a.T @ b) / norms, np.nan)


def _diagonal(a: np.ndarray, b: np.ndarray) -> float:
    """The mean correlation of columns with their partners."""
    a, b = a - a.mean(0), b - b.mean(0)
    norms = np.sqrt((a * a).sum(0) * (b * b).sum(0))
    known = norms > 1e-12 * len(a)
    return float(np.mean((a * b).sum(0)[known] / norms[known])) if known.any() else np.nan


def _average(values: np.ndarray) -> float:
    """Of what is finite; 0 of nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Over the first axis, of what is finite."""
    known = np.isfinite(values)
    shape = (-1,) + (1,) * (values.ndim - 1)
    total = (known * weights.reshape(shape)).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, (np.where(known, values, 0) * weights.reshape(shape)).sum(0) / total, np.nan)
