"""Measures a model in closed loop, in the simulator, on scenes that it was never trained on.

Prints success, subtask accuracy and rates with 95 % intervals, and writes them as JSON, with a contact sheet of pictures.

examples:
  wall-oss eval --episodes 20
  wall-oss eval --episodes 100 --seed 1000 --model runs/train/checkpoint --output runs/eval
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--episodes", type=int, default=20, metavar="N", help="scenes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first scene (default: %(default)s)")
    parser.add_argument("--model", metavar="DIR", help="a checkpoint; by default the one that ships")
    parser.add_argument("--output", type=Path, metavar="DIR", help="for results (default: runs/eval_<time>)")


def main(args: argparse.Namespace) -> int:
    from wall_oss_ros.launching import model_directory
    from wall_oss_ros.sim.evaluate import evaluate

    evaluate(model_directory(args.model), episodes=args.episodes, seed=args.seed, output=args.output)
    return 0
