# SPDX-License-Identifier: Apache-2.0
"""The command ``wall-oss``: finds the subcommand and turns errors that a user can put right into one line."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn
from xml.etree import ElementTree

from wall_oss_ros.commands import streams
from wall_oss_ros.commands.arguments import Parser, add_commands
from wall_oss_ros.errors import WallOSSError, missing_package
from wall_oss_ros.paths import data_path

# Each is a module here, and imports what is heavy inside its main, so that --help answers at once.
COMMANDS = {
    "run": "simulate a robot, follow an instruction, and judge the result",
    "page": "serve the page of a running system",
    "eval": "measure a model in closed loop on scenes it was never trained on",
    "train": "make demonstrations and train a model on them",
    "serve": "serve a model over websockets, to openpi's client and others",
    "record": "record a robot's episodes as bags",
    "replay": "show a record again, or say what happened in it",
    "data": "make, check and edit datasets",
    "check": "look a robot's profile over before anything moves",
    "inspect": "show what a checkpoint holds, and what in it looks wrong",
    "test": "look the code over and run the test suite",
    "bench": "measure this machine, and compare with the last time",
    "topic": "publish and watch topics, as ros2 topic does",
    "service": "call services, as ros2 service does",
    "action": "send goals to actions, as ros2 action does",
    "node": "see nodes and what they have, as ros2 node does",
    "param": "read and set parameters of nodes, as ros2 param does",
    "list": "print the robots, models, recipes and mappings that ship",
}

EXAMPLES = """\
examples:
  wall-oss run "put the red cube in the left tray"
  wall-oss run --headless --seed 7 "pick up the blue cube"
  wall-oss topic pub --once /wall_oss/instruction std_msgs/msg/String "data: put the green cube in the right tray"
  wall-oss topic echo /wall_oss/plan
  wall-oss service call /wall_oss/home
  wall-oss action send_goal -f /wall_oss/execute "instruction: pick up the red cube"
  wall-oss param set /wall_oss/control replan_every 4
  wall-oss list robots
  wall-oss replay runs/first.mcap
  wall-oss eval --episodes 20
  wall-oss check my_robot.yaml
  wall-oss inspect models/wall-oss-tiny
  wall-oss serve --robot franka
"""


class _Version(argparse.Action):
    def __call__(self, parser, *_args) -> NoReturn:
        print(ElementTree.parse(data_path("package.xml")).findtext("version"))
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands; ``args.command_main`` is the chosen one's main."""
    parser = Parser(
        prog="wall-oss",
        description="WALL-OSS on robots that speak ROS 2: from an instruction in words to subtasks to motion.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    add_commands(parser, "wall_oss_ros.commands", COMMANDS, "command")
    return parser


def refuse_unknown(words: Sequence[str]) -> None:
    """Raises WallOSSError where the first word is no command: with the one that was meant, as far as can be seen."""
    if not words or words[0] in COMMANDS or words[0].startswith("-"):
        return
    close = get_close_matches(words[0], COMMANDS, 1, 0.75)
    if close:
        hint = f"Did you mean: wall-oss {shlex.join([close[0], *words[1:]])}"
    elif len(words) > 1 or " " in words[0]:
        hint = f'To have that done: wall-oss run "{" ".join(words)}"'
    else:
        hint = f"There are {', '.join(COMMANDS)}; see wall-oss --help"
    raise WallOSSError(f"{words[0]!r} is no command.", hint)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand; 0 is success, 2 is bad input, 130 is Ctrl-C."""
    streams.make_usable()
    try:
        try:
            status = _carry_out(argv)
        except SystemExit:  # of --help and --version, too
            sys.stdout.flush()
            raise
        sys.stdout.flush()  # here, where it is known what to say if it cannot be written
        return status
    except WallOSSError as error:
        return _fail(error)
    except ModuleNotFoundError as error:
        if (missing := missing_package(error)) is None:
            raise
        return _fail(missing)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # such as `wall-oss topic echo ... | head`
        streams.drop_output()
        return 0
    except OSError as error:  # of the computer, such as a full disk; what else names no file is a fault of ours
        if error.filename is None and streams.is_full(error):
            streams.drop_output()
            return _fail(f"The output cannot be written: {os.strerror(error.errno)}. Make room, or write it elsewhere.")
        if error.filename is None:
            raise
        return _fail(
            f"{error.filename}: {error.strerror}. Check that it can be read and written, and that the disk has room."
        )


def _carry_out(argv: Sequence[str] | None) -> int:
    refuse_unknown(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    if hasattr(args, "passed_on"):  # wall-oss test: arguments of pytest
        args.passed_on = rest
    elif hasattr(args, "instruction") and not any(word.startswith("-") for word in rest):
        args.instruction += rest  # the words of one instruction, on both sides of an option
    elif rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    return args.command_main(args)


def _fail(error: Exception | str) -> int:
    """Says in one line why nothing came of it."""
    line = "".join(sign if sign.isprintable() else " " for sign in str(error))  # a terminal would obey other signs
    print(f"error: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
