# SPDX-License-Identifier: Apache-2.0
"""What the commands over these runs have in common."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from published import BEGIN, END, write_tables

from planning_runs.cases import jobs
from planning_runs.figures import Run
from planning_runs.runs import about, run
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.checkpoints import model_directory
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.results import Results


def add_arguments(parser: argparse.ArgumentParser, scenes: int) -> None:
    """Those that all have."""
    parser.add_argument("--scenes", type=int, default=scenes, help="each in every mode (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/planning"), help="(default: %(default)s)")
    parser.add_argument("--model", help="a checkpoint's folder (default: the one that ships for the robot)")
    parser.add_argument("--robot", default="franka", help="a profile whose scene is the table (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of scenes, instructions and upsets (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: %(default)s)")
    parser.add_argument("--minutes", type=float, help="stop after so long, and go on with the same command")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--write", type=Path, metavar="PAGE", help=f"write the tables there, between {BEGIN} and {END}")
    parser.add_argument("--subtask-seconds", type=float, default=6.0, help="what each subtask gets where plans go by "
                        "the clock (default: %(default)s)")  # fmt: skip


def gather(args: argparse.Namespace, modes: Sequence[str], upsets: Sequence[str]) -> tuple[list[Run], int]:
    """Runs what is left to run. Gives what there is of the runs that were asked for, in order, and how many were.

    Raises:
        WallOSSError: see :class:`~planning_runs.runs.Results`; or the robot's scene is another.
    """
    if load_profile(args.robot, simulated=True).simulation.scene != "table":
        raise WallOSSError(f"The scene of robot {args.robot} has no cubes.", "Give one at the table, such as franka.")
    model = str(model_directory(args.model, load_profile(args.robot)))
    todo = list(jobs(modes, upsets, range(args.scenes)))
    known = about(model, args.robot, args.seed, args.subtask_seconds)
    results = Results(args.output / "runs.jsonl", known)
    if not args.report:
        run(results, todo, model, args.robot, args.seed, args.subtask_seconds, args.workers, args.minutes)
    found = [results.found[job.key] for job in todo if job.key in results.found]
    return [Run.of({**result, "checkpoint": known["checkpoint"]}) for result in found], len(todo)


def tell(args: argparse.Namespace, runs: Sequence[Run], wanted: int, parts: Sequence[str]) -> None:
    """Prints tables with how much they rest on, and writes them into a page where that is asked for.

    Raises:
        WallOSSError: the page has no place for them.
    """
    head = (
        f"{len(runs)} of {wanted} runs, model {runs[0].result['checkpoint']}, seed {args.seed}." if runs else "No runs."
    )
    text = "\n\n".join([head, *parts])
    print(f"\n{text}\n\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if args.write is None:
        return
    write_tables(args.write, text)
