# SPDX-License-Identifier: Apache-2.0
"""Publish and watch topics, as `ros2 topic` does, of this project's nodes or of any ROS 2 system within reach.

examples:
  wall-oss topic list -t
  wall-oss topic echo /wall_oss/plan
  wall-oss topic echo --once --field subtasks /wall_oss/plan
  wall-oss topic pub --once /wall_oss/instruction std_msgs/msg/String "data: put the red cube in the left tray"
  wall-oss topic hz /face_camera/color/image_raw
  wall-oss topic info -v /wall_oss/plan
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import deque
from typing import Any

from wall_oss_ros.commands.arguments import number, text, whole
from wall_oss_ros.commands.graph import add_json, add_list, found, hearing_all, print_list, settled, visible
from wall_oss_ros.commands.topic_values import absolute, fill, message_class, pick, plain, spin, temporary_node

_DISCOVERY = 1.0  # s in which participants on one machine usually find each other
_TOPICS = "`wall-oss topic list` prints those there are; where its type matters, give that after the name."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verbs pub, echo, list, hz and info."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)

    pub = verbs.add_parser("pub", help="publish a message")
    pub.add_argument("topic", help="name of the topic, such as /wall_oss/instruction")
    pub.add_argument("type", help="its type, such as std_msgs/msg/String")
    values_help = 'fields as YAML, such as "data: hello"; others keep 0 or empty'
    pub.add_argument("values", nargs="*", help=values_help)
    pub.add_argument(
        "-r", "--rate", type=number(1e-3, 1e6), default=1.0, metavar="HZ", help="messages per second (default 1)"
    )
    pub.add_argument("-1", "--once", action="store_true", help="publish one message and leave")
    pub.add_argument(
        "-t", "--times", type=whole(1, 1_000_000_000), default=0, metavar="N", help="publish N messages and leave"
    )
    pub.add_argument(
        "-w", "--wait-matching-subscriptions", type=whole(0, 1_000_000), metavar="N",
        help="wait for N subscriptions first (default 1 with --once or --times, otherwise 0)",
    )  # fmt: skip

    echo = verbs.add_parser("echo", help="print the messages of a topic")
    echo.add_argument("topic", help="name of the topic")
    echo.add_argument("type", nargs="?", help="its type; found out if not given")
    echo.add_argument("--once", action="store_true", help="print one message and leave")
    echo.add_argument(
        "--field", type=text, metavar="NAME", help="print one field only, such as header.stamp or subtasks"
    )
    echo.add_argument("-f", "--full-length", action="store_true", help="do not shorten long arrays and strings")

    add_list(verbs, "topics")

    hz = verbs.add_parser("hz", help="print the rate of a topic")
    hz.add_argument("topic", help="name of the topic")
    hz.add_argument(
        "-w",
        "--window",
        type=whole(1, 1_000_000_000),
        default=10000,
        metavar="N",
        help="average over the last N messages",
    )

    info = verbs.add_parser("info", help="print a topic's type, and who publishes and subscribes")
    info.add_argument("topic", help="name of the topic")
    info.add_argument("-v", "--verbose", action="store_true", help="with their nodes and quality of service")
    add_json(info)


def main(args: argparse.Namespace) -> int:
    """Runs a verb.

    Raises:
        WallOSSError: unknown type or topic, or values that do not fit.
    """
    with temporary_node("topic") as node:
        from rclpy.executors import ExternalShutdownException

        try:
            verbs = {"pub": _pub, "echo": _echo, "list": _list, "hz": _hz, "info": _info}
            return verbs[args.verb](node, args)
        except ExternalShutdownException:
            return 0


# Verbs


def _pub(node: Any, args: argparse.Namespace) -> int:
    from rclpy.duration import Duration
    from rclpy.qos import DurabilityPolicy, QoSProfile

    message_type = message_class(args.type)
    message = fill(message_type(), " ".join(args.values) or "{}", args.type)
    known = dict(node.get_topic_names_and_types()).get(absolute(args.topic), [])
    # Latched, as ros2 topic pub does it: a subscription that comes late still gets the last message.
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = node.create_publisher(message_type, args.topic, qos)
    times = 1 if args.once else args.times
    wanted = args.wait_matching_subscriptions
    _await_subscriptions(node, publisher, (1 if times else 0) if wanted is None else wanted)
    if known and args.type not in known:
        print(f"warning: {args.topic} has type {', '.join(known)} elsewhere", file=sys.stderr)
    print("publisher: beginning loop")
    count = 0
    next_time = time.monotonic()
    while not times or count < times:
        count += 1
        print(f"publishing #{count}: {message!r}\n", flush=True)
        publisher.publish(message)
        next_time += 1.0 / args.rate
        if not times or count < times:
            spin(node, max(0.0, next_time - time.monotonic()))
    publisher.wait_for_all_acked(Duration(seconds=2))
    return 0


def _echo(node: Any, args: argparse.Namespace) -> int:
    import yaml

    import rclpy

    name = args.type or _discover_type(node, args.topic)
    message_type = message_class(name)
    if args.field:
        pick(message_type(), args.field, check_only=True)
    printed = []

    def show(message: Any) -> None:
        if args.once and printed:
            return
        value = pick(message, args.field) if args.field else message
        content = plain(value, None if args.full_length else 128)
        flow = None if args.field else False
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=flow)
        printed.append(True)
        print(f"{text.removesuffix('...' + chr(10)).rstrip()}\n---", flush=True)

    node.create_subscription(message_type, args.topic, show, _matching_qos(node, args.topic))
    while not (args.once and printed):
        rclpy.spin_once(node)
    return 0


def _list(node: Any, args: argparse.Namespace) -> int:
    own = visible(node.get_publisher_names_and_types_by_node(node.get_name(), node.get_namespace()))
    return print_list(settled(node, lambda: visible(node.get_topic_names_and_types()), own), args)


def _info(node: Any, args: argparse.Namespace) -> int:
    name = absolute(args.topic)
    kinds = found(node, node.get_topic_names_and_types, name, "topic", _TOPICS)
    spin(node, _DISCOVERY)
    sides = {
        "Publisher": node.get_publishers_info_by_topic(name),
        "Subscription": node.get_subscriptions_info_by_topic(name),
    }
    if args.json:
        told = {f"{side.lower()}s": [_endpoint(one) for one in ends] for side, ends in sides.items()}
        print(json.dumps({"name": name, "types": kinds, **told}, indent=1))
        return 0
    print(f"Type: {', '.join(kinds)}")
    for side, ends in sides.items():
        print(f"{side} count: {len(ends)}")
        for one in ends if args.verbose else ():
            print(*(f"  {key}: {value}" for key, value in _endpoint(one).items()), "", sep="\n")
    return 0


def _endpoint(one: Any) -> dict[str, str]:
    qos = one.qos_profile
    return {
        "node": f"{one.node_namespace.rstrip('/')}/{one.node_name}",
        "type": one.topic_type,
        "reliability": qos.reliability.name.lower(),
        "durability": qos.durability.name.lower(),
    }


def _hz(node: Any, args: argparse.Namespace) -> int:
    arrivals: deque[float] = deque(maxlen=args.window + 1)
    message_type = message_class(_discover_type(node, args.topic))
    qos = _matching_qos(node, args.topic)
    node.create_subscription(message_type, args.topic, lambda _: arrivals.append(time.monotonic()), qos, raw=True)
    reported = 0.0
    while True:
        spin(node, 1.0)
        if len(arrivals) < 2 or arrivals[-1] == reported:
            print("no new messages", file=sys.stderr)
            continue
        reported = arrivals[-1]
        print(_rate_report(list(arrivals)), flush=True)


def _rate_report(arrivals: list[float]) -> str:
    """ros2 topic hz's two lines for arrival times in s."""
    gaps = [later - earlier for earlier, later in zip(arrivals, arrivals[1:])]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    return (
        f"average rate: {1.0 / mean:.3f}\n"
        f"\tmin: {min(gaps):.3f}s max: {max(gaps):.3f}s std dev: {deviation:.5f}s window: {len(gaps) + 1}"
    )


# Discovery, quality of service


def _await_subscriptions(node: Any, publisher: Any, wanted: int) -> None:
    reported = 0.0
    while (there := publisher.get_subscription_count()) < wanted:
        if time.monotonic() - reported > 1.0:
            waiting = f"Waiting for at least {wanted} matching subscription(s)... ({there} there)"
            print(waiting, file=sys.stderr)
            reported = time.monotonic()
        spin(node, 0.05)


def _discover_type(node: Any, topic: str) -> str:
    return found(node, node.get_topic_names_and_types, absolute(topic), "topic", _TOPICS)[0]


def _matching_qos(node: Any, topic: str) -> Any:
    """What the publishers there offer, so that everything they send arrives."""
    deadline = time.monotonic() + _DISCOVERY
    while not (publishers := node.get_publishers_info_by_topic(topic)) and time.monotonic() < deadline:
        spin(node, 0.05)
    return hearing_all([publisher.qos_profile for publisher in publishers], depth=10)
