# SPDX-License-Identifier: Apache-2.0
"""Read and set parameters of nodes, as `ros2 param` does.

examples:
  wall-oss param list /wall_oss/control
  wall-oss param get /wall_oss/control replan_every
  wall-oss param set /wall_oss/control replan_every 4
  wall-oss param describe /wall_oss/planner approval
  wall-oss param dump /wall_oss/planner > planner.yaml
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from wall_oss_ros.commands.graph import add_json, request, say_that_nobody_is_there, settled
from wall_oss_ros.commands.node import nodes, the_node
from wall_oss_ros.commands.topic_values import temporary_node
from wall_oss_ros.errors import WallOSSError

_KINDS = (
    "not set", "boolean", "integer", "double", "string", "byte array", "boolean array", "integer array",
    "double array", "string array",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verbs list, get, set, describe and dump."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    every = verbs.add_parser("list", help="print the names of a node's parameters, or of all nodes'")
    every.add_argument("node", nargs="?", help="its name, such as /wall_oss/control (default: all)")
    add_json(every)
    summaries = {
        "get": "print a parameter's value",
        "set": "give a parameter another value",
        "describe": "print what parameters are for, their types and bounds",
        "dump": "print a node's parameters as a parameter file",
    }
    for name, summary in summaries.items():
        verb = verbs.add_parser(name, help=summary)
        verb.add_argument("node", help="name of the node, such as /wall_oss/control")
        if name != "dump":
            verb.add_argument("parameter", nargs="+" if name == "describe" else None, help="its name")
        if name == "set":
            verb.add_argument("value", help="as YAML, such as 4, 0.5, true, text or [1, 2]")
        if name == "get":
            add_json(verb)


def main(args: argparse.Namespace) -> int:
    """Runs a verb; 1 when a value was refused.

    Raises:
        WallOSSError: there is no such node or parameter, or the node does not answer.
    """
    verbs = {"list": _list, "get": _get, "set": _set, "describe": _describe, "dump": _dump}
    with temporary_node("param") as node:
        return verbs[args.verb](node, args)


def _list(node: Any, args: argparse.Namespace) -> int:
    names = [the_node(node, args.node)] if args.node else list(dict.fromkeys(settled(node, lambda: nodes(node))))
    listed = {}
    for name in names:
        try:
            listed[name] = _names(node, name)
        except WallOSSError as error:  # a node without these services
            if args.node:
                raise
            print(f"warning: {error}", file=sys.stderr)
    if args.json:
        print(json.dumps(listed, indent=1))
        return 0
    if not listed:
        say_that_nobody_is_there()
    for name, parameters in listed.items():
        print(f"{name}:" if not args.node else "", end="" if args.node else "\n")
        for parameter in parameters:
            print(f"  {parameter}")
    return 0


def _get(node: Any, args: argparse.Namespace) -> int:
    name = the_node(node, args.node)
    (value,) = _values(node, name, [args.parameter])
    if args.json:
        print(json.dumps(_plain(value)))
    elif value.type == 0:
        print("Parameter not set.")
    else:
        kind = _KINDS[value.type].capitalize()
        print(f"{kind} {'values are' if value.type > 4 else 'value is'}: {_plain(value)}")
    return 0


def _set(node: Any, args: argparse.Namespace) -> int:
    from wall_oss_ros.embedded.parameter_values import value_from_text

    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    name = the_node(node, args.node)
    _require(node, name, [args.parameter])
    value = value_from_text(args.parameter, args.value)
    if value == []:
        raise WallOSSError("An empty list has no type.", "Give it an element.")
    parameter = Parameter(args.parameter, value=value).to_parameter_msg()
    answer = request(node, SetParameters, f"{name}/set_parameters", SetParameters.Request(parameters=[parameter]))
    result = answer.results[0]
    if not result.successful:
        print(f"Setting parameter failed: {result.reason or 'the node gives no reason'}", file=sys.stderr)
        return 1
    print("Set parameter successful" + (f": {result.reason}" if result.reason else ""))
    return 0


def _describe(node: Any, args: argparse.Namespace) -> int:
    from rcl_interfaces.srv import DescribeParameters

    name = the_node(node, args.node)
    _require(node, name, args.parameter)
    wanted = DescribeParameters.Request(names=args.parameter)
    for one in request(node, DescribeParameters, f"{name}/describe_parameters", wanted).descriptors:
        print(f"Parameter name: {one.name}\n  Type: {_KINDS[one.type]}")
        if one.description:
            print(f"  Description: {one.description}")
        constraints = [f"    {key}: {value}" for key, value in _bounds(one)]
        if constraints:
            print("  Constraints:", *constraints, sep="\n")
    return 0


def _bounds(descriptor: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("Read only", "true")] if descriptor.read_only else []
    for limits in (*descriptor.integer_range, *descriptor.floating_point_range):
        found += [("Min value", limits.from_value), ("Max value", limits.to_value)]
        found += [("Step", limits.step)] if limits.step else []
    if descriptor.additional_constraints:
        found.append(("Additional constraints", descriptor.additional_constraints))
    return found


def _dump(node: Any, args: argparse.Namespace) -> int:
    import yaml

    name = the_node(node, args.node)
    names = _names(node, name)
    values = {key: _plain(value) for key, value in zip(names, _values(node, name, names)) if value.type}
    print(yaml.safe_dump({name: {"ros__parameters": values}}, sort_keys=False, allow_unicode=True), end="")
    return 0


def _names(node: Any, name: str) -> list[str]:
    from rcl_interfaces.srv import ListParameters

    return sorted(request(node, ListParameters, f"{name}/list_parameters", ListParameters.Request()).result.names)


def _values(node: Any, name: str, parameters: list[str]) -> list[Any]:
    """rcl_interfaces/ParameterValue of each.

    Raises:
        WallOSSError: the node has no such parameter.
    """
    from rcl_interfaces.srv import GetParameters

    _require(node, name, parameters)
    wanted = GetParameters.Request(names=parameters)
    return list(request(node, GetParameters, f"{name}/get_parameters", wanted).values)


def _require(node: Any, name: str, parameters: list[str]) -> None:
    there = _names(node, name)
    if missing := [one for one in parameters if one not in there]:
        raise WallOSSError(
            f"{name} has no parameter {missing[0]}.", f"`wall-oss param list {name}` prints those it has."
        )


def _plain(value: Any) -> Any:
    from rclpy.parameter import parameter_value_to_python

    found = parameter_value_to_python(value)
    if isinstance(found, (bool, int, float, str)) or found is None:
        return found
    return [one[0] if isinstance(one, bytes) else one for one in list(found)]
