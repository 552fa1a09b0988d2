# SPDX-License-Identifier: Apache-2.0
"""Measures a model in closed loop, in the simulator, on scenes that it was never trained on.

First one random task in each scene; then, in some scenes, every task, such as every cube to every tray, so that only
the words differ. Prints shares with 95 % intervals, contact forces, and tables of what was asked for against what was
done, and writes them as JSON, and a contact sheet of pictures. Each episode is kept as a line of JSON at once: the same
command goes on where it was stopped, and portions that were run apart are reported on together.

examples:
  wall-oss eval --episodes 20
  wall-oss eval --robot dual_arm --episodes 20
  wall-oss eval --episodes 60 --forms all --unseen-words --varied light,camera --model runs/train
  wall-oss eval --episodes 60 --reasoning none --model runs/train
  wall-oss eval --episodes 100 --seed 3 --steering 10 --model runs/train --output runs/eval
  wall-oss eval --episodes 100 --model runs/train --workers 1 --output runs/a.jsonl
  wall-oss eval --episodes 100 --first 100 --model runs/train --workers 1 --output runs/b.jsonl
  wall-oss eval --report runs/a.jsonl runs/b.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from wall_oss_ros.commands.arguments import SEED_LIMIT, folder, require_writable, text, whole
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.number_types import HELP, NAMES
from wall_oss_ros.uni_cot.plan import REASONING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--episodes",
        type=whole(0, 1_000_000),
        default=20,
        metavar="N",
        help="scenes with one task (default: %(default)s)",
    )
    parser.add_argument(
        "--first",
        type=whole(0, 1_000_000),
        default=0,
        metavar="N",
        help="number of the first scene, to run portions (default: %(default)s)",
    )
    parser.add_argument(
        "--steering",
        type=whole(0, 1_000_000),
        default=0,
        metavar="N",
        help="scenes with all their tasks (default: none)",
    )
    parser.add_argument(
        "--forms",
        type=text,
        metavar="NAME,...",
        help="instructions of these forms in turn, or all that can be followed by their shares in training: all",
    )
    parser.add_argument(
        "--unseen-words", action="store_true", help="instructions of --forms in words that training does not show"
    )
    parser.add_argument(
        "--unlisted",
        action="store_true",
        help="ask the model for what its checkpoint does not list as understood, too, which is refused otherwise",
    )
    parser.add_argument(
        "--reasoning",
        type=text,
        choices=REASONING,
        default="subtask",
        help="what the model does before the robot moves, as the planner's parameter has it (default: %(default)s)",
    )
    parser.add_argument(
        "--varied", type=text, metavar="WHAT,...", help="scenes that look otherwise: light, camera, clutter"
    )
    parser.add_argument(
        "--seed", type=whole(0, SEED_LIMIT), default=0, metavar="S", help="which unseen scenes (default: %(default)s)"
    )
    parser.add_argument(
        "--robot", type=text, default="franka", help="profile in config/robots, or a path (default: %(default)s)"
    )
    parser.add_argument("--model", type=text, metavar="DIR", help="a checkpoint: its folder, or owner/name on the hub"
                        " (default: the one that ships)")  # fmt: skip
    parser.add_argument(
        "--output",
        type=folder,
        metavar="PATH",
        help="for the results: a folder, or a file whose name ends in .jsonl (default: runs/eval_<time>)",
    )
    parser.add_argument("--dtype", type=text, choices=NAMES, default="auto", help=f"{HELP} (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--report", type=folder, nargs="+", metavar="PATH", help="run nothing; report on what these hold, together"
    )
    parser.add_argument("--workers", type=whole(1, 1024), metavar="N", help="processes (default: one a core)")


def main(args: argparse.Namespace) -> int:
    """Runs the episodes and reports; 0 whatever the result.

    Raises:
        WallOSSError: no such model or robot, numbers that make no sense, or an output with results of something else.
    """
    if args.report:
        return _report(args)
    from wall_oss_ros.policy.checkpoints import model_directory
    from wall_oss_ros.robots.profile import load_profile

    if args.unseen_words and not args.forms:
        raise WallOSSError("--unseen-words is about the instructions of --forms.", "Add --forms all.")
    if args.episodes + args.steering == 0:
        raise WallOSSError("There is nothing to run.", "Give --episodes or --steering.")
    profile = load_profile(args.robot)
    model = model_directory(args.model, profile)
    output = args.output or Path("runs") / datetime.now().strftime("eval_%Y-%m-%d_%H-%M-%S")
    require_writable(output.parent if output.suffix == ".jsonl" else output)

    from rich.console import Console

    from wall_oss_ros.model.checkpoint import read_config
    from wall_oss_ros.policy.fit import require_fit
    from wall_oss_ros.sim.evaluate import instructed_cases, random_cases, steering_cases
    from wall_oss_ros.sim.registry import task_of

    task = task_of(profile)
    require_fit(model, profile)  # here rather than in each worker
    if args.reasoning == "full" and not read_config(model).extra.get("thinks"):
        raise WallOSSError(f"{model} was not trained to write thoughts.", "Give --reasoning subtask or none.")
    console = Console(highlight=False, soft_wrap=True, stderr=args.json)
    reports = []
    if args.episodes:
        if args.forms or args.varied:
            forms = [] if args.forms in (None, "all") else _names(args.forms)
            varied = _varied(args.varied)
            cases = instructed_cases(task, args.episodes, args.seed, forms, args.unseen_words, varied, args.first)
        else:
            cases = random_cases(task, args.episodes, args.seed, args.first)
        reports.append(_evaluate("one task a scene", task, cases, args, model, files(output), console))
    if args.steering:
        cases = steering_cases(task, args.steering, args.seed, args.first)
        where = files(output, "steering")
        reports.append(_evaluate("every task in the same scene", task, cases, args, model, where, console))
    if args.json:
        print(json.dumps(reports, indent=1, allow_nan=False))
    return 0


class Files(NamedTuple):
    """Where a series is kept: its results, line by line; their summary; pictures."""

    lines: Path
    summary: Path
    sheet: Path


def files(output: Path, part: str = "") -> Files:
    """Those of ``--output``, which is a folder or a file; ``part`` names a second series beside the first."""
    if output.suffix == ".jsonl":
        lines = output.with_name(f"{output.stem}-{part}.jsonl") if part else output
        return Files(lines, lines.with_suffix(".json"), lines.with_suffix(".png"))
    folder = output / part
    return Files(folder / "episodes.jsonl", folder / "evaluation.json", folder / "contact_sheet.png")


def _names(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]


def _varied(text: str | None) -> list[str]:
    """
    Raises:
        WallOSSError: something else cannot be varied.
    """
    from wall_oss_ros.sim.appearance import KINDS

    names = _names(text or "")
    if unknown := sorted({*names} - {*KINDS}):
        raise WallOSSError(f"--varied {unknown[0]} is not known.", f"Name some of {', '.join(KINDS)}.")
    return names


def _evaluate(title: str, task, cases: Sequence, args: argparse.Namespace, model: Path, where: Files, console) -> dict:
    """Runs what has no result yet. Returns the summary of all that is there."""
    from rich.progress import Progress

    from wall_oss_ros.policy.checkpoints import checkpoint_identity
    from wall_oss_ros.sim.contact_sheet import contact_sheet
    from wall_oss_ros.sim.evaluate import evaluate, result
    from wall_oss_ros.sim.evaluation_summary import in_lines, summarise
    from wall_oss_ros.sim.results import Results, read_together

    about = {
        "what": title, "checkpoint": checkpoint_identity(model), "robot": args.robot, "seed": args.seed,
        "forms": args.forms, "unseen_words": args.unseen_words, "varied": _varied(args.varied),
        "unlisted": args.unlisted, "reasoning": args.reasoning, "dtype": args.dtype,
    }  # fmt: skip
    results = Results(where.lines, about)
    left = [case for case in cases if case.key not in results.found]
    if len(left) < len(cases):
        console.print(f"{len(cases) - len(left)} of {len(cases)} are there already")
    episodes = []
    if left:
        with Progress(console=console) as bar:
            row = bar.add_task(title, total=len(left))
            workers = args.workers or os.cpu_count() or 1
            runs = evaluate(model, left, args.robot, workers, args.unlisted, args.reasoning, args.dtype)
            for case, episode in zip(left, runs):
                results.add(result(case, episode))
                episodes.append(episode)
                hits = sum(bool(results.found[one.key]["success"]) for one in cases if one.key in results.found)
                done = sum(one.key in results.found for one in cases)
                bar.update(row, completed=len(episodes), description=f"{title}: {hits} of {done}")
        contact_sheet(episodes, where.sheet)
    _, found = read_together([where.lines])  # also what other processes have added
    summary = about | summarise(task, [*found.values()])
    where.summary.write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n")
    for line in in_lines(task, summary, [*found.values()]):
        console.print(line, markup=False)
    console.print(f"written to {where.lines} and {where.summary}\n", markup=False)
    return summary


def _report(args: argparse.Namespace) -> int:
    """On files that are there already.

    Raises:
        WallOSSError: they are none, or not of one series.
    """
    from wall_oss_ros.sim.evaluation_summary import NEEDED, in_lines, summarise
    from wall_oss_ros.sim.registry import task_of
    from wall_oss_ros.sim.results import read_together

    about, found = read_together([path / "episodes.jsonl" if path.is_dir() else path for path in args.report])
    if not isinstance(about.get("robot"), str) or not all(one.keys() >= NEEDED for one in found.values()):
        raise WallOSSError(f"{args.report[0]} is not of wall-oss eval.", "Name its --output.")
    task = task_of(about["robot"])
    results = sorted(found.values(), key=lambda one: one["number"])
    summary = about | summarise(task, results)
    print(json.dumps(summary, indent=1) if args.json else "\n".join(in_lines(task, summary, results)))
    return 0
