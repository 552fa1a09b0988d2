# SPDX-License-Identifier: Apache-2.0
"""Looks a robot over before anything moves: its profile, and with --live the running system as well.

The profile: home, workspace, gripper, two hands together, simulation. The running system: topics, their rates and
ages, joints, cameras, controllers, who commands, gripper, force, description, tf, checkpoint. It listens for a few
seconds and publishes nothing. On ROS 2, `ros2 run wall_oss_ros check --robot ROBOT` is the running system alone.

exit status: 0 all is well, 1 something is not (its line says what to do), 2 it cannot be looked at

examples:
  wall-oss check my_robot.yaml
  wall-oss check franka --live
  wall-oss check ur:ur10e --live --seconds 10 --json
  ros2 run wall_oss_ros check --robot ur:ur10e
"""

from __future__ import annotations

import argparse
import json
import sys

from wall_oss_ros.commands.arguments import Parser, number, text, whole

_ROBOT = "a profile in config/robots, with :variant where it has some, or a path"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("robot", type=text, metavar="ROBOT", help=_ROBOT)
    parser.add_argument("--live", action="store_true", help="look at the running system, too")
    parser.add_argument("--domain", type=whole(0, 232), metavar="N", help="ROS domain (default: ROS_DOMAIN_ID, or 0)")
    _add_live_arguments(parser)


def _add_live_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=number(0.5, 600), default=5.0, metavar="S", help="how long to listen (default: %(default)g)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument("--model", type=text, metavar="DIR", help="a checkpoint: its folder, or owner/name on the hub"
                        " (default: what the action expert runs, or the one that ships)")  # fmt: skip
    parser.add_argument("--mock", action="store_true", help="the driver runs without a robot (use_mock_hardware:=true)")
    parser.add_argument("--namespace", default="", metavar="NAME", help="as the launch argument namespace")
    parser.add_argument("--cameras", default="", metavar="CAMERAS", help="as the launch argument cameras")
    parser.add_argument("--controller", default="", metavar="NAME", help="as the launch argument controller")
    parser.add_argument("--base-topic", default="", metavar="TOPIC", help="as the launch argument base_topic")


def main(args: argparse.Namespace) -> int:
    """Prints what is found; 0 when all is well, 1 when something is not.

    Raises:
        WallOSSError: the profile is refused, or the arguments make no sense.
    """
    from wall_oss_ros.commands.profile_check import look_over
    from wall_oss_ros.robots.profile import load_profile

    found = list(look_over(load_profile(args.robot)))
    if not args.json:
        for well, line in found:
            print(f"{'  ' if well else '! '}{line}")
    answer: dict = {"profile": [{"well": well, "line": line} for well, line in found]}
    wrong = not all(well for well, _ in found)
    if args.live:
        from wall_oss_ros.commands.domain import set_domain

        set_domain(args.domain)
        if not args.json:
            sys.stdout.flush()
            print(f"\nlistening for {args.seconds:g} s ...", file=sys.stderr)
        findings = look(args)
        answer["live"], wrong = _show(findings, args.json), _wrong(findings) or wrong
    if args.json:
        print(json.dumps(answer, indent=1))
    return int(wrong)


def look(args: argparse.Namespace, ros_arguments: list[str] | None = None) -> list:
    """Listens to the running system and judges it.

    Raises:
        WallOSSError: the profile is refused, or the arguments make no sense.
    """
    from wall_oss_ros.commands.live.judge import judge
    from wall_oss_ros.commands.live.listen import in_graph, listener
    from wall_oss_ros.robots.cameras import with_cameras
    from wall_oss_ros.robots.profile import load_profile

    namespace = args.namespace.strip("/")
    profile = with_cameras(load_profile(args.robot), args.cameras)
    profile = in_graph(profile, namespace, args.controller, args.base_topic)
    with listener(profile, namespace, ros_arguments) as ear:
        facts = ear.listen(args.seconds)
        return judge(profile, facts, ear.ours, args.mock, args.model)


def _show(findings: list, quiet: bool) -> list[dict[str, str]]:
    from wall_oss_ros.commands.live.table import as_json, table

    if not quiet:
        print(table(findings))
    return as_json(findings)


def _wrong(findings: list) -> bool:
    from wall_oss_ros.commands.live.table import status

    return bool(status(findings))


def ros_main(argv: list[str] | None = None) -> int:
    """The executable ``check`` of ``ros2 run``: the running system alone; 2 where it cannot be looked at."""
    from wall_oss_ros.errors import WallOSSError

    words = list(sys.argv[1:] if argv is None else argv)
    at = words.index("--ros-args") if "--ros-args" in words else len(words)
    own, ros = words[:at], words[at:]
    if "--" in ros:  # what follows is ours again
        own, ros = own + ros[ros.index("--") + 1 :], ros[: ros.index("--")]
    parser = Parser(prog="check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--robot", type=text, default="franka", metavar="ROBOT", help=f"{_ROBOT} (default: %(default)s)"
    )
    _add_live_arguments(parser)
    try:
        args = parser.parse_args(own)
        findings = look(args, ros)
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    answer = _show(findings, args.json)
    if args.json:
        print(json.dumps({"live": answer}, indent=1))
    return int(_wrong(findings))


if __name__ == "__main__":
    sys.exit(ros_main())
