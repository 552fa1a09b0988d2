# SPDX-License-Identifier: Apache-2.0
"""Two runs' figures side by side, and what can be said of the difference."""

from __future__ import annotations

from dataclasses import dataclass

from wall_oss_ros.commands.benching.report import Figure

UNCLEAR, TOO_FEW = "no clear difference", "too few runs to say"


@dataclass(frozen=True)
class Change:
    """How a figure differs from before.

    Attributes:
        ratio: new over old, with the ends of its interval; None where the old one is 0, or an interval is missing.
        verdict: better or worse, only where the intervals do not overlap.
    """

    ratio: float | None
    low: float | None
    high: float | None
    verdict: str


def compare(new: Figure, old: Figure) -> Change:
    """The interval of the ratio is as wide as both intervals together can make it."""
    if new.unit != old.unit or new.better != old.better:
        return Change(None, None, None, f"was measured in {old.unit}, {old.better} being better")
    ratio = new.median / old.median if old.median else None
    if new.low is None or new.high is None or old.low is None or old.high is None:
        return Change(ratio, None, None, TOO_FEW)
    low, high = new.low / old.high if old.high else None, new.high / old.low if old.low else None
    if new.low <= old.high and old.low <= new.high:
        return Change(ratio, low, high, UNCLEAR)
    less = new.high < old.low
    return Change(ratio, low, high, "better" if less == (new.better == "less") else "worse")
