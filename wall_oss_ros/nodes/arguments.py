# SPDX-License-Identifier: Apache-2.0
"""Arguments of a node's process, looked over before and after rclpy: what is of no use is refused.

rclpy itself says nothing of a parameter that no node has, and of others' parameter files only that they failed.
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Iterable

from wall_oss_ros.embedded.arguments import Arguments, parse
from wall_oss_ros.embedded.parameter_values import matches
from wall_oss_ros.errors import WallOSSError

_NODES = (
    "perception", "planner", "action_expert", "control", "plan_markers", "simulated_robot", "mock_gripper",
)  # fmt: skip
# Of every node, though no node declares them, or not at once.
_ALWAYS = re.compile(r"use_sim_time|start_type_description_service|qos_overrides\..+")


def look_over(words: list[str] | None) -> Arguments:
    """The arguments, before rclpy gets them.

    Args:
        words: without the program's name; None for the process's own.

    Raises:
        WallOSSError: one of them cannot be used.
    """
    arguments = parse(sys.argv[1:] if words is None else words)
    if arguments.rest:
        first = arguments.rest[0]
        how = f"-p {first}" if re.match(r"\w+:=", first) else f"{first}"
        raise WallOSSError(
            f"The argument {first!r} has no meaning here.",
            f"Parameters are given as: --ros-args {how if how.startswith('-p') else '-p name:=value'}",
        )
    for _, name, value in arguments.parameters:
        if name == "use_sim_time" and not isinstance(value, bool):
            raise WallOSSError(
                f"The parameter use_sim_time is {value!r}, which is a {type(value).__name__}.",
                "Give true or false, without quotes.",
            )
    return arguments


def look_for_strangers(arguments: Arguments, nodes: Iterable) -> None:
    """Looks for what was given to a node that is not here, or to one that has no such parameter.

    Args:
        arguments: as ``look_over`` gave them.
        nodes: all of the process.

    Raises:
        WallOSSError: there is such a thing.
    """
    nodes = list(nodes)
    full_names = [node.get_fully_qualified_name() for node in nodes]
    whose = " and ".join(full_names)
    for pattern, name, _ in arguments.parameters:
        meant = [node for node in nodes if matches(pattern, node.get_fully_qualified_name())]
        if not meant:
            _check_pattern(pattern, name, full_names)
            continue
        if _ALWAYS.fullmatch(name) or any(node.has_parameter(name) for node in nodes):
            continue  # nodes of one process may be given the same
        if pattern.rsplit("/", 1)[-1].startswith("*") and name in _names_of_all_nodes():
            continue  # a file that several nodes share
        known = sorted(known for node in meant for known in node.list_parameters([], 0).names)
        close = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(dict.fromkeys(known))}."
        raise WallOSSError(f"There is no parameter {name!r} of {whose}.", hint)


def _check_pattern(pattern: str, name: str, full_names: list[str]) -> None:
    """Raises WallOSSError where a pattern means no node here and yet names one."""
    last = pattern.rsplit("/", 1)[-1]
    for full_name in full_names:
        if last == full_name.rsplit("/", 1)[-1]:
            raise WallOSSError(
                f"The parameter {name} was given to the node {pattern}, but this is {full_name}.",
                f"Write {full_name}, or /**/{last}, in a parameter file; after -p leave the node out.",
            )


def _names_of_all_nodes() -> set[str]:
    """Names of the parameters of all nodes of the project that can be imported here."""
    from wall_oss_ros.nodes.lifecycle_node import COMMON_PARAMETERS, WallOSSNode

    for module in _NODES:
        try:
            importlib.import_module(f"wall_oss_ros.nodes.{module}")
        except ImportError:
            continue
    tables = [COMMON_PARAMETERS, *(node.PARAMETERS for node in _below(WallOSSNode))]
    return {parameter.name for table in tables for parameter in table}


def _below(kind: type) -> list[type]:
    return [kind, *(deeper for one in kind.__subclasses__() for deeper in _below(one))]
