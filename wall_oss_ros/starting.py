# SPDX-License-Identifier: Apache-2.0
"""The nodes' programs. Importing a node takes seconds; one that is told to end meanwhile ends without a traceback."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from importlib import import_module

NODES = (
    "perception",
    "planner",
    "action_expert",
    "model",
    "control",
    "plan_markers",
    "simulated_robot",
    "mock_gripper",
)


def __getattr__(name: str) -> Callable[[], int]:
    """The program of each of ``NODES``, as setup.py names them."""
    if name not in NODES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return lambda: _start(name)


def _start(node: str) -> int:
    """Runs ``main`` of a node's module; what it makes of signals begins there."""
    # Nothing has begun yet that would have to be ended.
    before = {number: signal.signal(number, lambda *_: os._exit(0)) for number in (signal.SIGINT, signal.SIGTERM)}
    main = import_module(f"wall_oss_ros.nodes.{node}").main
    for number, handler in before.items():
        signal.signal(number, handler)
    return main()
