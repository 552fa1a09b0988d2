# SPDX-License-Identifier: Apache-2.0
"""Draws what results say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from planning_runs.figures import Run, by, shared
from wall_oss_ros.sim.shares import wilson


def draw(runs: Sequence[Run], picture: Path) -> None:
    """Success by mode and upset with 95 % intervals; delays of notice and of completion as they are distributed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.8), width_ratios=(3, 2))
    modes, kinds = by(shared(runs), "mode"), list(by(shared(runs), "upset"))
    width = 0.8 / max(len(modes), 1)
    for place, (mode, ones) in enumerate(modes.items()):
        groups = [[one for one in ones if one.result["upset"] == kind and one.let_in] for kind in kinds]
        hits = np.array([sum(one.success for one in group) for group in groups])
        counts = np.array([len(group) for group in groups])
        shares = np.where(counts, hits / np.maximum(counts, 1), np.nan)  # nothing is drawn where nothing was run
        bounds = np.array([wilson(int(hit), int(count)) for hit, count in zip(hits, counts)])
        errors = np.abs(bounds.T - shares)
        left.bar(np.arange(len(kinds)) + place * width, 100 * shares, width, yerr=100 * errors, capsize=2, label=mode)
    left.set_xticks(np.arange(len(kinds)) + 0.4 - width / 2, kinds)
    left.set(ylabel="goals reached, %", ylim=(0, 105))
    if modes:
        left.legend(fontsize=8, ncols=len(modes), loc="upper center", bbox_to_anchor=(0.5, 1.14), frameon=False)
    reasoning = [one for one in runs if one.result["mode"] == "reasoning" and one.upset is not None]
    lines = {who: [one.detected(who) for one in reasoning if one.needed] for who in ("model", "monitor", "either")}
    for who, delays in lines.items():
        known = np.sort([delay for delay in delays if delay is not None])
        if len(known):
            shares = 100 * np.arange(1, len(known) + 1) / len(delays)
            right.step(known, shares, where="post", label=f"{who} ({len(delays)} runs)")
    right.set(xlabel="after the upset, s", ylabel="noticed, where acting was not enough, %", ylim=(0, 105))
    if right.lines:
        right.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
