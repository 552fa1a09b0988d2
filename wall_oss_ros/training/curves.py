# SPDX-License-Identifier: Apache-2.0
"""The curves of a training, drawn."""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path

import numpy as np


def draw_curves(log: Path, picture: Path) -> None:
    """Draws the losses of a run's ``log.csv`` over its steps, smoothed, one colour a stage."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))
    shown = {"cross_entropy": "language: cross-entropy", "flow": "motion: flow matching", "fast": "motion: FAST tokens"}
    if not any(float(row.get("fast") or 0) for row in rows):  # empty in a log of before there was such a loss
        del shown["fast"]
    figure, axes = plt.subplots(1, len(shown), figsize=(5 * len(shown), 3.6), constrained_layout=True)
    for axis, (key, title) in zip(axes, shown.items()):
        for number, (stage, part) in enumerate(groupby(rows, key=lambda row: row["stage"])):
            part = list(part)
            steps = np.array([int(row["step"]) for row in part])
            values = np.array([float(row.get(key) or 0) for row in part])
            if not values.any():
                continue
            width = min(25, len(values))
            smooth = np.convolve(values, np.ones(width) / width, "valid")
            axis.plot(steps, values, color=f"C{number}", alpha=0.2, linewidth=0.7)
            axis.plot(steps[width - 1 :], smooth, color=f"C{number}", label=stage)
        axis.set(title=title, xlabel="step", yscale="log")
        axis.grid(alpha=0.3)
        if axis.has_data():
            axis.legend()
    figure.savefig(picture, dpi=110)
    plt.close(figure)
