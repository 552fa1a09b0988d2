# SPDX-License-Identifier: Apache-2.0
"""Node control: the active subtask and fresh observations in, smooth and bounded motion out; holds when in doubt."""

from __future__ import annotations

import math
import sys

import numpy as np

from wall_oss_ros.control.chunk_queue import JOININGS
from wall_oss_ros.control.inference import Inference, Request
from wall_oss_ros.control.input_monitor import InputMonitor
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.state_machine import ControlStateMachine, Limits, Situation, State
from wall_oss_ros.control.worker import Outcome
from wall_oss_ros.nodes.arms import Arms
from wall_oss_ros.nodes.command_publishers import CommandPublishers, come_to_rest
from wall_oss_ros.nodes.conversions import chunk_message, observation_from, seconds
from wall_oss_ros.nodes.home import HOME_PARAMETERS, Home
from wall_oss_ros.nodes.lifecycle_node import ERROR, OK, WARN, WallOSSNode
from wall_oss_ros.nodes.parameters import POLICY_PARAMETERS, Parameter, load_policy
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.nodes.running import run
from wall_oss_ros.nodes.torso_and_base import TorsoAndBase
from wall_oss_ros.perception.rates import RateMeter
from wall_oss_ros.policy.chunk import make_chunk
from wall_oss_ros.robots.description import Comparison, compare
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from wall_oss_msgs.msg import ActionChunk, ControlStatus, Observation, SubtaskPlan

_PLAN_STATUS = {
    SubtaskPlan.AWAITING_APPROVAL: "the plan awaits approval",
    SubtaskPlan.RUNNING: "no subtask is active",
    SubtaskPlan.SUCCEEDED: "the plan has succeeded",
    SubtaskPlan.FAILED: "the plan has failed",
    SubtaskPlan.CANCELLED: "the plan was cancelled",
    SubtaskPlan.REJECTED: "the plan was rejected",
}


