# SPDX-License-Identifier: Apache-2.0
"""Send goals to actions, as `ros2 action` does, of this project's nodes or of any ROS 2 system within reach.

Ctrl-C cancels the goal and waits for what the server says of it.

exit status: 0 the goal succeeded, 1 it did not, 2 bad input or nobody answers, 130 cancelled by Ctrl-C

examples:
  wall-oss action send_goal -f /wall_oss/execute "instruction: put the red cube in the left tray"
  wall-oss action send_goal /wall_oss/go_home wall_oss_msgs/action/Home "{}"
  wall-oss action list -t
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from typing import Any

from wall_oss_ros.commands.graph import WAIT, add_list, found, print_list, settled
from wall_oss_ros.commands.topic_values import (
    absolute,
    fill,
    interface_class,
    plain,
    spin,
    temporary_node,
    type_and_values,
)
from wall_oss_ros.errors import WallOSSError

_FAREWELL = 10.0  # s for a server to say how a goal that was cancelled has ended


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verbs send_goal and list."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    send = verbs.add_parser("send_goal", help="send a goal, and wait for its end")
    send.add_argument("action", help="name of the action, such as /wall_oss/execute")
    send.add_argument(
        "words", nargs="*", metavar="[TYPE] VALUES", help='its type, if one likes, and the goal\'s fields as YAML'
    )  # fmt: skip
    send.add_argument("-f", "--feedback", action="store_true", help="print what the server says meanwhile")
    add_list(verbs, "actions")


def main(args: argparse.Namespace) -> int:
    """Runs a verb.

    Raises:
        WallOSSError: there is no such action, its type is not known here, values do not fit, or nobody answers.
    """
    with temporary_node("action", signals=False) as node:
        return {"send_goal": _send_goal, "list": _list}[args.verb](node, args)


def _list(node: Any, args: argparse.Namespace) -> int:
    from rclpy.action import get_action_names_and_types

    return print_list(settled(node, lambda: sorted(get_action_names_and_types(node))), args)


def _send_goal(node: Any, args: argparse.Namespace) -> int:
    from rclpy.action import ActionClient, get_action_names_and_types

    name = absolute(args.action)
    given, values = type_and_values(args.words, "action")
    known = found(
        node, lambda: get_action_names_and_types(node), name, "action", "`wall-oss action list` prints those there are."
    )
    kind = given or known[0]
    if kind not in known:
        raise WallOSSError(f"The action {name} is of type {', '.join(known)}, not {kind}.", "Leave the type out.")
    action_type = interface_class(kind, "action")
    goal = fill(action_type.Goal(), values, f"{kind} goal")
    client = ActionClient(node, action_type, name)
    end = time.monotonic() + WAIT
    while not client.server_is_ready():
        if time.monotonic() > end:
            raise WallOSSError(f"The action {name} does not answer.", "Its node may just have ended.")
        spin(node, 0.05)
    # An exception in the middle of what rclpy does would leave it unable to hear how the goal ends. And a goal must not
    # go on because its client was ended otherwise than by Ctrl-C.
    interrupted: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: interrupted.append(number))
    feedback = (lambda message: _show("Feedback", message.feedback)) if args.feedback else None
    sent = client.send_goal_async(goal, feedback_callback=feedback)
    if not _wait(node, client, sent, name, interrupted):
        return _cancel(node, sent, None, name, interrupted)
    handle = sent.result()
    if not handle.accepted:
        print("Goal was rejected.", file=sys.stderr)
        return 1
    print(f"Goal accepted with ID: {bytes(handle.goal_id.uuid).hex()}\n", flush=True)
    ended = handle.get_result_async()
    if not _wait(node, client, ended, name, interrupted):
        return _cancel(node, sent, ended, name, interrupted)
    return _tell(ended.result())


def _wait(node: Any, client: Any, future: Any, name: str, interrupted: list[int]) -> bool:
    """Waits for a future as long as the server is there; whether it is done, and nobody has interrupted that."""
    gone_since = None
    while not future.done():
        spin(node, 0.1, until=lambda: future.done() or bool(interrupted))
        if interrupted:
            return False
        gone = not client.server_is_ready()
        gone_since = (gone_since or time.monotonic()) if gone else None
        if gone_since is not None and time.monotonic() - gone_since > WAIT:
            raise WallOSSError(f"The server of {name} has gone: what became of the goal is not known.", "Look at it.")
    return True


def _cancel(node: Any, sent: Any, ended: Any, name: str, interrupted: list[int]) -> int:
    """Takes the goal back, also one that has only just been sent; at the next Ctrl-C it waits no longer."""
    end, times = time.monotonic() + _FAREWELL, len(interrupted)

    def come(future: Any) -> bool:
        while not future.done() and time.monotonic() < end and len(interrupted) == times:
            spin(node, 0.05, until=future.done)
        return future.done()

    said = "Nobody has said whether it was: look at the robot."
    if come(sent) and (handle := sent.result()).accepted:
        cancelling = handle.cancel_goal_async()
        result = handle.get_result_async() if ended is None else ended
        if come(cancelling) and not cancelling.result().goals_canceling and not come(result):
            said = f"{name} does not cancel it."
        if come(result):
            _tell(result.result())
            return 130
    elif sent.done():
        said = "It had been rejected."
    print(f"The goal was to be cancelled. {said}", file=sys.stderr)
    return 130


def _tell(outcome: Any) -> int:
    from action_msgs.msg import GoalStatus

    _show("Result", outcome.result)
    names = {getattr(GoalStatus, name): name for name in dir(GoalStatus) if name.startswith("STATUS_")}
    print(f"Goal finished with status: {names.get(outcome.status, 'unknown').removeprefix('STATUS_')}")
    return 0 if outcome.status == GoalStatus.STATUS_SUCCEEDED else 1


def _show(what: str, message: Any) -> None:
    import yaml

    text = yaml.safe_dump(plain(message, 128), sort_keys=False, allow_unicode=True, width=120)
    print(f"{what}:\n" + "".join(f"    {line}\n" for line in text.splitlines()), flush=True)
