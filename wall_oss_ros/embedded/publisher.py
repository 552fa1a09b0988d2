# SPDX-License-Identifier: Apache-2.0
"""Publishers."""

from __future__ import annotations

from typing import Any

from wall_oss_ros.embedded import dds, wire
from wall_oss_ros.embedded.duration import Duration
from wall_oss_ros.embedded.naming import topic_to_dds


class Publisher:
    """Publishes messages of one type on one topic; made by Node.create_publisher."""

    def __init__(self, node: Any, msg_type: type, topic: str, qos_profile: Any, callback_group: Any = None):
        self._node = node
        self.msg_type, self.topic, self.qos_profile = msg_type, topic, qos_profile
        self.callback_group = callback_group
        name = topic[1:] if qos_profile.avoid_ros_namespace_conventions else topic_to_dds(topic)
        self._writer = dds.Writer(
            node.context.participant, name, wire.struct_type(msg_type._key), qos_profile, wire.user_data(msg_type)
        )
        self._closed = False

    @property
    def topic_name(self) -> str:
        return self.topic

    @property
    def logger_name(self) -> str:
        return self._node.get_logger().name

    def publish(self, msg: Any) -> None:
        """Publishes a message, or ready-made CDR bytes with their encapsulation.

        Raises:
            TypeError: of another type than the publisher's.
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
        """Tells subscriptions that it is alive, which writing also does."""

    def destroy(self) -> None:
        self._node.destroy_publisher(self)

    def _close(self) -> None:
        self._closed = True
        self._writer.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()


class InvalidHandle(RuntimeError):
    """Use of something that has been destroyed."""
