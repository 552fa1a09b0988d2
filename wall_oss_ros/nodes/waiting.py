# SPDX-License-Identifier: Apache-2.0
"""Where a node's callbacks wait for something, while all else of the node goes on."""

from __future__ import annotations

import threading

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node

_LOOK = 0.5  # s: a wake-up just before the executor begins to wait is lost


class WaitingRoom:
    """A hidden node beside another one, spun by threads of its own.

    rclpy's multi-threaded executor goes through all that a node has, in Python, twice for each message: with the clock
    of a simulation and the observations, that was 80 % of a core for a planner that did nothing. So the node itself is
    spun by one thread, and this one, which nothing comes to but goals and questions, by several.

    Args:
        beside: the node whose services these are; their names are resolved by it.
        threads: callbacks that may wait at a time.
    """

    def __init__(self, beside: Node, threads: int):
        self.group, self._beside, self._over = ReentrantCallbackGroup(), beside, False
        # The other one's name and remappings are not for this node: it would bear the same name.
        self.node = Node(
            f"_{beside.get_name()}_waiting", namespace=beside.get_namespace(), context=beside.context,
            use_global_arguments=False, enable_rosout=False, start_parameter_services=False,
        )  # fmt: skip
        self._executor = MultiThreadedExecutor(num_threads=threads, context=beside.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name=self.node.get_name(), daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            while not self._over and self.node.context.ok():
                self._executor.spin_once(timeout_sec=_LOOK)
        except ExternalShutdownException:
            pass
        except Exception as error:
            if self.node.context.ok() and not self._over:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        """What a callback raises ends the node that it belongs to, as if its own executor had run it."""

        def fail() -> None:
            raise error

        executor = self._beside.executor
        if executor is not None:
            executor.create_task(fail)
            executor.wake()

    def destroy(self) -> None:
        """Ends the threads and the node; what it serves is destroyed before."""
        self._over = True
        self._executor.wake()
        self._thread.join(timeout=4 * _LOOK)
        self._executor.shutdown(timeout_sec=1.0)
        if self.node.context.ok():
            self.node.destroy_node()
