# SPDX-License-Identifier: Apache-2.0
"""Node planner: an instruction in; a plan in the model's words out, followed to its end by the model's judgement."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import plan_message, to_stamp
from wall_oss_ros.nodes.grounding_messages import boxes_of, grounding_message, points_of
from wall_oss_ros.nodes.lifecycle_node import ERROR, OK, WARN, WallOSSNode, run_identity
from wall_oss_ros.nodes.observation_messages import observation_from
from wall_oss_ros.nodes.parameters import POLICY_PARAMETERS, Parameter, load_policy
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.nodes.running import run
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.uni_cot.control_watch import ControlReport, ControlWatch
from wall_oss_ros.uni_cot.grounding import Grounder, Grounding, SubtaskLocator
from wall_oss_ros.uni_cot.plan import Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_runner import PlanRunner
from wall_oss_ros.uni_cot.plan_time import PlanLimits
from wall_oss_ros.uni_cot.planner import PlannerSettings, UniCoTPlanner
from wall_oss_ros.uni_cot.questions import MOST_QUESTIONS
from wall_oss_ros.uni_cot.ticket import Ticket

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from std_msgs.msg import String
from std_srvs.srv import Trigger
from wall_oss_msgs.action import ExecuteInstruction
from wall_oss_msgs.msg import Answer, ControlStatus, Observation, SubtaskPlan
from wall_oss_msgs.msg import Grounding as GroundingMessage
from wall_oss_msgs.srv import ApprovePlan, Ask

HEARTBEAT = 1.0  # s: the plan is repeated, so that control knows that the planner lives
TICK = 0.2  # s between two looks at what has taken too long
FAREWELL = 2.0  # s that clients of the action are given to have their results when the node is deactivated
RESULTS = 0.3  # s more in which clients that have just had their goal accepted may ask for its result
# Two goals and the questions wait in threads, further ones are answered at once, and all else must go on meanwhile.
THREADS = 3 + MOST_QUESTIONS + 4
_DEFAULTS, _LIMITS = PlannerSettings(), PlanLimits()
_STATES = {
    ControlStatus.IDLE: "control is idle",
    ControlStatus.RUNNING: "running",
    ControlStatus.HOLDING: "holding",
    ControlStatus.STOPPED: "stopped",
    ControlStatus.HOMING: "going home",
}


class PlannerNode(WallOSSNode):
    """Topics ``instruction``, ``observation`` and ``status`` in; ``plan`` and ``pointed_at`` (both latched) and
    ``answers`` out; action ``execute``; services ``ask``, ``approve_plan`` and ``cancel_plan``.

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
        Parameter("subtask_timeout_s", _LIMITS.subtask, "Longest time that the robot works on one subtask, s; time"
                  " that it holds or is stopped does not count.", 1.0, 3600.0),
        Parameter("plan_timeout_s", _LIMITS.plan, "Longest time that the robot works on one plan, however often"
                  " subtasks begin again, s.", 1.0, 36000.0),
        Parameter("held_timeout_s", _LIMITS.held, "Longest time that a plan waits while the robot holds or is stopped,"
                  " or for its approval, s; time that it works in between counts back.", 1.0, 36000.0),
        Parameter("blind_timeout_s", _LIMITS.blind, "Longest time without observations while a plan runs, s.", 1.0,
                  3600.0),
        Parameter("model_timeout_s", _LIMITS.model, "Longest time that the model may take over one answer, s.", 1.0,
                  3600.0),
        Parameter("observation_timeout_s", _LIMITS.observation, "How long an instruction waits for an observation, s.",
                  0.1, 60.0),
        Parameter("point", True, "Whether the model is asked, once, where the object of each subtask is, to show it."),
        Parameter("ask_timeout_s", 20.0, "How long the service ask waits for the model, s.", 0.1, 600.0, live=True),
    )  # fmt: skip

    def __init__(self, policy_loader: Callable = load_policy, **options):
        super().__init__("planner", **options)
        self._load_policy = policy_loader
        self.identity = ""
        self._goals, self._goal_over = 0, threading.Condition()  # goals that were accepted and are not over

    def setup(self) -> None:
        self._profile = load_profile(self.value("robot"))
        parameters = (self.value(parameter.name) for parameter in POLICY_PARAMETERS)
        self._policy = self._load_policy(*parameters, self._profile)
        self._policy.warm_up()
        self._plan_out = self.publish_to(SubtaskPlan, "plan", LATCHED)
        self._answers_out = self.publish_to(Answer, "answers", EVENTS)
        self._pointed_out = self.publish_to(GroundingMessage, "pointed_at", LATCHED)
        self._ground = Grounder(self._policy, self._profile)

    def start(self) -> None:
        self.identity = run_identity(self)  # plans are counted anew
        self._goals, self._served_until = 0, -math.inf
        # As last published. A new planner says that it has none, to those who still follow the plan of one that died.
        self._message = self._to_message(Plan(0, "", status=PlanStatus.NO_PLAN, message="No plan yet."))
        self._logged, self._ready = "", False
        self._observed: float | None = None  # when the last observation came, s of steady time
        self._unusable, self._control_idle = "", False
        settings = PlannerSettings(
            confirmations=self.value("confirmations"),
            stray_answers=self.value("stray_answers"),
            replans=self.value("replans"),
        )
        limits = PlanLimits(
            subtask=self.value("subtask_timeout_s"),
            plan=self.value("plan_timeout_s"),
            held=self.value("held_timeout_s"),
            blind=self.value("blind_timeout_s"),
            model=self.value("model_timeout_s"),
            observation=self.value("observation_timeout_s"),
        )
        self._runner = PlanRunner(
            UniCoTPlanner(self._policy, settings),
            self._policy.ask,
            self.now,
            self._on_change,
            period=1.0 / self.value("progress_rate_hz"),
            approval=self.value("require_approval"),
            limits=limits,
            locate=self._locator(),
            control=ControlWatch(robot_identity(self._profile), self.identity),
            steady=self.steady,
        )
        # The action and the questions wait for the model, in threads of the executor, while all else goes on.
        waiting = ReentrantCallbackGroup()
        self.listen(Observation, "observation", self._on_observation, NEWEST)
        self.listen(ControlStatus, "status", self._on_status, LATCHED)
        self.listen(String, "instruction", self._on_instruction, EVENTS)
        self.serve(ApprovePlan, "approve_plan", self._on_approve)
        self.serve(Trigger, "cancel_plan", self._on_cancel)
        self.serve(Ask, "ask", self._on_ask, callback_group=waiting)
        self.keep(
            ActionServer(
                self, ExecuteInstruction, "execute", execute_callback=self._execute, goal_callback=self._on_goal,
                cancel_callback=lambda _: CancelResponse.ACCEPT, callback_group=waiting,
            )
        )  # fmt: skip
        self._repeat()
        self.every(HEARTBEAT, self._repeat)
        self.every(TICK, self._runner.tick)

    def last_words(self) -> bool:
        if not self.active:
            return False
        if self._goals:
            self._served_until = self.steady() + RESULTS
        self._runner.close(timeout=0.0)
        return self.steady() < self._served_until

    def stop(self) -> None:
        self._runner.close()
        with self._goal_over:
            self._goal_over.wait_for(lambda: not self._goals, FAREWELL)
            left = self._served_until - self.steady()  # of goals that ended just now, by this or before it
        time.sleep(min(max(left, 0.0), RESULTS))

    def diagnose(self):
        message = self._message
        values = {"plan_id": message.plan_id}
        if self._unusable:
            return ERROR, self._unusable, values
        silent = self._runner.model_silence
        if silent > self.value("model_timeout_s"):
            return ERROR, f"the model has not answered for {silent:.0f} s: start the planner anew", values
        if self._observed is None or (silence := self.steady() - self._observed) > 2.0:
            return (
                WARN,
                "no observations yet" if self._observed is None else f"no observations for {silence:.0f} s",
                values,
            )
        if not message.plan_id:
            return OK, "no instruction yet", values
        status = PlanStatus(message.status).label
        if holding := self._runner.holding:
            return WARN, f"plan {message.plan_id} {status}, but {holding}", values
        return OK, f"plan {message.plan_id} {status}: {message.message or message.instruction}", values

    # Input.

    def _on_observation(self, message: Observation) -> None:
        try:
            self._runner.observe(observation_from(message))
        except WallOSSError as error:
            self._unusable = str(error)
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
        else:
            self._observed, self._unusable = self.steady(), ""
            self._say_when_ready()

    def _on_status(self, status: ControlStatus) -> None:
        state = _STATES.get(status.state, "in an unknown state")
        self._control_idle = status.state == ControlStatus.IDLE
        self._say_when_ready()
        self._runner.hear(
            ControlReport(
                control=status.control,
                robot=status.robot,
                planner=status.planner,
                plan_id=status.plan_id,
                moving=status.state == ControlStatus.RUNNING,
                words=f"{state}: {status.reason}" if status.reason else state,
            )
        )

    def _say_when_ready(self) -> None:
        """Says, once, that an instruction would now move the robot."""
        if not self._ready and self._observed is not None and self._control_idle:
            self._ready = True
            topic = self.resolve_topic_name("instruction")
            self.get_logger().info(f"All is ready: {self._profile.full_name} waits for an instruction on {topic}")

    def _on_instruction(self, message: String) -> None:
        self.get_logger().info(f"Instruction: {message.data!r}")
        self._runner.instruct(message.data)

    def _locator(self) -> Callable:
        if not self.value("point"):
            return lambda *_: None
        return SubtaskLocator(self._policy, self._profile, self._tell_pointing)

    def _on_approve(self, request, response):
        response.success, response.message = self._runner.approve(request.plan_id, request.approve, request.reason)
        return response

    def _on_cancel(self, _request, response):
        response.success = self._runner.cancel("Cancelled by a person.")
        response.message = "the instruction was withdrawn" if response.success else "no instruction is being followed"
        return response

    def _on_ask(self, request, response):
        question, fault = self._policy.understood(request.question, "questions")

        def answered(observation, answer: str) -> None:
            grounding = self._ground(observation, question, answer)
            response.points, response.boxes = points_of(grounding), boxes_of(grounding)
            self._tell_pointing(grounding)

        answer, response.message = (
            (None, fault) if fault else self._runner.ask(question, self.value("ask_timeout_s"), answered)
        )
        response.success, response.answer = answer is not None, answer or ""
        response.frame_id = self._profile.arm.base_frame
        self._tell_answer(request.question, response)
        return response

    def _tell_pointing(self, grounding: Grounding) -> None:
        if grounding.found:
            self.send(self._pointed_out, grounding_message(grounding, self._profile.arm.base_frame))

    def _tell_answer(self, question: str, response) -> None:
        """Says what was asked and answered on a topic, since a service cannot be recorded."""
        message = Answer(question=question, success=response.success, answer=response.answer, message=response.message)
        message.header.stamp = to_stamp(self.now())
        self.send(self._answers_out, message)

    def _on_goal(self, goal) -> GoalResponse:
        if goal.instruction.strip():
            with self._goal_over:
                self._goals += 1  # from now on its client waits for a result
            return GoalResponse.ACCEPT
        self.get_logger().error("Rejected an empty instruction.")
        return GoalResponse.REJECT

    def _execute(self, handle):
        """Follows one goal of the action to its end; runs in a thread of the executor."""
        try:
            return self._follow(handle, self._runner.instruct(handle.request.instruction))
        finally:
            with self._goal_over:
                self._goals -= 1
                self._served_until = self.steady() + RESULTS
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
                self._runner.follow(ticket, version, timeout=TICK)
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
        message = self._to_message(plan)
        feedback = ExecuteInstruction.Feedback(index=plan.active, count=len(plan.subtasks), holding=ticket.holding)
        feedback.progress = float(plan.progress)
        if plan.active >= 0:
            feedback.active = message.subtasks[plan.active]
        handle.publish_feedback(feedback)

    # Output.

    def _on_change(self, plan: Plan) -> None:
        """Publishes the plan; called by the runner from any thread, one at a time."""
        self._message = self._to_message(plan)
        if not self.context.ok():
            return  # Ctrl-C has closed the publishers, the log's among them
        self.send(self._plan_out, self._message)
        active = f", now: {plan.active_text}" if plan.active_text else ""
        message = f". {plan.message}" if plan.message else ""
        line = f"Plan {plan.id} {plan.status.name.lower()}{active}{message}"
        if line != self._logged:  # a plan also changes where the log has nothing to say of
            self._logged = line
            self.get_logger().info(line)

    def _repeat(self) -> None:
        self._plan_out.publish(self._message)

    def _to_message(self, plan: Plan) -> SubtaskPlan:
        return plan_message(plan, self._profile.arm.base_frame, self.now(), self.identity)


def main() -> int:
    return run(PlannerNode, threads=THREADS, last_words=True)


if __name__ == "__main__":
    sys.exit(main())
