# SPDX-License-Identifier: Apache-2.0
"""What the commands on a running system share: who is there, and questions to them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from wall_oss_ros.commands.topic_values import spin
from wall_oss_ros.errors import WallOSSError

WAIT = 5.0
"""Seconds for what was named to be found, and for an answer to begin."""
_DISCOVERY = 1.0  # s in which participants on one machine usually find each other
_DISCOVERY_LIMIT = 4.0  # s to wait for others as long as there are none, which a busy machine may need
_ANSWER = 10.0  # s for the answer of a node that has nothing to think about
NamesAndTypes = list[tuple[str, list[str]]]
Found = TypeVar("Found")


def settled(node: Any, look: Callable[[], list[Found]], own: Iterable[Found] = ()) -> list[Found]:
    """What ``look`` gives once others than ``own`` are there and no more of them turn up."""
    before, deadline = None, time.monotonic() + _DISCOVERY_LIMIT
    while True:
        spin(node, _DISCOVERY)
        found = look()
        if (found == before and any(one not in own for one in found)) or time.monotonic() > deadline:
            return found
        before = found


def found(node: Any, look: Callable[[], Iterable[tuple[str, Found]]], name: str, what: str, hint: str) -> Found:
    """What belongs to a name, such as its types, as soon as that has been found.

    Args:
        look: gives names with what belongs to each.
        what: the kind of thing, for the error.

    Raises:
        WallOSSError: it is not there.
    """
    end = time.monotonic() + WAIT
    while name not in (there := dict(look())):
        if time.monotonic() > end:
            alike = [one for one in there if one.endswith(f"/{name.strip('/')}")] or get_close_matches(name, there, 1)
            meant = f" Did you mean {alike[0]}?" if alike else ""
            raise WallOSSError(f"There is no {what} {name}.{meant}", hint)
        spin(node, 0.1)
    return there[name]


def request(node: Any, kind: Any, name: str, request: Any, patience: float | None = _ANSWER) -> Any:
    """A service's answer.

    Args:
        patience: seconds to wait for it; None waits for ever.

    Raises:
        WallOSSError: nobody answers.
    """
    client = node.create_client(kind, name)
    try:
        if not client.wait_for_service(timeout_sec=WAIT):
            raise WallOSSError(f"Service {name} does not answer.", "Its node may just have ended.")
        future = client.call_async(request)
        end = None if patience is None else time.monotonic() + patience
        while not future.done():
            if end is not None and time.monotonic() > end:
                raise WallOSSError(f"Service {name} does not answer.", "Its node hangs, or has just ended.")
            spin(node, 0.05, until=future.done)
        return future.result()
    finally:
        node.destroy_client(client)


def hearing_all(offers: Sequence[Any], depth: int) -> Any:
    """The quality of service with which everything that these publishers send is heard.

    Args:
        offers: their QoS profiles; where there are none, what is heard of any.
        depth: messages that may wait.
    """
    from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

    reliable = bool(offers) and all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
    latched = bool(offers) and all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def visible(entries: NamesAndTypes) -> NamesAndTypes:
    """Those whose names ROS does not hide, by name."""
    return sorted(entry for entry in entries if not any(part.startswith("_") for part in entry[0].split("/")))


def add_list(verbs: Any, what: str) -> None:
    """Adds the verb list, which prints names, and types on demand."""
    show = verbs.add_parser("list", help=f"print the {what}")
    show.add_argument("-t", "--show-types", action="store_true", help="with their types")
    add_json(show)


def add_json(parser: Any) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def print_list(entries: NamesAndTypes, args: Any) -> int:
    """Names, a line each, or with their types as JSON."""
    if args.json:
        print(json.dumps([{"name": name, "types": kinds} for name, kinds in entries], indent=1))
        return 0
    if not entries:
        say_that_nobody_is_there()
    for name, kinds in entries:
        print(f"{name} [{', '.join(kinds)}]" if args.show_types else name)
    return 0


def say_that_nobody_is_there() -> None:
    """On the standard error, since a list that is empty is one."""
    print(f"Nothing is there on ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}.", file=sys.stderr)
