# SPDX-License-Identifier: Apache-2.0
"""Subscriptions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded import dds, wire
from wall_oss_ros.embedded.naming import topic_to_dds


class Subscription:
    """Calls a function with every message of a topic; made by Node.create_subscription.

    The callback takes the message, or the message and a dict with ``source_timestamp`` and ``received_timestamp``
    (ns since 1970, by the system's clock). With ``raw=True`` it is given the CDR bytes instead of the message.
    """

    is_timer = False

    def __init__(
        self,
        node: Any,
        msg_type: type,
        topic: str,
        callback: Callable,
        qos_profile: Any,
        callback_group: Any,
        raw: bool = False,
    ):
        self._node = node
        self.msg_type, self.topic, self.qos_profile, self.raw = msg_type, topic, qos_profile, raw
        self.callback_group = callback_group
        self.callback = callback
        name = topic[1:] if qos_profile.avoid_ros_namespace_conventions else topic_to_dds(topic)
        self._reader = dds.Reader(
            node.context.participant, name, wire.struct_type(msg_type._key), qos_profile, wire.user_data(msg_type)
        )
        self.condition = self._reader.condition
        self._closed = False
        callback_group.add_entity(self)

    @property
    def topic_name(self) -> str:
        return self.topic

    @property
    def logger_name(self) -> str:
        return self._node.get_logger().name

    @property
    def callback(self) -> Callable:
        return self._callback

    @callback.setter
    def callback(self, callback: Callable) -> None:
        self._wants_info = _positional_parameters(callback) == 2
        self._callback = callback

    def get_publisher_count(self) -> int:
        """Number of publishers that it receives from."""
        return len(self._reader.matched())

    def take(self) -> Callable | None:
        """For the executor: the work that the oldest waiting message asks for."""
        taken = None if self._closed else self._reader.take()
        if taken is None:
            return None
        data, info = taken

        def call() -> Any:
            try:
                message = data if self.raw else wire.deserialize(data, self.msg_type)
            except ValueError as error:
                self._node.get_logger().warning(f"{self.topic}: {error}", throttle_duration_sec=5.0)
                return None
            if not self._wants_info:
                return self._callback(message)
            stamp = info.source_timestamp
            return self._callback(message, {"source_timestamp": stamp, "received_timestamp": stamp})

        return call

    def destroy(self) -> None:
        self._node.destroy_subscription(self)

    def _close(self) -> None:
        self._closed = True
        self._reader.close()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()


def _positional_parameters(callback: Callable) -> int:
    """How many arguments the callback wants: 1 or 2.

    Raises:
        RuntimeError: another number.
    """
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):  # built-in functions do not tell
        return 1
    try:
        signature.bind(object())
        return 1
    except TypeError:
        pass
    try:
        signature.bind(object(), object())
        return 2
    except TypeError as error:
        raise RuntimeError(
            "Subscription.__init__(): callback should be either be callable with one argument "
            "(to get only the message) or two (to get message and message info)"
        ) from error
