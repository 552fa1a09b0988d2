# SPDX-License-Identifier: Apache-2.0
"""Contexts: what rclpy.init makes and rclpy.shutdown ends, each with a DDS participant; and the default one."""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.arguments import Arguments, parse
from wall_oss_ros.embedded.dds import Participant, domain_id_from_environment
from wall_oss_ros.embedded.exceptions import NotInitializedException
from wall_oss_ros.embedded.graph import Graph
from wall_oss_ros.embedded.logging import set_logger_level

_POLL = 0.01  # s between looks for a service, a server or a node; rclpy polls, too (every 0.25 s)
_contexts: weakref.WeakSet = weakref.WeakSet()
_default: Context | None = None
_default_lock = threading.Lock()


class Context:
    """Shared state of nodes: arguments, domain, participant, and whether it is still running."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running = False
        self._callbacks: list[Callable[[], None]] = []
        self._participant: Participant | None = None
        self._graph: Graph | None = None
        self._domain_id: int | None = None
        self.arguments = Arguments()
        self.nodes: weakref.WeakSet = weakref.WeakSet()

    def init(self, args: list[str] | None = None, *, initialize_logging: bool = True, domain_id: int | None = None):
        """Starts it.

        Args:
            args: command line without ROS's own meaning for the program's name, ``sys.argv`` by default.
            initialize_logging: accepted because rclpy has it; no effect.
            domain_id: DDS domain; ROS_DOMAIN_ID by default.

        Raises:
            RuntimeError: it is already running.
            WallOSSError: the arguments or ROS_DOMAIN_ID are not valid.
        """
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
    def participant(self) -> Participant:
        """The DDS participant, made at first use."""
        with self._lock:
            if not self._running:
                raise NotInitializedException()
            if self._participant is None:
                self._participant = Participant(self._domain_id)
                atexit.register(self._leave)  # says goodbye, rather than let others find out by the lease's end
            return self._participant

    def _leave(self) -> None:
        """Ends it, and closes the participant with all that is still open in it."""
        self._end()
        with self._lock:
            participant, self._participant, self._graph = self._participant, None, None
        if participant is not None:
            atexit.unregister(self._leave)
            participant.close()

    def forget_node(self, node: Any) -> None:
        """For a node that has been destroyed: the last one after shutdown closes the participant behind it."""
        self.nodes.discard(node)
        if self._graph is not None:
            self._graph.update(node, present=False)
        if not self._running and not self.nodes:
            self._leave()

    @property
    def graph(self) -> Graph:
        """The ROS graph: what this process announces of its nodes and knows of others'; made at first use."""
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
        if not self._running:
            raise RuntimeError("Context must be initialized before it can be shutdown")
        self.try_shutdown()

    def try_shutdown(self) -> None:
        """Ends it if it is running."""
        self._end()
        if not self.nodes:
            self._leave()

    def _end(self) -> None:
        with self._lock:
            if not self._running:
                return
            self._running = False
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def poll(self, condition: Callable[[], bool], timeout_sec: float | None) -> bool:
        """Waits until a condition holds; False after `timeout_sec` (None: no limit) or at shutdown."""
        deadline = float("inf") if timeout_sec is None else time.monotonic() + timeout_sec
        while self.ok() and not condition():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        return condition()

    def __enter__(self) -> Context:
        self.init()
        return self

    def __exit__(self, *_: Any) -> None:
        self.try_shutdown()


def all_contexts() -> list[Context]:
    """The contexts that have been initialised and not collected."""
    return list(_contexts)


def get_default_context(*, shutting_down: bool = False) -> Context:
    """The context that is meant when none is named."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Context()
        return _default


def reset_default_context() -> None:
    """Forgets the default context after its shutdown, so that rclpy.init can be called anew."""
    global _default
    with _default_lock:
        _default = None


def ok(*, context: Context | None = None) -> bool:
    return (context or get_default_context()).ok()


def shutdown(*, context: Context | None = None) -> None:
    (context or get_default_context()).shutdown()


def try_shutdown(*, context: Context | None = None) -> None:
    (context or get_default_context()).try_shutdown()


def remove_ros_args(args: list[str] | None = None) -> list[str]:
    """The command line without its ROS part."""
    return parse(args).rest


def timeout_sec_to_nsec(timeout_sec: float | None) -> int:
    """Nanoseconds; -1 for None or a negative time, which mean forever."""
    return -1 if timeout_sec is None or timeout_sec < 0 else int(float(timeout_sec) * 1e9)


def get_available_rmw_implementations() -> set[str]:
    """There is only this one."""
    return {get_rmw_implementation_identifier()}


def get_rmw_implementation_identifier() -> str:
    return "wall_oss_embedded_cyclonedds"
