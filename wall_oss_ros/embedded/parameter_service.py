# SPDX-License-Identifier: Apache-2.0
"""The services behind ``ros2 param``."""

from __future__ import annotations

from typing import Any

from wall_oss_ros.embedded.exceptions import ParameterNotDeclaredException, ParameterUninitializedException
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.parameter import Parameter


class ParameterService:
    """Offers a node's parameters to others: describe, get, get types, list, set, set atomically."""

    def __init__(self, node: Any):
        self._node = node
        for name, callback in (
            ("DescribeParameters", self._describe),
            ("GetParameters", self._get),
            ("GetParameterTypes", self._get_types),
            ("ListParameters", self._list),
            ("SetParameters", self._set),
            ("SetParametersAtomically", self._set_atomically),
        ):
            snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")
            node.create_service(get_interface("rcl_interfaces", "srv", name), f"~/{snake}", callback)

    def _describe(self, request: Any, response: Any) -> Any:
        try:
            response.descriptors = self._node.describe_parameters(request.names)
        except ParameterNotDeclaredException:  # an empty answer says so, as in rclpy
            response.descriptors = []
        return response

    def _get(self, request: Any, response: Any) -> Any:
        try:
            response.values = [self._value(name).get_parameter_value() for name in request.names]
        except ParameterNotDeclaredException:
            response.values = []
        return response

    def _value(self, name: str) -> Parameter:
        try:
            return self._node.get_parameter(name)
        except ParameterUninitializedException:
            return Parameter(name)

    def _get_types(self, request: Any, response: Any) -> Any:
        try:
            response.types = [self._value(name).type_.value for name in request.names]
        except ParameterNotDeclaredException:
            response.types = []
        return response

    def _list(self, request: Any, response: Any) -> Any:
        response.result = self._node.list_parameters(request.prefixes, request.depth)
        return response

    def _set(self, request: Any, response: Any) -> Any:
        results = []
        for message in request.parameters:
            try:
                results.append(self._node.set_parameters([Parameter.from_parameter_msg(message)])[0])
            except ParameterNotDeclaredException as error:
                results.append(_refused(f"{error.args[0]}: {message.name}"))
        response.results = results
        return response

    def _set_atomically(self, request: Any, response: Any) -> Any:
        try:
            parameters = [Parameter.from_parameter_msg(message) for message in request.parameters]
            response.result = self._node.set_parameters_atomically(parameters)
        except ParameterNotDeclaredException as error:
            response.result = _refused(str(error))
        return response


def _refused(reason: str) -> Any:
    return get_interface("rcl_interfaces", "msg", "SetParametersResult")(successful=False, reason=reason)
