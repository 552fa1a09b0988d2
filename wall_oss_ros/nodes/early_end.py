# SPDX-License-Identifier: Apache-2.0
"""What SIGINT and SIGTERM do while a node's process still imports what it needs, which takes seconds: end it, quietly.

Python would print where it was, and the process would look as if it had died. Nothing that takes its time is imported
here.
"""

from __future__ import annotations

import os
import signal
import sys


def is_a_node() -> bool:
    """Whether this process is ``python -m wall_oss_ros.nodes.NAME``; installed programs begin in ``starting.py``."""
    return sys.argv[0] == "-m"


def end_quietly() -> None:
    """From now on the two signals end the process with status 0."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))


def as_usual() -> None:
    """Takes that back, where it was asked for; before rclpy sets its own handlers, which may call others."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if getattr(signal.getsignal(number), "__module__", None) == __name__:
            signal.signal(number, usual)
