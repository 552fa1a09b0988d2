# SPDX-License-Identifier: Apache-2.0
"""Call services, as `ros2 service` does, of this project's nodes or of any ROS 2 system within reach.

examples:
  wall-oss service call /wall_oss/home
  wall-oss service call /wall_oss/stop
  wall-oss service call /wall_oss/ask "question: where is the red cube?"
  wall-oss service list -t
"""

from __future__ import annotations

import argparse
import importlib
import time
from typing import Any

from wall_oss_ros.commands.topic_values import absolute, fill, plain, spin, temporary_node
from wall_oss_ros.errors import WallOSSError

_WAIT = 5.0  # s for a service to be found
_DISCOVERY = 1.0  # s in which participants on one machine usually find each other


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verbs call and list."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    call = verbs.add_parser("call", help="call a service and print its answer")
    call.add_argument("service", help="name of the service, such as /wall_oss/home")
    call.add_argument("values", nargs="?", default="{}", help='the request\'s fields as YAML, such as "data: true"')
    show = verbs.add_parser("list", help="print the services")
    show.add_argument("-t", "--show-types", action="store_true", help="with their types")


def main(args: argparse.Namespace) -> int:
    """Runs a verb; 1 when a service that tells its success tells of none.

    Raises:
        WallOSSError: there is no such service, its type is not known here, or values do not fit.
    """
    with temporary_node("service") as node:
        return {"call": _call, "list": _list}[args.verb](node, args)


def _call(node: Any, args: argparse.Namespace) -> int:
    import yaml

    import rclpy

    name = absolute(args.service)
    end = time.monotonic() + _WAIT
    while name not in (services := dict(node.get_service_names_and_types())):
        if time.monotonic() > end:
            raise WallOSSError(f"There is no service {name}.", "`wall-oss service list` prints those there are.")
        spin(node, 0.1)
    kind = services[name][0]
    service_type = _service_class(kind)
    request = fill(service_type.Request(), args.values, f"{kind} request")
    client = node.create_client(service_type, name)
    if not client.wait_for_service(timeout_sec=_WAIT):
        raise WallOSSError(f"Service {name} does not answer.", "Its node may just have ended.")
    future = client.call_async(request)
    rclpy.spin_until_future_complete(node, future)
    if not future.done():  # interrupted
        return 130
    answer = future.result()
    print(yaml.safe_dump(plain(answer, None), sort_keys=False, allow_unicode=True, width=120), end="")
    return 0 if getattr(answer, "success", True) else 1


def _list(node: Any, args: argparse.Namespace) -> int:
    spin(node, _DISCOVERY)
    for name, kinds in sorted(node.get_service_names_and_types()):
        print(f"{name} [{', '.join(kinds)}]" if args.show_types else name)
    return 0


def _service_class(kind: str) -> Any:
    """The class of ``package/srv/Name``."""
    package, _, name = kind.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.srv"), name)
    except (ImportError, AttributeError) as error:
        raise WallOSSError(
            f"Service type {kind} is not known here.", "Source the workspace that defines it."
        ) from error
