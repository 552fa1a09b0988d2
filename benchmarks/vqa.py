#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Embodied questions and answers: what trained models see, point to, plan and think, several side by side.

On simulated scenes whose seeds no training draws, each model is asked every kind of question that the simulation can
ask: pointing in both views, boxes, what is where, how many, what is held, plans, instructions to refuse, what comes
next, thoughts. The simulator's truth judges:

- a point is right on the thing's outline, or 1 px beside it; on the gripper within 8 px of the tool centre
- a box is right when intersection over union with the true one is 0.5 or more; "locate" needs all cubes and no other
- all else is right word for word, but for capitals and final marks; lists in any order
- a thought is judged by where it says that things are, why, and what it then calls for; models that were not trained to
  think are not asked for any

Then the same scenes in other light, by a camera that was moved, with clutter, and asked in other words. Beside each
kind stands how often the most frequent right answer is right: what a model gets that does not look. Answers are kept in
OUTPUT, a line of JSON a scene, and the same command goes on where it was stopped.

    python benchmarks/vqa.py                                             # the model that ships for the robot
    python benchmarks/vqa.py runs/inspiration runs/train --frames 200 --json docs/results/vqa.json --write docs/vqa.md
    python benchmarks/vqa.py runs/train --robot ur --frames 50 --conditions plain --minutes 10
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

import published
from vqa_runs.runs import CONDITIONS, about, run
from vqa_runs.tables import questions_asked, summary, tables

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.checkpoints import checkpoint_identity, model_directory
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.results import Results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", metavar="CHECKPOINT", help="folders (default: the one that ships)")
    parser.add_argument("--frames", type=int, default=100, help="scenes in each condition (default: %(default)s)")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS), help="(default: all)")
    parser.add_argument("--robot", default="franka", help="a profile whose scene is the table (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of scenes and questions (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/vqa"), help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: %(default)s)")
    parser.add_argument("--minutes", type=float, help="for each model; stop then, and go on with the same command")
    parser.add_argument("--report", action="store_true", help="ask nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go, such as docs/results/vqa.json")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables there")
    try:
        return measure(parser.parse_args())
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def measure(args: argparse.Namespace) -> int:
    """Asks all models, and reports.

    Raises:
        WallOSSError: there is no such model, or the robot's scene is another.
    """
    profile = load_profile(args.robot, simulated=True)
    if profile.simulation.scene != "table":
        raise WallOSSError(f"The scene of robot {args.robot} has no cubes.", "Give one at the table, such as franka.")
    found = {}
    for given in args.checkpoints or [None]:
        model = model_directory(given, profile)
        identity = checkpoint_identity(model)
        results = Results(args.output / f"{identity}.jsonl", about(identity, args.robot, args.seed))
        if not args.report:
            run(results, str(model), args.robot, args.seed, args.frames, args.conditions, args.workers, args.minutes)
        wanted = {f"{condition}/{number}" for condition in args.conditions for number in range(args.frames)}
        found[identity] = [one for key, one in results.found.items() if key in wanted]
    known = summary(found)
    text = tables(known, [*found])
    print(f"\n{text}")
    if args.json:
        if not (n := questions_asked(found)):
            raise WallOSSError("There is no answer yet.", "Leave out --report, or give the same --output as then.")
        command = [
            "python",
            "benchmarks/vqa.py",
            *args.checkpoints,
            "--frames",
            str(args.frames),
            "--seed",
            str(args.seed),
        ]
        command += ["--robot", args.robot, "--conditions", *args.conditions]
        what = "embodied questions and answers on unseen simulated scenes"
        head = published.head(what, shlex.join(command), checkpoints=[*found], n=n)
        published.write(args.json, {**head, "robot": args.robot, "seed": args.seed, "conditions": known})
    if args.write:
        published.write_tables(args.write, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
