# SPDX-License-Identifier: Apache-2.0
"""Serves the page of a running system: the robot, its cameras, the plan with its approval and edits, Stop, and plots.

It starts nothing else, and the system goes on when it ends. Any number of people may look; one of them drives, and Stop
is for all. On this machine alone unless --host says otherwise; then browsers must show a token, which is read from
--token-file or the variable WALL_OSS_TOKEN, or else made and printed in the address.

exit status: 0 ended by Ctrl-C or SIGTERM, 2 bad input

examples:
  wall-oss page --sim
  wall-oss page --robot ur:ur10e
  wall-oss page --robot franka --host 0.0.0.0 --token-file ~/.wall_oss_token
"""

from __future__ import annotations

import argparse
import json

from wall_oss_ros.commands.arguments import folder, text, whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--robot", type=text, default="franka", help="profile in config/robots, or a path (default: %(default)s)")
    add("--sim", action="store_true", help="the system's time is simulated")
    add("--host", type=text, default="127.0.0.1", help="address to serve on; 0.0.0.0 for all (default: %(default)s)")
    add("--port", type=whole(1, 65535), default=8080, metavar="N", help="of the page (default: %(default)s)")
    add("--token-file", type=folder, metavar="FILE", help="with the token that browsers must show")
    add("--namespace", type=text, metavar="NS", help="the robot's, as the launch argument of that name")
    add("--no-cameras", action="store_true", help="show the model's views instead of the cameras' whole pictures")
    add("--domain", type=whole(0, 232), metavar="N", help="ROS domain (default: ROS_DOMAIN_ID, or 0)")


def main(args: argparse.Namespace) -> int:
    """Serves until it is told to end.

    Raises:
        WallOSSError: no such robot, port, token file or namespace.
    """
    from wall_oss_ros.bringup.remappings import remappings
    from wall_oss_ros.commands.domain import set_domain
    from wall_oss_ros.robots.profile import load_profile

    set_domain(args.domain)
    names = remappings(load_profile(args.robot), args.namespace or "")
    values = {
        "robot": args.robot, "use_sim_time": args.sim, "host": args.host, "port": args.port,
        "cameras": not args.no_cameras, "token_file": str(args.token_file or ""),
    }  # fmt: skip
    given = ["--ros-args", *(word for old, new in names for word in ("-r", f"{old}:={new}"))]
    if args.namespace:
        given += ["-r", f"__ns:=/{args.namespace}/wall_oss"]
    given += [word for name, value in values.items() for word in ("-p", f"{name}:={json.dumps(value)}")]

    from wall_oss_ros.nodes.running import run
    from wall_oss_ros.page.node import PageNode

    host = f"[{args.host}]" if ":" in args.host else args.host
    print(f"page: http://{host}:{args.port} · Ctrl-C ends it", flush=True)
    return run(PageNode, arguments=given)
