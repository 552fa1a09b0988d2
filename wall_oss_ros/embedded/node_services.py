# SPDX-License-Identifier: Apache-2.0
"""What every node offers beside its own: its parameters, its log lines on /rosout, and its log levels."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from wall_oss_ros.embedded import logging
from wall_oss_ros.embedded.exceptions import ParameterNotDeclaredException, ParameterUninitializedException
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.parameter import Parameter
from wall_oss_ros.embedded.qos import qos_profile_parameters, qos_profile_rosout_default
from wall_oss_ros.embedded.time import Time


class ParameterService:
    """Offers a node's parameters to others: describe, get, get types, list, set, set atomically."""

    def __init__(self, node: Any):
        self._node = node
        for name, callback in (
            ("DescribeParameters", partial(self._tell, "descriptors", node.describe_parameter)),
            ("GetParameters", partial(self._tell, "values", lambda name: self._value(name).get_parameter_value())),
            ("GetParameterTypes", partial(self._tell, "types", lambda name: self._value(name).type_.value)),
            ("ListParameters", self._list),
            ("SetParameters", self._set),
            ("SetParametersAtomically", self._set_atomically),
        ):
            snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")
            kind = get_interface("rcl_interfaces", "srv", name)
            node.create_service(kind, f"~/{snake}", callback, qos_profile=qos_profile_parameters)

    def _tell(self, field: str, look_up: Callable[[str], Any], request: Any, response: Any) -> Any:
        """Fills in what is asked of each name; where one is not declared, nothing, as in rclpy."""
        with suppress(ParameterNotDeclaredException):
            setattr(response, field, [look_up(name) for name in request.names])
        return response

    def _value(self, name: str) -> Parameter:
        try:
            return self._node.get_parameter(name)
        except ParameterUninitializedException:
            return Parameter(name)

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


class RosoutPublisher:
    """Publishes what a node logs on /rosout."""

    def __init__(self, node: Any):
        self._log = get_interface("rcl_interfaces", "msg", "Log")
        self._publisher = node.create_publisher(self._log, "/rosout", qos_profile_rosout_default)
        self._name = node.get_logger().name
        self._busy = threading.local()
        logging.add_handler(self._name, self._publish)

    def _publish(self, severity: Any, name: str, message: str, frame: Any) -> None:
        if getattr(self._busy, "now", False):  # publishing may itself log
            return
        self._busy.now = True
        try:
            self._publisher.publish(
                self._log(
                    stamp=Time(nanoseconds=time.time_ns()).to_msg(),
                    level=int(severity),
                    name=name,
                    msg=message,
                    file=frame.f_code.co_filename,
                    function=frame.f_code.co_name,
                    line=frame.f_lineno,
                )
            )
        except RuntimeError:  # DDS has ended before the last line was logged
            pass
        finally:
            self._busy.now = False

    def close(self) -> None:
        logging.remove_handler(self._name)


def add_logger_services(node: Any) -> None:
    """Offers ``~/get_logger_levels`` and ``~/set_logger_levels``."""
    level_class = get_interface("rcl_interfaces", "msg", "LoggerLevel")
    result_class = get_interface("rcl_interfaces", "msg", "SetLoggerLevelsResult")

    def get_levels(request: Any, response: Any) -> Any:
        response.levels = [
            level_class(name=name, level=int(logging.get_logger_effective_level(name))) for name in request.names
        ]
        return response

    def set_levels(request: Any, response: Any) -> Any:
        results = []
        for level in request.levels:
            known = level.level in list(logging.LoggingSeverity)
            if known:
                logging.set_logger_level(level.name, level.level)
            results.append(result_class(successful=known, reason="" if known else f"{level.level} is not a log level"))
        response.results = results
        return response

    get_type = get_interface("rcl_interfaces", "srv", "GetLoggerLevels")
    set_type = get_interface("rcl_interfaces", "srv", "SetLoggerLevels")
    node.create_service(get_type, "~/get_logger_levels", get_levels)
    node.create_service(set_type, "~/set_logger_levels", set_levels)
