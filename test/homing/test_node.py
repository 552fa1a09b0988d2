# SPDX-License-Identifier: Apache-2.0
"""The service home and the action go_home: a person sends the arm home, hears how it goes, and can stop it."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from nodes_support import FakePolicy, a_bench
from robot_support import Robot, in_state

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.homing.moveit import link
from wall_oss_ros.nodes.control import ControlNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile

from action_msgs.msg import GoalStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.parameter import Parameter
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from wall_oss_msgs.action import Home as HomeAction
from wall_oss_msgs.msg import ControlStatus, SubtaskPlan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
ARM = Arm(load_profile("franka"))
AWAY = ARM.ik([0.5, 0.2, 0.1], ARM.fk(ARM.home)[1], ARM.home).q
STOOD_STILL = ("control stood still", "the arm was not read for")


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.setattr("wall_oss_ros.control.input_monitor._STANDSTILL", 60.0)
    yield from a_bench(monkeypatch)


@pytest.fixture
def profile(tmp_path) -> str:
    """The Franka, slower and with more patience, so that on a busy machine nothing else ends a way home."""
    content = yaml.safe_load(data_path("config/robots/franka.yaml").read_text())
    content["watchdog"]["joint_state_age"] = 8.0
    content["arm"]["limits"]["velocity"] = [0.4] * 7
    path = tmp_path / "patient.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


class Person:
    """Asks the arm to go home; and the arm, with all that is said."""

    def __init__(self, bench, profile):
        self.bench, self.robot = bench, Robot(bench)
        self.robot.q = AWAY.copy()
        self.statuses = bench.listen(ControlStatus, "status", LATCHED)
        self.control = bench.run_control(FakePolicy(), robot=profile, home_planner="builtin")
        self._client = bench.node.create_client(Trigger, "home")
        bench.until(self._client.service_is_ready)

    def ask(self):
        return self._client.call_async(Trigger.Request())

    def ask_when_it_may(self):
        """Asks until the node has heard of everything that it needs; the future of what became of it."""
        while True:
            asked = self.ask()
            self.bench.until(lambda asked=asked: asked.done() or self.homing())
            if not asked.done():
                return asked

    def come_home(self):
        """What became of it in the end: where a busy machine has stood still, control says so; then asked again."""
        while True:
            asked = self.ask_when_it_may()
            self.bench.until(asked.done)
            if not any(words in asked.result().message for words in STOOD_STILL):
                return asked.result()

    def go_when_it_may(self):
        """The same by the action: the goal's handle, the future of its result, and the feedback so far."""
        while True:
            said = []
            goal, ended = self.bench.send_goal(HomeAction, "go_home", HomeAction.Goal(), said.append)
            assert goal.accepted
            self.bench.until(lambda ended=ended: ended.done() or self.homing())
            if not ended.done():
                return goal, ended, said

    def homing(self) -> bool:
        return bool(self.statuses) and self.statuses[-1].state == ControlStatus.HOMING

    def under_way(self) -> bool:
        return self.homing() and np.abs(self.robot.q - AWAY).max() > 0.05


def test_the_arm_goes_home_and_the_person_is_told(bench, profile):
    person = Person(bench, profile)
    asked = person.ask_when_it_may()
    bench.until(person.under_way)
    assert "going home" in person.statuses[-1].reason and "%" in person.statuses[-1].reason
    again = person.ask()
    bench.until(again.done)
    assert not again.result().success and "already" in again.result().message
    bench.until(asked.done)
    outcome = asked.result()
    if any(words in outcome.message for words in STOOD_STILL):
        outcome = person.come_home()
    assert outcome.success and outcome.message == "the arm is home", outcome.message
    assert person.robot.q == pytest.approx(ARM.home, abs=0.01) and not person.control.motion.moving
    bench.until(
        lambda: (person.statuses[-1].state, person.statuses[-1].reason) == (ControlStatus.IDLE, "the arm is home")
    )
    assert not person.robot.openings, "the gripper is left as it is"


def test_as_an_action_it_says_how_far_it_is(bench, profile):
    person = Person(bench, profile)
    _, ended, said = person.go_when_it_may()
    bench.until(ended.done)
    outcome = ended.result()
    assert outcome.status == GoalStatus.STATUS_SUCCEEDED and outcome.result.success
    assert outcome.result.message == "the arm is home"
    assert person.robot.q == pytest.approx(ARM.home, abs=0.01)
    told = [message.feedback for message in said]
    progress = [one.progress for one in told]
    assert progress == sorted(progress) and progress[0] >= 0.0 and progress[-1] <= 1.0
    assert {one.phase for one in told} <= {"looking for a way home", "going home"}
    under_way = [one for one in told if one.phase == "going home"]
    assert len(under_way) >= 3 and under_way[0].time_left_s > under_way[-1].time_left_s >= 0.0


def test_as_an_action_it_can_be_cancelled(bench, profile):
    person = Person(bench, profile)
    goal, ended, _ = person.go_when_it_may()
    bench.until(person.under_way)
    goal.cancel_goal_async()
    bench.until(ended.done)
    outcome = ended.result()
    assert outcome.status == GoalStatus.STATUS_CANCELED
    assert not outcome.result.success and outcome.result.message == "not home: cancelled"
    bench.until(lambda: not person.control.motion.moving)
    assert np.abs(person.robot.q - ARM.home).max() > 0.05
    assert person.come_home().success, "the next one is judged for itself"


