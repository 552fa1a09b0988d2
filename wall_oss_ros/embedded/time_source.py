# SPDX-License-Identifier: Apache-2.0
"""Simulated time: a node's clock follows /clock while its parameter ``use_sim_time`` is true."""

from __future__ import annotations

from typing import Any

from wall_oss_ros.embedded.callback_groups import MutuallyExclusiveCallbackGroup
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.parameter import Parameter
from wall_oss_ros.embedded.qos import QoSProfile, ReliabilityPolicy
from wall_oss_ros.embedded.time import Time

_NAME = "use_sim_time"


class TimeSource:
    """Keeps one node's clock."""

    def __init__(self, node: Any):
        self._node = node
        self._subscription: Any = None
        self._group = MutuallyExclusiveCallbackGroup()  # so that a busy node still sees time pass
        if not node.has_parameter(_NAME):
            node.declare_parameter(_NAME, False)
        self._use(node.get_parameter(_NAME).value is True)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._changed)

    def _check(self, parameters: list[Parameter]) -> Any:
        result = get_interface("rcl_interfaces", "msg", "SetParametersResult")(successful=True)
        for parameter in parameters:
            if parameter.name == _NAME and parameter.type_ is not Parameter.Type.BOOL:
                result.successful, result.reason = False, f"{_NAME} parameter must be a boolean"
        return result

    def _changed(self, parameters: list[Parameter]) -> None:
        for parameter in parameters:
            if parameter.name == _NAME:
                self._use(parameter.value)

    def _use(self, simulated: bool) -> None:
        clock = self._node.get_clock()
        clock._set_ros_time_is_active(simulated)
        if simulated and self._subscription is None:
            profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscription = self._node.create_subscription(
                get_interface("rosgraph_msgs", "msg", "Clock"), "/clock", self._on_clock, profile,
                callback_group=self._group,
            )  # fmt: skip
        elif not simulated and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _on_clock(self, message: Any) -> None:
        self._node.get_clock().set_ros_time_override(Time.from_msg(message.clock))
