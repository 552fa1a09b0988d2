# SPDX-License-Identifier: Apache-2.0
"""Puts LeRobot datasets together, in the order given. They must have one version, rate, robot and set of features; what
differs is said. Tasks that are word for word the same become one; statistics are computed anew; videos are copied.

examples:
  wall-oss data merge datasets/monday datasets/tuesday --output datasets/week
"""

from __future__ import annotations

import argparse

from wall_oss_ros.commands.arguments import text
from wall_oss_ros.commands.data.editing import add_output, survey_of, write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "datasets", nargs="+", type=text, metavar="DATASET", help="two or more, by folder or owner/name"
    )
    add_output(parser)


def main(args: argparse.Namespace) -> int:
    """Raises: WallOSSError: they do not fit together, or cannot be read."""
    from wall_oss_ros.data.edits.picks import whole
    from wall_oss_ros.errors import WallOSSError

    surveys = [survey_of(name) for name in args.datasets]
    folders = [survey.folder.resolve() for survey in surveys]
    if len(surveys) < 2:
        raise WallOSSError("One dataset alone is nothing to merge.", "Name two or more.")
    if len(set(folders)) < len(folders):
        raise WallOSSError("One dataset is named twice.", "Its episodes would be there twice; name each once.")
    write([whole(survey) for survey in surveys], args, args.output)
    return 0
