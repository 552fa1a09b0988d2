# SPDX-License-Identifier: Apache-2.0
"""Calls functions when parameters of any node change, with rclpy.parameter_event_handler's names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.qos import QoSProfile, qos_profile_parameter_events


@dataclass(eq=False)
class ParameterCallbackHandle:
    """One parameter's callback, to remove it by."""

    parameter_name: str
    node_name: str
    callback: Callable[[Any], None]


@dataclass(eq=False)
class ParameterEventCallbackHandle:
    """A callback for every event, to remove it by."""

    callback: Callable[[Any], None]


class ParameterEventHandler:
    """Listens to /parameter_events; of several callbacks the latest is called first.

    Args:
        node: has the subscription.
        qos_profile: of the subscription; other `options` as for `Node.create_subscription`.
    """

    def __init__(self, node: Any, qos_profile: QoSProfile = qos_profile_parameter_events, **options: Any):
        self.node, self.qos_profile = node, qos_profile
        self._lock = threading.RLock()
        self._of_parameters: list[ParameterCallbackHandle] = []
        self._of_events: list[ParameterEventCallbackHandle] = []
        event = get_interface("rcl_interfaces", "msg", "ParameterEvent")
        self.parameter_event_subscription = node.create_subscription(
            event, "/parameter_events", self._on_event, qos_profile, **options
        )

    def _on_event(self, event: Any) -> None:
        with self._lock:
            wanted, others = list(self._of_parameters), list(self._of_events)
        for handle in wanted:
            parameter = self.get_parameter_from_event(event, handle.parameter_name, handle.node_name)
            if parameter is not None:
                handle.callback(parameter)
        for handle in others:
            handle.callback(event)

    @staticmethod
    def get_parameters_from_event(event: Any) -> Iterator[Any]:
        """Each rcl_interfaces/Parameter that is new or changed."""
        yield from event.new_parameters
        yield from event.changed_parameters

    @staticmethod
    def get_parameter_from_event(event: Any, parameter_name: str, node_name: str) -> Any:
        """One node's parameter if the event tells of it, or None."""
        found = ParameterEventHandler.get_parameters_from_event(event) if event.node == node_name else ()
        return next((each for each in found if each.name == parameter_name), None)

    def add_parameter_callback(
        self, parameter_name: str, node_name: str, callback: Callable[[Any], None]
    ) -> ParameterCallbackHandle:
        """Calls it with the rcl_interfaces/Parameter; an empty node name means this node."""
        handle = ParameterCallbackHandle(parameter_name, self._absolute(node_name), callback)
        with self._lock:
            self._of_parameters.insert(0, handle)
        return handle

    def add_parameter_event_callback(self, callback: Callable[[Any], None]) -> ParameterEventCallbackHandle:
        """Calls it with each rcl_interfaces/ParameterEvent."""
        handle = ParameterEventCallbackHandle(callback)
        with self._lock:
            self._of_events.insert(0, handle)
        return handle

    def remove_parameter_callback(self, handle: ParameterCallbackHandle) -> None:
        """Raises RuntimeError if it is not there."""
        self._remove(self._of_parameters, handle)

    def remove_parameter_event_callback(self, handle: ParameterEventCallbackHandle) -> None:
        """Raises RuntimeError if it is not there."""
        self._remove(self._of_events, handle)

    def _remove(self, handles: list, handle: Any) -> None:
        with self._lock:
            if handle not in handles:
                raise RuntimeError("Callback doesn't exist")
            handles.remove(handle)

    def _absolute(self, node_name: str) -> str:
        if not node_name:
            return self.node.get_fully_qualified_name()
        if node_name.startswith("/"):
            return node_name
        return f"{self.node.get_namespace().rstrip('/')}/{node_name}"

    def destroy(self) -> None:
        self.node.destroy_subscription(self.parameter_event_subscription)
