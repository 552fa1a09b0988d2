# SPDX-License-Identifier: Apache-2.0
"""Gives tasks and subtasks of a LeRobot dataset other words, in a new one. Texts that become the same become one.

A mapping file is YAML with a line for each text:  "close teh drawer": close the drawer

examples:
  wall-oss data relabel datasets/mine --tasks words.yaml --output datasets/named
  wall-oss data relabel datasets/mine --replace "\\bcube\\b" block --output datasets/named
  wall-oss data relabel datasets/mine --episodes 3 7-9 --task "wipe the table" --output datasets/named
"""

from __future__ import annotations

import argparse

from wall_oss_ros.commands.arguments import folder, text
from wall_oss_ros.commands.data.editing import add_output, add_source, survey_of, write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument("--tasks", type=folder, metavar="FILE", help="a mapping file for tasks")
    parser.add_argument("--subtasks", type=folder, metavar="FILE", help="a mapping file for subtasks")
    parser.add_argument(
        "--replace",
        nargs=2,
        action="append",
        default=[],
        metavar=("PATTERN", "TEXT"),
        help="in tasks and subtasks, a regular expression by a text; may be given several times",
    )
    parser.add_argument("--task", type=text, metavar="TEXT", help="the task of --episodes, whatever it was")
    parser.add_argument("--episodes", nargs="+", type=text, metavar="N", help="numbers and ranges, for --task")
    add_output(parser)


def main(args: argparse.Namespace) -> int:
    """Raises: WallOSSError: something would change nothing, or cannot be read."""
    from wall_oss_ros.data.edits import choose, relabel
    from wall_oss_ros.data.edits.picks import Part
    from wall_oss_ros.errors import WallOSSError

    if not (args.tasks or args.subtasks or args.replace or args.task):
        raise WallOSSError("Nothing says which words change.", "Give --tasks, --subtasks, --replace or --task")
    if bool(args.task) != bool(args.episodes):
        raise WallOSSError("--task and --episodes go together.", "Say which episodes get which task.")
    survey = survey_of(args.dataset)
    whole = dict.fromkeys(choose.numbers(args.episodes, survey), args.task) if args.task else {}
    texts = [relabel.read_texts(path) if path else {} for path in (args.tasks, args.subtasks)]
    kinds = [
        (kind, [pair for pair in args.replace if relabel.holds(survey, kind, pair[0])]) for kind in ("task", "subtask")
    ]
    for pattern, _ in args.replace:
        if not any(pattern == pair[0] for _, pairs in kinds for pair in pairs):
            raise WallOSSError(
                f"No task or subtask holds {pattern!r}.",
                f"There are: {'; '.join([*survey.tasks.values(), *survey.subtasks.values()][:8])}.",
            )
    changes = [
        relabel.change(survey, kind, given, pairs, whole if kind == "task" else None)
        for (kind, pairs), given in zip(kinds, texts)
    ]
    write([Part(survey, frozenset(survey.table), *changes)], args, args.output)
    return 0
