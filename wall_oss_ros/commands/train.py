"""Makes demonstrations in the simulator and trains a model on them, as a recipe says.

examples:
  wall-oss train --recipe config/training/tiny.yaml --output runs/train
  wall-oss train --recipe config/training/tiny.yaml --output runs/train --resume
  wall-oss train --minutes 2 --output /tmp/short
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="by default that of the model that ships")
    parser.add_argument("--output", type=Path, metavar="DIR", help="for checkpoints and curves (default: runs/train_<time>)")
    parser.add_argument("--minutes", type=float, metavar="M", help="ends after that time, instead of the recipe's steps")
    parser.add_argument("--resume", action="store_true", help="goes on from the newest checkpoint in --output")


def main(args: argparse.Namespace) -> int:
    from wall_oss_ros.training.train import train

    train(recipe=args.recipe, output=args.output, minutes=args.minutes, resume=args.resume)
    return 0
