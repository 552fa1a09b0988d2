# SPDX-License-Identifier: Apache-2.0
"""Takes some episodes of a LeRobot dataset into a new one, numbered anew with right offsets and statistics. Without a
choice it takes all, which mends stale offsets and totals.

examples:
  wall-oss data filter datasets/mine --success --output datasets/good
  wall-oss data filter datasets/mine --corrected --output datasets/corrections
  wall-oss data filter datasets/mine --drop 3 17-19 --min-length 30 --output datasets/good
  wall-oss data filter datasets/mine --found found.json --output datasets/good   # of wall-oss data check --json
"""

from __future__ import annotations

import argparse

from wall_oss_ros.commands.arguments import folder, text, whole
from wall_oss_ros.commands.data.editing import add_output, add_source, survey_of, write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument("--episodes", nargs="+", type=text, metavar="N", help="only these: numbers and ranges, 0-9 12-")
    parser.add_argument("--drop", nargs="+", type=text, metavar="N", help="without these")
    parser.add_argument("--success", action="store_true", help="only those that are not marked as failed")
    parser.add_argument("--corrected", action="store_true", help="only those in which a person corrected the robot: an"
                        " edited or refused plan, a stop and a new start")  # fmt: skip
    parser.add_argument("--event", type=text, metavar="PATTERN", help="only those in which something happened that"
                        " holds this, a regular expression, such as 'edit by person' or 'hold:'")  # fmt: skip
    parser.add_argument(
        "--task", type=text, metavar="PATTERN", help="only those whose task holds this, a regular expression"
    )
    parser.add_argument(
        "--min-length", type=whole(1, 10**9), metavar="FRAMES", help="only those of at least this length"
    )
    parser.add_argument(
        "--max-length", type=whole(1, 10**9), metavar="FRAMES", help="only those of at most this length"
    )
    parser.add_argument(
        "--found",
        type=folder,
        metavar="FILE",
        help="without those in which wall-oss data check --json has found errors or warnings",
    )
    parser.add_argument(
        "--checks", nargs="+", type=text, metavar="CHECK", help="of --found, only what these checks found"
    )
    add_output(parser)


def main(args: argparse.Namespace) -> int:
    """Raises: WallOSSError: nothing is left, or something cannot be read."""
    from wall_oss_ros.data.checks.findings import require_checks
    from wall_oss_ros.data.edits import choose
    from wall_oss_ros.data.edits.picks import Part
    from wall_oss_ros.errors import WallOSSError
    from wall_oss_ros.json_files import read_json

    survey = survey_of(args.dataset)
    episodes = choose.numbers(args.episodes, survey) if args.episodes else frozenset(survey.table)
    if args.drop:
        episodes -= choose.numbers(args.drop, survey)
    if args.success:
        episodes = choose.with_success(survey, episodes)
    if args.corrected:
        episodes = choose.corrected(survey, episodes)
    if args.event:
        episodes = choose.with_event(survey, episodes, args.event)
    if args.task:
        episodes = choose.with_task(survey, episodes, args.task)
    episodes = choose.with_length(survey, episodes, args.min_length, args.max_length)
    if args.checks and not args.found:
        raise WallOSSError("--checks says which findings of --found count.", "Add --found FILE.")
    require_checks(args.checks or ())
    if args.found:
        report = read_json(args.found, "Write it: wall-oss data check DATASET --json > FILE")
        episodes -= choose.of_findings(report, ("error", "warning"), args.checks)
    print(f"{len(episodes)} of {len(survey.table)} episodes stay")
    write([Part(survey, episodes)], args, args.output)
    return 0
