# SPDX-License-Identifier: Apache-2.0
"""What a node owns: making and destroying publishers, subscriptions, services, clients, timers."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.callback_groups import MutuallyExclusiveCallbackGroup
from wall_oss_ros.embedded.clock import Clock
from wall_oss_ros.embedded.entities import Entity, GraphEntity, GuardCondition, Rate, Timer
from wall_oss_ros.embedded.event_handler import EventHandler, PublisherEventCallbacks, SubscriptionEventCallbacks
from wall_oss_ros.embedded.exceptions import NotOfferedFeature
from wall_oss_ros.embedded.interfaces import check_type
from wall_oss_ros.embedded.qos import QoSProfile, as_profile, qos_profile_services_default
from wall_oss_ros.embedded.qos_overriding_options import override_profile
from wall_oss_ros.embedded.services import Client, Service
from wall_oss_ros.embedded.topics import Publisher, Subscription

_ORDER = (Timer, Subscription, GuardCondition, Service, Client, EventHandler)  # in which an executor asks them


def _all_of(kind: type) -> property:
    """A property that iterates over the node's entities of a kind."""
    return property(lambda node: iter(node._of_kind(kind)))


class NodeEntities:
    """Mixed into Node."""

    def _init_entities(self) -> None:
        self._lock = threading.RLock()
        self._owned: list[Entity] = []
        self._executable: tuple[Entity, ...] = ()  # what an executor looks at
        self.default_callback_group = MutuallyExclusiveCallbackGroup()

    def create_publisher(
        self,
        msg_type: type,
        topic: str,
        qos_profile: Any,
        *,
        callback_group: Any = None,
        event_callbacks: Any = None,
        qos_overriding_options: Any = None,
        publisher_class: type = Publisher,
    ) -> Publisher:
        """A publisher; `qos_profile` is a QoSProfile or the depth of the default one."""
        check_type(msg_type, "msg")
        _check_events(event_callbacks, PublisherEventCallbacks)
        name, profile = self.resolve_topic_name(topic), as_profile(qos_profile)
        profile = self._overridden(name, profile, qos_overriding_options, is_publisher=True)
        return self._adopt(publisher_class(self, msg_type, name, profile, callback_group, event_callbacks))

    def create_subscription(
        self,
        msg_type: type,
        topic: str,
        callback: Callable,
        qos_profile: Any,
        *,
        callback_group: Any = None,
        event_callbacks: Any = None,
        qos_overriding_options: Any = None,
        raw: bool = False,
        content_filter_options: Any = None,
    ) -> Subscription:
        """A subscription; `callback` is called with each message."""
        check_type(msg_type, "msg")
        _check_events(event_callbacks, SubscriptionEventCallbacks)
        _refuse("content_filter_options", content_filter_options)
        name, profile = self.resolve_topic_name(topic), as_profile(qos_profile)
        profile = self._overridden(name, profile, qos_overriding_options, is_publisher=False)
        return self._adopt(Subscription(self, msg_type, name, callback, profile, callback_group, raw, event_callbacks))

    def create_service(
        self,
        srv_type: type,
        srv_name: str,
        callback: Callable,
        *,
        qos_profile: Any = qos_profile_services_default,
        callback_group: Any = None,
        service_class: type = Service,
    ) -> Service:
        """A service; `callback` takes the request and an empty response and returns the response."""
        check_type(srv_type, "srv")
        name = self.resolve_service_name(srv_name)
        return self._adopt(service_class(self, srv_type, name, callback, callback_group, as_profile(qos_profile)))

    def create_client(
        self,
        srv_type: type,
        srv_name: str,
        *,
        qos_profile: Any = qos_profile_services_default,
        callback_group: Any = None,
    ) -> Client:
        """A client of a service."""
        check_type(srv_type, "srv")
        name, profile = self.resolve_service_name(srv_name), as_profile(qos_profile)
        return self._adopt(Client(self, srv_type, name, callback_group, profile))

    def create_timer(
        self,
        timer_period_sec: float,
        callback: Callable,
        callback_group: Any = None,
        clock: Clock | None = None,
        autostart: bool = True,
    ) -> Timer:
        """A timer with a period in seconds of the node's clock, or of the clock given."""
        group = callback_group or self.default_callback_group
        timer = Timer(callback, group, int(float(timer_period_sec) * 1e9), clock or self._clock, autostart=autostart)
        return self._adopt(timer)

    def create_guard_condition(self, callback: Callable, callback_group: Any = None) -> GuardCondition:
        return self._adopt(GuardCondition(callback, callback_group or self.default_callback_group))

    def create_rate(self, frequency: float, clock: Clock | None = None) -> Rate:
        """A rate in Hz, for a thread that does not spin this node."""
        if frequency <= 0:
            raise ValueError("frequency must be > 0")
        timer = self.create_timer(1.0 / frequency, None, MutuallyExclusiveCallbackGroup(), clock)
        return Rate(timer, context=self.context)

    def _overridden(self, topic: str, profile: QoSProfile, options: Any, is_publisher: bool) -> QoSProfile:
        """The profile with what parameters say, where the options allow that."""
        if options is not None:
            profile = copy.copy(profile)
            override_profile(self, topic, profile, options, is_publisher)
        return profile

    def _adopt(self, entity: Any) -> Any:
        with self._lock:
            for each in (entity, *getattr(entity, "event_handlers", ())):
                each._wake = self._wake_executor
                self._owned.append(each)
            self._sort()
        if isinstance(entity, GraphEntity):
            self._announce()
        self._wake_executor()
        return entity

    def _sort(self) -> None:
        self._executable = tuple(entity for kind in _ORDER for entity in self._of_kind(kind))

    def _of_kind(self, kind: type) -> list[Any]:
        return [entity for entity in self._owned if isinstance(entity, kind)]

    def _guids(self) -> tuple[list[bytes], list[bytes]]:
        """Of its DDS readers and of its writers."""
        owned = self._of_kind(GraphEntity)
        return [end.guid for one in owned for end in one.readers], [end.guid for one in owned for end in one.writers]

    def _destroy(self, entity: Any) -> bool:
        """Ends one thing that the node owns; False if the node did not own it."""
        with self._lock:
            if entity not in self._owned:
                return False
            handlers = getattr(entity, "event_handlers", ())
            self._owned = [each for each in self._owned if each is not entity and each not in handlers]
            self._sort()
        for each in (*handlers, entity):
            _end(each)
        if isinstance(entity, GraphEntity):
            self._announce()
        self._wake_executor()
        return True

    def _destroy_all(self) -> None:
        with self._lock:
            owned, self._owned, self._executable = self._owned, [], ()
        for entity in sorted(owned, key=lambda entity: isinstance(entity, GraphEntity)):  # timers do not call any more
            _end(entity)

    destroy_publisher = destroy_subscription = destroy_service = destroy_client = _destroy
    destroy_timer = destroy_guard_condition = _destroy

    def destroy_rate(self, rate: Rate) -> bool:
        rate.destroy()
        return self._destroy(rate._timer)

    publishers, subscriptions = _all_of(Publisher), _all_of(Subscription)
    services, clients = _all_of(Service), _all_of(Client)
    timers, guards, waitables = _all_of(Timer), _all_of(GuardCondition), _all_of(EventHandler)

    def add_waitable(self, waitable: Any) -> None:
        raise NotOfferedFeature("waitables")

    remove_waitable = add_waitable


def _end(entity: Any) -> None:
    entity.close() if isinstance(entity, GraphEntity) else entity.destroy()


def _refuse(name: str, value: Any) -> None:
    if value is not None:
        raise NotOfferedFeature(name)


def _check_events(value: Any, kind: type) -> None:
    if not isinstance(value, kind | None):
        raise TypeError(f"event_callbacks is no {kind.__name__}, but {type(value).__name__}")
