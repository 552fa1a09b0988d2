# SPDX-License-Identifier: Apache-2.0
"""How a node's process runs and how it ends."""

from __future__ import annotations

import gc
import re
import signal
import sys
import time
from collections.abc import Callable

from wall_oss_ros import starting
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.arguments import look_for_strangers, look_over
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.priority import take_priority

import rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

_FAREWELL = 2.0  # s that nodes have for their last words
_HANGS = 5.0  # s after a signal, from which on another one ends the process at once


def run(
    *make_nodes: Callable[[], WallOSSNode],
    threads: int = 1,
    arguments: list[str] | None = None,
    last_words: bool = False,
) -> int:
    """Runs nodes, most often one, until they are told to end; the body of every node's ``main``.

    Args:
        make_nodes: each makes a node; called once rclpy is initialised.
        threads: of the executor; more than one where a callback waits, as an action's does.
        arguments: used instead of the process's own, without the program's name.
        last_words: whether the nodes must still be able to publish when a signal ends them.

    Returns:
        The exit status: 0, or 2 after an error that the user can mend, which is printed on one line.
    """
    nodes: list[WallOSSNode] = []
    ending = _Ending()
    running = False
    try:
        given = look_over(arguments)
        # rclpy's own handlers pull the context from under an executor that is just taking a message. Where callbacks
        # wait in threads of their own, it is they that must hear of the end.
        own_signals = last_words or threads == 1
        _initialise(arguments, SignalHandlerOptions.NO if own_signals else SignalHandlerOptions.ALL)
        running = True
        if own_signals:
            ending.listen()
        executor = SingleThreadedExecutor() if threads == 1 else MultiThreadedExecutor(num_threads=threads)
        for make_node in make_nodes:
            nodes.append(make_node())
            executor.add_node(nodes[-1])
        look_for_strangers(given, nodes)
        _put_first(nodes)
        for node in nodes:
            node.autostart()
        _spare_collections()
        starting.works()
        if own_signals:
            ending.spin(executor)
            limit = time.monotonic() + (_FAREWELL if last_words else 0.0)
            while any(node.last_words() for node in nodes) and time.monotonic() < limit:
                executor.spin_once(timeout_sec=0.05)
        else:
            executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except WallOSSError as error:
        if rclpy.ok() or not running:  # otherwise it was told to end during its start
            print(f"error: {error}", file=sys.stderr)
            return 2
    except Exception:
        if rclpy.ok() or not running:  # otherwise the executor was busy when the context was shut down
            raise
    finally:
        ending.begin()
        for node in reversed(nodes):
            node.close()
            node.destroy_node()
        if rclpy.ok():
            rclpy.shutdown()
        gc.unfreeze()  # or what Ruckig made would outlast Python itself, which nanobind tells in 50 lines
    return 0


def _put_first(nodes: list[WallOSSNode]) -> None:
    """Gives the process the priority that its nodes ask for. What is permitted is the system's to say: no error."""
    for node in nodes:
        realtime = node.value("realtime_priority") if node.has_parameter("realtime_priority") else 0
        if node.has_parameter("niceness") and (refused := take_priority(node.value("niceness"), realtime)):
            tell = node.get_logger().warning if realtime else node.get_logger().info
            tell(f"Not permitted here: {refused}. See docs/safety.md, Measured.")


def _spare_collections() -> None:
    """What has been imported and set up is there to stay: a full garbage collection need not go through it again.

    It would stand still for 0.1 s and more in a process with torch, as long as several commands.
    """
    gc.collect()
    gc.freeze()


def _initialise(arguments: list[str] | None, handlers: SignalHandlerOptions) -> None:
    """rclpy.init, with its errors, which are about arguments and the environment, in one line."""
    try:
        starting.as_usual()
        rclpy.init(args=arguments, signal_handler_options=handlers)
    except (WallOSSError, KeyboardInterrupt):
        raise
    except Exception as error:
        said = re.sub(r",? at \S+:\d+", "", " ".join(str(error).split()))  # places in rcl's source
        hint = "Correct what is given after --ros-args, or the environment variables of ROS."
        raise WallOSSError(f"ROS 2 did not start: {said.rstrip('.')}.", hint) from error


class _Ending:
    """Ends a node once, though a terminal and the process that started the node may both send SIGINT or SIGTERM.

    It can also end the node between two callbacks, where rclpy's own handlers would close all publishers at once.
    """

    def __init__(self):
        self._spins, self._asked = False, None

    def listen(self) -> None:
        """Handles signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def spin(self, executor) -> None:
        """Runs until a signal comes, which is heeded at the next event; a node has at least one a second."""
        self._spins = True
        while rclpy.ok() and self._asked is None:
            executor.spin_once()

    def begin(self) -> None:
        """Called when the node ends, for whatever reason; further signals are then ignored."""
        self._asked = time.monotonic() if self._asked is None else self._asked
        self.listen()

    def _on_signal(self, *_) -> None:
        now = time.monotonic()
        if not (self._spins or self._asked) or (self._asked is not None and now - self._asked > _HANGS):
            raise KeyboardInterrupt  # still starting, which may take minutes, or hanging
        self._asked = now if self._asked is None else self._asked
