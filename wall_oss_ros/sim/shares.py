# SPDX-License-Identifier: Apache-2.0
"""Shares of runs or answers, with their intervals, for JSON and for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (E. B. Wilson, 1927); (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    p, n = successes / trials, trials
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def share(hits: int, total: int) -> dict:
    """A share with its 95 % interval, for JSON; None where there are no cases."""
    low, high = wilson(hits, total)
    value = round(hits / total, 4) if total else None
    return {"hits": hits, "of": total, "share": value, "low": round(low, 4), "high": round(high, 4)}


def in_words(found: dict) -> str:
    """A :func:`share` for people, such as ``80 % (8 of 10; 49 to 94 %)``; ``-`` where there are no cases."""
    if not found["of"]:
        return "-"
    interval = f"{100 * found['low']:.0f} to {100 * found['high']:.0f} %"
    return f"{100 * found['share']:.0f} % ({found['hits']} of {found['of']}; {interval})"


def markdown(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; what would end a cell is escaped."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in line) + " |"
                     for line in lines)  # fmt: skip
