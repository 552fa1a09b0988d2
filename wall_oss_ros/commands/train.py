# SPDX-License-Identifier: Apache-2.0
"""Trains a model as a recipe says: on recordings, or on demonstrations that it makes in the simulator.

Writes a checkpoint that the other commands take with --model, its training curves, and saves to resume from.

examples:
  wall-oss train --output runs/train
  wall-oss train --output runs/train --resume
  wall-oss train --recipe dual_arm --output runs/lift --dry-run
  wall-oss train --recipe dual_arm --output runs/lift
  wall-oss train --recipe my_recipe.yaml --minutes 2 --output runs/short
  wall-oss train --recipe my_recordings.yaml --output runs/mine --dry-run
  wall-oss train --recipe my_recordings.yaml --output runs/mine --device cuda
  wall-oss train --recipe my_recordings.yaml --output runs/mine --open-loop
  torchrun --nproc-per-node 8 -m wall_oss_ros.commands.main train --recipe mine.yaml --output runs/mine --device cuda
"""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wall_oss_ros.commands.arguments import folder, number, require_writable, text
from wall_oss_ros.errors import WallOSSError

if TYPE_CHECKING:
    from wall_oss_ros.training.recipe import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe",
        type=text,
        default="tiny",
        metavar="FILE",
        help="or a name in config/training (default: %(default)s)",
    )
    parser.add_argument("--output", type=folder, metavar="DIR", help="for the checkpoint (default: runs/train_<time>)")
    parser.add_argument(
        "--data", type=folder, metavar="DIR", help="where demonstrations are, or go (default: OUTPUT/data)"
    )
    parser.add_argument(
        "--minutes",
        type=number(1e-3, 1e6),
        metavar="M",
        help="train for about that long; by default to the recipe's end",
    )
    parser.add_argument("--device", type=text, default="cpu", help="that computes, such as cuda (default: %(default)s)")
    parser.add_argument(
        "--precision",
        type=text,
        choices=("float32", "bfloat16"),
        help="of matrix products, whatever the recipe says; bfloat16 pays on processors with AMX and on GPUs",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile layers, also where the recipe does not: faster steps after a minute or two; needs a C++ compiler",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="train nothing; say what would train, how much memory it takes, and draw what the data look like",
    )
    parser.add_argument(
        "--open-loop",
        action="store_true",
        help="train nothing; compare the checkpoint in OUTPUT with the held-out episodes of the recipe's recordings",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="write the curves for TensorBoard, too, in OUTPUT/tensorboard"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last save in OUTPUT")


def main(args: argparse.Namespace) -> int:
    """Trains to the end of the recipe, or of the minutes given.

    Raises:
        WallOSSError: a bad recipe, nothing to resume from, or an output that is in use.
    """
    if args.resume and args.output is None:
        raise WallOSSError("--resume needs to know what to go on with.", "Name the folder: --output DIR.")
    several = "TORCHELASTIC_RUN_ID" in os.environ  # torchrun
    if several and (args.output is None or args.dry_run or args.open_loop):
        raise WallOSSError(
            "Several processes train into one folder, and --dry-run and --open-loop train nothing.",
            "Name the folder by --output; look at the data, or compare, without torchrun.",
        )
    if args.open_loop:
        return _open_loop(args)
    output = args.output or Path("runs") / datetime.now().strftime("train_%Y-%m-%d_%H-%M-%S")
    for made in (output, args.data or output):
        require_writable(made)
    saved = any((output / "run").glob("*.safetensors")) or (output / "run" / "progress.json").exists()
    if args.resume and not saved:
        raise WallOSSError(f"{output} has no save to go on from.", "Start without --resume.")
    if saved and not args.resume and not args.dry_run:
        raise WallOSSError(
            f"{output} already has a training run.", "Add --resume to go on with it, or name another --output."
        )

    from wall_oss_ros.training.events import require_tensorboard
    from wall_oss_ros.training.recipe import load_recipe

    if args.tensorboard:
        require_tensorboard()
    recipe = load_recipe(args.recipe)
    said = {"precision": args.precision, "compile": args.compile or None}
    recipe = recipe.model_copy(update={key: value for key, value in said.items() if value is not None})
    if args.dry_run:
        _dry_run(recipe, output, args.data)
        return 0
    if recipe.datasets and args.data is not None:
        raise WallOSSError(
            f"--data is for demonstrations in simulation; the recipe {recipe.name} trains on recordings.",
            "Leave it out: the recipe's datasets say where they are.",
        )
    try:
        if several:
            return _train_together(recipe, output, args)
        _train(recipe, output, args)
    except FloatingPointError as error:
        raise WallOSSError(
            f"The training of {recipe.name} has run away: {error}.", "--resume then goes on from the last save."
        ) from error
    print(f"written to {output}; try it: wall-oss run --model {output}")
    return 0


def _open_loop(args: argparse.Namespace) -> int:
    if args.output is None or args.resume or args.dry_run:
        raise WallOSSError("--open-loop compares the checkpoint of a run.", "Name its folder alone: --output DIR.")
    from wall_oss_ros.training.open_loop import compare_checkpoint
    from wall_oss_ros.training.recipe import load_recipe

    print(compare_checkpoint(load_recipe(args.recipe), args.output, args.device))
    return 0


def _dry_run(recipe: Recipe, output: Path, data: Path | None) -> None:
    from wall_oss_ros.training.dry_run import run

    if recipe.datasets:
        from wall_oss_ros.training.fine_tuning import image_size
        from wall_oss_ros.training.sources import open_sources

        print(run(recipe, open_sources(recipe, image_size(recipe)), output / "dry_run"))
        return
    from wall_oss_ros.sim.datasets import foretaste

    with foretaste(recipe, data or output / "data") as (simulated, said):
        print(run(recipe, simulated, output / "dry_run"))
    print(said)


def _train_together(recipe: Recipe, output: Path, args: argparse.Namespace) -> int:
    """As one of the processes that torchrun has started."""
    from wall_oss_ros.training import distributed
    from wall_oss_ros.training.fine_tuning import image_size
    from wall_oss_ros.training.pipeline import train
    from wall_oss_ros.training.sources import open_sources

    try:
        distributed.require_shareable(recipe, int(os.environ["WORLD_SIZE"]))
    except WallOSSError:
        if os.environ["RANK"] == "0":  # which speaks for all
            raise
        return 2
    processes = distributed.join(args.device)
    machine = "pictures" if processes.size == processes.on_machine else f"pictures-{processes.machine}"
    try:
        with processes.in_turn(by_machine=True):
            mixture = open_sources(recipe, image_size(recipe), output / "run" / machine)
        train(
            recipe, output, mixture, None, args.minutes, args.resume, processes=processes, tensorboard=args.tensorboard
        )
    finally:
        distributed.leave()
    if processes.leads:
        print(f"written to {output}; try it: wall-oss run --model {output}")
    return 0


def _train(recipe: Recipe, output: Path, args: argparse.Namespace) -> None:
    from wall_oss_ros.training.pipeline import train

    if recipe.datasets:
        from wall_oss_ros.training.fine_tuning import image_size
        from wall_oss_ros.training.sources import open_sources

        mixture = open_sources(recipe, image_size(recipe), output / "run" / "pictures")
        train(recipe, output, mixture, None, args.minutes, args.resume, args.device, tensorboard=args.tensorboard)
    else:
        from wall_oss_ros.sim.dagger import Dagger
        from wall_oss_ros.sim.datasets import make_dataset

        data = make_dataset(recipe, args.data or output / "data")
        how = {"tensorboard": args.tensorboard}
        train(recipe, output, data, Dagger(recipe), args.minutes, args.resume, args.device, **how)
