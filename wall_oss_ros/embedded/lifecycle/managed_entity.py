# SPDX-License-Identifier: Apache-2.0
"""Things that follow their node's state."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from wall_oss_ros.embedded.lifecycle.machine import LifecycleState, TransitionCallbackReturn

_SUCCESS = TransitionCallbackReturn.SUCCESS


class ManagedEntity:
    """Something that a managed node tells about its transitions."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return _SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return _SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return _SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return _SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return _SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return _SUCCESS


class SimpleManagedEntity(ManagedEntity):
    """Something that works only while its node is active."""

    def __init__(self) -> None:
        self._enabled = False

    @property
    def is_activated(self) -> bool:
        return self._enabled

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._enabled = True
        return _SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._enabled = False
        return _SUCCESS

    @staticmethod
    def when_enabled(wrapped: Callable | None = None, *, when_not_enabled: Callable | None = None) -> Callable:
        """Decorates a method so that it does nothing, or calls `when_not_enabled`, while not activated."""

        def decorator(method: Callable) -> Callable:
            @wraps(method)
            def only_when_enabled(self: Any, *args: Any, **kwargs: Any) -> Any:
                if self._enabled:
                    return method(self, *args, **kwargs)
                return when_not_enabled() if when_not_enabled is not None else None

            return only_when_enabled

        return decorator if wrapped is None else decorator(wrapped)
