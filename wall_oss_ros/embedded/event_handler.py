# SPDX-License-Identifier: Apache-2.0
"""What a subscription or publisher asks to be told of its connections: here, that it wants to hear nothing."""

from __future__ import annotations

from collections.abc import Callable


class _EventCallbacks:
    """Refuses callbacks, which are not offered. Nothing is said by default either, whatever is asked for."""

    def __init__(self, *, use_default_callbacks: bool = True, **callbacks: Callable | None):
        for name, callback in callbacks.items():
            if name not in self._NAMES:
                raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {name!r}")
            if callback is not None:
                raise NotImplementedError(
                    f"The embedded library does not offer event_callbacks for {name}; ROS 2's own rclpy does."
                )
        self.use_default_callbacks = use_default_callbacks


class SubscriptionEventCallbacks(_EventCallbacks):
    """What happens at a subscription."""

    _NAMES = ("deadline", "incompatible_qos", "incompatible_type", "liveliness", "matched", "message_lost")


class PublisherEventCallbacks(_EventCallbacks):
    """What happens at a publisher."""

    _NAMES = ("deadline", "incompatible_qos", "incompatible_type", "liveliness", "matched")
