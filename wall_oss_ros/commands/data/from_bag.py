# SPDX-License-Identifier: Apache-2.0
"""Converts ROS 2 bags into a LeRobot dataset, by the topics of a robot's profile. Needs no ROS.

Each bag is an episode: folders or files, sqlite3 or mcap, split or compressed, also of a recorder that was killed. What
has not changed since the last time is not converted again. The dataset has a mapping.yaml for training.

exit status: 0 all bags are in the dataset, 1 some were refused, 2 nothing could be converted

examples:
  wall-oss data from-bag bags --robot franka --output datasets/mine
  wall-oss data from-bag bag_1 bag_2 --robot ur --output datasets/ur --task "put the red cube in the left tray"
  wall-oss data from-bag bags/*.mcap --robot my_robot.yaml --mapping my_topics.yaml --gaps cut --output datasets/mine
"""

from __future__ import annotations

import argparse
from functools import partial

from wall_oss_ros.commands.arguments import folder, number, require_writable, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = partial(parser.add_argument, type=text)
    add("bags", nargs="+", metavar="BAG", help="a bag's folder or file, or a folder of bags")
    add("--robot", required=True, help="profile in config/robots, or a path")
    parser.add_argument("--output", type=folder, required=True, metavar="DIR", help="the dataset: made, or brought up"
                        " to date")  # fmt: skip
    add("--mapping", metavar="FILE", help="what the profile does not say: other topics, fields, clocks")
    parser.add_argument("--fps", type=number(0.1, 200), help="frames a second (default: the mapping's, or the profile's"
                        " rate_hz)")  # fmt: skip
    add("--time", choices=("header", "receive"), help="what messages count for: the stamps in their headers, or when"
        " they were received (default: the mapping's, or header)")  # fmt: skip
    add("--action", choices=("commands", "next-state"), help="what the controllers were told, or the state of the next"
        " frame (default: the mapping's, or commands)")  # fmt: skip
    add("--gaps", choices=("refuse", "cut"), default="refuse", help="what becomes of a bag in which a topic is silent"
        " for too long: refused, or cut into several episodes (default: %(default)s)")  # fmt: skip
    add("--task", metavar="TEXT", help="the instruction, whatever was said")
    parser.add_argument("--namespace", default="", metavar="NS", help="that the robot's topics were recorded in")
    parser.add_argument("--language", action="store_true", help="subtasks and plans as lerobot 0.6 keeps them as well"
                        " (language_persistent); lerobot before 0.6 does not open the dataset")  # fmt: skip
    add("--version", choices=("v3.0", "v2.1"), default="v3.0", help="of the format (default: %(default)s)")


def main(args: argparse.Namespace) -> int:
    """Converts.

    Raises:
        WallOSSError: bad input, or nothing could be converted.
    """
    from wall_oss_ros.bringup.remappings import recorded_topics, remapped
    from wall_oss_ros.commands.data.definitions import message_definitions
    from wall_oss_ros.data.bags.convert import Converter, Options
    from wall_oss_ros.data.bags.files import find_bags
    from wall_oss_ros.data.bags.spec import load_bag_mapping
    from wall_oss_ros.embedded.cv_bridge import CvBridge
    from wall_oss_ros.robots.profile import load_profile

    require_writable(args.output)
    profile = load_profile(args.robot)
    mapping = load_bag_mapping(args.mapping, profile)
    if namespace := args.namespace.strip("/"):
        renamed = {name: remapped(name, profile, namespace) for name in recorded_topics(profile)}
        mapping = mapping.model_copy(update={"topics": renamed | mapping.topics})
    if args.action == "next-state" or (args.action and isinstance(mapping.action, str)):
        mapping = mapping.model_copy(update={"action": args.action.replace("-", "_")})
    fps = args.fps or mapping.fps or profile.rate_hz
    options = Options(fps, args.time or mapping.time or "header", args.gaps, args.task, args.version, args.language)
    converter = Converter(
        profile, mapping, options, CvBridge(), message_definitions(), lambda line: print(line, flush=True)
    )
    outcome = converter.convert(find_bags(args.bags), args.output)
    print(
        f"{args.output}: {outcome.episodes} episodes; of the bags {outcome.converted} converted now, "
        f"{outcome.unchanged} unchanged, {outcome.refused} refused"
    )
    return 1 if outcome.refused else 0
