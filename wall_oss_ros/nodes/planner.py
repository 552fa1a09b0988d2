# SPDX-License-Identifier: Apache-2.0
"""Node planner: an instruction in; a plan in the model's words out, followed to its end by the model's judgement."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import observation_from, plan_message, transform_pose
from wall_oss_ros.nodes.lifecycle_node import ERROR, OK, WARN, WallOSSNode
from wall_oss_ros.nodes.parameters import POLICY_PARAMETERS, Parameter, load_policy
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST, SENSOR
from wall_oss_ros.nodes.running import run
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.uni_cot.grounding import SubtaskLocator
from wall_oss_ros.uni_cot.plan import Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_runner import PlanRunner
from wall_oss_ros.uni_cot.planner import PlannerSettings, UniCoTPlanner

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String
from tf2_ros import Buffer, TransformException, TransformListener
from wall_oss_msgs.action import ExecuteInstruction
from wall_oss_msgs.msg import Observation, SubtaskPlan
from wall_oss_msgs.srv import ApprovePlan, Ask

HEARTBEAT = 1.0  # s: the plan is repeated, so that control knows that the planner lives
_DEFAULTS = PlannerSettings()


class PlannerNode(WallOSSNode):
    """Topics ``instruction`` and ``observation`` in, ``plan`` (latched) out; action ``execute``; services ``ask`` and
    ``approve_plan``.

    Args:
        policy_loader: gives the policy for the values of ``POLICY_PARAMETERS`` and the robot's profile.
    """

    PARAMETERS = (
        *POLICY_PARAMETERS,
        Parameter("require_approval", False, "Whether a plan waits for the service approve_plan before the arm moves."),
        Parameter("progress_rate_hz", 2.0, "How often the model judges progress, at most, Hz.", 0.1, 20.0),
        Parameter("confirmations", _DEFAULTS.confirmations, "Equal answers in a row before the plan moves on.", 1, 20),
        Parameter("stray_answers", _DEFAULTS.stray_answers, "Answers in a row that are not in the plan before it is"
                  " made anew.", 1, 100),
        Parameter("replans", _DEFAULTS.replans, "How often a plan is made anew before it counts as failed.", 0, 100),
        Parameter("subtask_timeout_s", _DEFAULTS.subtask_timeout_s, "Longest time for one subtask, s.", 1.0, 3600.0),
        Parameter("observation_timeout_s", 5.0, "How long an instruction waits for an observation, s.", 0.1, 60.0),
        Parameter("point", True, "Whether the model is asked, once, where the object of each subtask is, to show it."),
        Parameter("ask_timeout_s", 20.0, "How long the service ask waits for the model, s.", 0.1, 600.0, live=True),
    )  # fmt: skip

    def __init__(self, policy_loader: Callable = load_policy, **options):
        super().__init__("planner", **options)
        self._load_policy = policy_loader

    def setup(self) -> None:
        self._profile = load_profile(self.value("robot"))
        parameters = (self.value(parameter.name) for parameter in POLICY_PARAMETERS)
        self._policy = self._load_policy(*parameters, self._profile)
        self._policy.warm_up()
        self._plan_out = self.publish_to(SubtaskPlan, "plan", LATCHED)

    def start(self) -> None:
        # As last published. A new planner says that it has none, to those who still follow the plan of one that died.
        self._message = self._to_message(Plan(0, "", status=PlanStatus.CANCELLED))
        self._observed: float | None = None  # when the last observation came, s of steady time
        self._unusable = ""
        self._locator = SubtaskLocator(self._policy, self._profile)
        settings = PlannerSettings(
            confirmations=self.value("confirmations"),
            stray_answers=self.value("stray_answers"),
            replans=self.value("replans"),
            subtask_timeout_s=self.value("subtask_timeout_s"),
        )
        self._runner = PlanRunner(
            UniCoTPlanner(self._policy, settings),
            self._policy.ask,
            self.now,
            self._on_change,
            period=1.0 / self.value("progress_rate_hz"),
            approval=self.value("require_approval"),
            patience=self.value("observation_timeout_s"),
            locate=self._locate if self.value("point") else lambda *_: None,
        )
        if self.value("point"):
            self._transforms = Buffer()
            self.keep(TransformListener(self._transforms, self), TransformListener.unregister)
            self.listen(CameraInfo, self._locator.view.camera_info_topic, self._on_camera_info, SENSOR)
        # The action and the questions wait for the model, in threads of the executor, while all else goes on.
        waiting = ReentrantCallbackGroup()
        self.listen(Observation, "observation", self._on_observation, NEWEST)
        self.listen(String, "instruction", self._on_instruction, EVENTS)
        self.serve(ApprovePlan, "approve_plan", self._on_approve)
        self.serve(Ask, "ask", self._on_ask, callback_group=waiting)
        self.keep(
            ActionServer(
                self, ExecuteInstruction, "execute", execute_callback=self._execute, goal_callback=self._on_goal,
                cancel_callback=lambda _: CancelResponse.ACCEPT, callback_group=waiting,
            )
        )  # fmt: skip
        self._repeat()
        self.every(HEARTBEAT, self._repeat)

    def stop(self) -> None:
        self._runner.close()

    def diagnose(self):
        message = self._message
        values = {"plan_id": message.plan_id}
        if self._unusable:
            return ERROR, self._unusable, values
        if self._observed is None or self.steady() - self._observed > 2.0:
            return WARN, "no observations", values
        if not message.plan_id:
            return OK, "no instruction yet", values
        status = PlanStatus(message.status).label
        return OK, f"plan {message.plan_id} {status}: {message.message or message.instruction}", values

    # Input.

    def _on_observation(self, message: Observation) -> None:
        try:
            self._runner.observe(observation_from(message))
            self._locator.joints = dict(zip(message.joint_names, message.joint_positions))
        except WallOSSError as error:
            self._unusable = str(error)
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
        else:
            self._observed, self._unusable = self.steady(), ""

    def _on_camera_info(self, message: CameraInfo) -> None:
        if message.k[0] > 0 and message.k[4] > 0:  # zeros say that it is not calibrated
            self._locator.intrinsics = np.reshape(message.k, (3, 3)), (message.height, message.width)

    def _on_instruction(self, message: String) -> None:
        self.get_logger().info(f"Instruction: {message.data!r}")
        self._runner.instruct(message.data)

    def _on_approve(self, request, response):
        response.success, response.message = self._runner.approve(request.plan_id, request.approve, request.reason)
        return response

    def _on_ask(self, request, response):
        answer, response.message = self._runner.ask(request.question, self.value("ask_timeout_s"))
        response.success, response.answer = answer is not None, answer or ""
        return response

    def _on_goal(self, goal) -> GoalResponse:
        if goal.instruction.strip():
            return GoalResponse.ACCEPT
        self.get_logger().error("Rejected an empty instruction.")
        return GoalResponse.REJECT

    def _execute(self, handle):
        """Follows one goal of the action to its end; runs in a thread of the executor."""
        result = ExecuteInstruction.Result()
        ticket = self._runner.instruct(handle.request.instruction)
        last: Plan | None = None
        cancelled = False
        while True:
            plan = self._runner.follow(ticket, last, timeout=0.2)
            if plan is not None and plan is not last:
                last = plan
                self._feed_back(handle, plan)
            if ticket.over or not self.active:
                break
            if handle.is_cancel_requested:
                cancelled = self._runner.cancel("Cancelled by the client of the action.", ticket)
        plan = ticket.plan
        if plan is not None:
            result.plan = self._to_message(plan)
        without_plan = "Cancelled before there was a plan." if cancelled else "Replaced by another instruction."
        result.message = without_plan if plan is None else plan.message
        result.success = plan is not None and plan.status == PlanStatus.SUCCEEDED
        if cancelled and handle.is_cancel_requested:
            handle.canceled()
        elif result.success:
            handle.succeed()
        else:
            handle.abort()
        return result

    def _feed_back(self, handle, plan: Plan) -> None:
        message = self._to_message(plan)
        feedback = ExecuteInstruction.Feedback(index=plan.active, count=len(plan.subtasks))
        feedback.progress = float(plan.progress)
        if plan.active >= 0:
            feedback.active = message.subtasks[plan.active]
        handle.publish_feedback(feedback)

    def _locate(self, obs, subtask: str) -> np.ndarray | None:
        """The place of a subtask's object; called by the runner."""
        camera, frames = self._locator.view.optical_frame, self._locator.frames
        for link in frames.links:
            try:
                mount = self._transforms.lookup_transform(link, camera, Time())
            except TransformException:
                continue
            if not any((mount.header.stamp.sec, mount.header.stamp.nanosec)):  # static all the way
                frames.mount(link, camera, transform_pose(mount))
                break
        return self._locator(obs, subtask)

    # Output.

    def _on_change(self, plan: Plan) -> None:
        """Publishes the plan; called by the runner from any thread, one at a time."""
        self._message = self._to_message(plan)
        if not self.context.ok():
            return  # Ctrl-C has closed the publishers, the log's among them
        self.send(self._plan_out, self._message)
        active = f", now: {plan.active_text}" if plan.active_text else ""
        message = f". {plan.message}" if plan.message else ""
        self.get_logger().info(f"Plan {plan.id} {plan.status.name.lower()}{active}{message}")

    def _repeat(self) -> None:
        self._plan_out.publish(self._message)

    def _to_message(self, plan: Plan) -> SubtaskPlan:
        return plan_message(plan, self._profile.arm.base_frame, self.now())


def main() -> int:
    return run(PlannerNode, threads=4)


if __name__ == "__main__":
    sys.exit(main())
