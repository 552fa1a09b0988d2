# SPDX-License-Identifier: Apache-2.0
"""What a node owns: making and destroying publishers, subscriptions, services, clients, timers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.callback_groups import MutuallyExclusiveCallbackGroup
from wall_oss_ros.embedded.client import Client
from wall_oss_ros.embedded.clock import Clock
from wall_oss_ros.embedded.guard_condition import GuardCondition
from wall_oss_ros.embedded.publisher import Publisher
from wall_oss_ros.embedded.qos import as_profile, qos_profile_services_default
from wall_oss_ros.embedded.service import Service
from wall_oss_ros.embedded.subscription import Subscription
from wall_oss_ros.embedded.timer import Rate, Timer
from wall_oss_ros.embedded.utilities import check_is_valid_msg_type, check_is_valid_srv_type


class NodeEntities:
    """Mixed into Node."""

    def _init_entities(self) -> None:
        self._lock = threading.RLock()
        self._publishers: list[Publisher] = []
        self._subscriptions: list[Subscription] = []
        self._services: list[Service] = []
        self._clients: list[Client] = []
        self._timers: list[Timer] = []
        self._guards: list[GuardCondition] = []
        self._entities: tuple = ()  # all that an executor looks at
        self._default_callback_group = MutuallyExclusiveCallbackGroup()

    @property
    def default_callback_group(self) -> Any:
        return self._default_callback_group

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
        check_is_valid_msg_type(msg_type)
        _refuse("event_callbacks", event_callbacks)
        _refuse("qos_overriding_options", qos_overriding_options)
        group = callback_group or self._default_callback_group
        publisher = publisher_class(self, msg_type, self.resolve_topic_name(topic), as_profile(qos_profile), group)
        return self._add(self._publishers, publisher)

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
        check_is_valid_msg_type(msg_type)
        _refuse("event_callbacks", event_callbacks)
        _refuse("qos_overriding_options", qos_overriding_options)
        _refuse("content_filter_options", content_filter_options)
        name, profile = self.resolve_topic_name(topic), as_profile(qos_profile)
        group = callback_group or self._default_callback_group
        return self._add(self._subscriptions, Subscription(self, msg_type, name, callback, profile, group, raw))

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
        check_is_valid_srv_type(srv_type)
        group = callback_group or self._default_callback_group
        service = service_class(self, srv_type, self.resolve_service_name(srv_name), callback, group)
        return self._add(self._services, service)

    def create_client(
        self,
        srv_type: type,
        srv_name: str,
        *,
        qos_profile: Any = qos_profile_services_default,
        callback_group: Any = None,
    ) -> Client:
        """A client of a service."""
        check_is_valid_srv_type(srv_type)
        group = callback_group or self._default_callback_group
        return self._add(self._clients, Client(self, srv_type, self.resolve_service_name(srv_name), group))

    def create_timer(
        self,
        timer_period_sec: float,
        callback: Callable,
        callback_group: Any = None,
        clock: Clock | None = None,
        autostart: bool = True,
    ) -> Timer:
        """A timer with a period in seconds of the node's clock, or of the clock given."""
        group = callback_group or self._default_callback_group
        timer = Timer(callback, group, int(float(timer_period_sec) * 1e9), clock or self._clock, autostart=autostart)
        return self._add(self._timers, timer)

    def create_guard_condition(self, callback: Callable, callback_group: Any = None) -> GuardCondition:
        return self._add(self._guards, GuardCondition(callback, callback_group or self._default_callback_group))

    def create_rate(self, frequency: float, clock: Clock | None = None) -> Rate:
        """A rate in Hz, for a thread that does not spin this node."""
        if frequency <= 0:
            raise ValueError("frequency must be > 0")
        timer = self.create_timer(1.0 / frequency, None, MutuallyExclusiveCallbackGroup(), clock)
        return Rate(timer, context=self._context)

    def _refresh(self) -> None:
        self._entities = (
            *self._timers, *self._subscriptions, *self._guards, *self._services, *self._clients,
        )  # fmt: skip

    def _add(self, kind: list, entity: Any) -> Any:
        with self._lock:
            entity._wake = self._wake_executor
            kind.append(entity)
            self._refresh()
        if hasattr(entity, "_close"):
            self._announce()
        self._wake_executor()
        return entity

    def _remove(self, kind: list, entity: Any) -> bool:
        with self._lock:
            if entity not in kind:
                return False
            kind.remove(entity)
            self._refresh()
        if hasattr(entity, "_close"):
            entity._close()
            self._announce()
        else:
            entity.destroy()
        self._wake_executor()
        return True

    def destroy_publisher(self, publisher: Publisher) -> bool:
        return self._remove(self._publishers, publisher)

    def destroy_subscription(self, subscription: Subscription) -> bool:
        return self._remove(self._subscriptions, subscription)

    def destroy_service(self, service: Service) -> bool:
        return self._remove(self._services, service)

    def destroy_client(self, client: Client) -> bool:
        return self._remove(self._clients, client)

    def destroy_timer(self, timer: Timer) -> bool:
        return self._remove(self._timers, timer)

    def destroy_guard_condition(self, guard: GuardCondition) -> bool:
        return self._remove(self._guards, guard)

    def destroy_rate(self, rate: Rate) -> bool:
        rate.destroy()
        return self.destroy_timer(rate._timer)

    def _close_entities(self) -> None:
        with self._lock:
            self._entities = ()
            owned = [*self._publishers, *self._subscriptions, *self._services, *self._clients]
            for entity in [*self._timers, *self._guards]:
                entity.destroy()
            for kind in (self._publishers, self._subscriptions, self._services, self._clients):
                kind.clear()
            self._timers.clear()
            self._guards.clear()
        for entity in owned:
            entity._close()

    @property
    def publishers(self):
        yield from self._publishers

    @property
    def subscriptions(self):
        yield from self._subscriptions

    @property
    def services(self):
        yield from self._services

    @property
    def clients(self):
        yield from self._clients

    @property
    def timers(self):
        yield from self._timers

    @property
    def guards(self):
        yield from self._guards


def _refuse(name: str, value: Any) -> None:
    if value is not None:
        raise NotImplementedError(f"The embedded library does not offer {name}; ROS 2's own rclpy does.")
