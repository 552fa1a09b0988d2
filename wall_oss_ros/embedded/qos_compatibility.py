# SPDX-License-Identifier: Apache-2.0
"""Whether a publisher and a subscription can communicate: `qos_check_compatible`, by the rules of ROS 2 on DDS."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from wall_oss_ros.embedded.time import Infinite


class QoSCompatibility(IntEnum):
    """Whether two profiles go together; a warning where a policy is left to the middleware."""

    OK = 0
    WARNING = 1
    ERROR = 2


# For each policy: what only the publisher's weaker value and the subscription's stronger one makes impossible, and how.
_RULES = (
    (
        "reliability", "BEST_EFFORT", "RELIABLE", "Best effort publisher and reliable subscription",
        "Reliable subscription, but publisher is {}", "Best effort publisher, but subscription is {}",
    ),
    (
        "durability", "VOLATILE", "TRANSIENT_LOCAL", "Volatile publisher and transient local subscription",
        "Transient local subscription, but publisher is {}", "Volatile publisher, but subscription is {}",
    ),
    (
        "liveliness", "AUTOMATIC", "MANUAL_BY_TOPIC",
        "Publisher's liveliness is automatic and subscription's is manual by topic",
        "Subscription's liveliness is manual by topic, but publisher's is {}",
        "Publisher's liveliness is automatic, but subscription's is {}",
    ),
)  # fmt: skip
_SPANS = {
    "deadline": (
        "Subscription has a deadline, but publisher does not", "Subscription deadline is less than publisher deadline",
    ),
    "liveliness_lease_duration": (
        "Subscription has a liveliness lease duration, but publisher does not",
        "Subscription liveliness lease duration is less than publisher",
    ),
}  # fmt: skip
_ORDER = ("reliability", "durability", "deadline", "liveliness", "liveliness_lease_duration")  # of the reasons
_OPEN = ("SYSTEM_DEFAULT", "UNKNOWN")


def check(publisher_qos: Any, subscription_qos: Any) -> tuple[QoSCompatibility, str]:
    """What comes of a publisher's profile and a subscription's, and why."""
    errors, warnings = {}, []
    for policy, weak, strong, error, publisher_open, subscription_open in _RULES:
        offered, wanted = getattr(publisher_qos, policy), getattr(subscription_qos, policy)
        if (offered.name, wanted.name) == (weak, strong):
            errors[policy] = error
        elif offered.name in _OPEN and wanted.name in _OPEN:
            words = offered.name.lower(), wanted.name.lower()
            warnings.append(f"Publisher {policy} is {words[0]} and subscription {policy} is {words[1]}")
        elif offered.name in _OPEN and wanted.name == strong:
            warnings.append(publisher_open.format(offered.name.lower()))
        elif offered.name == weak and wanted.name in _OPEN:
            warnings.append(subscription_open.format(wanted.name.lower()))
    for policy, (lacking, shorter) in _SPANS.items():
        offered, wanted = (_limit(getattr(qos, policy)) for qos in (publisher_qos, subscription_qos))
        if wanted is not None and (offered is None or wanted < offered):
            errors[policy] = lacking if offered is None else shorter
    if errors:
        return QoSCompatibility.ERROR, "".join(f"ERROR: {errors[name]};" for name in _ORDER if name in errors)
    text = "".join(f"WARNING: {warning};" for warning in warnings)
    return (QoSCompatibility.WARNING if warnings else QoSCompatibility.OK), text


def _limit(span: Any) -> int | None:
    """A span in ns, or None where it means no limit."""
    return span.nanoseconds if 0 < span.nanoseconds < Infinite.nanoseconds else None
