# SPDX-License-Identifier: Apache-2.0
"""Topics: publishers, subscriptions, and waiting for one message."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded import dds, wire
from wall_oss_ros.embedded.entities import GraphEntity
from wall_oss_ros.embedded.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from wall_oss_ros.embedded.exceptions import InvalidHandle
from wall_oss_ros.embedded.executors import SingleThreadedExecutor
from wall_oss_ros.embedded.naming import topic_to_dds
from wall_oss_ros.embedded.task import Future
from wall_oss_ros.embedded.time import Duration


def _open(endpoint: type, node: Any, msg_type: type, topic: str, qos_profile: Any) -> Any:
    """A `dds.Reader` or `dds.Writer` of a topic by its absolute name."""
    name = topic[1:] if qos_profile.avoid_ros_namespace_conventions else topic_to_dds(topic)
    struct = wire.struct_type(msg_type._key)
    return endpoint(node.context.participant, name, struct, qos_profile, wire.user_data(msg_type))


class Publisher(GraphEntity):
    """Publishes messages of one type on one topic; made by Node.create_publisher."""

    def __init__(
        self, node: Any, msg_type: type, topic: str, qos_profile: Any, callback_group: Any, event_callbacks: Any = None
    ):
        self.msg_type, self.qos_profile = msg_type, qos_profile
        self.topic = self.topic_name = topic
        self._writer = _open(dds.Writer, node, msg_type, topic, qos_profile)
        super().__init__(node, callback_group, writers=(self._writer,))
        self.event_handlers = self._handlers(event_callbacks, self._writer, PublisherEventCallbacks)

    def publish(self, msg: Any) -> None:
        """Publishes a message, or ready-made CDR bytes with their encapsulation.

        Raises:
            TypeError: of another type than the publisher's.
            InvalidHandle: the publisher has been destroyed.
        """
        if isinstance(msg, self.msg_type):
            data = wire.serialize(msg)
        elif isinstance(msg, (bytes, bytearray)):
            data = bytes(msg).ljust((len(msg) + 3) & ~3, b"\0")
        else:
            raise TypeError(f"Expected {self.msg_type}, got {type(msg)}")
        if self._closed:
            raise InvalidHandle(f"the publisher of {self.topic} has been destroyed")
        self._writer.write(data)

    def get_subscription_count(self) -> int:
        """Number of subscriptions that receive from it."""
        return len(self._writer.matched())

    def wait_for_all_acked(self, timeout: Duration = Duration(seconds=-1)) -> bool:
        """Waits until every reliable subscription has everything; a negative time means forever."""
        limit = timeout.nanoseconds
        return self._writer.wait_for_acks(limit if limit >= 0 else 2**63 - 1)

    def assert_liveliness(self) -> None:
        """Tells subscriptions that it is alive, which writing also does, where their liveliness is manual by topic."""
        self._writer.assert_liveliness()


class Subscription(GraphEntity):
    """Calls a function with every message of a topic; made by Node.create_subscription.

    The callback takes the message, or the message and a dict with ``source_timestamp``, when it was published, and
    ``received_timestamp``, when the executor took it (ns since 1970, by the clocks of the two systems). Both sequence
    numbers in it are None, as with ROS 2 on Cyclone DDS. With ``raw=True`` it is given CDR bytes, not a message.
    """

    def __init__(
        self,
        node: Any,
        msg_type: type,
        topic: str,
        callback: Callable,
        qos_profile: Any,
        callback_group: Any,
        raw: bool = False,
        event_callbacks: Any = None,
    ):
        self.msg_type, self.qos_profile, self.raw = msg_type, qos_profile, raw
        self.topic = self.topic_name = topic
        self.callback = callback
        self._reader = _open(dds.Reader, node, msg_type, topic, qos_profile)
        super().__init__(node, callback_group, readers=(self._reader,))
        self.event_handlers = self._handlers(event_callbacks, self._reader, SubscriptionEventCallbacks)

    @property
    def callback(self) -> Callable:
        return self._callback

    @callback.setter
    def callback(self, callback: Callable) -> None:
        self._wants_info = _takes_info(callback)
        self._callback = callback

    def get_publisher_count(self) -> int:
        """Number of publishers that it receives from."""
        return len(self._reader.matched())

    def next_call(self) -> Callable | None:
        """The callback with the oldest waiting message."""
        taken = None if self._closed else self._reader.take_sample()
        if taken is None:
            return None
        (data, info), received = taken, time.time_ns()

        def call() -> Any:
            try:
                message = data if self.raw else wire.deserialize(data, self.msg_type)
            except ValueError as error:
                self._node.get_logger().warning(f"{self.topic}: {error}", throttle_duration_sec=5.0)
                return None
            if not self._wants_info:
                return self._callback(message)
            return self._callback(message, _about(info, received))

        return call


def _about(info: Any, received: int) -> dict[str, int | None]:
    numbers = dict.fromkeys(("publication_sequence_number", "reception_sequence_number"))
    return {"source_timestamp": info.source_timestamp, "received_timestamp": received, **numbers}


def _takes_info(callback: Callable) -> bool:
    """Whether the callback takes message information beside the message; RuntimeError if it can take neither."""
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):  # built-in functions do not tell
        return False
    for arguments in (1, 2):
        try:
            signature.bind(*[None] * arguments)
        except TypeError:
            continue
        return arguments == 2
    raise RuntimeError(
        "Subscription.__init__(): callback should be either be callable with one argument "
        "(to get only the message) or two (to get message and message info)"
    )


def wait_for_message(
    msg_type: type, node: Any, topic: str, *, qos_profile: Any = 1, time_to_wait: float = -1
) -> tuple[bool, Any]:
    """The next message of a topic: (True, message), or (False, None) after `time_to_wait` seconds (-1: forever).

    The node must not be spinning elsewhere.
    """
    future = Future()
    subscription = node.create_subscription(msg_type, topic, future.set_result, qos_profile)
    former, executor = node.executor, SingleThreadedExecutor(context=node.context)
    try:
        executor.add_node(node)
        executor.spin_until_future_complete(future, None if time_to_wait < 0 else time_to_wait)
    finally:
        executor.shutdown()
        node.destroy_subscription(subscription)
        if former is not None:
            former.add_node(node)
    return (True, future.result()) if future.done() else (False, None)
