# SPDX-License-Identifier: Apache-2.0
"""What a publisher or subscription can be told of its connections: deadlines, liveliness, lost messages, matches."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cyclonedds.core import DDSStatus
from cyclonedds.core import Entity as DDSEntity
from cyclonedds.internal import dds_c_t

from wall_oss_ros.embedded.entities import Entity
from wall_oss_ros.embedded.exceptions import UnsupportedEventTypeError
from wall_oss_ros.embedded.logging import get_logger
from wall_oss_ros.embedded.qos import QoSPolicyKind, qos_policy_name_from_kind
from wall_oss_ros.embedded.qos_warnings import QoSWarnings


@dataclass
class _Counted:
    """How often it has happened, and how often since it was last told."""

    total_count: int = 0
    total_count_change: int = 0


class QoSOfferedDeadlineMissedInfo(_Counted):
    """A publisher did not publish in time."""


class QoSRequestedDeadlineMissedInfo(_Counted):
    """A subscription did not hear anything in time."""


class QoSLivelinessLostInfo(_Counted):
    """A publisher did not say in time that it is alive."""


class QoSMessageLostInfo(_Counted):
    """Messages did not get to a subscription."""


@dataclass
class QoSRequestedIncompatibleQoSInfo(_Counted):
    """An end of the same topic was found that offers or asks for another quality; and the policy that did not match."""

    last_policy_kind: int = QoSPolicyKind.INVALID


QoSOfferedIncompatibleQoSInfo = QoSRequestedIncompatibleQoSInfo


@dataclass
class QoSLivelinessChangedInfo:
    """How many matched publishers are alive and how many are not, and by how much that has changed."""

    alive_count: int = 0
    not_alive_count: int = 0
    alive_count_change: int = 0
    not_alive_count_change: int = 0


@dataclass
class QoSPublisherMatchedInfo(_Counted):
    """How many ends of the topic there have been, how many are there now, and by how much that has changed."""

    current_count: int = 0
    current_count_change: int = 0


QoSSubscriptionMatchedInfo = QoSPublisherMatchedInfo

# DDS' numbers of policies, as its statuses have them.
_POLICIES = {
    2: QoSPolicyKind.DURABILITY, 4: QoSPolicyKind.DEADLINE, 8: QoSPolicyKind.LIVELINESS, 11: QoSPolicyKind.RELIABILITY,
    13: QoSPolicyKind.HISTORY, 21: QoSPolicyKind.LIFESPAN,
}  # fmt: skip


class _Event(NamedTuple):
    """A kind of event: DDS' status, the end of its C functions' names, and what the callback is given."""

    status: int
    c_name: str
    info: type


_OF_PUBLISHERS = {
    "deadline": _Event(DDSStatus.OfferedDeadlineMissed, "offered_deadline_missed", QoSOfferedDeadlineMissedInfo),
    "liveliness": _Event(DDSStatus.LivelinessLost, "liveliness_lost", QoSLivelinessLostInfo),
    "incompatible_qos": _Event(
        DDSStatus.OfferedIncompatibleQos, "offered_incompatible_qos", QoSOfferedIncompatibleQoSInfo
    ),
    "matched": _Event(DDSStatus.PublicationMatched, "publication_matched", QoSPublisherMatchedInfo),
}
_OF_SUBSCRIPTIONS = {
    "deadline": _Event(DDSStatus.RequestedDeadlineMissed, "requested_deadline_missed", QoSRequestedDeadlineMissedInfo),
    "liveliness": _Event(DDSStatus.LivelinessChanged, "liveliness_changed", QoSLivelinessChangedInfo),
    "message_lost": _Event(DDSStatus.SampleLost, "sample_lost", QoSMessageLostInfo),
    "incompatible_qos": _Event(
        DDSStatus.RequestedIncompatibleQos, "requested_incompatible_qos", QoSRequestedIncompatibleQoSInfo
    ),
    "matched": _Event(DDSStatus.SubscriptionMatched, "subscription_matched", QoSSubscriptionMatchedInfo),
}


def _take(entity: DDSEntity, event: _Event) -> Any:
    """What has happened since the last call; None if nothing has."""
    if not entity.get_status_changes() & event.status:
        return None
    status = getattr(dds_c_t, f"{event.c_name}_status")()
    function = getattr(DDSEntity._dll_handle, f"dds_get_{event.c_name}_status")
    if function(ctypes.c_int32(entity._ref), ctypes.byref(status)) != 0:
        return None  # closed meanwhile
    names = [name for name in event.info.__dataclass_fields__ if name != "last_policy_kind"]
    info = event.info(**{name: int(getattr(status, name)) for name in names})
    if hasattr(info, "last_policy_kind"):
        info.last_policy_kind = _POLICIES.get(int(status.last_policy_id), QoSPolicyKind.INVALID)
    return info


class EventHandler(Entity):
    """Calls a function when something of a kind has happened to a publisher or subscription."""

    def __init__(self, callback_group: Any, callback: Callable[[Any], Any], event: _Event, entity: DDSEntity):
        super().__init__(callback_group)
        self.callback, self._event, self.condition = callback, event, entity
        self._closed = False

    def next_call(self) -> Callable | None:
        info = None if self._closed else _take(self.condition, self._event)
        return None if info is None else lambda: self.callback(info)

    def destroy(self) -> None:
        self._closed = True


class _EventCallbacks:
    """Callbacks for the kinds of events; each is given what the class named for it above describes.

    Where an end of the topic is incompatible, that is logged by default.
    """

    _EVENTS: dict[str, _Event]
    _WARNING = ""

    def __init__(self, *, use_default_callbacks: bool = True, **callbacks: Callable | None):
        known = dict.fromkeys((*self._EVENTS, "incompatible_type"))
        for name in callbacks:
            if name not in known:
                raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {name!r}")
        for name, callback in (known | callbacks).items():
            setattr(self, name, callback)
        self.use_default_callbacks = use_default_callbacks

    def create_event_handlers(
        self, callback_group: Any, entity: DDSEntity, topic_name: str, logger_name: str
    ) -> list[EventHandler]:
        """The handlers of a publisher or subscription.

        Raises:
            UnsupportedEventTypeError: Cyclone DDS does not tell of types that do not match.
        """
        if self.incompatible_type is not None:
            raise UnsupportedEventTypeError("The embedded library does not tell of incompatible types.")
        wanted = {name: getattr(self, name) for name in self._EVENTS}
        if wanted["incompatible_qos"] is None and self.use_default_callbacks:
            wanted["incompatible_qos"] = self._warning(topic_name, logger_name)
        handlers = [
            EventHandler(callback_group, callback, self._EVENTS[name], entity)
            for name, callback in wanted.items()
            if callback is not None
        ]
        mask = 0
        for handler in handlers:
            mask |= handler._event.status
        entity.set_status_mask(mask)  # the only ones that make a wait return
        return handlers

    @classmethod
    def warn_by_default(
        cls, warnings: QoSWarnings, entity: DDSEntity, topic_name: str, logger_name: str
    ) -> Callable[[], None]:
        """For a publisher or subscription whose user has given no callbacks.

        Returns:
            What is to be called before the DDS entity is deleted.
        """
        event, warn = cls._EVENTS["incompatible_qos"], cls._warning(topic_name, logger_name)

        def tell() -> None:
            if (info := _take(entity, event)) is not None:
                warn(info)

        return warnings.attach(entity, event.status, tell)

    @classmethod
    def _warning(cls, topic_name: str, logger_name: str) -> Callable[[Any], None]:
        def warn(info: Any) -> None:
            policy = qos_policy_name_from_kind(info.last_policy_kind)
            text = f"{cls._WARNING.format(topic_name)} Last incompatible policy: {policy}"
            get_logger(logger_name).warning(text)

        return warn


class SubscriptionEventCallbacks(_EventCallbacks):
    """Of a subscription: deadline, liveliness, message_lost, incompatible_qos, incompatible_type, matched."""

    _EVENTS = _OF_SUBSCRIPTIONS
    _WARNING = (
        "New publisher discovered on topic '{}', offering incompatible QoS. No messages will be received from it."
    )


class PublisherEventCallbacks(_EventCallbacks):
    """Of a publisher: deadline, liveliness, incompatible_qos, incompatible_type, matched."""

    _EVENTS = _OF_PUBLISHERS
    _WARNING = "New subscription discovered on topic '{}', requesting incompatible QoS. No messages will be sent to it."
