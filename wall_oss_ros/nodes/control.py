# SPDX-License-Identifier: Apache-2.0
"""Node control: action chunks in, smooth and bounded motion out; asks for the next in time, and holds when in doubt."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import numpy as np

from wall_oss_ros.control.chunk_queue import JOININGS
from wall_oss_ros.control.chunk_requests import ChunkRequests
from wall_oss_ros.control.followed_plan import FollowedPlan
from wall_oss_ros.control.input_monitor import InputMonitor
from wall_oss_ros.control.masters import Senders, foreign_publishers
from wall_oss_ros.control.observed_state import state_fault
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.state_machine import ControlStateMachine, Limits, Situation, State
from wall_oss_ros.control.stop_record import StopRecord
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.arms import Arms
from wall_oss_ros.nodes.command_publishers import CommandPublishers, come_to_rest
from wall_oss_ros.nodes.conversions import answer_from, request_message, seconds
from wall_oss_ros.nodes.home import HOME_PARAMETERS, Home
from wall_oss_ros.nodes.lifecycle_node import ERROR, OK, WARN, WallOSSNode, run_identity
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.plan_messages import plan_news
from wall_oss_ros.nodes.priority import NICENESS
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST, REQUEST
from wall_oss_ros.nodes.running import run
from wall_oss_ros.nodes.torso_and_base import TorsoAndBase
from wall_oss_ros.perception.rates import RateMeter
from wall_oss_ros.policy.chunk import ChunkAnswer, Task
from wall_oss_ros.robots.description import Comparison, compare
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from wall_oss_msgs.msg import ActionChunk, ActionRequest, ControlStatus, ModelInfo, Observation, SubtaskPlan


class ControlNode(WallOSSNode):
    """Topics ``plan``, ``observation_state``, ``action_chunk``, ``model`` and joint states in; ``action_request``,
    ``status`` and the robot's commands out. Needs no model in its process.

    Services ``stop``, ``resume`` and ``home``, topic ``emergency_stop``; client of the grippers' actions.
    """

    PARAMETERS = (
        Parameter("replan_every", 5, "Steps of a chunk that pass before the next is asked for.", 1, 256, live=True),
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
        Parameter("watch_masters", True, "Hold while another node may publish on the robot's command topics."),
        Parameter("check_description", True, "Hold where the robot's own description, on /robot_description, is not"
                  " that of the profile's robot."),
        Parameter("twists", "", "How a driving base is commanded: plain twists, or stamped; empty as in the robot's"
                  " profile.", choices=("", "plain", "stamped")),
        *HOME_PARAMETERS,
        Parameter("stamp_commands", True, "Give commands the time they are for, which takes out jitter; false where the"
                  " controller's clock is not this one's."),
        Parameter("stop_record", "", "File that says that the robot is stopped, so that a stop outlasts a restart;"
                  " empty is one for this robot in ~/.ros/wall_oss."),
        NICENESS,
        Parameter("realtime_priority", 0, "SCHED_FIFO priority of the process, where the system permits it; 0 leaves it"
                  " as it is.", 0, 98),
    )  # fmt: skip

    def __init__(self, **options):
        super().__init__("control", **options)

    def setup(self) -> None:
        self._profile = profile = load_profile(self.value("robot"), self.value("simulated"))
        self._kinematics, self._layout = [Arm(one) for one in profile.arms], Layout(profile)
        self._robot, self._identity = robot_identity(profile), run_identity(self)
        self._home = self.keep(Home(self, profile))
        # Made once: a stop outlasts deactivation, and by its record the process, too.
        record = StopRecord(self._stop_record())
        self._states = ControlStateMachine(Limits.of(profile, self.value("planner_timeout_s")), record)
        self._status_out = self.publish_to(ControlStatus, "status", LATCHED)
        self._request_out = self.publish_to(ActionRequest, "action_request", REQUEST)
        self._commands = CommandPublishers(self, profile)
        self._description, self._comparison = "", Comparison()

    def start(self) -> None:
        profile, joining = self._profile, self.value("chunk_joining")
        self.motion = RobotMotion(profile, self._kinematics, self.value("blend_s"), joining)
        self.motion.moves = self._commands.moves
        self._monitor = InputMonitor(profile, self.steady())
        self._commands.forget()
        self._arms = Arms(self, profile, self._commands, self.motion, self._monitor)
        self._parts = TorsoAndBase(self, profile, self._commands, self._monitor, self.motion, self._target)
        self._home.begin(self.motion, self._arms)
        self._plan = FollowedPlan()
        self._plan.clock(self.now())
        self._requests = ChunkRequests(self._identity, self._robot, self._layout, joining == "real_time")
        self._masters = {part: Senders(part) for part in ("planners", "action experts", "control nodes")}
        self._masters["control nodes"].heard(self._identity, math.inf)
        self._foreign = ""
        self._observed: float | None = None  # stamp of the newest observation, s
        self._mode, self._reason = State.IDLE, "no plan yet"
        self._wanted: Task | None = None  # what was worked on in the last cycle
        self._task: Task | None = None  # what the present chunk is for
        self._answers: list[ChunkAnswer] = []  # come since the last cycle
        self._chunks = 0
        self._meter = RateMeter()
        self.listen(SubtaskPlan, "plan", self._on_plan, LATCHED)
        self.listen(Observation, "observation_state", self._on_observation, NEWEST)
        self.listen(ActionChunk, "action_chunk", self._on_chunk, EVENTS)
        self.listen(ModelInfo, "model", self._on_model, LATCHED)
        self.listen(ControlStatus, "status", self._on_status, EVENTS)
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
        self._judge()  # the first status says it, too, where a stop is on record
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
        requests = self._requests
        values = {
            "state": self._mode.name.lower(), "chunks": self._chunks, "inference_s": f"{requests.seconds:.3f}",
            "latency_s": f"{requests.latency.seconds or math.nan:.3f}",
            "command_rate_hz": f"{rate:.1f}", "command_jitter_s": f"{jitter:.4f}",
            "description_apart_m": f"{self._comparison.away:.4f}", "behind_s": f"{self.motion.late:.2f}",
            "slowed_by": self.motion.slowed_by, **self._arms.grippers,
        }  # fmt: skip
        if self._states.problem:
            return ERROR, self._states.problem, values
        if self._mode == State.HOLDING:
            return ERROR, f"holding: {self._reason}", values
        if self._mode == State.STOPPED:
            return WARN, self._reason, values
        return OK, self._reason or "following the model's actions", values

    def _stop_record(self) -> Path:
        if given := self.value("stop_record"):
            return Path(given).expanduser()
        home = Path(os.environ.get("ROS_HOME") or Path.home() / ".ros")
        place = "_".join([*filter(None, self.get_namespace().split("/")), os.environ.get("ROS_DOMAIN_ID") or "0"])
        return home / "wall_oss" / f"stop_{self._robot.partition('@')[0].replace(':', '_')}_{place}.json"

    # What comes in.

    def _on_plan(self, plan: SubtaskPlan) -> None:
        self._masters["planners"].heard(plan.planner, self.steady())
        self._plan.update(plan_news(plan), self.steady())
        if plan.status == SubtaskPlan.RUNNING:
            self._home.outcome = ""

    def _on_observation(self, observation: Observation) -> None:
        self._observed = seconds(observation.header.stamp)
        self._monitor.observation(observation.robot, self._observed, observation.state)

    def _on_chunk(self, message: ActionChunk) -> None:
        self._masters["action experts"].heard(message.expert, self.steady())
        try:
            self._answers.append(answer_from(message))
        except WallOSSError as error:
            self._requests.refuse(self.steady(), str(error).rstrip("."))

    def _on_model(self, message: ModelInfo) -> None:
        self._masters["action experts"].heard(message.expert, self.steady())
        if message.robot == self._robot and len(message.dof_mask) == self._layout.size:
            self._move_what(np.asarray(message.dof_mask, bool))

    def _on_status(self, message: ControlStatus) -> None:
        if message.control != self._identity:
            self._masters["control nodes"].heard(message.control, self.steady())

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
        resumed = self._states.resume(self._monitor.waits)
        if resumed:
            self._plan.accept()
            self._monitor.accept()
        self._judge()
        response.success = resumed and self._mode != State.STOPPED
        refused = "nothing was stopped" if self._mode != State.STOPPED else self._reason
        response.message = "the robot may move again" if response.success else refused
        return response

    # The cycle.

    def _cycle(self) -> None:
        now, steady = self.now(), self.steady()
        self._plan.clock(now)
        leap = self._monitor.cycle(now, steady)
        if leap:  # or a restarted simulation
            self.get_logger().warning(f"{leap[0].upper()}{leap[1:]}.", throttle_duration_sec=5.0)
            self.motion.drop()
            self._requests.forget()
            self._plan.restart()
            self._observed = None
        if self._plan.active != self._wanted:
            self._wanted = self._plan.active
            self._requests.withdraw()
        answers, self._answers = self._answers, []
        active, targets = self._plan.active, self._home.targets
        taken = [answer for one in answers if (answer := self._requests.receive(now, steady, one, active)) is not None]
        if self._requests.fault:
            self.motion.drop()
        answer = taken[-1] if taken else None
        if targets is not None:
            answer = targets.through(steady, answer, active, self._arms.measured)
        if answer is not None and answer.task == active:
            self._follow(now, answer)
        self._home.cycle(now)
        if not self._home.moving and (active is None or not active.continues(self._task)):
            self.motion.drop()  # no plan, or another one, or one that was changed: what is left is not wanted
        self._judge()
        self._ask(now, steady)
        homing = self._mode == State.HOMING and self._home.moving
        if self._arms.step(now, self._mode == State.RUNNING or homing):
            self._meter.tick(self.steady())

    def against_homing(self) -> str:
        """Why the arms may not go home now; empty when they may."""
        if self._plan.running:
            return "a plan is running; cancel it first"
        now = self.now()
        return self._states.against_homing(_since(self._arms.heard, now), self._monitor_fault(now))

    def _target(self, time: float) -> np.ndarray | None:
        """Where the robot is to be at a time (s), at most the chunk's end; None while it may not move."""
        queue = self.motion.queue
        if self._mode != State.RUNNING or queue.target(self.now()) is None:
            return None
        return queue.target(min(time, queue.end))

    def _judge(self) -> None:
        """Decides the state, and reports it when it has changed."""
        active, stamp = self._plan.active, self.motion.queue.stamp
        now, steady = self.now(), self.steady()
        situation = Situation(
            subtask=None if active is None else active.subtask,
            plan=self._home.outcome or self._plan.words,
            planner_silence=_since(self._plan.heard, steady),
            observation_age=_since(self._observed, now),
            joint_state_age=_since(self._arms.heard, now),
            chunk_age=None if stamp is None else now - stamp,
            chunk_used_up=self.motion.queue.target(now) is None,
            fault=self._monitor_fault(now) or self._requests.fault or self._home.fault or self.motion.fault,
            older="the plan is older than this control node" if self._plan.older else "",
            unanswered=self._requests.unanswered(steady),
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

    def _monitor_fault(self, now: float) -> str:
        """What is wrong with what control relies on; empty when nothing is."""
        steady = self.steady()
        if two := next((fault for one in self._masters.values() if (fault := one.fault(steady))), ""):
            return two
        return self.clock_sources.fault or self._foreign or self._monitor.fault(now, steady)

    def _ask(self, now: float, steady: float) -> None:
        """Asks for the next chunk, when it is time and there is something new to see."""
        active, queue = self._plan.active, self.motion.queue
        if active is None or self._plan.older or self._observed is None or self._mode == State.STOPPED:
            return
        if now - self._observed > self._profile.watchdog.observation_age:
            return
        goes_on = self._task == active
        if goes_on and not self._requests.due(now, queue, self.value("replan_every")):
            return
        if (request := self._requests.ask(now, steady, active, queue, goes_on)) is not None:
            self.send(self._request_out, request_message(request, self._profile.arm.base_frame, now))

    def _follow(self, now: float, answer: ChunkAnswer) -> None:
        """Follows a chunk that has come."""
        joints, chunk = self._arms.at(answer.stamp), answer.chunk
        if joints is None:
            return
        if apart := state_fault(self._layout, self._kinematics, joints, chunk.start):
            self._requests.refuse(self.steady(), apart)
            self.motion.drop()
            return
        self._move_what(answer.moves)
        if self.motion.follow_chunk(now, chunk, self._arms.measured):
            self._task = answer.task
            self._chunks += 1

    def _move_what(self, moves: np.ndarray) -> None:
        """The model decides these entries of the layout, (A,) bool."""
        if not np.array_equal(moves, self._commands.moves):
            self._commands.moves = self.motion.moves = moves
            self._parts.rely()
            self._look()

    # What goes out.

    def _look(self) -> None:
        """Looks who listens to commands, and who else may give them."""
        self._monitor.listeners = self._commands.listeners()
        self._monitor.servers = self._arms.look()
        if self.value("watch_masters"):
            publishers = {topic: self.publishers_of(topic) for topic in self._commands.topics()}
            self._foreign = foreign_publishers(self.get_fully_qualified_name(), publishers)

    def _watch(self) -> None:
        self._look()
        self._home.watch()
        self._judge()
        self._parts.watch(self._mode == State.RUNNING)
        self._publish_status()

    def _publish_status(self) -> None:
        now, active, requests = self.now(), self._plan.active, self._requests
        rate, jitter = self._meter.measure(self.steady())
        age = _since(self._observed, now)
        status = ControlStatus(state=int(self._mode), reason=self._reason, chunks=self._chunks)
        status.header.stamp = self.get_clock().now().to_msg()
        status.needs_resume = self._states.needs_resume or self._monitor.waits
        status.control, status.robot = self._identity, self._robot
        status.active = -1
        if active is not None:
            status.planner, status.plan_id, status.active, status.subtask, status.active_revision = active
        status.observation_age_s = -1.0 if age is None else float(age)
        status.inference_s, status.latency_s = float(requests.seconds), float(requests.latency.seconds or 0.0)
        status.command_rate_hz, status.command_jitter_s = rate, jitter
        self.send(self._status_out, status)


def _since(then: float | None, now: float) -> float | None:
    return None if then is None else now - then


def main() -> int:
    return run(ControlNode, last_words=True)


if __name__ == "__main__":
    sys.exit(main())
