# SPDX-License-Identifier: Apache-2.0
"""See which nodes there are and what they have, as `ros2 node` does.

examples:
  wall-oss node list
  wall-oss node info /wall_oss/control
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from wall_oss_ros.commands.graph import NamesAndTypes, add_json, found, say_that_nobody_is_there, settled, visible
from wall_oss_ros.commands.topic_values import absolute, spin, temporary_node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verbs list and info."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    show = verbs.add_parser("list", help="print the nodes")
    add_json(show)
    info = verbs.add_parser("info", help="print a node's topics, services and actions")
    info.add_argument("node", help="its name, such as /wall_oss/control")
    add_json(info)


def main(args: argparse.Namespace) -> int:
    """Runs a verb.

    Raises:
        WallOSSError: there is no such node.
    """
    with temporary_node("node") as node:
        return {"list": _list, "info": _info}[args.verb](node, args)


def nodes(node: Any) -> list[str]:
    """Full names of all nodes that ROS does not hide, but for the one that looks; one that is there twice, twice."""
    own = node.get_fully_qualified_name()
    names = (f"{space.rstrip('/')}/{name}" for name, space in node.get_node_names_and_namespaces())
    return sorted(name for name in names if name != own and not any(part.startswith("_") for part in name.split("/")))


def the_node(node: Any, name: str) -> str:
    """The full name of another node, once it has been found.

    Raises:
        WallOSSError: there is none.
    """
    name = absolute(name)
    found(
        node, lambda: ((one, one) for one in nodes(node)), name, "node", "`wall-oss node list` prints those there are."
    )
    return name


def _list(node: Any, args: argparse.Namespace) -> int:
    names = settled(node, lambda: nodes(node))
    if args.json:
        print(json.dumps(names, indent=1))
        return 0
    if not names:
        say_that_nobody_is_there()
    for name in names:
        print(name)
    return 0


def _info(node: Any, args: argparse.Namespace) -> int:
    from rclpy.action import get_action_client_names_and_types_by_node, get_action_server_names_and_types_by_node

    full = the_node(node, args.node)
    space, _, name = full.rpartition("/")
    space = space or "/"
    parts = {
        "Subscribers": lambda: node.get_subscriber_names_and_types_by_node(name, space),
        "Publishers": lambda: node.get_publisher_names_and_types_by_node(name, space),
        "Service Servers": lambda: node.get_service_names_and_types_by_node(name, space),
        "Service Clients": lambda: node.get_client_names_and_types_by_node(name, space),
        "Action Servers": lambda: get_action_server_names_and_types_by_node(node, name, space),
        "Action Clients": lambda: get_action_client_names_and_types_by_node(node, name, space),
    }
    spin(node, 0.5)  # a node is known before all that it has
    has: dict[str, NamesAndTypes] = {title: visible(look()) for title, look in parts.items()}
    if args.json:
        named = {
            title.lower().replace(" ", "_"): [{"name": one, "types": kinds} for one, kinds in entries]
            for title, entries in has.items()
        }
        print(json.dumps({"node": full, **named}, indent=1))
        return 0
    print(full)
    for title, entries in has.items():
        print(f"  {title}:")
        for one, kinds in entries:
            print(f"    {one}: {', '.join(kinds)}")
    return 0
