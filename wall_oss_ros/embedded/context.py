# SPDX-License-Identifier: Apache-2.0
"""A context: what rclpy.init makes and rclpy.shutdown ends. It owns the DDS participant of the process."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.arguments import Arguments, parse
from wall_oss_ros.embedded.exceptions import NotInitializedException

_contexts: weakref.WeakSet = weakref.WeakSet()


class Context:
    """Shared state of nodes: arguments, domain, participant, and whether it is still running."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running = False
        self._callbacks: list[Callable[[], None]] = []
        self._participant: Any = None
        self._graph: Any = None
        self._domain_id: int | None = None
        self.arguments = Arguments()
        self.nodes: weakref.WeakSet = weakref.WeakSet()

    def init(self, args: list[str] | None = None, *, initialize_logging: bool = True, domain_id: int | None = None):
        """Starts it.

        Args:
            args: command line without ROS's own meaning for the program's name, ``sys.argv`` by default.
            initialize_logging: accepted for rclpy's sake.
            domain_id: DDS domain; ROS_DOMAIN_ID by default.

        Raises:
            RuntimeError: it is already running.
            WallOSSError: the arguments or ROS_DOMAIN_ID make no sense.
        """
        from wall_oss_ros.embedded.dds import domain_id_from_environment
        from wall_oss_ros.embedded.logging import set_logger_level

        with self._lock:
            if self._running:
                raise RuntimeError("Context.init() must only be called once")
            self.arguments = parse(args)
            self._domain_id = domain_id_from_environment() if domain_id is None else domain_id
            for logger, level in self.arguments.log_levels.items():
                set_logger_level(logger, level)
            self._running = True
            _contexts.add(self)

    def ok(self) -> bool:
        return self._running

    def get_domain_id(self) -> int:
        if self._domain_id is None:
            raise NotInitializedException()
        return self._domain_id

    @property
    def participant(self) -> Any:
        """The DDS participant, made at first use."""
        from wall_oss_ros.embedded.dds import Participant

        with self._lock:
            if not self._running:
                raise NotInitializedException()
            if self._participant is None:
                self._participant = Participant(self._domain_id)
                atexit.register(self._leave)  # says goodbye, rather than let others find out by the lease's end
            return self._participant

    def _leave(self) -> None:
        self.try_shutdown()
        participant, self._participant, self._graph = self._participant, None, None
        if participant is not None:
            participant.close()

    @property
    def graph(self) -> Any:
        """What this process tells others of its nodes, and knows of theirs; made at first use."""
        from wall_oss_ros.embedded.graph import Graph

        with self._lock:
            if self._graph is None:
                self._graph = Graph(self.participant)
            return self._graph

    def on_shutdown(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._callbacks.append(callback)

    def remove_on_shutdown(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def shutdown(self) -> None:
        """Ends it: waits in executors and clocks return. Nodes stay valid until they are destroyed."""
        with self._lock:
            if not self._running:
                raise RuntimeError("Context must be initialized before it can be shutdown")
        self.try_shutdown()

    def try_shutdown(self) -> None:
        """Ends it if it is running."""
        with self._lock:
            if not self._running:
                return
            self._running = False
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def __enter__(self) -> Context:
        self.init()
        return self

    def __exit__(self, *_: Any) -> None:
        self.try_shutdown()


def all_contexts() -> list[Context]:
    """The contexts that have been initialised and not collected."""
    return list(_contexts)
