#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What evaluations say: by task, by group of difficulty, both means, with 95 % intervals; success against time.

python report.py runs/metaworld/mt10        # writes report.json, report.md and success.png there
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluate import read_episodes
from suite import GROUPS, TASKS

from wall_oss_ros.sim.shares import wilson

PUBLISHED = {"pi0": 47.9, "SmolVLA 0.45 B": 57.3, "SmolVLA 2.25 B": 68.2, "Evo-1 0.77 B": 80.6}
"""Means of the four groups, as SmolVLA's paper (arXiv 2506.01844) and Evo-1's (arXiv 2511.04555) report them."""


def mean_interval(counts: Sequence[tuple[int, int]]) -> tuple[float, float, float]:
    """The mean of several shares, each counted as much, and its interval, made of their Wilson intervals (G. Y. Zou and
    A. Donner 2008, Statist. Med. 27, 1693)."""
    shares = [(hits / count, *wilson(hits, count)) for hits, count in counts]
    mean = sum(share for share, _, _ in shares) / len(shares)
    below = math.sqrt(sum((share - low) ** 2 for share, low, _ in shares)) / len(shares)
    above = math.sqrt(sum((high - share) ** 2 for share, _, high in shares)) / len(shares)
    return mean, max(0.0, mean - below), min(1.0, mean + above)


def summary(episodes: Sequence[Mapping]) -> dict:
    """By task, by group, and both means, of episodes as :mod:`evaluate` writes them.

    Raises:
        ValueError: there are none.
    """
    if not episodes:
        raise ValueError("there is no episode to report on")
    unique = {(one["task"], one["seed"]): one for one in episodes}
    by_task: dict[str, list[int]] = {}
    by_group: dict[str, list[int]] = {}
    for (name, _), one in sorted(unique.items()):
        for table, key in ((by_task, name), (by_group, TASKS[name].group)):
            counts = table.setdefault(key, [0, 0])
            counts[0] += bool(one["success"])
            counts[1] += 1
    groups = [group for group in GROUPS if group in by_group]
    # Groups are means of their tasks, whose numbers of episodes need not be the same.
    shares = {
        group: mean_interval([tuple(by_task[name]) for name in by_task if TASKS[name].group == group])
        for group in groups
    }
    hits, count = (sum(counts[n] for counts in by_task.values()) for n in (0, 1))
    spread = [(shares[group][0] - shares[group][1], shares[group][2] - shares[group][0]) for group in groups]
    mean = sum(shares[group][0] for group in groups) / len(groups)
    low, high = (math.sqrt(sum(one[n] ** 2 for one in spread)) / len(groups) for n in (0, 1))
    return {
        "tasks": {
            name: {"group": TASKS[name].group, "successes": one[0], "episodes": one[1], "interval": wilson(*one)}
            for name, one in by_task.items()
        },
        "groups": {
            group: {
                "successes": by_group[group][0], "episodes": by_group[group][1], "mean": shares[group][0],
                "interval": shares[group][1:],
            }
            for group in groups
        },
        "all": {"successes": hits, "episodes": count, "interval": wilson(hits, count)},
        "mean_of_tasks": dict(zip(("mean", "low", "high"), mean_interval([tuple(one) for one in by_task.values()]))),
        "mean_of_groups": {"mean": mean, "low": max(0.0, mean - low), "high": min(1.0, mean + high), "groups": groups},
        "infer_ms": sum(one["infer_ms"] for one in unique.values()) / len(unique),
    }  # fmt: skip


def in_words(found: Mapping, training: Mapping | None = None) -> str:
    """The summary as Markdown."""

    def percent(mean: float, low: float, high: float) -> str:
        return f"{100 * mean:.0f} % ({100 * low:.0f} to {100 * high:.0f})"

    lines = []
    if training:
        lines += [f"Training: {training['minutes']:g} minutes, {training['steps']} steps.", ""]
    lines += ["| task | group | success | 95 % interval |", "|---|---|---|---|"]
    for name, one in found["tasks"].items():
        low, high = one["interval"]
        group = one["group"].replace("_", " ")
        lines.append(
            f"| {name} | {group} | {one['successes']} of {one['episodes']} | {100 * low:.0f} to {100 * high:.0f} % |"
        )
    lines += ["", "| | success (95 % interval) |", "|---|---|"]
    for group, one in found["groups"].items():
        lines.append(f"| {group.replace('_', ' ')} | {percent(one['mean'], *one['interval'])} |")
    tasks, groups = found["mean_of_tasks"], found["mean_of_groups"]
    lines.append(f"| mean of {len(found['tasks'])} tasks | {percent(tasks['mean'], tasks['low'], tasks['high'])} |")
    lines.append(
        f"| mean of {len(groups['groups'])} groups | {percent(groups['mean'], groups['low'], groups['high'])} |"
    )
    if len(found["tasks"]) == len(TASKS):
        published = ", ".join(f"{name} {value} %" for name, value in PUBLISHED.items())
        lines += ["", f"Published, means of the four groups: {published}."]
    return "\n".join(lines) + "\n"


def draw(points: Sequence[tuple[float, Mapping]], picture: Path) -> None:
    """Success against minutes of training: both means with their intervals, and each group."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4.2), constrained_layout=True)
    minutes = [at for at, _ in points]
    for number, (key, words) in enumerate((("mean_of_tasks", "mean of tasks"), ("mean_of_groups", "mean of groups"))):
        values = [found[key] for _, found in points]
        middle = [100 * one["mean"] for one in values]
        errors = [
            [100 * (one["mean"] - one["low"]) for one in values],
            [100 * (one["high"] - one["mean"]) for one in values],
        ]
        axis.errorbar(minutes, middle, errors, marker="o", capsize=3, color=f"C{number}", label=words)
    for number, group in enumerate(GROUPS):
        pairs = [(at, 100 * found["groups"][group]["mean"]) for at, found in points if group in found["groups"]]
        if pairs:
            axis.plot(*zip(*pairs), ":", marker=".", color=f"C{number + 2}", label=group.replace("_", " "))
    axis.set(xlabel="minutes of training", ylabel="success, %", ylim=(0, 102))
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def report(folder: Path) -> dict:
    """Reads ``evaluation-*/episodes.jsonl`` (with ``training.json`` beside it), and writes report.json, .md and .png.

    Raises:
        ValueError: nothing was evaluated yet.
    """
    points = []
    for file in sorted(folder.glob("evaluation-*/episodes.jsonl")):
        beside = file.with_name("training.json")
        training = json.loads(beside.read_text()) if beside.exists() else {"minutes": 0, "steps": 0}
        points.append((training, summary(read_episodes(file))))
    if not points:
        raise ValueError(f"{folder} has no evaluation yet")
    points.sort(key=lambda one: one[0]["minutes"])
    training, last = points[-1]
    content = {
        "training": {key: value for key, value in training.items() if key != "recipe"},
        **last,
        "by_time": [
            {
                "minutes": one["minutes"],
                "steps": one["steps"],
                **{key: found[key] for key in ("mean_of_tasks", "mean_of_groups")},
            }
            for one, found in points
        ],
    }
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / "report.md").write_text(in_words(last, training))
    draw([(one["minutes"], found) for one, found in points], folder / "success.png")
    return content


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    try:
        report(folder)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print((folder / "report.md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
