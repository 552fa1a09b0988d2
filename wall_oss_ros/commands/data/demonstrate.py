# SPDX-License-Identifier: Apache-2.0
"""Lets a simulated robot's scripted expert demonstrate, and writes it as a LeRobot dataset (v3.0).

The dataset has subtasks, questions with answers, what each frame would call for under other instructions, and a
mapping.yaml for training. Demonstrations that failed go into DIR-failed, marked. Killed at any point, the same command
goes on, and so does one that asks for more episodes.

examples:
  wall-oss data demonstrate --robot franka --episodes 100 --output datasets/cubes
  wall-oss data demonstrate --robot dual_arm --episodes 50 --seed 3 --output datasets/trays
"""

from __future__ import annotations

import argparse
from functools import partial

from wall_oss_ros.commands.arguments import folder, require_writable, text, whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--robot", type=text, default="franka", help="with a simulation (default: %(default)s)")
    parser.add_argument("--episodes", type=whole(1, 100_000), default=100, metavar="N", help="that succeed, in all"
                        " (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seed", type=whole(0, 2**62), default=0, metavar="S", help="of scenes, pushes and words"
                        " (default: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--output", type=folder, required=True, metavar="DIR", help="the dataset: made, or gone on with"
    )
    parser.add_argument("--processes", type=whole(0, 1024), default=0, metavar="P", help="that demonstrate; 0 for one a"
                        " core (default: %(default)s)")  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Demonstrates.

    Raises:
        WallOSSError: no such robot, the folder holds something else, or nothing succeeds.
    """
    from wall_oss_ros.sim.demonstrate import failed_folder, make_demonstrations

    require_writable(args.output)
    made = make_demonstrations(
        args.robot, args.episodes, args.seed, args.output, args.processes, partial(print, flush=True)
    )
    aside = f"; {made.failed} failed, in {failed_folder(args.output)}" if made.failed else ""
    print(f"{args.output}: {made.episodes} episodes{aside}; {made.new} made now")
    return 0
