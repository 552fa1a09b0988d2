# SPDX-License-Identifier: Apache-2.0
"""Quality of service of the project's topics, in one place."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


def _profile(depth: int, reliable: bool, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


SENSOR = _profile(5, reliable=False)  # to subscribe to cameras and joint states: drivers publish either way
NEWEST = _profile(1, reliable=False)  # observations: an old one is worth nothing
EVENTS = _profile(10, reliable=True)  # instructions, chunks, commands: none may be lost
REQUEST = _profile(1, reliable=True)  # to the action expert: only the newest counts, and must arrive
LATCHED = _profile(1, reliable=True, latched=True)  # plan, status, markers: a late subscriber sees the current one


def without_warnings() -> SubscriptionEventCallbacks:
    """For a subscription beside others of its topic: that a publisher suits only one of them is nothing to warn of."""
    return SubscriptionEventCallbacks(use_default_callbacks=False)
