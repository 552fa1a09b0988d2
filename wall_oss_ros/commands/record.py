# SPDX-License-Identifier: Apache-2.0
"""Records a robot's episodes as bags: its views, joints, commands, gripper commands, instruction and plan.

Each episode is a bag of its own (mcap) in the folder --output, for `wall-oss data from-bag`. It begins and ends by keys
in the terminal, by words on the topic /wall_oss/record (std_msgs/String), or, with --auto, with each plan.

keys and words: b begin, e end, s success (ends), f failure (ends), d discard, q quit (ends what is being recorded)

examples:
  wall-oss record --robot franka --output bags
  wall-oss record --robot ur --output bags --auto
  wall-oss topic pub --once /wall_oss/record std_msgs/msg/String "data: begin"
  ros2 bag record -s mcap $(wall-oss record --robot franka --topics)
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wall_oss_ros.commands.arguments import folder, require_writable, text, whole
from wall_oss_ros.errors import WallOSSError

if TYPE_CHECKING:
    from wall_oss_ros.data.bags.recorder import EpisodeRecorder

_WAIT = 0.02  # s for a message before keys are looked at
WORDS = {"b": "begin", "e": "end", "s": "success", "f": "failure", "d": "discard", "q": "quit"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--robot", type=text, default="franka", help="profile in config/robots, or a path (default: %(default)s)"
    )
    parser.add_argument(
        "--output", type=folder, metavar="DIR", help="gets a folder for each episode; needed unless --topics"
    )
    parser.add_argument("--begin", action="store_true", help="begin the first episode at once")
    parser.add_argument("--auto", action="store_true", help="an episode for each plan, marked as the planner judges it")
    parser.add_argument("--cameras", default="", help="where the pictures come from, as for the launch")
    parser.add_argument("--namespace", default="", metavar="NS", help="of the robot's names")
    parser.add_argument("--controller", default="", metavar="NAME", help="of the (first) arm, if not the profile's")
    parser.add_argument("--base-topic", default="", metavar="TOPIC", help="of a base's velocities, likewise")
    parser.add_argument("--also", type=text, nargs="+", default=[], metavar="TOPIC", help="further topics")
    parser.add_argument("--topics", action="store_true", help="print the topics that are recorded, and leave")
    parser.add_argument("--domain", type=whole(0, 232), metavar="N", help="ROS domain (default: ROS_DOMAIN_ID, or 0)")


def main(args: argparse.Namespace) -> int:
    """Records until q, Ctrl-C or SIGTERM.

    Raises:
        WallOSSError: bad input, or nothing can be written.
    """
    from wall_oss_ros.bringup.remappings import recorded_topics
    from wall_oss_ros.robots.cameras import with_cameras
    from wall_oss_ros.robots.profile import load_profile

    profile = with_cameras(load_profile(args.robot), args.cameras)
    namespace = args.namespace.strip("/")
    names = recorded_topics(profile, namespace, args.controller, args.base_topic)
    names = [name for name in names if not name.endswith("/wall_oss/observation")]  # the views again, but smaller
    topics = list(dict.fromkeys([*names, *(topic if topic.startswith("/") else f"/{topic}" for topic in args.also)]))
    if args.topics:
        print(" ".join(topics))
        return 0
    if not args.output:
        raise WallOSSError("Where to record was not said.", "Give --output DIR.")
    require_writable(args.output)

    from wall_oss_ros.commands.domain import set_domain

    set_domain(args.domain)
    return _record(args, topics, f"/{namespace}" if namespace else "")


def _record(args: argparse.Namespace, topics: list[str], prefix: str) -> int:
    from wall_oss_ros.commands.data.definitions import message_definitions
    from wall_oss_ros.commands.topic_values import temporary_node
    from wall_oss_ros.data.bags.recorder import EpisodeRecorder, PlannedEpisodes
    from wall_oss_ros.data.bags.sources import GRIPPERS, INSTRUCTION, PLAN, RECORD
    from wall_oss_ros.data.bags.types import known_types

    with temporary_node("record") as node:
        from wall_oss_ros.commands.recording import Subscriptions

        import rclpy

        latched = [f"{prefix}{name}" for name in (GRIPPERS, INSTRUCTION, PLAN)]
        recorder = EpisodeRecorder(args.output, known_types(message_definitions()), latched, _say, prefix)
        planned = PlannedEpisodes(recorder)
        asked: list[str] = []
        subscriptions = Subscriptions(node, topics, recorder, f"{prefix}{RECORD}", asked.extend)
        if args.auto:
            subscriptions.follow(f"{prefix}{PLAN}", planned.hear)
        _say(f"episodes go to {args.output}; " + "  ".join(f"[{key}] {word}" for key, word in WORDS.items()))
        ending: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: ending.append(number))
        try:
            if args.begin:
                recorder.begin(time.time())
            with _keys() as pressed:
                while not ending and rclpy.ok():
                    rclpy.spin_once(node, timeout_sec=_WAIT)
                    subscriptions.look()
                    words, asked[:] = [*asked, *pressed()], []
                    if not all(_act(recorder, word) for word in words):
                        break
        finally:
            if recorder.recording:
                recorder.end(time.time())
    return 0


def _act(recorder: EpisodeRecorder, word: str) -> bool:
    """Does what a key or a word asks for; False to leave."""
    now = time.time()
    if word == "begin":
        recorder.begin(now)
    elif word == "end":
        recorder.end(now)
    elif word in ("success", "failure"):
        recorder.end(now, word)  # type: ignore[arg-type]
    elif word == "discard":
        recorder.discard()
    elif word == "quit":
        return False
    else:
        _say(f"{word!r} is none of {', '.join(WORDS.values())}")
    return True


@contextmanager
def _keys() -> Iterator[Callable[[], list[str]]]:
    """Gives a function that returns the words of the keys pressed since it was called last."""
    if not sys.stdin.isatty():
        yield list
        return
    import termios
    import tty

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    tty.setcbreak(stdin)

    def pressed() -> list[str]:
        found = []
        while select.select([stdin], [], [], 0)[0]:
            key = os.read(stdin, 1).decode(errors="replace").lower()
            if not key:
                break
            if key in WORDS:
                found.append(WORDS[key])
        return found

    try:
        yield pressed
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def _say(line: str) -> None:
    print(line, flush=True)
