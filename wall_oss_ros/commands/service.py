# SPDX-License-Identifier: Apache-2.0
"""Call services, as `ros2 service` does, of this project's nodes or of any ROS 2 system within reach.

examples:
  wall-oss service call /wall_oss/home
  wall-oss service call /wall_oss/stop std_srvs/srv/Trigger
  wall-oss service call /wall_oss/ask "question: where is the red cube?"
  wall-oss service list -t
"""

from __future__ import annotations

import argparse
from typing import Any

from wall_oss_ros.commands.graph import add_list, found, print_list, request, settled, visible
from wall_oss_ros.commands.topic_values import absolute, fill, interface_class, plain, temporary_node, type_and_values
from wall_oss_ros.errors import WallOSSError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verbs call and list."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    call = verbs.add_parser("call", help="call a service and print its answer")
    call.add_argument("service", help="name of the service, such as /wall_oss/home")
    call.add_argument(
        "words", nargs="*", metavar="[TYPE] VALUES",
        help='its type, if one likes, and the request\'s fields as YAML, such as "data: true"',
    )  # fmt: skip
    add_list(verbs, "services")


def main(args: argparse.Namespace) -> int:
    """Runs a verb; 1 when a service that tells its success tells of none.

    Raises:
        WallOSSError: there is no such service, its type is not known here, or values do not fit.
    """
    with temporary_node("service", signals=False) as node:
        return {"call": _call, "list": _list}[args.verb](node, args)


def _call(node: Any, args: argparse.Namespace) -> int:
    import yaml

    name = absolute(args.service)
    given, values = type_and_values(args.words, "srv")
    known = found(
        node, node.get_service_names_and_types, name, "service", "`wall-oss service list` prints those there are."
    )
    kind = given or known[0]
    if kind not in known:
        raise WallOSSError(f"The service {name} is of type {', '.join(known)}, not {kind}.", "Leave the type out.")
    service_type = interface_class(kind, "srv")
    answer = request(node, service_type, name, fill(service_type.Request(), values, f"{kind} request"), patience=None)
    print(yaml.safe_dump(plain(answer, None), sort_keys=False, allow_unicode=True, width=120), end="")
    return 0 if getattr(answer, "success", True) else 1


def _list(node: Any, args: argparse.Namespace) -> int:
    return print_list(settled(node, lambda: visible(node.get_service_names_and_types())), args)
