# SPDX-License-Identifier: Apache-2.0
"""What ``import rclpy`` gives: init, spin, shutdown and create_node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from wall_oss_ros.embedded import logging
from wall_oss_ros.embedded.context import (
    Context,
    get_default_context,
    get_rmw_implementation_identifier,
    ok,
    reset_default_context,
)
from wall_oss_ros.embedded.exceptions import NotOfferedName
from wall_oss_ros.embedded.executors import ExternalShutdownException, SingleThreadedExecutor
from wall_oss_ros.embedded.node import Node
from wall_oss_ros.embedded.parameter import Parameter
from wall_oss_ros.embedded.signals import SignalHandlerOptions, install_signal_handlers, uninstall_signal_handlers
from wall_oss_ros.embedded.task import Future

__all__ = [
    "Context", "ExternalShutdownException", "Future", "Node", "Parameter", "SignalHandlerOptions", "create_node",
    "get_default_context", "get_global_executor", "get_rmw_implementation_identifier", "init", "logging", "ok",
    "shutdown", "spin", "spin_once", "spin_until_future_complete", "try_shutdown",
]  # fmt: skip

_executor: SingleThreadedExecutor | None = None
_lock = threading.Lock()


def init(
    *,
    args: list[str] | None = None,
    context: Context | None = None,
    domain_id: int | None = None,
    signal_handler_options: SignalHandlerOptions | None = None,
) -> _InitManager:
    """Starts a context, the default one if none is given, and installs signal handlers for the default one.

    Args:
        args: command line; sys.argv by default.
        context: the context to start.
        domain_id: DDS domain; ROS_DOMAIN_ID by default.
        signal_handler_options: which signals end it; all for the default context, none for another.

    Raises:
        RuntimeError: the context is running already.
        WallOSSError: the arguments are not valid.
    """
    if signal_handler_options is None:
        signal_handler_options = SignalHandlerOptions.NO if context is not None else SignalHandlerOptions.ALL
    if context is None:
        context = get_default_context()
        if not context.ok() and context._domain_id is not None:  # ended before: begin anew
            reset_default_context()
            context = get_default_context()
    context.init(args, domain_id=domain_id)
    install_signal_handlers(signal_handler_options)
    return _InitManager(context)


class _InitManager(AbstractContextManager):
    """``with rclpy.init():`` shuts down at the end."""

    def __init__(self, context: Context):
        self.context = context

    def __exit__(self, *_: Any) -> None:
        try_shutdown(context=self.context)


def shutdown(*, context: Context | None = None, uninstall_handlers: bool | None = None) -> None:
    """Ends a context; raises RuntimeError if it is not running."""
    _end(context or get_default_context(), Context.shutdown, uninstall_handlers, context is None)


def try_shutdown(*, context: Context | None = None, uninstall_handlers: bool | None = None) -> None:
    """Ends a context if it is running."""
    _end(context or get_default_context(), Context.try_shutdown, uninstall_handlers, context is None)


def _end(context: Context, end: Any, uninstall: bool | None, is_default: bool) -> None:
    global _executor
    with _lock:
        executor, _executor = (_executor, None) if _executor and _executor.context is context else (None, _executor)
    if executor is not None:
        executor.shutdown(timeout_sec=0)
    end(context)
    if uninstall or (uninstall is None and is_default):
        uninstall_signal_handlers()


def get_global_executor() -> SingleThreadedExecutor:
    """The executor that spins a node for which none was given."""
    global _executor
    with _lock:
        if _executor is None or _executor.context is not get_default_context():
            _executor = SingleThreadedExecutor()
        return _executor


def create_node(node_name: str, **options: Any) -> Node:
    """A node; options as for `Node`."""
    return Node(node_name, **options)


@contextmanager
def _spinning(node: Node, executor: Any) -> Iterator[Any]:
    """The executor, or the global one, while it looks after a node."""
    executor = executor or get_global_executor()
    executor.add_node(node)
    try:
        yield executor
    finally:
        executor.remove_node(node)


def spin(node: Node, executor: Any = None) -> None:
    """Runs a node's callbacks until the context is shut down.

    Raises:
        ExternalShutdownException: it was shut down from outside, such as by SIGTERM.
        KeyboardInterrupt: by SIGINT.
    """
    with _spinning(node, executor) as executor:
        while executor.context.ok() and not executor._is_shutdown:
            executor.spin_once()


def spin_once(node: Node, *, executor: Any = None, timeout_sec: float | None = None) -> None:
    """Runs at most one callback of a node, waiting for it up to `timeout_sec` (None: forever)."""
    with _spinning(node, executor) as executor:
        executor.spin_once(timeout_sec=timeout_sec)


def spin_until_future_complete(
    node: Node, future: Future, executor: Any = None, timeout_sec: float | None = None
) -> None:
    """Runs a node's callbacks until a future is done, at most for `timeout_sec`."""
    with _spinning(node, executor) as executor:
        executor.spin_until_future_complete(future, timeout_sec)


def __getattr__(name: str) -> Any:
    from wall_oss_ros.embedded.auto import find_submodule

    if (module := find_submodule(name)) is not None:  # as rclpy has its submodules, whichever import brought them
        return module
    raise NotOfferedName(f"The embedded library does not offer rclpy.{name} (see docs/embedded.md).")
