# SPDX-License-Identifier: Apache-2.0
"""Makes, checks and edits datasets.

examples:
  wall-oss data from-bag bags/* --robot franka --output datasets/mine
  wall-oss data check datasets/mine
"""

from __future__ import annotations

import argparse

from wall_oss_ros.commands.arguments import add_commands

VERBS = {
    "from-bag": "convert ROS 2 bags into a LeRobot dataset",
    "demonstrate": "let a simulated robot demonstrate into a LeRobot dataset",
    "check": "look a dataset over before anything is trained on it",
    "stats": "compute a dataset's statistics, and write them into it",
    "merge": "put datasets together",
    "split": "split a dataset by episodes",
    "filter": "take some episodes of a dataset into a new one",
    "relabel": "give tasks and subtasks other words",
    "view": "show episodes as a sheet of pictures, or as a page",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    add_commands(parser, __name__, VERBS, "verb")


def main(args: argparse.Namespace) -> int:
    """Runs a verb."""
    return args.verb_main(args)
