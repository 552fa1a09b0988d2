#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ablations of a training recipe: each leaves one thing out, or exchanges it, and is trained and evaluated alike.

benchmarks/ablations/ablations.yaml says, as data, what each one changes in the base recipe and what is expected of it:
by the paper, where it reports something of the kind, or else by this project. All get the same budget, of steps or of
minutes, and are evaluated on the same unseen scenes and questions. Each has a folder in OUTPUT; the same command goes
on where it was stopped, in the middle of a training or of an evaluation. What does not apply to the base recipe is
listed with the reason.

An expectation is met, or not, only where the 95 % intervals of both shares do not overlap; else it is undecided. The
intervals are of scenes. How much two trainings of one recipe differ, one training of each does not tell.

    python benchmarks/ablate.py --recipe curriculum --steps 2000 --episodes 200 --output runs/ablations
    python benchmarks/ablate.py --recipe curriculum --minutes 60 --only "without thought" "flat instruction"
    python benchmarks/ablate.py --recipe curriculum --steps 2000 --report --json docs/results/ablations.json
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import published
from ablations.ablation import BASE, read_ablations
from ablations.runs import Budget, run, train, variants
from ablations.tables import compared, table

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.checkpoints import checkpoint_identity
from wall_oss_ros.training.recipe import load_recipe

FILE = Path(__file__).resolve().parent / "ablations" / "ablations.yaml"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="curriculum", help="the base (default: %(default)s)")
    parser.add_argument("--ablations", type=Path, default=FILE, metavar="FILE", help="others than the project's")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these alone, beside the base")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--steps", type=int, help="of each training in all; its stages keep their shares")
    budget.add_argument("--minutes", type=float, help="of each training")
    parser.add_argument("--episodes", type=int, default=100, help="unseen scenes (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=50, help="unseen scenes with questions (default: %(default)s)")
    parser.add_argument("--robot", help="that is evaluated (default: the recipe's first)")
    parser.add_argument("--seed", type=int, default=0, help="of unseen scenes (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes of the evaluation (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/ablations"), help="(default: %(default)s)")
    parser.add_argument("--data", type=Path, help="where demonstrations are, or go, in a folder for "
                        "each set of robots, such as DIR/franka-ur (default: OUTPUT/data)")  # fmt: skip
    parser.add_argument("--report", action="store_true", help="train and run nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="(default: OUTPUT/ablations.json)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the table there")
    try:
        return ablate(parser.parse_args())
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def ablate(args: argparse.Namespace) -> int:
    """Trains, evaluates and reports; a report stands after each variant.

    Raises:
        WallOSSError: there is no such recipe or ablation, or a folder has something else in it.
    """
    base, known = load_recipe(args.recipe), read_ablations(args.ablations)
    if unknown := sorted({*(args.only or ())} - {*known}):
        raise WallOSSError(f"There is no ablation {unknown[0]!r}.", f"Known ones: {', '.join(known)}.")
    if (args.steps is not None and args.steps < 1) or (args.minutes is not None and not args.minutes > 0):
        raise WallOSSError("The budget is nothing.", "Give --steps or --minutes more.")
    ablations = {name: one for name, one in known.items() if args.only is None or name in args.only}
    robot = args.robot or base.robots[0]
    budget = Budget(args.steps, args.minutes, args.episodes, args.frames, robot, args.seed, args.workers)
    made = variants(base, ablations, args.steps)
    why_not = {one.name: one.why_not for one in made if one.recipe is None}
    found, trained, identities = {}, {}, []
    told, todo = {}, [one for one in made if one.recipe is not None]
    for variant in todo:
        folder = args.output / variant.name.replace(" ", "_")
        if args.report and not (folder / "trained").exists():
            continue
        print(f"{variant.name}: training, then evaluation", flush=True)
        trained[variant.name] = train(variant, folder, args.data or args.output / "data", budget)
        found[variant.name] = run(variant, folder, budget, not args.report)
        identities.append(f"{variant.name}: {checkpoint_identity(folder / 'checkpoint')}")
        told = compared(ablations, found)
        _write(args, base.name, told, trained, why_not, identities)
    if BASE not in found:
        raise WallOSSError("The base is not trained yet.", "Leave --report out.")
    waiting = [one.name for one in todo if one.name not in found]
    head = (
        f"{args.episodes} unseen scenes, {args.frames} with questions, robot {robot}, seed {args.seed}; recipe "
        f"{base.name}, {_budget(args)} each."
    )
    text = f"{head}\n\n{table(told, why_not, waiting)}"
    print(f"\n{text}")
    if args.write:
        published.write_tables(args.write, text)
    return 0


def _budget(args: argparse.Namespace) -> str:
    return f"{args.steps} steps" if args.steps else f"{args.minutes:g} minutes"


def _write(
    args: argparse.Namespace, base: str, told: dict, trained: dict, why_not: dict, identities: list[str]
) -> None:
    command = ["python", "benchmarks/ablate.py", "--recipe", str(args.recipe), "--episodes", str(args.episodes)]
    command += ["--frames", str(args.frames), "--seed", str(args.seed)]
    command += ["--steps", str(args.steps)] if args.steps else ["--minutes", f"{args.minutes:g}"]
    command += ["--only", *args.only] if args.only else []
    head = published.head(
        f"ablations of the recipe {base}, {_budget(args)} each", shlex.join(command), checkpoints=identities,
        n=max(1, args.episodes),
    )  # fmt: skip
    published.write(
        args.json or args.output / "ablations.json",
        {**head, "trained": trained, "ablations": told, "does_not_apply": why_not},
    )


if __name__ == "__main__":
    sys.exit(main())
