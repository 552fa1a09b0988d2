# SPDX-License-Identifier: Apache-2.0
"""Looks a robot's profile over before anything moves: home, workspace, gripper, two hands together, simulation.

exit status: 0 all is well, 1 something is not (its line begins with "!"), 2 the profile is refused

examples:
  wall-oss check my_robot.yaml
  wall-oss check ur:ur10e
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "robot", metavar="ROBOT", help="a profile in config/robots, with :variant where it has some, or a path"
    )


def main(args: argparse.Namespace) -> int:
    """Prints what is found; 0 when all is well, 1 when something is not.

    Raises:
        WallOSSError: the profile is refused.
    """
    from wall_oss_ros.commands.profile_check import look_over
    from wall_oss_ros.robots.profile import load_profile

    wrong = 0
    for well, line in look_over(load_profile(args.robot)):
        print(f"{'  ' if well else '! '}{line}")
        wrong += not well
    return 1 if wrong else 0
