# SPDX-License-Identifier: Apache-2.0
"""Log lines on /rosout, and the services that get and set log levels."""

from __future__ import annotations

import threading
import time
from typing import Any

from wall_oss_ros.embedded import logging
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.qos import qos_profile_rosout_default
from wall_oss_ros.embedded.time import Time


class RosoutSink:
    """Publishes what a node logs on /rosout."""

    def __init__(self, node: Any):
        self._log = get_interface("rcl_interfaces", "msg", "Log")
        self._publisher = node.create_publisher(self._log, "/rosout", qos_profile_rosout_default)
        self._name = node.get_logger().name
        self._busy = threading.local()
        logging.add_sink(self._name, self._publish)

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
        logging.remove_sink(self._name)


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
