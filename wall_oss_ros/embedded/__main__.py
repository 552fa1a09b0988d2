# SPDX-License-Identifier: Apache-2.0
"""``python -m wall_oss_ros.embedded program.py [ARGUMENTS]``, or ``-m module``: runs a program written for rclpy."""

from __future__ import annotations

import os
import runpy
import sys
import traceback

from wall_oss_ros.embedded.exceptions import NotOffered
from wall_oss_ros.errors import WallOSSError

_USAGE = """usage: python -m wall_oss_ros.embedded PROGRAM.py [ARGUMENTS]
       python -m wall_oss_ros.embedded -m MODULE [ARGUMENTS]

Runs a Python program written for rclpy; without ROS 2, on the embedded library (docs/embedded.md).
WALL_OSS_INTERFACES names folders with the messages, services and actions of further packages."""


def main(arguments: list[str]) -> int | str | None:
    """Runs the program; what `sys.exit` is to be given."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    as_module = arguments[0] == "-m"
    if as_module and len(arguments) < 2:
        return "error: -m lacks the module's name."
    sys.argv = arguments[as_module:]
    name = sys.argv[0]
    if as_module:
        sys.path[0] = os.getcwd()  # as for python -m
    elif not os.path.exists(name):
        return f"error: there is no file {name}."
    else:  # as for python program.py
        sys.path[0] = os.path.dirname(os.path.realpath(name))
    try:
        from wall_oss_ros.embedded import auto  # noqa: F401  puts the embedded library in place where ROS 2 is missing

        if as_module:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(name, run_name="__main__")
    except (NotOffered, WallOSSError) as error:
        return f"error: {error}"
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(__package__):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        place = next(frame for frame in reversed(frames) if not frame.filename.startswith("<frozen"))
        return (
            f"error: {error}: it is neither installed nor part of the embedded library (docs/embedded.md); "
            f"{place.filename}, line {place.lineno}, imports it."
        )
    except ImportError as error:
        if not (error.name or "").startswith(__package__):
            raise
        return f"error: {str(error).partition(' (')[0]}: the embedded library does not offer it (docs/embedded.md)."
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
