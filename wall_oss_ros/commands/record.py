# SPDX-License-Identifier: Apache-2.0
"""Records a robot as bags (mcap): views, joints, commands, instruction, plan, chunks, status, answers, diagnostics.

Each episode is a bag of its own in the folder --output, for `wall-oss data from-bag`. It begins and ends by keys in the
terminal, by words on the topic /wall_oss/record (std_msgs/String), or, with --auto, with each plan. With --file there
is one recording from start to end. Both are shown again by `wall-oss replay`, Foxglove and `ros2 bag`.

keys and words: b begin, e end, s success (ends), f failure (ends), d discard, q quit (ends what is being recorded)

examples:
  wall-oss record --robot franka --output bags
  wall-oss record --robot ur --output bags --auto
  wall-oss record --robot ur --file today.mcap
  wall-oss record --robot ur --file today --max-bag-duration 600 --keep 6   # the last hour
  wall-oss topic pub --once /wall_oss/record std_msgs/msg/String "data: begin"
  ros2 bag record -s mcap $(wall-oss record --robot franka --topics)
"""

from __future__ import annotations

import argparse
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wall_oss_ros.commands.arguments import folder, number, require_writable, text, whole
from wall_oss_ros.errors import WallOSSError

if TYPE_CHECKING:
    from wall_oss_ros.data.bags.recorder import EpisodeRecorder
    from wall_oss_ros.data.bags.writing import Limits

_WAIT = 0.02  # s for a message before keys are looked at
_LAST = 0.3  # s after a signal to end
WORDS = {"b": "begin", "e": "end", "s": "success", "f": "failure", "d": "discard", "q": "quit"}
WHOLE = {key: WORDS[key] for key in "bsfq"}  # of a recording from start to end, in which these mark attempts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--robot", type=text, default="franka", help="profile in config/robots, or a path (default: %(default)s)"
    )
    parser.add_argument(
        "--output",
        type=folder,
        metavar="DIR",
        help="gets a folder for each episode; this, --file or --topics is needed",
    )
    parser.add_argument(
        "--file", type=folder, metavar="PATH", help="one recording from start to end: NAME.mcap, or a folder of a bag"
    )
    parser.add_argument("--max-bag-size", type=whole(10**6, 10**15), metavar="BYTES", help="go on in a further file"
                        " when one has about this size")  # fmt: skip
    parser.add_argument("--max-bag-duration", type=number(1, 1e7), metavar="S", help="likewise after about this time")
    parser.add_argument("--keep", type=whole(1, 10**6), metavar="N", help="of a bag's files, only the newest")
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
    from wall_oss_ros.data.bags.writing import Limits
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
    if bool(args.output) == bool(args.file):
        raise WallOSSError(
            "Where to record was said twice." if args.file else "Where to record was not said.",
            "Give --output DIR for episodes, or --file PATH for one recording.",
        )
    limits = Limits(args.max_bag_size, args.max_bag_duration, args.keep)
    check(args.file, limits)
    if args.file and (args.begin or args.auto):
        raise WallOSSError("--file records from start to end.", "Leave out --begin and --auto, or give --output DIR.")
    require_writable(args.output or args.file.parent)

    from wall_oss_ros.commands.domain import set_domain

    set_domain(args.domain)
    return _record(args, topics, f"/{namespace}" if namespace else "", limits)


def check(file: Path | None, limits: Limits) -> None:
    """Raises WallOSSError where limits do not go together, or there is such a file already."""
    if limits.keep is not None and not limits.split:
        raise WallOSSError("--keep says how many files stay.", "Add --max-bag-size or --max-bag-duration.")
    if file is None:
        return
    if file.suffix == ".mcap" and limits.split:
        raise WallOSSError(f"{file} is one file, which cannot be split.", "Name a folder: without .mcap.")
    if file.exists():
        raise WallOSSError(f"There is a {file} already.", "Name another, or remove it.")


def _record(args: argparse.Namespace, topics: list[str], prefix: str, limits: Limits) -> int:
    from wall_oss_ros.commands.data.definitions import message_definitions
    from wall_oss_ros.commands.topic_values import temporary_node
    from wall_oss_ros.data.bags.recorder import EpisodeRecorder, PlannedEpisodes
    from wall_oss_ros.data.bags.sources import GRIPPERS, INSTRUCTION, PLAN, RECORD
    from wall_oss_ros.data.bags.types import known_types

    with temporary_node("record") as node:
        from wall_oss_ros.commands.recording import Subscriptions

        import rclpy

        latched = [f"{prefix}{name}" for name in (GRIPPERS, INSTRUCTION, PLAN)]
        where, types = args.output or args.file.parent, known_types(message_definitions())
        recorder = EpisodeRecorder(where, types, latched, _say, prefix, limits)
        planned = PlannedEpisodes(recorder)
        asked: list[str] = []
        subscriptions = Subscriptions(node, topics, recorder, f"{prefix}{RECORD}", asked.extend)
        if args.auto:
            subscriptions.follow(f"{prefix}{PLAN}", planned.hear)
        words = WHOLE if args.file else WORDS
        kind = "all goes to" if args.file else "episodes go to"
        _say(f"{kind} {args.output or args.file}; " + "  ".join(f"[{key}] {word}" for key, word in words.items()))
        ending: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: ending.append(number))
        try:
            if args.begin or args.file:
                recorder.begin(time.time(), args.file)
            with _keys() as pressed:
                until = math.inf  # what was sent before the signal is still taken in
                while rclpy.ok() and time.monotonic() < until:
                    rclpy.spin_once(node, timeout_sec=_WAIT)
                    subscriptions.look()
                    told, asked[:] = [*asked, *pressed()], []
                    if not all(_act(recorder, word, words) for word in told):
                        break
                    if ending and until == math.inf:
                        until = time.monotonic() + _LAST
        finally:
            if recorder.recording:
                recorder.end(time.time())
    return 0


def _act(recorder: EpisodeRecorder, word: str, words: Mapping[str, str]) -> bool:
    """Does what a key or a word asks for; False to leave."""
    now = time.time()
    if word not in words.values():
        _say(f"{word!r} is none of {', '.join(words.values())}")
    elif words is WHOLE and word != "quit":
        recorder.note(word, now)
    elif word == "begin":
        recorder.begin(now)
    elif word == "end":
        recorder.end(now)
    elif word in ("success", "failure"):
        recorder.end(now, word)  # type: ignore[arg-type]
    elif word == "discard":
        recorder.discard()
    return word != "quit"


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
            if key in WORDS:  # what a recording from start to end does not know is said to be none
                found.append(WORDS[key])
        return found

    try:
        yield pressed
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def _say(line: str) -> None:
    print(line, flush=True)
