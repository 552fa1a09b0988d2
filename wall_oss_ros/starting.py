# SPDX-License-Identifier: Apache-2.0
"""How a node's process begins: as an installed program, named by setup.py, as ``python -m wall_oss_ros.nodes.NAME``, or
as a copy of ``wall-oss run`` (``commands/processes.py``).

Importing a node takes seconds. SIGINT and SIGTERM end one meanwhile quietly, with status 0: Python would print where
it was, and the process would look as if it had died. Nothing that takes its time is imported here, and nothing that is
not Python's own, since setup.py reads ``NODES`` here.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    "page",
)
_ELSEWHERE = {"page": "wall_oss_ros.page.node"}  # than in wall_oss_ros.nodes
_USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
_before: dict[signal.Signals, object] = {}
_waited_for: int | None = None  # a pipe's end, which is closed once the process works


def __getattr__(name: str) -> Callable[[], int]:
    """The program of each of ``NODES``, as setup.py names them."""
    if name not in NODES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return lambda: start(_ELSEWHERE.get(name, f"wall_oss_ros.nodes.{name}"))


def start(module: str) -> int:
    """Runs ``main`` of a module; what it makes of signals begins there. Returns its exit status."""
    end_quietly()
    # Matrices of nodes are small. OpenBLAS of NumPy 1.26 wakes threads for them all the same, which then wait busily:
    # perception took half a core for the inverses of 4 x 4 matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with imports():
        main = import_module(module).main
    as_usual()
    return main()


@contextmanager
def imports() -> Iterator[None]:
    """Within it, garbage is not collected; if anything was imported, what is there at the end is not looked at again by
    any collection.

    What is imported stays. To go through all of it again and again, while there is more and more, takes a sixth of the
    time in which torch is imported.
    """
    collects, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > modules:  # else it would only keep garbage that is there by chance
            gc.freeze()
        if collects:
            gc.enable()


def tell_by(pipe: int) -> None:
    """Somebody waits for the end of this pipe, which comes once the process works, or ends."""
    global _waited_for
    _waited_for = pipe


def works() -> None:
    """Called when the process has started, and does what it is there for."""
    global _waited_for
    if _waited_for is not None:
        os.close(_waited_for)
        _waited_for = None


def runs_as_module() -> bool:
    """Whether this process was started with ``python -m`` and still looks for its module."""
    return sys.argv[0] == "-m"


def end_quietly() -> None:
    """From now on the two signals end the process with status 0: nothing has begun that would have to be ended."""
    for number in _USUAL:
        previous = signal.signal(number, lambda *_: os._exit(0))
        if getattr(previous, "__module__", None) != __name__:
            _before[number] = previous


def as_usual() -> None:
    """Takes that back, where it was asked for; before rclpy sets its own handlers, which may call others."""
    for number, usual in _USUAL.items():
        if getattr(signal.getsignal(number), "__module__", None) == __name__:
            signal.signal(number, _before.pop(number, None) or usual)
