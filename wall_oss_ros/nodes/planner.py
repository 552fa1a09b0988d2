# SPDX-License-Identifier: Apache-2.0
"""Node planner: an instruction in; a plan in the model's words out, followed to its end by the model's judgement."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import to_stamp
from wall_oss_ros.nodes.execute_action import ExecuteAction
from wall_oss_ros.nodes.grounding_messages import boxes_of, grounding_message, points_of
from wall_oss_ros.nodes.lifecycle_node import ERROR, OK, WARN, WallOSSNode, run_identity
from wall_oss_ros.nodes.observation_messages import observation_from
from wall_oss_ros.nodes.parameters import POLICY_PARAMETERS, load_policy
from wall_oss_ros.nodes.plan_messages import plan_message
from wall_oss_ros.nodes.planner_parameters import PLANNER_PARAMETERS, approval_wanted, plan_limits, planner_settings
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.nodes.running import run
from wall_oss_ros.nodes.waiting import WaitingRoom
from wall_oss_ros.nodes.watching import WATCH_PARAMETERS, SubtaskWatch, watch_settings
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.uni_cot.control_watch import ControlReport, ControlWatch
from wall_oss_ros.uni_cot.grounding import Grounder, Grounding, SubtaskLocator
from wall_oss_ros.uni_cot.plan import Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_edits import Edit
from wall_oss_ros.uni_cot.plan_runner import PlanRunner
from wall_oss_ros.uni_cot.planner import UniCoTPlanner
from wall_oss_ros.uni_cot.questions import MOST_QUESTIONS
from wall_oss_ros.uni_cot.texts import readable, shortened

from std_msgs.msg import String
from std_srvs.srv import Trigger
from wall_oss_msgs.msg import ActionChunk, Answer, ControlStatus, Observation, SubtaskPlan
from wall_oss_msgs.msg import Grounding as GroundingMessage
from wall_oss_msgs.srv import ApprovePlan, Ask, EditPlan

HEARTBEAT = 1.0  # s: the plan is repeated, so that control knows that the planner lives
TICK = 0.2  # s between two looks at what has taken too long
# Two goals and the questions wait in threads, further ones are answered at once.
THREADS = 3 + MOST_QUESTIONS + 4
_STATES = {
    ControlStatus.IDLE: "control is idle",
    ControlStatus.RUNNING: "running",
    ControlStatus.HOLDING: "holding",
    ControlStatus.STOPPED: "stopped",
    ControlStatus.HOMING: "going home",
}


class PlannerNode(WallOSSNode):
    """Topics ``instruction``, ``observation``, ``action_chunk`` and ``status`` in; ``plan`` and ``pointed_at`` (both
    latched) and ``answers`` out; action ``execute``; services ``ask``, ``approve_plan``, ``edit_plan`` and
    ``cancel_plan``.

    Args:
        policy_loader: gives the policy for the values of ``POLICY_PARAMETERS`` and the robot's profile.
    """

    PARAMETERS = (*PLANNER_PARAMETERS, *WATCH_PARAMETERS)

    def __init__(self, policy_loader: Callable = load_policy, **options):
        super().__init__("planner", **options)
        self._load_policy = policy_loader
        self.identity = ""
        self._saying = threading.Lock()  # the newest plan is the last that is published

    def setup(self) -> None:
        self._profile = load_profile(self.value("robot"))
        parameters = (self.value(parameter.name) for parameter in POLICY_PARAMETERS)
        self._policy = self._load_policy(*parameters, self._profile)
        if self.value("reasoning") == "full" and not self._policy.thinks:
            raise WallOSSError(
                f"The checkpoint {self._policy.checkpoint} was not trained to write thoughts, as reasoning full wants.",
                "Give reasoning:=subtask, or a checkpoint that thinks.",
            )
        self._policy.warm_up()
        self._plan_out = self.publish_to(SubtaskPlan, "plan", LATCHED)
        self._answers_out = self.publish_to(Answer, "answers", EVENTS)
        self._pointed_out = self.publish_to(GroundingMessage, "pointed_at", LATCHED)
        self._ground = Grounder(self._policy, self._profile)

    def start(self) -> None:
        self.identity = run_identity(self)  # plans are counted anew
        # As last published. A new planner says that it has none, to those who still follow the plan of one that died.
        self._message = self._to_message(Plan(0, "", status=PlanStatus.NO_PLAN, message="No plan yet."))
        self._logged, self._ready = "", False
        self._observed: float | None = None  # when the last observation came, s of steady time
        self._unusable, self._control_idle = "", False
        self._runner = PlanRunner(
            UniCoTPlanner(self._policy, planner_settings(self)),
            self._policy.ask,
            self.now,
            self._on_change,
            period=1.0 / self.value("progress_rate_hz"),
            approval=approval_wanted(self),
            reasoning=self.value("reasoning"),
            limits=plan_limits(self),
            locate=self._locator(),
            control=ControlWatch(robot_identity(self._profile), self.identity),
            steady=self.steady,
        )
        settings = watch_settings(self)
        self._watch = SubtaskWatch(Layout(self._profile), self.identity, settings, self._runner.fail_subtask)
        # The action and the questions wait for the model, while all else goes on.
        room = self.keep(WaitingRoom(self, THREADS))
        self.listen(Observation, "observation", self._on_observation, NEWEST)
        self.listen(ActionChunk, "action_chunk", self._watch.chunk, EVENTS)
        self.listen(ControlStatus, "status", self._on_status, LATCHED)
        self.listen(String, "instruction", self._on_instruction, EVENTS)
        self.serve(ApprovePlan, "approve_plan", self._on_approve)
        self.serve(EditPlan, "edit_plan", self._on_edit)
        self.serve(Trigger, "cancel_plan", self._on_cancel)
        ask = room.node.create_service(Ask, self.resolve_service_name("ask"), self._on_ask, callback_group=room.group)
        self.keep(ask, room.node.destroy_service)
        self._action = ExecuteAction(self, self._runner, self._to_message, room)
        self._repeat()
        self.every(HEARTBEAT, self._repeat)
        self.every(TICK, self._runner.tick)

    def last_words(self) -> bool:
        if not self.active:
            return False
        self._action.expect()
        self._runner.close(timeout=0.0)
        return self._action.expects

    def stop(self) -> None:
        self._runner.close()
        self._action.farewell()

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
            observation = observation_from(message)
            self._runner.observe(observation)
            self._watch.observation(observation, self._runner.holding)
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
        self.get_logger().info(f"Instruction: {shortened(message.data)!r}")
        self._runner.instruct(message.data)

    def _locator(self) -> Callable:
        if not self.value("point"):
            return lambda *_: None
        return SubtaskLocator(self._policy, self._profile, self._tell_pointing)

    def _on_approve(self, request, response):
        decided = self._runner.approve(request.plan_id, request.revision, request.approve, request.reason, request.name)
        response.success, response.message, response.revision = decided
        return response

    def _on_edit(self, request, response):
        edit = Edit(request.edit, request.index, request.to, tuple(request.texts), request.name, request.why)
        edited = self._runner.edit(request.plan_id, request.revision, edit)
        response.success, response.message, response.revision = edited
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
        question = readable(question)
        message = Answer(question=question, success=response.success, answer=response.answer, message=response.message)
        message.header.stamp = to_stamp(self.now())
        self.send(self._answers_out, message)

    # Output.

    def _on_change(self, plan: Plan) -> None:
        """Publishes the plan; called by the runner from any thread, one at a time."""
        self._watch.plan(plan)
        with self._saying:
            self._message = self._to_message(plan)
            if not self.context.ok():
                return  # Ctrl-C has closed the publishers, the log's among them
            self.send(self._plan_out, self._message)
        active = f", now: {plan.active_text}" if plan.active_text else ""
        message = f". {plan.message}" if plan.message else ""
        waits = f" at revision {plan.revision}" if plan.status == PlanStatus.AWAITING_APPROVAL else ""
        line = f"Plan {plan.id} {plan.status.name.lower()}{waits}{active}{message}"
        if line != self._logged:  # a plan also changes where the log has nothing to say of
            self._logged = line
            self.get_logger().info(line)

    def _repeat(self) -> None:
        with self._saying:  # an older message behind a newer one would have a subtask act that is no longer meant
            self._plan_out.publish(self._message)

    def _to_message(self, plan: Plan) -> SubtaskPlan:
        return plan_message(plan, self._profile.arm.base_frame, self.now(), self.identity)


def main() -> int:
    return run(PlannerNode, last_words=True)


if __name__ == "__main__":
    sys.exit(main())
