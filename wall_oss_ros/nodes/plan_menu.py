# SPDX-License-Identifier: Apache-2.0
"""The plan's menu in rviz: approve, refuse, skip, cancel, stop and resume by a click with the right button.

An interactive marker, so that no panel has to be built for each distribution of rviz. What is chosen of a plan is for
the revision that was shown: each new one has entries with new numbers, and an old number does nothing. Stop and resume
keep theirs: a menu that was open while the plan changed stops all the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from wall_oss_ros.nodes.lifecycle_node import WallOSSNode

from geometry_msgs.msg import Point
from rclpy.task import Future
from std_msgs.msg import ColorRGBA
from std_srvs.srv import Trigger
from visualization_msgs.msg import (
    InteractiveMarker,
    InteractiveMarkerControl,
    InteractiveMarkerFeedback,
    Marker,
    MenuEntry,
)
from wall_oss_msgs.msg import Subtask, SubtaskPlan
from wall_oss_msgs.srv import ApprovePlan, EditPlan

try:
    from interactive_markers import InteractiveMarkerServer
except ImportError:  # not installed, or the embedded library
    from wall_oss_ros.nodes.interactive_server import InteractiveMarkerServer

NAME, MARKER = "plan_menu", "plan"
BY = "a person at rviz"  # who it was, in the plan's history
ANSWER_TIME = 1.0  # s that somebody who is called may take, before that is said
SHOWN_FOR = 10.0  # s that an answer stays in sight
_LONGEST = 60  # characters of a subtask in the menu
_SIZE = 0.06  # m
_COLOURS = {True: (1.0, 0.75, 0.1), False: (0.35, 0.55, 0.85)}  # by whether the plan awaits approval


@dataclass(frozen=True)
class Choice:
    """An entry: its words, what it calls (a service, with the request), and its number if that never changes."""

    title: str
    service: str
    request: object
    number: int = 0


def choices(plan: SubtaskPlan | None) -> list[Choice]:
    """What the menu offers for a plan; Stop in any case, and first."""
    found = [Choice("STOP", "stop", Trigger.Request(), number=1)]
    if plan is not None and plan.status in (SubtaskPlan.AWAITING_APPROVAL, SubtaskPlan.RUNNING):
        seen = {"plan_id": plan.plan_id, "revision": plan.revision, "name": BY}
        if plan.status == SubtaskPlan.AWAITING_APPROVAL:
            for words, approve in (("Approve", True), ("Refuse", False)):
                request = ApprovePlan.Request(approve=approve, **seen)
                found.append(Choice(f"{words} plan {plan.plan_id}", "approve_plan", request))
        for index, subtask in enumerate(plan.subtasks):
            if subtask.status in (Subtask.PENDING, Subtask.ACTIVE):
                words = subtask.text if len(subtask.text) <= _LONGEST else f"{subtask.text[: _LONGEST - 1]}…"
                skip = EditPlan.Request(edit=EditPlan.Request.SKIP, index=index, **seen)
                found.append(Choice(f"Skip: {words}", "edit_plan", skip))
        found.append(Choice("Cancel the instruction", "cancel_plan", Trigger.Request()))
    found.append(Choice("Resume", "resume", Trigger.Request(), number=2))
    return found


def menu_marker(
    entries: dict[int, Choice], frame: str, place: tuple[float, float, float], awaits: bool
) -> InteractiveMarker:
    """A ball with the menu.

    Args:
        entries: by number.
        frame, place: where it is, m.
        awaits: whether somebody is to look at it.
    """
    marker = InteractiveMarker(name=MARKER, scale=3 * _SIZE)
    marker.header.frame_id = frame  # with a zero stamp, rviz uses the newest transform
    marker.description = "right click: the plan awaits approval" if awaits else "right click: the plan"
    marker.pose.position = Point(x=float(place[0]), y=float(place[1]), z=float(place[2]))
    marker.pose.orientation.w = 1.0
    marker.menu_entries = [
        MenuEntry(id=number, title=choice.title, command_type=MenuEntry.FEEDBACK) for number, choice in entries.items()
    ]
    ball = Marker(type=Marker.SPHERE, action=Marker.ADD)
    ball.pose.orientation.w = 1.0
    ball.scale.x = ball.scale.y = ball.scale.z = _SIZE
    red, green, blue = _COLOURS[awaits]
    ball.color = ColorRGBA(r=red, g=green, b=blue, a=0.9)
    control = InteractiveMarkerControl(name="menu", always_visible=True, markers=[ball])
    control.interaction_mode = InteractiveMarkerControl.MENU
    control.orientation.w = 1.0
    marker.controls = [control]
    return marker


class PlanMenu:
    """Keeps the marker up to date, and calls what is chosen; its methods belong to the node's thread.

    Args:
        node: that offers it; it is active.
        frame: the robot's base frame.
        said: told what was chosen and what came of it.
    """

    def __init__(self, node: WallOSSNode, frame: str, said: Callable[[str], None]):
        self._node, self._frame, self._said = node, frame, said
        self._numbers = itertools.count(10)
        self._entries: dict[int, Choice] = {}
        self._shown: tuple | None = None
        self._waiting: dict[Future, tuple[str, float]] = {}  # answers that are waited for, and since when
        self._server = InteractiveMarkerServer(node, NAME)
        node.keep(self._server, lambda server: server.shutdown())
        kinds = {"approve_plan": ApprovePlan, "edit_plan": EditPlan}
        names = ("stop", "resume", "cancel_plan", "approve_plan", "edit_plan")
        self._clients = {name: node.create_client(kinds.get(name, Trigger), name) for name in names}
        for client in self._clients.values():
            node.keep(client, node.destroy_client)

    def show(self, plan: SubtaskPlan | None, place: tuple[float, float, float]) -> None:
        """Brings the menu up to date, where anything in it has changed.

        Args:
            plan: the newest; None where there is none, or it may not be the present.
            place: of the ball, m.
        """
        offered = choices(plan)
        key = place, [(choice.title, choice.request) for choice in offered]
        if key == self._shown:
            return
        self._shown = key
        self._entries = {choice.number or next(self._numbers): choice for choice in offered}
        awaits = plan is not None and plan.status == SubtaskPlan.AWAITING_APPROVAL
        self._server.insert(menu_marker(self._entries, self._frame, place, awaits), feedback_callback=self._on_feedback)
        self._server.applyChanges()

    def look(self) -> None:
        """Says who has not answered; to be called several times a second."""
        now = self._node.steady()
        for future, (title, since) in list(self._waiting.items()):
            if now - since > ANSWER_TIME:
                del self._waiting[future]
                self._tell(f"{title}: nobody has answered for {ANSWER_TIME:g} s")

    def _on_feedback(self, feedback: InteractiveMarkerFeedback) -> None:
        if feedback.event_type != InteractiveMarkerFeedback.MENU_SELECT:
            return
        choice = self._entries.get(feedback.menu_entry_id)
        if choice is None:
            self._tell("the plan has changed meanwhile: look at it again")
            return
        client = self._clients[choice.service]
        if not client.service_is_ready():
            self._tell(f"{choice.title}: nobody answers, there is no {client.srv_name}")
            return
        future = client.call_async(choice.request)
        self._waiting[future] = choice.title, self._node.steady()
        future.add_done_callback(partial(self._on_answer, choice.title))

    def _on_answer(self, title: str, future: Future) -> None:
        self._waiting.pop(future, None)
        if not future.cancelled() and future.exception() is None:
            answer = future.result()
            self._tell(f"{title}: {answer.message or ('done' if answer.success else 'refused')}")

    def _tell(self, words: str) -> None:
        self._node.get_logger().info(f"rviz: {words}")
        self._said(words)