class ControlNode(WallOSSNode):
    """Topics ``plan``, ``observation`` and joint states in; ``action_chunk``, ``status`` and the robot's commands out.

    Services ``stop``, ``resume`` and ``home``, topic ``emergency_stop``; client of the grippers' actions.

    Args:
        policy_loader: gives the policy for the values of ``POLICY_PARAMETERS`` and the robot's profile.
    """

    PARAMETERS = (
        *POLICY_PARAMETERS,
        Parameter("replan_every", 5, "Steps of a chunk that pass before the next is asked for.", 1, 256, live=True),
        Parameter("denoising_steps", 0, "Euler steps of the flow; 0 is the checkpoint's number.", 0, 100, live=True),
        Parameter("chunk_joining", "real_time", "How a chunk is joined to the one before: blend fades over, switch goes"
                  " over at once, ensemble averages all there are, real_time has the model go on from the one before.",
                  choices=JOININGS),
        Parameter("blend_s", 0.15, "Time to go over from one chunk's targets to the next's, s.", 0.0, 2.0),
        Parameter("gripper_step_m", 0.005, "Smallest change of the opening that a gripper's action is sent, m.", 0.0,
                  0.1, live=True),
        Parameter("simulated", False, "Whether the robot is simulated: its profile's values for simulation hold,"
                  " faster, and going on by itself after a hold. Never for a real robot."),
        Parameter("planner_timeout_s", 3.0, "Silence of the planner after which the robot holds, s.", 1.5, 60.0),
        Parameter("watch_program", True, "Hold unless the robot's own program runs, where the profile names topics that"
                  " say so; false for mock hardware, which says nothing."),
        Parameter("watch_forces", True, "Stop when an arm is pushed harder than its profile permits, where it names a"
                  " topic that measures it; false for mock hardware, which does not."),
        Parameter("check_description", True, "Hold where the robot's own description, on /robot_description, is not"
                  " that of the profile's robot."),
        Parameter("twists", "", "How a driving base is commanded: plain twists, or stamped; empty as in the robot's"
                  " profile.", choices=("", "plain", "stamped")),
        *HOME_PARAMETERS,
        Parameter("stamp_commands", True, "Give commands the time they are for, which takes out jitter; false where the"
                  " controller's clock is not this one's."),
    )  # fmt: skip

    def __init__(self, policy_loader=load_policy, **options):
        super().__init__("control", **options)
        self._load_policy = policy_loader

    def setup(self) -> None:
        self._profile = profile = load_profile(self.value("robot"), self.value("simulated"))
        self._kinematics, self._layout = [Arm(one) for one in profile.arms], Layout(profile)
        self._home = self.keep(Home(self, profile))
        self._policy = self._load_policy(*(self.value(parameter.name) for parameter in POLICY_PARAMETERS), profile)
        self._policy.warm_up()
        joining = self.value("chunk_joining")
        self._inference = Inference(self._policy, profile.rate_hz, observation_from, joining == "real_time")
        # Made once: a stop outlasts deactivation.
        self._states = ControlStateMachine(Limits.of(profile, self.value("planner_timeout_s")))
        self._status_out = self.publish_to(ControlStatus, "status", LATCHED)
        self._chunk_out = self.publish_to(ActionChunk, "action_chunk", EVENTS)
        self._commands = CommandPublishers(self, profile, self._policy.dof_mask)
        self._description, self._comparison = "", Comparison()

    def teardown(self) -> None:
        self._inference.close()

    def start(self) -> None:
        profile = self._profile
        self.motion = RobotMotion(profile, self._kinematics, self.value("blend_s"), self.value("chunk_joining"))
        self._monitor = InputMonitor(profile, self._kinematics, self.steady())
        self._commands.forget()
        self._arms = Arms(self, profile, self._commands, self.motion, self._monitor)
        self._parts = TorsoAndBase(self, profile, self._commands, self._monitor, self.motion, self._target)
        self._home.begin(self.motion, self._arms)
        self._plan = FollowedPlan()
        self._observation: Observation | None = None
        self._mode, self._reason = State.IDLE, "no plan yet"
        self._task: tuple[int, str] | None = None  # plan id and subtask of the present chunk
        self._model_error = ""
        self._chunks = 0
        self._meter = RateMeter()
        self.listen(SubtaskPlan, "plan", self._on_plan, LATCHED)
        self.listen(Observation, "observation", self._on_observation, NEWEST)
        # Drivers that call joints otherwise describe them otherwise, too.
        if self.value("check_description") and profile.plain_joints:
            self.listen(String, "/robot_description", self._on_description, LATCHED)
        self.listen_to_any(Bool, "emergency_stop", self._on_emergency)
        self.serve(Trigger, "stop", self._on_stop)
        self.serve(Trigger, "resume", self._on_resume)
        # Motion follows the robot's clock; watching must go on when that stands still.
        self.every(1.0 / profile.command.rate_hz, self._cycle, ros_time=True)
        self.every(0.2, self._watch)
        self._look()
        self._publish_status()

    def stop(self) -> None:
        self._mode, self._reason = State.IDLE, "not active"
        self._home.end()
        # What was sent last ends at rest by itself, but for the base's velocities and positions sent one by one.
        self._parts.halt()
        come_to_rest([*self._arms.braking(), *self._parts.braking()], self.steady)
        self._publish_status()

    def diagnose(self):
        rate, jitter = self._meter.measure(self.steady())
        values = {
            "state": self._mode.name.lower(), "chunks": self._chunks, "inference_s": f"{self._inference.seconds:.3f}",
            "latency_s": f"{self._inference.latency.seconds or math.nan:.3f}",
            "command_rate_hz": f"{rate:.1f}", "command_jitter_s": f"{jitter:.4f}",
            "description_apart_m": f"{self._comparison.away:.4f}", **self._arms.grippers,
        }  # fmt: skip
        if self._mode == State.HOLDING:
            return ERROR, f"holding: {self._reason}", values
        if self._mode == State.STOPPED:
            return WARN, self._reason, values
        return OK, self._reason or "following the model's actions", values

    # What comes in.

    def _on_plan(self, plan: SubtaskPlan) -> None:
        self._plan.update(plan, self.steady())
        if plan.status == SubtaskPlan.RUNNING:
            self._home.outcome = ""

    def _on_observation(self, observation: Observation) -> None:
        self._observation = observation
        self._monitor.observation(observation.robot, seconds(observation.header.stamp), observation.state)

    def _on_description(self, message: String) -> None:
        if message.data != self._description:  # it takes some milliseconds
            self._description, self._comparison = message.data, compare(self._profile, message.data)
        self._monitor.description = self._comparison.fault

    def _on_emergency(self, message: Bool) -> None:
        self._states.emergency(message.data)
        self._judge()

    def _on_stop(self, _request, response):
        self._states.stop("stopped by a person")
        self._judge()
        response.success, response.message = True, "the robot comes to rest and holds"
        return response

    def _on_resume(self, _request, response):
        resumed = self._states.resume()
        self._judge()
        response.success = resumed and self._mode != State.STOPPED
        refused = "nothing was stopped" if self._mode != State.STOPPED else self._reason
        response.message = "the robot may move again" if response.success else refused
        return response

    # The cycle.

    def _cycle(self) -> None:
        now = self.now()
        leap = self._monitor.cycle(now, self.steady())
        if leap:  # or a restarted simulation
            self.get_logger().warning(f"{leap[0].upper()}{leap[1:]}.", throttle_duration_sec=5.0)
            self.motion.drop()
            self._inference.forget()
            self._observation = None
        outcome, active = self._inference.poll(now), self._plan.active
        if self._home.targets is not None:
            outcome = self._home.targets.through(self.steady(), outcome, active, self._arms.measured)
        if outcome is not None:
            self._follow_chunk(now, outcome)
        self._home.cycle(now, self.against_homing())
        if not self._home.moving and (active is None or self._task is None or active[0] != self._task[0]):
            self.motion.drop()  # no plan, or another one: what is left of the old actions is not wanted
        self._judge()
        self._ask()
        homing = self._mode == State.HOMING and self._home.moving
        if self._arms.step(now, self._mode == State.RUNNING or homing):
            self._meter.tick(self.steady())

    def against_homing(self) -> str:
        """Why the arms may not go home now; empty when they may."""
        if self._plan.running:
            return "a plan is running; cancel it first"
        now = self.now()
        return self._states.against_homing(_since(self._arms.heard, now), self._monitor.fault(now, self.steady()))

    def _target(self, time: float) -> np.ndarray | None:
        """Where the robot is to be at a time (s), at most the chunk's end; None while it may not move."""
        queue = self.motion.queue
        if self._mode != State.RUNNING or queue.target(self.now()) is None:
            return None
        return queue.target(min(time, queue.end))

    def _judge(self) -> None:
        """Decides the state, and reports it when it has changed."""
        active, stamp = self._plan.active, self.motion.queue.stamp
        now = self.now()
        situation = Situation(
            subtask=None if active is None else active[1],
            plan=self._home.outcome or self._plan.words,
            planner_silence=_since(self._plan.heard, self.steady()),
            observation_age=self._observation_age(now),
            joint_state_age=_since(self._arms.heard, now),
            chunk_age=None if stamp is None else now - stamp,
            chunk_used_up=self.motion.queue.target(now) is None,
            fault=self._monitor.fault(now, self.steady()) or self._model_error or self._home.fault or self.motion.fault,
            homing=self._home.words,
        )
        state, reason = self._states.judge(situation)
        moves = state in (State.RUNNING, State.HOMING) or (self.motion.moving and state != State.STOPPED)
        if moves and (pushed := self._monitor.pushed):  # something is in the way: only a person can tell what
            self._states.stop(f"stopped by {pushed}")
            state, reason = self._states.judge(situation)
        if state != self._mode or (not reason) != (not self._reason):
            self._mode, self._reason = state, reason
            self.get_logger().info(f"{state.name.lower()}{': ' if reason else ''}{reason}")
            self._publish_status()
            self.publish_diagnostics()
        self._reason = reason

    def _observation_age(self, now: float) -> float | None:
        return None if self._observation is None else now - seconds(self._observation.header.stamp)

    def _ask(self) -> None:
        """Has the model compute the next chunk, when it is time and there is something new to see."""
        active, observation, now = self._plan.active, self._observation, self.now()
        if active is None or observation is None or self._mode == State.STOPPED:
            return
        stamp, goes_on = seconds(observation.header.stamp), self._task == active
        if now - stamp > self._profile.watchdog.observation_age:
            return
        if not goes_on or self._inference.due(now, self.motion, self.value("replan_every")):
            request = Request(active, observation, stamp, now)
            self._inference.ask(request, goes_on, self.motion, self.value("denoising_steps") or None)

    def _follow_chunk(self, now: float, outcome: Outcome) -> None:
        """Follows a chunk that the model has computed."""
        active, observation = outcome.tag.task, outcome.tag.observation
        if outcome.error is not None:
            self._model_error = f"the model failed: {outcome.error}"
            self.motion.drop()
            return
        self._model_error = ""
        measured = self._arms.measured
        if active != self._plan.active or measured is None:
            return  # it was for a subtask that is over
        state = np.asarray(observation.state, dtype=float)
        chunk, reason = make_chunk(self._layout, outcome.tag.stamp, state, outcome.value[0])
        if chunk is None:
            self.motion.fail(reason)
        if chunk is None or not self.motion.follow_chunk(now, chunk, measured):
            return
        targets = chunk.targets
        self._task = active
        self._chunks += 1
        rate, took = self._profile.rate_hz, self._inference.seconds
        self._chunk_out.publish(chunk_message(observation.header, *active, targets, rate, self._layout, took))

    # What goes out.

    def _look(self) -> None:
        """Looks who listens to commands."""
        self._monitor.listeners = self._commands.listeners()
        self._monitor.servers = self._arms.look()

    def _watch(self) -> None:
        self._look()
        self._home.watch()
        self._judge()
        self._parts.watch(self._mode == State.RUNNING)
        self._publish_status()

    def _publish_status(self) -> None:
        now, active = self.now(), self._plan.active
        rate, jitter = self._meter.measure(self.steady())
        age = self._observation_age(now)
        status = ControlStatus(state=int(self._mode), reason=self._reason, chunks=self._chunks)
        status.header.stamp = self.get_clock().now().to_msg()
        if active is not None:
            status.plan_id, status.subtask = active
        status.observation_age_s = -1.0 if age is None else float(age)
        status.inference_s = float(self._inference.seconds)
        status.command_rate_hz, status.command_jitter_s = rate, jitter
        self.send(self._status_out, status)


