# SPDX-License-Identifier: Apache-2.0
"""Numbers: not finite, constant, stuck at a limit or for an episode, leaping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Rows, Survey

SATURATED = 0.1
"""Share of all rows exactly at a limit, from which a number is called saturated."""
FEW = 12
"""Values that a number takes, up to which it is a switch rather than a measurement."""
HANDS = ("grip", "finger", "jaw", "hand", "claw", "suction", "vacuum")
_SPECIAL = ("done", "reward", "success", "next.")


class Column(NamedTuple):
    """A column's numbers in one episode, each array (D,). ``few`` holds values while they are few, else None.

    ``runs_at_min`` counts the times that it comes to its least value and leaves it again.
    """

    min: np.ndarray
    max: np.ndarray
    at_min: np.ndarray
    at_max: np.ndarray
    runs_at_min: np.ndarray
    runs_at_max: np.ndarray
    leap: np.ndarray
    leap_at: np.ndarray
    third: np.ndarray
    few: list[frozenset[float] | None]


class Digest(NamedTuple):
    """What is kept of an episode."""

    episode: int
    length: int
    columns: dict[str, Column]


def motion(survey: Survey) -> list[str]:
    """The columns that tell of the robot: of floats, observed or commanded."""
    return [
        name
        for name, feature in survey.numbers().items()
        if np.dtype(feature.dtype).kind == "f"
        and name.startswith(("observation", "action"))
        and not any(word in name for word in _SPECIAL)
    ]


def is_hand(name: str) -> bool:
    return any(word in name.lower() for word in HANDS)


def of_episode(survey: Survey, rows: Rows) -> Iterator[Finding]:
    """Entries that are no numbers."""
    for name in survey.numbers():
        values = rows.columns.get(name)
        if values is None or np.isfinite(values).all():
            continue
        for at in np.flatnonzero(~np.isfinite(values).all(0)):
            bad = np.flatnonzero(~np.isfinite(values[:, at]))
            kind = (
                "NaN"
                if np.isnan(values[bad, at]).all()
                else "infinite"
                if np.isinf(values[bad, at]).all()
                else "NaN or infinite"
            )
            yield Finding(
                "error",
                "not finite",
                f"{len(bad)} of {len(values)} entries are {kind}.",
                "Training gives NaN from the first of them on: mend or leave out the episode.",
                rows.episode,
                int(bad[0]),
                survey.label(name, int(at)),
            )


def digest(survey: Survey, rows: Rows) -> Digest:
    columns = {}
    for name in motion(survey):
        values = rows.columns.get(name)
        if values is None or not len(values):
            continue
        with np.errstate(invalid="ignore"):
            filled = np.where(np.isfinite(values), values, np.nan)
        width = values.shape[1]
        blank = np.isnan(filled).all(0)
        low = np.where(blank, np.nan, np.nanmin(np.where(blank, 0, filled), 0))
        high = np.where(blank, np.nan, np.nanmax(np.where(blank, 0, filled), 0))
        steps = np.abs(np.nan_to_num(np.diff(filled, axis=0)))
        order = np.sort(steps, axis=0)[::-1]
        zero = np.zeros(width)
        few: list[frozenset[float] | None] = []
        for at in range(width):
            found = np.unique(filled[:, at][~np.isnan(filled[:, at])])
            few.append(frozenset(found.tolist()) if len(found) <= FEW else None)
        columns[name] = Column(
            low,
            high,
            (filled == low).sum(0),
            (filled == high).sum(0),
            _runs(filled == low),
            _runs(filled == high),
            order[0] if len(order) else zero,
            steps.argmax(0) + 1 if len(steps) else zero.astype(int),
            order[2] if len(order) > 2 else np.full(width, np.inf),
            few,
        )
    return Digest(rows.episode, len(rows), columns)


def _runs(there: np.ndarray) -> np.ndarray:
    """(D,) runs of true in (n, D), without those at either end."""
    begins = (there[1:] & ~there[:-1]).sum(0) if len(there) > 1 else np.zeros(there.shape[1], int)
    return begins - (there[-1] & ~there.all(0)).astype(int)


def of_dataset(survey: Survey, digests: list[Digest]) -> Iterator[Finding]:
    for name in motion(survey):
        ones = [(d, d.columns[name]) for d in digests if name in d.columns]
        if not ones:
            continue
        for at in range(len(ones[0][1].min)):
            if all(len(column.min) > at for _, column in ones):
                yield from _number(survey, name, at, ones)


def _number(survey: Survey, name: str, at: int, ones: list[tuple[Digest, Column]]) -> Iterator[Finding]:
    label = survey.label(name, at)
    low = np.array([column.min[at] for _, column in ones])
    high = np.array([column.max[at] for _, column in ones])
    if np.isnan(low).all():
        return
    least, most = np.nanmin(low), np.nanmax(high)
    rows = sum(one.length for one, _ in ones)
    if least == most:
        if rows >= 2:
            yield Finding(
                "warning",
                "constant",
                f"It is {least:g} on all {rows} rows.",
                "Mask it in the mapping, or look for a sensor or topic that was not connected.",
                None,
                None,
                label,
            )
        return
    seen: set[float] | None = set()
    for _, column in ones:
        values = column.few[at]
        seen = None if seen is None or values is None or len(seen | values) > FEW else seen | values
    if seen is not None and len(seen) <= FEW and rows > 3 * FEW:
        return  # a switch
    if not is_hand(survey.name(name, at)):
        yield from _saturated(label, name, at, ones, least, most, rows)
    yield from _stuck(label, at, ones, most - least)
    yield from _leaps(label, at, ones, most - least)


def _saturated(label, name, at, ones, least, most, rows) -> Iterator[Finding]:
    shares = []
    for limit, which in ((least, "at_min"), (most, "at_max")):
        edge = "min" if which == "at_min" else "max"
        counts = [getattr(c, which)[at] if getattr(c, edge)[at] == limit else 0 for _, c in ones]
        runs = sum(int(getattr(c, f"runs_{which}")[at]) for count, (_, c) in zip(counts, ones) if count)
        shares.append((sum(counts) / rows, limit, ones[int(np.argmax(counts))][0].episode, runs))
    if shares[0][0] > 0.05 and shares[1][0] > 0.05 and shares[0][0] + shares[1][0] > 0.5:
        return  # it goes between two ends, as grippers do
    for share, limit, episode, runs in shares:
        if share > SATURATED and runs >= 3 and rows >= 30:
            at_one = name.startswith("action") and abs(limit) == 1
            yield Finding(
                "note" if at_one else "warning",
                "saturated",
                f"{share:.0%} of all rows are exactly at its limit of {limit:g}; most in episode {episode}.",
                "Actions that are clipped at 1 lose how far they went: look at the scale."
                if at_one
                else "A sensor or scale that ends there, or values that were clipped.",
                episode,
                None,
                label,
            )


def _stuck(label, at, ones, span) -> Iterator[Finding]:
    """Constant in an episode, where it moves widely in nearly all the others."""
    moved = np.array([column.max[at] - column.min[at] for _, column in ones])
    still = (moved == 0) & np.array([one.length >= 10 for one, _ in ones])
    if len(ones) >= 4 and still.any() and still.mean() <= 0.2 and np.median(moved) > 0.1 * span:
        for (one, column), stands in zip(ones, still):
            if stands:
                yield Finding(
                    "warning",
                    "stuck",
                    f"It is {column.min[at]:g} for the whole episode, and moves by "
                    f"{np.median(moved):.3g} in most others.",
                    "Look for a sensor that hung; leave the episode out.",
                    one.episode,
                    0,
                    label,
                    one.length - 1,
                )


def _leaps(label, at, ones, span) -> Iterator[Finding]:
    """One or two steps far beyond all the others of the episode and those of other episodes."""
    usual = float(np.median([column.leap[at] for _, column in ones]))
    turns, leaps = [], []
    for one, column in ones:
        leap, third = column.leap[at], column.third[at]
        if one.length < 6 or not np.isfinite(third) or leap <= 0.1 * span:
            continue
        if _turn(leap) and leap > 4 * third:
            turns.append((one, column))
        elif third > 0 and leap > 6 * third and (len(ones) < 4 or leap > 3 * usual):
            leaps.append((one, column))
    for one, column in leaps if len(leaps) <= max(2, 0.3 * len(ones)) else []:
        yield Finding(
            "warning",
            "leap",
            f"It leaps by {column.leap[at]:.4g} within a frame; else it moves by "
            f"{column.third[at]:.3g} at most in this episode.",
            "Look at the frame; a lost message or a reset.",
            one.episode,
            int(column.leap_at[at]),
            label,
        )
    if turns:
        one, column = turns[0]
        yield Finding(
            "note",
            "turns over",
            f"It leaps by a whole turn ({column.leap[at]:.4g}) in {len(turns)} episodes.",
            "Angles that wrap train badly: unwrap them, or use a 6-D rotation in the mapping.",
            one.episode,
            int(column.leap_at[at]),
            label,
        )


def _turn(leap: float) -> bool:
    return any(abs(leap - turn) < 0.1 * turn for turn in (2 * np.pi, 360.0))
