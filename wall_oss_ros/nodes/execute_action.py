# SPDX-License-Identifier: Apache-2.0
"""The action ``execute``: instructions with feedback and a result; each is followed in a thread of its own."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.waiting import WaitingRoom
from wall_oss_ros.uni_cot.plan import APPROVALS, REASONING, Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_runner import PlanRunner
from wall_oss_ros.uni_cot.ticket import Ticket

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from wall_oss_msgs.action import ExecuteInstruction
from wall_oss_msgs.msg import SubtaskPlan

FAREWELL = 2.0  # s that clients are given to have their results when the node is deactivated
RESULTS = 0.3  # s more in which clients that have just had their goal accepted may ask for its result
_LOOK = 0.2  # s between two looks at whether a goal is to be cancelled


class ExecuteAction:
    """Takes goals for a planner.

    Args:
        node: that serves the action.
        runner: follows instructions.
        to_message: a plan's message.
        room: where goals wait for the model while all else goes on.
    """

    def __init__(
        self, node: WallOSSNode, runner: PlanRunner, to_message: Callable[[Plan], SubtaskPlan], room: WaitingRoom
    ):
        self._node, self._runner, self._to_message = node, runner, to_message
        self._goals, self._goal_over = 0, threading.Condition()  # goals that were accepted and are not over
        self._served_until = -math.inf
        node.keep(
            ActionServer(
                room.node, ExecuteInstruction, node.resolve_service_name("execute"), execute_callback=self._execute,
                goal_callback=self._on_goal, cancel_callback=lambda _: CancelResponse.ACCEPT, callback_group=room.group,
            )
        )  # fmt: skip

    @property
    def expects(self) -> bool:
        """Whether clients may still ask for results, of goals that are over."""
        return self._node.steady() < self._served_until

    def expect(self) -> None:
        """The goals under way are about to end."""
        if self._goals:
            self._served_until = self._node.steady() + RESULTS

    def farewell(self) -> None:
        """Waits until clients have their results, for a bounded time."""
        with self._goal_over:
            self._goal_over.wait_for(lambda: not self._goals, FAREWELL)
            left = self._served_until - self._node.steady()  # of goals that ended just now, by this or before it
        time.sleep(min(max(left, 0.0), RESULTS))

    def _on_goal(self, goal) -> GoalResponse:
        if not goal.instruction.strip():
            self._node.get_logger().error("Rejected an empty instruction.")
        elif goal.approval and goal.approval not in APPROVALS:
            known = ", ".join(APPROVALS)
            self._node.get_logger().error(f"Rejected a goal whose approval is {goal.approval!r}; there are {known}.")
        elif goal.reasoning and goal.reasoning not in REASONING:
            known = ", ".join(REASONING)
            self._node.get_logger().error(f"Rejected a goal whose reasoning is {goal.reasoning!r}; there are {known}.")
        else:
            with self._goal_over:
                self._goals += 1  # from now on its client waits for a result
            return GoalResponse.ACCEPT
        return GoalResponse.REJECT

    def _execute(self, handle):
        """Follows one goal to its end; runs in a thread of the room."""
        try:
            goal = handle.request
            return self._follow(handle, self._runner.instruct(goal.instruction, goal.approval, goal.reasoning))
        finally:
            with self._goal_over:
                self._goals -= 1
                self._served_until = self._node.steady() + RESULTS
                self._goal_over.notify_all()

    def _follow(self, handle, ticket: Ticket):
        version = -1
        cancelled = False
        while not ticket.over:
            if handle.is_cancel_requested:
                cancelled = self._runner.cancel("Cancelled by the client of the action.", ticket)
            elif ticket.version != version:
                version = ticket.version
                self._feed_back(handle, ticket)
            else:
                self._runner.follow(ticket, version, timeout=_LOOK)
        plan = ticket.plan
        result = ExecuteInstruction.Result(plan=self._to_message(plan), message=plan.message)
        result.success = plan.status == PlanStatus.SUCCEEDED
        if cancelled:
            handle.canceled()
        elif result.success:
            handle.succeed()
        else:
            handle.abort()
        return result

    def _feed_back(self, handle, ticket: Ticket) -> None:
        plan = ticket.plan
        feedback = ExecuteInstruction.Feedback(index=plan.active, count=len(plan.subtasks), holding=ticket.holding)
        feedback.progress = float(plan.progress)
        feedback.status, feedback.judgement_confidence = SubtaskPlan.NO_PLAN, math.nan
        if ticket.life is not None:
            message = self._to_message(plan)
            feedback.plan_id, feedback.revision, feedback.status = message.plan_id, message.revision, message.status
            feedback.judgement = message.judgement
            feedback.judgement_confidence = message.judgement_confidence
            if plan.active >= 0:
                feedback.active = message.subtasks[plan.active]
        handle.publish_feedback(feedback)
