# SPDX-License-Identifier: Apache-2.0
"""The form in which benchmarks write figures for ``wall-oss bench``: medians, each with an interval.

    {"figures": {"cycle": {"median": 0.41, "low": 0.40, "high": 0.43, "n": 500, "unit": "ms", "better": "less"}, ...}}

A figure of fewer than three runs has no interval: ``low`` and ``high`` are null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

BLOCKS = 20
"""Many runs close behind each other are alike, so that their number says little: medians of this many blocks count."""


def figure(samples: Sequence[float], unit: str, better: str = "less") -> dict[str, Any]:
    """The median with a 95 % interval by order statistics, which suppose no distribution; of fewer than 6, all.

    Args:
        samples: in the order in which they were measured.
        better: "less" or "more".
    """
    values = np.asarray(samples, dtype=float)
    median, (low, high) = float(np.median(values)), interval(values)
    return {"median": median, "low": low, "high": high, "n": len(values), "unit": unit, "better": better}


def ratios(above: Sequence[float], below: Sequence[float]) -> dict[str, Any]:
    """How many times as long the first took as the second, run by run, for runs that took turns."""
    return figure([a / b for a, b in zip(above, below)], "times", "more")


def interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """Both ends; None where there are too few to say."""
    if len(values) < 3:
        return None, None
    median = float(np.median(values))
    if len(values) >= 3 * BLOCKS:
        values = np.array([np.median(block) for block in np.array_split(values, BLOCKS)])
    ordered = np.sort(values)
    skip = max(0, int(binom.ppf(0.025, len(ordered), 0.5)) - 1)  # P(at most that many below the median) <= 2.5 %
    return min(float(ordered[skip]), median), max(float(ordered[-1 - skip]), median)


def write(path: Path, figures: Mapping[str, dict[str, Any]], **more: Any) -> None:
    """Writes them, and whatever else the benchmark has to say."""
    path.write_text(json.dumps({**more, "figures": figures}, indent=1, allow_nan=False) + "\n")
