# SPDX-License-Identifier: Apache-2.0
"""DDS types described ahead: where a process is copied before its nodes are made, the copies need not do it again.

Cyclone's Python describes a type when its first topic is made, in Python, 1 to 10 ms for each: four fifths of the time
that a node takes to be made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wall_oss_ros.embedded import wire
from wall_oss_ros.embedded.interfaces import get_interface

_OF_EVERY_NODE = {
    ("rcl_interfaces", "msg"): ("Log", "ParameterEvent"),
    ("rcl_interfaces", "srv"): (
        "DescribeParameters", "GetParameters", "GetParameterTypes", "ListParameters", "SetParameters",
        "SetParametersAtomically",
    ),
    ("rmw_dds_common", "msg"): ("ParticipantEntitiesInfo",),  # the graph's
    ("lifecycle_msgs", "msg"): ("TransitionEvent",),
    ("lifecycle_msgs", "srv"): ("ChangeState", "GetState", "GetAvailableStates", "GetAvailableTransitions"),
}  # fmt: skip


def describe_nodes() -> None:
    """Describes the types of what every lifecycle node offers. Nothing of DDS itself begins by that: no thread."""
    for (package, kind), names in _OF_EVERY_NODE.items():
        describe(get_interface(package, kind, name) for name in names)


def describe(types: Iterable[Any]) -> None:
    """Describes the types of messages and services."""
    for one in types:
        service = hasattr(one, "Request")
        for part in (one.Request, one.Response) if service else (one,):
            wire.struct_type(part._key, service).__idl__.fill_type_data()
