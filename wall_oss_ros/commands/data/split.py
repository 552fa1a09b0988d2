# SPDX-License-Identifier: Apache-2.0
"""Splits a LeRobot dataset by episodes into several: by shares, drawn by chance evenly over the tasks, or by numbers.

examples:
  wall-oss data split datasets/mine --shares train=0.9 val=0.1 --output datasets/split
  wall-oss data split datasets/mine --episodes first=0-49 rest=50- --output datasets/split
"""

from __future__ import annotations

import argparse

from wall_oss_ros.commands.arguments import text, whole
from wall_oss_ros.commands.data.editing import add_output, add_source, survey_of, write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument("--shares", nargs="+", type=text, metavar="NAME=SHARE", help="shares that come to 1")
    parser.add_argument(
        "--episodes", nargs="+", type=text, metavar="NAME=NUMBERS", help="numbers and ranges: a=0-9,12 b=13-"
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**31), default=0, metavar="N", help="of the draw (default: %(default)s)"
    )
    add_output(parser, "in which each part gets a folder of its name")


def main(args: argparse.Namespace) -> int:
    """Raises: WallOSSError: parts that make no sense, or a dataset that cannot be read."""
    from wall_oss_ros.data.edits import choose
    from wall_oss_ros.data.edits.picks import Part
    from wall_oss_ros.errors import WallOSSError

    if bool(args.shares) == bool(args.episodes):
        raise WallOSSError("A split goes by --shares or by --episodes.", "Give one of them.")
    given = dict(_pair(word) for word in args.shares or args.episodes)
    if len(given) < len(args.shares or args.episodes):
        raise WallOSSError("A part is named twice.", "Give each part one name.")
    survey = survey_of(args.dataset)
    if args.shares:
        parts = choose.shares(survey, {name: _share(value) for name, value in given.items()}, args.seed)
    else:
        parts = {name: choose.numbers([value], survey) for name, value in given.items()}
        seen: set[int] = set()
        for name, episodes in parts.items():
            if seen & episodes:
                raise WallOSSError(
                    f"Episode {min(seen & episodes)} is in {name} and in another part.",
                    "Each episode goes into one part.",
                )
            seen |= episodes
    for name in parts:
        if (args.output / name).exists():
            raise WallOSSError(f"{args.output / name} is there already.", "Name another folder.")
    for name, episodes in parts.items():
        write([Part(survey, episodes)], args, args.output / name)
    return 0


def _pair(word: str) -> tuple[str, str]:
    from wall_oss_ros.errors import WallOSSError

    name, equals, value = word.partition("=")
    if not equals or not value or not name.replace("-", "").replace("_", "").isalnum():
        raise WallOSSError(f"{word!r} is no part.", "Write NAME=VALUE, such as train=0.9")
    return name, value


def _share(value: str) -> float:
    from wall_oss_ros.errors import WallOSSError

    try:
        share = float(value)
    except ValueError:
        share = float("nan")
    if not 0 < share <= 1:
        raise WallOSSError(f"{value!r} is no share.", "Give numbers above 0, up to 1.")
    return share
