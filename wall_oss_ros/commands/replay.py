# SPDX-License-Identifier: Apache-2.0
"""Shows a record again on a page: the robot's motion, what it saw, the plan with its history, and control's states.

Nothing of it reaches a robot: it opens no connection to ROS, and publishes nothing at all. The page says REPLAY.
--list says in a few lines what happened; --json the same for programs.

exit status: 0 it was shown, 2 bad input

examples:
  wall-oss replay runs/first.mcap
  wall-oss replay bags/episode_0003 --speed 2 --from 12.5
  wall-oss replay runs/first.mcap --list
  wall-oss replay runs/first.mcap --json
"""

from __future__ import annotations

import argparse
import json
import signal

from wall_oss_ros.commands.arguments import number, text, whole
from wall_oss_ros.errors import WallOSSError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=text, metavar="FILE", help="a bag: a file .mcap or .db3, or a bag's folder")
    parser.add_argument("--robot", type=text, help="its profile, where the record does not say which, or another one")
    parser.add_argument("--list", action="store_true", help="print what happened, and leave")
    parser.add_argument("--json", action="store_true", help="likewise, as JSON")
    parser.add_argument(
        "--port", type=whole(1, 65535), default=8090, metavar="N", help="of the page (default: %(default)s)"
    )
    parser.add_argument("--from", dest="start", type=number(0, 1e7), default=0.0, metavar="S", help="begin there")
    parser.add_argument(
        "--speed", type=number(0.1, 20), default=1.0, metavar="F", help="of the replay (default: %(default)s)"
    )
    parser.add_argument("--paused", action="store_true", help="stand still at first")


def main(args: argparse.Namespace) -> int:
    """Shows it until Ctrl-C, or prints what happened.

    Raises:
        WallOSSError: it cannot be read, or the page cannot have the port.
    """
    from wall_oss_ros.commands.data.definitions import message_definitions
    from wall_oss_ros.data.bags.record import Record, open_record, prefix_of, profile_of
    from wall_oss_ros.data.bags.summary import TOPICS, lines, summarise

    with open_record(args.file, message_definitions()) as bag:
        prefix = prefix_of(bag)
        if args.list or args.json:
            record = Record(bag, [prefix + topic for topic in TOPICS])
            try:
                robot = profile_of(bag, args.robot).full_name
            except WallOSSError as error:  # what happened is told all the same
                if args.robot:
                    raise
                robot = "unknown robot"
                record.notes.append(str(error))
            told = summarise(bag, record, prefix, robot)
            print(json.dumps(told, indent=1, ensure_ascii=False) if args.json else "\n".join(lines(told)))
            return 0
        return _show(bag, prefix, profile_of(bag, args.robot), args)


def _show(bag, prefix: str, profile, args: argparse.Namespace) -> int:
    from wall_oss_ros.page.replay import Replay, ReplayPage

    replay = Replay(bag, profile, prefix)
    page = ReplayPage(replay, args.port, args.speed, paused=args.paused)
    replay.seek(min(args.start, replay.seconds))
    print(
        f"REPLAY of {bag.path}, {replay.seconds:.1f} s of {profile.full_name}: http://127.0.0.1:{args.port}", flush=True
    )
    for note in replay.notes:
        print(f"note: {note}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        page.run()
    except KeyboardInterrupt:
        return 0
    finally:
        page.close()
