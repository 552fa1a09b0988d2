# SPDX-License-Identifier: Apache-2.0
"""The service home and the action go_home of the control node: a person sends the arms home and learns how it went."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.worker import Worker
from wall_oss_ros.homing import PLANNERS
from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.homing.moveit.link import MoveItLink
from wall_oss_ros.homing.moveit.planner import cannot_read, make_planner, wants_moveit
from wall_oss_ros.homing.moveit.targets import TargetCheck
from wall_oss_ros.homing.timing import pace
from wall_oss_ros.nodes.arms import Arms
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from std_srvs.srv import Trigger
from wall_oss_msgs.action import Home as HomeAction

_NEAR = 0.05  # rad from home that counts as there, and from where a way begins
_SETTLING = 1.0  # s that the arms' readings may take to come to where they were told to be
_LATE = 5.0  # s after the way's end at which what still moves has not arrived
_PLANNING = 60.0  # s of steady time that a way may be looked for
_FEEDBACK = 0.2  # s between two words on how far it is

HOME_PARAMETERS = (
    Parameter("home_planner", "auto", "Who plans the way home: moveit, which knows the objects in its planning scene,"
              " builtin, which knows none, or auto: moveit where moveit_py is installed.", choices=PLANNERS),
    Parameter("planner", "", "The former name of home_planner.", choices=("", *PLANNERS)),
    Parameter("check_targets", False, "Hold where something would touch, in MoveIt's planning scene, at an action"
              " chunk's targets; needs moveit_py."),
)  # fmt: skip


def _choice(node: WallOSSNode) -> str:
    """Who is to plan, by the parameter or, with a warning, its former name."""
    if former := node.value("planner"):
        node.get_logger().warning("The parameter planner of control is called home_planner now; please rename it.")
    return former or node.value("home_planner")


class Home:
    """Has the way home planned beside control, and followed by control's own motion.

    Whatever forbids motion ends it: the arms come to rest, and go on only when a person asks again. It ends in any
    case: looking for a way, going it and arriving have their limits.

    Args:
        node: whose service, action and parameters these are.
        profile: the robot.

    Attributes:
        targets: lets chunks through that MoveIt has checked; None where that is not wanted.
        outcome: how the last way home ended, in words; empty once something else has been done.

    Raises:
        WallOSSError: MoveIt is wanted and not installed, or cannot read the robot's joint states.
    """

    def __init__(self, node: WallOSSNode, profile: RobotProfile):
        self._node, self._profile = node, profile
        self._clearance = Clearance(profile)
        wants, checks = wants_moveit(_choice(node), profile), node.value("check_targets")
        if checks and not profile.plain_joints:
            raise cannot_read(profile)
        self._link = None
        if wants or checks:
            topic = node.resolve_topic_name(profile.joint_states)
            self._link = MoveItLink(node.value("robot"), topic, node.get_parameter("use_sim_time").value)
        self._planner = make_planner(self._clearance, self._link if wants else None)
        self.targets = TargetCheck(self._link, Layout(profile)) if checks else None
        self._worker = Worker("way home")
        self._motion: RobotMotion | None = None
        self._arms: Arms | None = None
        self._gone = False
        self._asked: Future | None = None  # done with how it went
        self._handle = None  # the action's goal, where it was asked for by that
        self._since, self._told = 0.0, 0.0  # s of steady time: asked for, and feedback sent last
        self._begun, self._end = 0.0, None  # s; no end while the way is planned
        self.outcome = ""
        # Its callback waits for the arms, and must keep no other one from running.
        group = ReentrantCallbackGroup()
        node.serve(Trigger, "home", self._on_home, callback_group=group)
        # A rejection could not say why: a goal that may not be is taken, and ends at once with the reason.
        server = ActionServer(
            node, HomeAction, "go_home", execute_callback=self._on_goal, callback_group=group,
            goal_callback=lambda _: GoalResponse.ACCEPT, cancel_callback=lambda _: CancelResponse.ACCEPT,
        )  # fmt: skip
        node.keep(server)

    def begin(self, motion: RobotMotion, arms: Arms) -> None:
        """The node is active from now on."""
        self._motion, self._arms, self.outcome = motion, arms, ""

    def end(self) -> None:
        """The node is not active any more, and brings to rest what does not come to rest by itself."""
        self._finish(False, "control is not active any more")
        self._motion = None

    def destroy(self) -> None:
        """Lets go of thread and process."""
        self._gone = True
        self._worker.close()
        if self._link is not None:
            self._link.close()

    @property
    def fault(self) -> str:
        """What is wrong with the targets of the model's actions; empty when nothing is."""
        return "" if self.targets is None else self.targets.fault

    @property
    def moving(self) -> bool:
        """Whether the arms are on their way."""
        return self._asked is not None and self._end is not None

    @property
    def words(self) -> str:
        """What is being done, for a person to read; empty when nothing is."""
        if self._asked is None:
            return ""
        if self._end is None:
            return f"looking for a way home ({self._planner.name})"
        progress, left = self._progress
        return f"going home, {100 * progress:.0f} %, {left:.1f} s left"

    def watch(self) -> None:
        """Looks after MoveIt's process, and ends what a clock that stands still would keep from ending."""
        if self._link is not None:
            self._link.look()
        if self._asked is None:
            return
        if against := self._given_up() or self._node.against_homing():
            self._finish(False, against)
        else:
            self._feed_back()

    def _given_up(self) -> str:
        """Why the one who asked gets no more; empty while there is more to come."""
        if self._handle is not None and self._handle.is_cancel_requested:
            return "cancelled"
        if self._end is None and self._node.steady() - self._since > _PLANNING:
            return f"no way was found in {_PLANNING:.0f} s"
        return ""

    def _feed_back(self) -> None:
        """Tells the action's client how far it is, a few times a second."""
        if self._handle is None or self._node.steady() - self._told < _FEEDBACK:
            return
        self._told = self._node.steady()
        progress, left = self._progress
        phase = "looking for a way home" if self._end is None else "going home"
        feedback = HomeAction.Feedback(phase=phase, progress=progress, time_left_s=left)
        try:
            self._handle.publish_feedback(feedback)
        except Exception:
            if self._node.context.ok():  # otherwise the process ends
                raise

    @property
    def _progress(self) -> tuple[float, float]:
        """Share of the way that is behind the arms, and s that are left; both 0 while it is looked for."""
        if self._end is None:
            return 0.0, 0.0
        span, left = self._end - self._begun, max(0.0, self._end + self._motion.late - self._node.now())
        return min(1.0, max(0.0, 1 - left / max(span, 1e-9))), left

    def cycle(self, now: float) -> None:
        """One control cycle, before the arms are sent anything, at ``now`` s of the node's clock."""
        if self._asked is None:
            self._worker.poll()  # of one that was given up while it was planned
        elif against := self._given_up() or self._node.against_homing() or self._motion.fault:
            self._finish(False, against)
        elif self._end is None:
            self._start(now)
        elif now >= self._end + self._motion.late:
            self._arrive(now)
        if self._asked is not None:
            self._feed_back()

    def _start(self, now: float) -> None:
        outcome, measured = self._worker.poll(), self._arms.measured
        if outcome is None or outcome.tag is not self._asked:
            return
        if outcome.error is not None:
            self._finish(False, f"planning failed: {outcome.error}")
            return
        start, way = outcome.value
        if isinstance(way, str):
            self._finish(False, way)
        elif np.abs(measured - start).max() > _NEAR:
            self._finish(False, "the arms were moved while their way was planned")
        else:
            times, joints = way
            self._motion.follow_joints(now, times, joints, measured)
            self._begun, self._end = now, now + float(times[-1])
            self._node.get_logger().info(f"Going home, planned by {self._planner.name}, in {times[-1]:.1f} s.")

    def _arrive(self, now: float) -> None:
        if self._motion.moving:
            if now > self._end + self._motion.late + _LATE:
                self._finish(False, f"the arms still moved {_LATE:.0f} s after the end of their way")
            return
        away = float(np.abs(self._arms.measured - self._clearance.home).max())
        if away <= _NEAR:
            self._finish(True, "the arms are home" if len(self._profile.arms) > 1 else "the arm is home")
        elif now > self._end + self._motion.late + _SETTLING:
            self._finish(False, f"a joint stays {away:.2f} rad away from home")

    def _finish(self, success: bool, words: str) -> None:
        asked, self._asked, self._handle = self._asked, None, None
        if asked is None:
            return
        self._motion.drop()
        self._motion.fault = ""  # told; the next motion is judged for itself
        self.outcome = words if success else f"not home: {words}"
        if success:  # one call for each: rclpy refuses one whose severity changes
            self._node.get_logger().info(f"{self.outcome}.")
        else:
            self._node.get_logger().warning(f"{self.outcome}.")
        asked.set_result((success, self.outcome))

    async def _on_home(self, _request, response):
        response.success, response.message = await self._go()
        if self._gone:
            await Future()  # there is no service any more to answer with
        return response

    async def _on_goal(self, handle):
        success, message = await self._go(handle)
        if self._gone:
            await Future()  # there is no server any more to answer with
        if success:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return HomeAction.Result(success=success, message=message)

    async def _go(self, handle=None) -> tuple[bool, str]:
        """Sends the arms home, and waits for the end: whether they are there, and how it went.

        Args:
            handle: of the action's goal, which is told how far it is and may be cancelled; None for the service.
        """
        if self._motion is None:
            return False, "control is not active"
        if self._asked is not None:
            return False, "the arms are on their way home already"
        against = self._node.against_homing()
        if against:
            return False, f"not home: {against}"
        clearance, planner, profile, parts = self._clearance, self._planner, self._profile, self._motion.parts
        start = np.clip(self._arms.measured, clearance.lower, clearance.upper)  # readings may be off by a hair

        def plan():
            clearance.parts = parts
            way = planner.plan(start)
            return start, way.reason if way.knots is None else pace(profile, clearance.arms, way.knots)

        self._asked, self._handle, self._end = Future(), handle, None
        self._since, self._told = self._node.steady(), 0.0
        self._motion.fault = ""  # of what was done before
        if not self._worker.submit(self._asked, plan):
            self._asked = self._handle = None
            return False, "the way home that was given up is still being planned; ask again"
        return await self._asked
