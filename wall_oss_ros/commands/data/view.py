# SPDX-License-Identifier: Apache-2.0
"""Shows episodes of a LeRobot dataset: a page with pictures, videos, numbers over time and words, or a picture sheet.

examples:
  wall-oss data view datasets/mine --output runs/view
  wall-oss data view datasets/mine --episodes 0-9 --sheet runs/episodes.png
"""

from __future__ import annotations

import argparse

from wall_oss_ros.commands.arguments import folder, text, whole
from wall_oss_ros.commands.data.editing import add_source

MOST = 50
"""Episodes that are shown unless some are named, evenly taken from all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument("--output", type=folder, metavar="DIR", help="write a page into this folder")
    parser.add_argument("--sheet", type=folder, metavar="FILE", help="write a sheet of pictures, a PNG")
    parser.add_argument(
        "--episodes",
        nargs="+",
        type=text,
        metavar="N",
        help=f"numbers and ranges: 0-9 12- (default: {MOST}, evenly taken)",
    )
    parser.add_argument(
        "--pictures", type=whole(1, 100), default=8, metavar="N", help="of each view (default: %(default)s)"
    )


def main(args: argparse.Namespace) -> int:
    """Raises: WallOSSError: the dataset cannot be read, or there is nowhere to write to."""
    from wall_oss_ros.commands.arguments import require_writable
    from wall_oss_ros.commands.data.editing import survey_of
    from wall_oss_ros.data.checks.pictures import chosen
    from wall_oss_ros.data.edits.choose import numbers
    from wall_oss_ros.data.lerobot.reader import open_dataset
    from wall_oss_ros.data.view import write_page, write_sheet
    from wall_oss_ros.errors import WallOSSError

    if args.output is None and args.sheet is None:
        raise WallOSSError(
            "Nothing says where to write.", "Give --output DIR for a page, or --sheet FILE for a picture."
        )
    for path in (args.output, args.sheet.parent if args.sheet else None):
        if path is not None:
            require_writable(path)
    dataset = open_dataset(args.dataset)
    every = [one.index for one in dataset.episodes]
    if args.episodes:
        episodes = sorted(numbers(args.episodes, survey_of(args.dataset)))
    else:
        episodes = [every[at] for at in chosen(len(every), MOST)]
    if args.sheet is not None:
        write_sheet(dataset, episodes, args.sheet, args.pictures)
        print(f"{len(episodes)} episodes: {args.sheet}")
    if args.output is not None:
        print(f"{len(episodes)} episodes: {write_page(dataset, episodes, args.output, args.pictures)}")
    return 0
