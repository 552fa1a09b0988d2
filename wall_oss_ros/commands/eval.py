# SPDX-License-Identifier: Apache-2.0
"""Measures a model in closed loop, in the simulator, on scenes that it was never trained on.

First one random task in each scene; then, in some scenes, every task, such as every cube to every tray, so that only
the words differ. Prints shares with 95 % intervals and tables of what was named against what was taken, and writes
both as JSON with all episodes, and a contact sheet of pictures.

examples:
  wall-oss eval --episodes 20
  wall-oss eval --robot dual_arm --episodes 20
  wall-oss eval --episodes 60 --forms all --unseen-words --varied light,camera --model runs/train
  wall-oss eval --episodes 100 --seed 3 --steering 10 --model runs/train --output runs/eval
"""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from pathlib import Path

from wall_oss_ros.commands.arguments import SEED_LIMIT, folder, require_writable, text, whole
from wall_oss_ros.errors import WallOSSError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--episodes",
        type=whole(0, 1_000_000),
        default=20,
        metavar="N",
        help="scenes with one task (default: %(default)s)",
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
        help="instructions of these forms in turn, or all of them by their shares in training: all",
    )
    parser.add_argument(
        "--unseen-words", action="store_true", help="instructions of --forms in words that training does not show"
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
    parser.add_argument("--output", type=folder, metavar="DIR", help="for the results (default: runs/eval_<time>)")
    parser.add_argument("--workers", type=whole(1, 1024), metavar="N", help="processes (default: one a core)")


def main(args: argparse.Namespace) -> int:
    """Runs the episodes and reports; 0 whatever the result.

    Raises:
        WallOSSError: no such model or robot, or numbers that make no sense.
    """
    from wall_oss_ros.policy.checkpoints import model_directory
    from wall_oss_ros.robots.profile import load_profile

    if args.unseen_words and not args.forms:
        raise WallOSSError("--unseen-words is about the instructions of --forms.", "Add --forms all.")
    if args.episodes + args.steering == 0:
        raise WallOSSError("There is nothing to run.", "Give --episodes or --steering.")
    profile = load_profile(args.robot)
    model = model_directory(args.model, profile)
    output = args.output or Path("runs") / datetime.now().strftime("eval_%Y-%m-%d_%H-%M-%S")
    require_writable(output)

    from rich.console import Console

    from wall_oss_ros.policy.fit import require_fit
    from wall_oss_ros.sim.evaluate import instructed_cases, random_cases, steering_cases
    from wall_oss_ros.sim.registry import task_of

    task = task_of(profile)
    require_fit(model, profile)  # here rather than in each worker
    console = Console(highlight=False)
    if args.episodes:
        if args.forms or args.varied:
            forms = [] if args.forms in (None, "all") else _names(args.forms)
            varied = _varied(args.varied)
            cases = instructed_cases(task, args.episodes, args.seed, forms, args.unseen_words, varied)
        else:
            cases = random_cases(task, args.episodes, args.seed)
        _evaluate("one task a scene", task, cases, args, model, output, console)
    if args.steering:
        cases = steering_cases(task, args.steering, args.seed)
        _evaluate("every task in the same scene", task, cases, args, model, output / "steering", console)
    return 0


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


def _evaluate(title: str, task, cases, args: argparse.Namespace, model: Path, output: Path, console) -> None:
    from rich.progress import Progress

    from wall_oss_ros.sim.evaluate import evaluate, write_report

    episodes = []
    with Progress(console=console) as bar:
        row = bar.add_task(title, total=len(cases))
        for episode in evaluate(model, cases, args.robot, args.workers or os.cpu_count() or 1):
            episodes.append(episode)
            hits, done = sum(e.success for e in episodes), len(episodes)
            bar.update(row, completed=done, description=f"{title}: {hits} of {done}")
    about = {"model": str(model), "robot": args.robot, "seed": args.seed, "what": title}
    summary = write_report(output, task, cases, episodes, about)
    for line in report(task, summary):
        console.print(line)
    console.print(f"written to {output}\n")


def report(task, summary: dict) -> list[str]:
    """A summary of ``sim.evaluate.summarise`` in lines for a person."""
    shares = {
        "success": "success",
        "lifted": f"lifted a {task.thing}",
        f"right_{task.thing}": f"of these, the {task.thing} named",
        f"right_{task.place}": f"of those placed, the {task.place} named",
        "plan_accuracy": "plans right",
        "subtask_accuracy": "judgements of progress right",
        "judged_done_and_is": 'right, of those the model called "done"',
    }
    lines = []
    for key, words in shares.items():
        value = summary.get(key)
        if value and value["of"]:
            interval = f"{100 * value['low']:.0f} to {100 * value['high']:.0f} %"
            lines.append(
                f"{100 * value['share']:5.1f} %  {words}: {value['hits']} of {value['of']}, 95 % interval {interval}"
            )
    if (seconds := summary["seconds_of_successes"]) is not None:
        lines.append(f"{seconds:5.1f} s  simulated, median of the successes")
    for form, value in summary.get("forms", {}).items():
        lines.append(f"{form:>12} | {value['hits']} of {value['of']}")
    for what in (task.thing, task.place):
        if what is not None:
            lines += _table(what, summary[f"{what}_table"])
    return lines


def _table(what: str, table: dict[str, dict[str, int]]) -> list[str]:
    taken = sorted({name for row in table.values() for name in row}, key=lambda name: (name == "none", name))
    lines = [f"{what + ' named':>12} | " + " ".join(f"{name:>7}" for name in taken) + "   (taken)"]
    lines += [f"{named:>12} | " + " ".join(f"{row.get(name, 0):>7}" for name in taken) for named, row in table.items()]
    return lines