class FollowedPlan:
    """The planner's newest plan, as control follows it.

    Attributes:
        heard: when it came, s of steady time; None before the first.
    """

    def __init__(self):
        self._plan: SubtaskPlan | None = None
        self.heard: float | None = None

    def update(self, plan: SubtaskPlan, time: float) -> None:
        """A message has come at ``time``, s of steady time."""
        self._plan = plan if plan.plan_id else None  # 0: a planner that has no plan yet
        self.heard = time

    @property
    def running(self) -> bool:
        """Whether it is being carried out."""
        return self._plan is not None and self._plan.status == SubtaskPlan.RUNNING

    @property
    def active(self) -> tuple[int, str] | None:
        """The plan's id and the subtask to work on; None when there is none."""
        plan = self._plan
        if not self.running or not 0 <= plan.active < len(plan.subtasks):
            return None
        return plan.plan_id, plan.subtasks[plan.active].text

    @property
    def words(self) -> str:
        """How the plan stands, for when no subtask is active."""
        return "no plan yet" if self._plan is None else _PLAN_STATUS.get(self._plan.status, "no such plan status")


def _since(then: float | None, now: float) -> float | None:
    return None if then is None else now - then


def main() -> int:
    # Inference in another thread holds the interpreter; hand it over sooner than every 5 ms.
    sys.setswitchinterval(0.001)
    return run(ControlNode, last_words=True)


if __name__ == "__main__":
    sys.exit(main())
