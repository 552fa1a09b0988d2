# SPDX-License-Identifier: Apache-2.0
"""Waiting for one message."""

from __future__ import annotations

from typing import Any

from wall_oss_ros.embedded.executors import SingleThreadedExecutor
from wall_oss_ros.embedded.task import Future


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
