# SPDX-License-Identifier: Apache-2.0
"""Another node's parameters over its services, with rclpy.parameter_client's names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.parameter import Parameter, parameter_dict_from_yaml_file
from wall_oss_ros.embedded.qos import QoSProfile, qos_profile_parameter_events, qos_profile_services_default
from wall_oss_ros.embedded.task import Future

_SERVICES = {
    "get_parameters": "GetParameters", "list_parameters": "ListParameters", "set_parameters": "SetParameters",
    "get_parameter_types": "GetParameterTypes", "describe_parameters": "DescribeParameters",
    "set_parameters_atomically": "SetParametersAtomically",
}  # fmt: skip


class AsyncParameterClient:
    """Asks for and sets the parameters of another node; each answer is a future of the service's Response.

    Args:
        node: which has the clients; somebody must spin it.
        remote_node_name: the other node, absolute or relative to this one's namespace.
        qos_profile, callback_group: of the clients.

    Every method takes a `callback` that is given the future once it is done.
    """

    def __init__(
        self, node: Any, remote_node_name: str, qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: Any = None,
    ):  # fmt: skip
        self.node, self.remote_node_name = node, remote_node_name
        options = {"qos_profile": qos_profile, "callback_group": callback_group}
        self._clients = {
            name: node.create_client(
                get_interface("rcl_interfaces", "srv", kind), f"{remote_node_name}/{name}", **options
            )
            for name, kind in _SERVICES.items()
        }  # fmt: skip

    def services_are_ready(self) -> bool:
        return all(client.service_is_ready() for client in self._clients.values())

    def wait_for_services(self, timeout_sec: float | None = None) -> bool:
        """Waits until all of them are there; False after `timeout_sec` (None: no limit) or at shutdown."""
        return self.node.context.poll(self.services_are_ready, timeout_sec)

    def _ask(self, service: str, callback: Callable | None, **fields: Any) -> Future:
        client = self._clients[service]
        future = client.call_async(client.srv_type.Request(**fields))
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def list_parameters(
        self, prefixes: list[str] | None = None, depth: int | None = None, callback: Callable | None = None
    ) -> Future:
        """Names below the prefixes, or all."""
        return self._ask("list_parameters", callback, prefixes=prefixes or [], depth=depth or 0)

    def get_parameters(self, names: list[str], callback: Callable | None = None) -> Future:
        return self._ask("get_parameters", callback, names=names)

    def get_parameter_types(self, names: list[str], callback: Callable | None = None) -> Future:
        return self._ask("get_parameter_types", callback, names=names)

    def describe_parameters(self, names: list[str], callback: Callable | None = None) -> Future:
        return self._ask("describe_parameters", callback, names=names)

    def set_parameters(self, parameters: Iterable[Any], callback: Callable | None = None) -> Future:
        """Sets `Parameter`s or rcl_interfaces/Parameter, each on its own."""
        return self._ask("set_parameters", callback, parameters=_messages(parameters))

    def set_parameters_atomically(self, parameters: Iterable[Any], callback: Callable | None = None) -> Future:
        """Sets all or none."""
        return self._ask("set_parameters_atomically", callback, parameters=_messages(parameters))

    def delete_parameters(self, names: list[str], callback: Callable | None = None) -> Future:
        """Unsets them; the other node allows it of those with dynamic types."""
        return self.set_parameters([Parameter(name) for name in names], callback)

    def load_parameter_file(
        self, parameter_file: str, use_wildcard: bool = False, callback: Callable | None = None
    ) -> Future:
        """Sets what a parameter file says, each on its own."""
        found = parameter_dict_from_yaml_file(parameter_file, use_wildcard)
        return self.set_parameters(found.values(), callback)

    def load_parameter_file_atomically(
        self, parameter_file: str, use_wildcard: bool = False, callback: Callable | None = None
    ) -> Future:
        """Sets all that a parameter file says, or nothing."""
        found = parameter_dict_from_yaml_file(parameter_file, use_wildcard)
        return self.set_parameters_atomically(found.values(), callback)

    def on_parameter_event(
        self, callback: Callable, qos_profile: QoSProfile = qos_profile_parameter_events, **options: Any
    ) -> Any:
        """A subscription to /parameter_events, where all nodes tell of their changes."""
        event = get_interface("rcl_interfaces", "msg", "ParameterEvent")
        return self.node.create_subscription(event, "/parameter_events", callback, qos_profile, **options)


def _messages(parameters: Iterable[Any]) -> list[Any]:
    return [each.to_parameter_msg() if isinstance(each, Parameter) else each for each in parameters]
