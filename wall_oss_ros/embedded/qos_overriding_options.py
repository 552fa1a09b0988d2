# SPDX-License-Identifier: Apache-2.0
"""A topic's quality of service set by parameters, ``qos_overrides.<topic>.<publisher or subscription>.<policy>``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wall_oss_ros.embedded import qos
from wall_oss_ros.embedded.exceptions import ParameterAlreadyDeclaredException
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.qos import QoSPolicyKind, QoSProfile
from wall_oss_ros.embedded.time import Duration

_ENUMERATIONS = {
    QoSPolicyKind.HISTORY: qos.HistoryPolicy, QoSPolicyKind.RELIABILITY: qos.ReliabilityPolicy,
    QoSPolicyKind.DURABILITY: qos.DurabilityPolicy, QoSPolicyKind.LIVELINESS: qos.LivelinessPolicy,
}  # fmt: skip


QosCallbackResult = get_interface("rcl_interfaces", "msg", "SetParametersResult")
QosCallbackType = Callable[[QoSProfile], Any]


class InvalidQosOverridesError(Exception):
    """The validating callback refused the profile."""


class QoSOverridingOptions:
    """Which policies parameters may set.

    Args:
        policy_kinds: those with a parameter.
        callback: given the resulting profile, returns rcl_interfaces/SetParametersResult.
        entity_id: tells apart several publishers or subscriptions of one topic.
    """

    def __init__(
        self, policy_kinds: Iterable[QoSPolicyKind], *, callback: Callable[[QoSProfile], Any] | None = None,
        entity_id: str | None = None,
    ):  # fmt: skip
        self.policy_kinds, self.callback, self.entity_id = policy_kinds, callback, entity_id

    @classmethod
    def with_default_policies(
        cls, *, callback: Callable[[QoSProfile], Any] | None = None, entity_id: str | None = None
    ) -> QoSOverridingOptions:
        """History, depth and reliability."""
        kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
        return cls(kinds, callback=callback, entity_id=entity_id)


def override_profile(
    node: Any, topic: str, profile: QoSProfile, options: QoSOverridingOptions, is_publisher: bool
) -> None:
    """Declares the parameters, read-only, and puts their values into the profile.

    Raises:
        RuntimeError: a value that the policy does not have.
        InvalidQosOverridesError: the options' callback refused the result.
    """
    entity = "publisher" if is_publisher else "subscription"
    suffix = "" if options.entity_id is None else f"_{options.entity_id}"
    owner = f"for {entity} `{topic}` with id `{options.entity_id}`"
    for kind in options.policy_kinds:
        if kind is QoSPolicyKind.LIFESPAN and not is_publisher:
            continue
        policy = kind.name.lower()
        name, value = f"qos_overrides.{topic}.{entity}{suffix}.{policy}", getattr(profile, policy)
        if kind in _ENUMERATIONS:
            value = value.name.lower()
        elif isinstance(value, Duration):
            value = value.nanoseconds
        descriptor = get_interface("rcl_interfaces", "msg", "ParameterDescriptor")
        try:
            told = descriptor(description=f"{policy} {owner}", read_only=True)
            value = node.declare_parameter(name, value, told).value
        except ParameterAlreadyDeclaredException:
            value = node.get_parameter(name).value
        setattr(profile, policy, _as_policy(kind, value))
    if options.callback is not None and not (result := options.callback(profile)).successful:
        raise InvalidQosOverridesError(f"Provided QoS overrides {owner}, are not valid: {result.reason}")


def _as_policy(kind: QoSPolicyKind, value: Any) -> Any:
    if kind in _ENUMERATIONS:
        try:
            return _ENUMERATIONS[kind][value.upper()]
        except KeyError:
            raise RuntimeError(f"Unexpected QoS override for policy `{kind.name.lower()}`: `{value}`") from None
    if kind in (QoSPolicyKind.LIFESPAN, QoSPolicyKind.DEADLINE, QoSPolicyKind.LIVELINESS_LEASE_DURATION):
        return Duration(nanoseconds=value)
    return value
