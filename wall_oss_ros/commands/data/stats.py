# SPDX-License-Identifier: Apache-2.0
"""Statistics of a LeRobot dataset's numbers: min, max, mean, std and quantiles, computed from its rows. --write puts
them into the dataset's tables, each file in one step; pictures keep
what they have unless --pictures is given.

examples:
  wall-oss data stats datasets/mine
  wall-oss data stats datasets/mine --json --exact
  wall-oss data stats datasets/mine --write
"""

from __future__ import annotations

import argparse
import json
import sys

from wall_oss_ros.commands.data.editing import add_source, survey_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument(
        "--exact",
        action="store_true",
        help="hold all rows in memory, so that quantiles are exact beyond 131072 rows, too",
    )
    parser.add_argument("--write", action="store_true", help="put them into the dataset")
    parser.add_argument("--pictures", action="store_true", help="of pictures, too: up to 100 of each episode")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def main(args: argparse.Namespace) -> int:
    """Raises: WallOSSError: the dataset cannot be read."""
    from wall_oss_ros.data.edits.restate import compute, compute_pictures, write

    survey = survey_of(args.dataset)
    whole, episodes = compute(survey, exact=args.exact)
    pictures, own = compute_pictures(survey) if args.pictures else ({}, {})
    episodes = {index: {**one, **own.get(index, {})} for index, one in episodes.items()}
    if args.write:
        write(survey, whole, episodes, pictures)
    found = {key: one.result() for key, one in whole.items() if one.rows}
    error = max((one.rank_error for one in whole.values()), default=0.0)
    if args.json:
        values = {
            key: {n: [None if x != x else x for x in v.tolist()] for n, v in one.items()} for key, one in found.items()
        }
        values |= pictures
        print(json.dumps({"dataset": str(survey.folder), "rank_error": error, "statistics": values}, indent=1))
        return 0
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    names = ("min", "q01", "q10", "q50", "q90", "q99", "max", "mean", "std")
    for name in ("number", *names):
        table.add_column(name, justify="left" if name == "number" else "right")
    for key, one in found.items():
        for at in range(len(one["min"])):
            table.add_row(escape(survey.label(key, at)), *(f"{one[name][at]:.5g}" for name in names))
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    exact = "exact" if not error else f"off by at most {error:.3%} of the rows"
    print(f"{max((one.rows for one in whole.values()), default=0)} rows; quantiles are {exact}")
    if args.write:
        print(f"written into {survey.folder / 'meta'}")
    return 0
