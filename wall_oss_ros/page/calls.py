# SPDX-License-Identifier: Apache-2.0
"""What the page asks of the other nodes: services and the action, called in the node's thread, waited for by nobody."""

from __future__ import annotations

import queue
from collections.abc import Callable

from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.page.requests import EDITS, Request

from rclpy.action import ActionClient
from rclpy.task import Future
from std_srvs.srv import Trigger
from wall_oss_msgs.action import ExecuteInstruction
from wall_oss_msgs.srv import ApprovePlan, Ask, EditPlan

Reply = Callable[[str, str], None]
_OF_CONTROL, _OF_PLANNER, _OF_SIMULATOR = "the control node", "the planner", "a simulator"
_TRIGGERS = {
    "stop": ("stop", _OF_CONTROL), "resume": ("resume", _OF_CONTROL), "home": ("home", _OF_CONTROL),
    "cancel": ("cancel_plan", _OF_PLANNER), "scene": ("/simulation/reset", _OF_SIMULATOR),
}  # fmt: skip
_OTHERS = {"approve": ("approve_plan", ApprovePlan), "edit": ("edit_plan", EditPlan), "ask": ("ask", Ask)}


class Calls:
    """The clients of one node. ``do`` may be called from any thread; ``close`` belongs to the node's.

    Args:
        node: whose clients they are; it is active.
    """

    def __init__(self, node: WallOSSNode):
        self._node = node
        self._waiting: queue.SimpleQueue[tuple[Request, str, Reply]] = queue.SimpleQueue()
        self._clients = {what: node.create_client(Trigger, name) for what, (name, _) in _TRIGGERS.items()}
        self._clients |= {what: node.create_client(kind, name) for what, (name, kind) in _OTHERS.items()}
        self._execute = ActionClient(node, ExecuteInstruction, "execute")
        # Wakes the executor at once, whatever else the node waits for.
        self._guard = node.create_guard_condition(self._handle)
        self.closed = False

    def close(self) -> None:
        """Gives everything back."""
        self.closed = True
        self._node.destroy_guard_condition(self._guard)
        for client in self._clients.values():
            self._node.destroy_client(client)
        self._execute.destroy()

    def do(self, request: Request, who: str, reply: Reply) -> None:
        """Has a request done; ``reply`` is told the tone and the words of the answer, in the node's thread."""
        if self.closed:
            reply("bad", "the page's node is not active")
            return
        self._waiting.put((request, who, reply))
        self._guard.trigger()

    def _handle(self) -> None:
        while not self._waiting.empty():
            request, who, reply = self._waiting.get()
            try:
                self._begin(request, who, reply)
            except Exception as error:  # of the middleware; the page goes on
                reply("bad", f"could not be asked: {type(error).__name__}: {error}")

    def _begin(self, request: Request, who: str, reply: Reply) -> None:
        what, values = request.what, request.values
        if what == "instruct":
            self._instruct(values["text"], reply)
        elif what in ("approve", "refuse"):
            call = ApprovePlan.Request(plan_id=values["plan"], revision=values["revision"], approve=what == "approve")
            call.reason, call.name = values["why"], who
            self._call("approve", _OF_PLANNER, call, reply)
        elif what == "edit":
            call = EditPlan.Request(plan_id=values["plan"], revision=values["revision"], texts=values["texts"])
            call.edit, call.index, call.to = EDITS.index(values["edit"]), values["index"], values["to"]
            call.name, call.why = who, values["why"]
            self._call("edit", _OF_PLANNER, call, reply)
        elif what == "ask":
            self._call("ask", _OF_PLANNER, Ask.Request(question=values["text"]), reply)
        else:
            self._call(what, _TRIGGERS[what][1], Trigger.Request(), reply)

    def _call(self, what: str, whose: str, request, reply: Reply) -> None:
        client = self._clients[what]
        if not client.service_is_ready():
            self._nobody(client.srv_name, whose, reply)
            return
        client.call_async(request).add_done_callback(lambda done: self._on_answer(done, reply))

    def _instruct(self, text: str, reply: Reply) -> None:
        if not self._execute.server_is_ready():
            self._nobody("execute", _OF_PLANNER, reply)
            return
        sent = self._execute.send_goal_async(ExecuteInstruction.Goal(instruction=text))
        sent.add_done_callback(lambda done: self._on_goal(done, reply))

    def _nobody(self, name: str, whose: str, reply: Reply) -> None:
        reply("bad", f"nobody answers: {whose} that offers {name} is not there")
        self._node.get_logger().error(f"Nobody offers {name}; what was asked for on the page had no effect.")

    @staticmethod
    def _on_answer(done: Future, reply: Reply) -> None:
        if done.cancelled() or done.exception() is not None:
            reply("bad", "the call ended without an answer")
            return
        answer = done.result()
        words = answer.answer if getattr(answer, "answer", "") else answer.message
        reply("good" if answer.success else "bad", words or ("done" if answer.success else "refused without a word"))

    @staticmethod
    def _on_goal(done: Future, reply: Reply) -> None:
        if done.cancelled() or done.exception() is not None:
            reply("bad", "the goal was sent, and nobody said that it was accepted")
        elif done.result().accepted:
            reply("good", "accepted")
        else:
            reply("bad", "the planner has rejected it")
