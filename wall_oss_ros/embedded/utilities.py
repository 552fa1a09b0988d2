# SPDX-License-Identifier: Apache-2.0
"""The default context, and what asks about it."""

from __future__ import annotations

import threading
from typing import Any

from wall_oss_ros.embedded.context import Context

_default: Context | None = None
_lock = threading.Lock()


def get_default_context(*, shutting_down: bool = False) -> Context:
    """The context that is meant when none is named."""
    global _default
    with _lock:
        if _default is None:
            _default = Context()
        return _default


def reset_default_context() -> None:
    """Forgets the default context after its shutdown, so that rclpy.init can be called anew."""
    global _default
    with _lock:
        _default = None


def ok(*, context: Context | None = None) -> bool:
    return (context or get_default_context()).ok()


def shutdown(*, context: Context | None = None) -> None:
    (context or get_default_context()).shutdown()


def try_shutdown(*, context: Context | None = None) -> None:
    (context or get_default_context()).try_shutdown()


def remove_ros_args(args: list[str] | None = None) -> list[str]:
    """The command line without its ROS part."""
    from wall_oss_ros.embedded.arguments import parse

    return parse(args).rest


def timeout_sec_to_nsec(timeout_sec: float | None) -> int:
    """Nanoseconds; -1 for None or a negative time, which mean forever."""
    return -1 if timeout_sec is None or timeout_sec < 0 else int(float(timeout_sec) * 1e9)


def get_rmw_implementation_identifier() -> str:
    return "wall_oss_embedded_cyclonedds"


def check_is_valid_msg_type(cls: Any) -> None:
    """Raises NoTypeSupportImportedException unless it is a message class."""
    _check(cls, ("_fields",), "a message class, such as std_msgs.msg.String")


def check_is_valid_srv_type(cls: Any) -> None:
    """Raises NoTypeSupportImportedException unless it is a service class."""
    _check(cls, ("Request", "Response"), "a service class, such as std_srvs.srv.Trigger")


def check_is_valid_action_type(cls: Any) -> None:
    """Raises NoTypeSupportImportedException unless it is an action class."""
    _check(cls, ("Goal", "Result", "Feedback"), "an action class, such as wall_oss_msgs.action.ExecuteInstruction")


def _check(cls: Any, attributes: tuple[str, ...], expected: str) -> None:
    from wall_oss_ros.embedded.exceptions import NoTypeSupportImportedException

    if not hasattr(cls, "_interface") or not all(hasattr(cls, name) for name in attributes):
        raise NoTypeSupportImportedException(f"{cls!r} is not {expected}.")