def test_as_an_action_it_says_why_it_may_not_be(bench, profile):
    person = Person(bench, profile)
    _, ended, _ = person.go_when_it_may()
    _, second = bench.send_goal(HomeAction, "go_home", HomeAction.Goal())
    bench.until(second.done)
    assert second.result().status == GoalStatus.STATUS_ABORTED and "already" in second.result().result.message
    assert bench.call(Trigger, "stop", Trigger.Request()).success
    bench.until(ended.done)
    assert ended.result().status == GoalStatus.STATUS_ABORTED
    assert "stopped by a person" in ended.result().result.message
    _, third = bench.send_goal(HomeAction, "go_home", HomeAction.Goal())
    bench.until(third.done)
    assert third.result().status == GoalStatus.STATUS_ABORTED
    assert "stopped by a person" in third.result().result.message and not third.result().result.success


def test_it_ends_also_where_the_control_cycle_does_not_run(bench, profile, monkeypatch):
    person = Person(bench, profile)
    _, ended, _ = person.go_when_it_may()
    bench.until(person.under_way)
    monkeypatch.setattr("wall_oss_ros.control.input_monitor._STANDSTILL", 0.5)
    monkeypatch.setattr(person.control, "_cycle", lambda: None)
    for timer in list(person.control.timers):
        if timer.timer_period_ns < 0.1e9:
            timer.cancel()
    bench.until(ended.done)
    assert not ended.result().result.success and "the clock has not moved" in ended.result().result.message


def test_what_never_ends_is_given_up(bench, profile, monkeypatch):
    monkeypatch.setattr("wall_oss_ros.nodes.home._PLANNING", 0.2)
    person = Person(bench, profile)
    release = threading.Event()
    monkeypatch.setattr(person.control._home._planner, "plan", lambda _start: release.wait(60.0))
    asked = person.ask_when_it_may()
    bench.until(asked.done)
    release.set()
    assert not asked.result().success and "no way was found" in asked.result().message


@pytest.mark.parametrize("how", ["service", "button", "plan", "joints", "push"])
def test_it_is_interrupted_at_once_and_stays_where_it_is(bench, profile, how):
    person = Person(bench, profile)
    button = bench.node.create_publisher(Bool, "emergency_stop", EVENTS)
    asked = person.ask_when_it_may()
    bench.until(lambda: person.under_way() and button.get_subscription_count() > 0)
    if how == "service":
        assert bench.call(Trigger, "stop", Trigger.Request()).success
    elif how == "button":
        button.publish(Bool(data=True))
    elif how == "plan":
        person.robot.seeing = False  # nothing to act on
        person.robot.plan()
    elif how == "push":
        person.robot.pushed = 150.0
    else:
        person.robot._joints = SimpleNamespace(publish=lambda _message: None)  # seen from here it stands
    bench.until(asked.done)
    words = {
        "service": "stopped by a person",
        "button": "emergency",
        "plan": "a plan is running",
        "joints": "away from",
    }
    words["push"] = "stopped by a force of 150 N"
    assert not asked.result().success and words[how] in asked.result().message
    bench.until(lambda: not person.control.motion.moving)
    assert np.abs(person.robot.q - ARM.home).max() > 0.05
    if how == "button":
        refused = person.ask()
        bench.until(refused.done)
        assert not refused.result().success and "release it" in refused.result().message
    if how == "service":
        assert bench.call(Trigger, "resume", Trigger.Request()).success
        outcome = person.come_home()
        assert outcome.success, outcome.message
    if how == "plan":
        person.robot.plan(SubtaskPlan.CANCELLED)
        bench.until(in_state(person.statuses, ControlStatus.IDLE))
        assert not person.homing(), "it does not go on by itself"


def test_a_node_that_is_deactivated_says_so(bench, profile):
    person = Person(bench, profile)
    asked = person.ask_when_it_may()
    bench.until(person.under_way)
    request = ChangeState.Request()
    request.transition.id = Transition.TRANSITION_DEACTIVATE
    assert bench.call(ChangeState, "control/change_state", request).success
    bench.until(asked.done)
    assert not asked.result().success and "not active" in asked.result().message
    later = person.ask()
    bench.until(later.done)
    assert "not active" in later.result().message


def test_where_there_is_no_way_nothing_moves(bench, profile):
    person = Person(bench, profile)
    person.robot.q = np.array([0.0, -1.7, 0.0, -3.0, 0.0, 0.6, 0.785])  # in its own shoulder
    while True:
        asked = person.ask()
        bench.until(asked.done)
        if "touch itself" in asked.result().message:
            break
    assert not asked.result().success and not person.robot.trajectories


@pytest.mark.skipif(link.installed(), reason="moveit_py is installed here")
@pytest.mark.parametrize(
    "parameter", [Parameter("home_planner", value="moveit"), Parameter("check_targets", value=True)]
)
def test_moveit_that_is_missing_is_named_with_what_installs_it(bench, parameter):
    node = ControlNode(parameter_overrides=[parameter])
    bench._nodes.append(node)
    with pytest.raises(WallOSSError, match="moveit-py"):
        node.autostart()
