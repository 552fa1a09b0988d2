#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The model card of a checkpoint: how it was trained, and what it was measured to do.

`wall-oss train` writes the first half into the checkpoint's README.md; this adds what evaluations found. Runs of
`wall-oss eval` become a file of docs/results, whose figures other pages may quote, too, and the card is made of it and
of `training.json`, between two comments in README.md; what stands around them is for people to write.

    python benchmarks/model_card.py models/wall-oss-tiny --results docs/results/wall-oss-tiny.json \\
        --series "Franka" runs/franka-a.jsonl runs/franka-b.jsonl --series "UR5e" runs/ur.jsonl
    python benchmarks/model_card.py models/wall-oss-tiny --results docs/results/wall-oss-tiny.json      # the card alone
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import published

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.checkpoints import checkpoint_identity
from wall_oss_ros.sim.evaluation_summary import NEEDED, summarise
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.results import read_together
from wall_oss_ros.sim.shares import in_words, markdown
from wall_oss_ros.training.card import has_place, write_card

SHARES = {
    "success": "success",
    "plan_accuracy": "plans right",
    "subtask_accuracy": "judgements of progress right",
    "judged_done_and_is": 'right, of those called "done"',
}
"""Rows of the card, by the keys of a summary."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="its folder")
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="of docs/results")
    parser.add_argument(
        "--series",
        nargs="+",
        action="append",
        metavar=("TITLE", "JSONL"),
        help="runs of wall-oss eval; FILE is made anew",
    )
    args = parser.parse_args()
    try:
        if args.series:
            published.write(args.results, content(args.checkpoint, args.series))
        write_card(args.checkpoint, results(published.read(args.results), args.results, args.checkpoint))
        if not has_place((args.checkpoint / "README.md").read_text()):
            page = args.checkpoint / "README.md"
            raise WallOSSError(
                f"{page} has no place for a card.", "Write <!-- card --> and <!-- end of card --> there."
            )
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def content(checkpoint: Path, series: Sequence[Sequence[str]]) -> dict:
    """A file of results, of several series of runs.

    Raises:
        WallOSSError: a series is none, or was run with other weights.
    """
    digest, told, n, commands = _digest(checkpoint_identity(checkpoint)), {}, 0, []
    for title, *files in series:
        about, found = read_together([Path(file) for file in files])
        if not found or not all(one.keys() >= NEEDED for one in found.values()) or "robot" not in about:
            raise WallOSSError(
                f"{title}: {', '.join(files) or 'nothing'} is not of wall-oss eval.", "Name its --output."
            )
        if _digest(about["checkpoint"]) != digest:
            raise WallOSSError(
                f"{title} was run with {about['checkpoint']}; this checkpoint is {digest}.", "Run it again."
            )
        told[title] = {"run": about, **summarise(task_of(about["robot"]), [*found.values()])}
        commands.append(_command(about, [one["number"] for one in found.values()]))
        n += len(found)
    head = published.head(
        f"{checkpoint.name} in closed loop on unseen simulated scenes", "; ".join(commands),
        checkpoints=[checkpoint_identity(checkpoint)], n=n,
    )  # fmt: skip
    return {**head, "series": told}


def results(known: Mapping, file: Path, checkpoint: Path) -> str:
    """The card's second half, Markdown.

    Raises:
        WallOSSError: the file is of another checkpoint, or has no series.
    """
    series = known.get("series")
    if not series or _digest((known.get("checkpoints") or [""])[0]) != _digest(checkpoint_identity(checkpoint)):
        raise WallOSSError(f"{file} has no runs of {checkpoint_identity(checkpoint)}.", "Write it anew, with --series.")
    rows = [[said, *(in_words(one[key]) for one in series.values())] for key, said in SHARES.items()]
    lengths = dict.fromkeys(name for one in series.values() for name in one["by_subtasks"])
    for name in lengths if len(lengths) > 1 else ():
        found = [one["by_subtasks"].get(name) for one in series.values()]
        rows.append([f"success, {name} subtasks", *(in_words(one) if one else "-" for one in found)])
    rows.append(
        ["seconds of a success, median", *(_number(one["seconds_of_successes"], "s") for one in series.values())]
    )
    for key, said in (("median", "median"), ("p95", "95th percentile"), ("most", "maximum")):
        rows.append(
            [
                f"greatest contact force of a run, {said}",
                *(_number(one["force_N"][key], "N") for one in series.values()),
            ]
        )
    rows.append(["runs above 60 N", *(in_words(one["force_N"]["above_60"]) for one in series.values())])
    return (
        f"Measured in closed loop in simulation on scenes that training never saw, with 95 % intervals "
        f"(`docs/results/{file.name}`: `{known['command']}`, commit {known['commit']}):\n\n"
        + markdown(["", *series], rows)
    )


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.1f} {unit}"


def _digest(identity: str) -> str:
    return identity.rpartition("@")[2]


def _command(about: Mapping, numbers: Sequence[int]) -> str:
    words = ["wall-oss", "eval", "--robot", about["robot"], "--seed", str(about["seed"])]
    words += ["--first", str(min(numbers))] if min(numbers) else []
    many = max(numbers) - min(numbers) + 1
    words += (
        ["--episodes", "0", "--steering", str(many)] if about["what"].startswith("every") else ["--episodes", str(many)]
    )
    words += ["--forms", about["forms"]] if about.get("forms") else []
    words += [f"--{name.replace('_', '-')}" for name in ("unseen_words", "unlisted") if about.get(name)]
    words += ["--varied", ",".join(about["varied"])] if about.get("varied") else []
    words += ["--reasoning", about["reasoning"]] if about.get("reasoning", "subtask") != "subtask" else []
    return shlex.join(words)


if __name__ == "__main__":
    sys.exit(main())
