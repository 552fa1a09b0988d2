# SPDX-License-Identifier: Apache-2.0
"""Grippers that are commanded apart from their arm: what is sent, by which action, and what a server's answers do."""

from types import SimpleNamespace

import pytest
from nodes_support import FakePolicy, a_bench
from robot_support import Robot

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.control import gripper_goals
from wall_oss_ros.nodes import grippers as grippers_module
from wall_oss_ros.nodes.gripper_actions import ACTIONS
from wall_oss_ros.nodes.grippers import ActionGripper, TrajectoryGripper
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.mock_gripper import MockGripperNode
from wall_oss_ros.nodes.qos import LATCHED
from wall_oss_ros.robots.components import Gripper, Stroke
from wall_oss_ros.robots.profile import load_profile

from rclpy.action import GoalResponse
from rclpy.parameter import Parameter
from rclpy.task import Future
from sensor_msgs.msg import JointState
from wall_oss_msgs.msg import ControlStatus

pytestmark = pytest.mark.real_time

PROFILE = Gripper(
    dof="gripper", closed=0.0, open=0.09, joints=("right_finger", "left_finger"),
    topic="/gripper_controller/joint_trajectory", joint_positions=Stroke(closed=0.0, open=0.045), speed=0.05,
)  # fmt: skip
ACTING = Gripper(
    dof="gripper", closed=0.0, open=0.085, joints=("knuckle",), joint_positions=Stroke(closed=0.8, open=0.0),
    action="/hand/gripper_cmd", action_positions=Stroke(closed=0.8, open=0.0), max_effort=20.0, speed=0.1,
)  # fmt: skip
ENDED = {"succeeded": 4, "canceled": 5, "aborted": 6}


class _Node:
    """A node with one subscription at the trajectory's topic, and any action servers."""

    def __init__(self):
        self.listeners, self.sent, self.servers, self.told = 1, [], [], []
        self.context = SimpleNamespace(ok=lambda: True)

    def publish_to(self, _kind, topic, _qos):
        assert topic in (PROFILE.topic, "gripper_commands")
        return self

    def now(self) -> float:
        return 7.5

    def get_subscription_count(self) -> int:
        return self.listeners

    def send(self, _publisher, message) -> None:
        if isinstance(message, JointState):
            self.told.append((list(message.name), list(message.position), message.header.stamp.sec))
            return
        (point,) = message.points
        seconds = point.time_from_start.sec + 1e-9 * point.time_from_start.nanosec
        self.sent.append((list(message.joint_names), list(point.positions), seconds))

    def get_publishers_info_by_topic(self, topic):
        assert topic == "/hand/gripper_cmd/_action/feedback"
        return [SimpleNamespace(topic_type=f"{kind}_FeedbackMessage") for kind in self.servers]


class _Client:
    """In place of rclpy's action client: keeps goals, whose answers the test gives."""

    def __init__(self, node, kind, name):
        self.node, self.kind, self.goals, self.destroyed = node, kind, [], False
        node.client = self

    def server_is_ready(self) -> bool:
        return any(kind.endswith(f"/{self.kind.__name__}") for kind in self.node.servers)

    def send_goal_async(self, goal):
        assert isinstance(goal, self.kind.Goal)
        sent, ended = Future(), Future()
        self.goals.append((goal, sent, ended))
        return sent

    def accept(self, number=-1):
        _, sent, ended = self.goals[number]
        sent.set_result(SimpleNamespace(accepted=True, get_result_async=lambda: ended))

    def end(self, status, number=-1, **result):
        self.goals[number][2].set_result(SimpleNamespace(status=ENDED[status], result=self.kind.Result(**result)))

    def destroy(self):
        self.destroyed = True


@pytest.fixture
def node(monkeypatch):
    monkeypatch.setattr(grippers_module, "ActionClient", _Client)
    return _Node()


def a_gripper(node, *servers, **fields) -> ActionGripper:
    node.servers = [f"control_msgs/action/{kind}" for kind in servers]
    gripper = ActionGripper(node, ACTING.model_copy(update=fields), ["knuckle"])
    gripper.look()
    return gripper


def test_what_an_action_is_asked_for_can_be_overheard(node):
    gripper = a_gripper(node, "GripperCommand")
    gripper.command(0.085, 0.005, 1.0)
    gripper.command(0.085, 0.005, 1.1)
    gripper.command(0.0, 0.005, 2.0)
    assert len(node.client.goals) == 2
    assert node.told == [(["knuckle"], [pytest.approx(0.0)], 7), (["knuckle"], [pytest.approx(0.8)], 7)]


def test_both_fingers_go_to_half_the_opening_in_the_time_that_its_speed_needs(node):
    gripper = TrajectoryGripper(node, PROFILE, PROFILE.joints)
    gripper.look()
    for now, opening in enumerate((0.09, 0.03, 0.024)):
        gripper.command(opening, 0.001, float(now))
    names = ["right_finger", "left_finger"]
    assert [sent[0] for sent in node.sent] == [names] * 3
    assert [sent[1] for sent in node.sent] == [pytest.approx([x, x]) for x in (0.045, 0.015, 0.012)]
    assert [sent[2] for sent in node.sent] == pytest.approx([1.8, 1.2, 0.12]), "at first from anywhere"


def test_it_is_told_only_what_is_new_and_not_too_often(node):
    gripper = TrajectoryGripper(node, PROFILE, PROFILE.joints)
    gripper.look()
    for cycle, opening in enumerate((None, 0.05, 0.0503, None, 0.05)):
        gripper.command(opening, 0.002, float(cycle))
    assert len(node.sent) == 1
    for cycle in range(50):
        gripper.command(0.05 - 0.001 * cycle, 0.002, 10.0 + 0.02 * cycle)
    assert len(node.sent) <= 1 + 1.0 / gripper_goals.PERIOD


def test_a_controller_that_comes_anew_is_told_again(node):
    gripper = TrajectoryGripper(node, PROFILE, PROFILE.joints)
    gripper.look()
    gripper.command(0.05, 0.002, 0.0)
    node.listeners = 0
    gripper.look()
    assert not gripper.ready
    node.listeners = 1
    gripper.look()
    gripper.command(0.05, 0.002, 1.0)
    assert gripper.ready and len(node.sent) == 2 and gripper.name == PROFILE.topic


def test_a_trajectory_that_was_lost_is_sent_again_where_the_fingers_stay(node):
    gripper = TrajectoryGripper(node, PROFILE, PROFILE.joints)
    gripper.look()
    for cycle in range(150):
        now = 0.02 * cycle
        message = JointState(name=list(PROFILE.joints), position=[0.045, 0.045])
        message.header.stamp.sec, message.header.stamp.nanosec = int(now), round(1e9 * (now % 1))
        gripper.hear(message, now)
        gripper.command(0.0, 0.002, now)
    assert [sent[1][0] for sent in node.sent] == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["GripperCommand", "ParallelGripperCommand"])
def test_the_action_that_the_server_offers_is_taken(node, kind):
    gripper = a_gripper(node, kind)
    assert gripper.ready and not gripper.fault
    gripper.command(0.0, 0.005, 0.0)
    ((goal, _, _),) = node.client.goals
    if kind == "GripperCommand":
        assert (goal.command.position, goal.command.max_effort) == (0.8, 20.0)
    else:
        command = goal.command
        assert list(command.name) == ["knuckle"] and list(command.position) == [0.8], "exactly one joint"
        assert list(command.effort) == [20.0] and list(command.velocity) == pytest.approx([0.1 * 0.8 / 0.085])


def test_a_server_that_comes_back_as_another_type_is_told_in_its_own(node):
    gripper = a_gripper(node, "GripperCommand")
    gripper.command(0.0, 0.005, 0.0)
    first, node.servers = node.client, []
    gripper.look()
    assert not gripper.ready
    node.servers = ["control_msgs/action/ParallelGripperCommand"]
    gripper.look()
    gripper.command(0.0, 0.005, 1.0)
    assert first.destroyed and gripper.ready and len(node.client.goals) == 1 and node.client is not first


@pytest.mark.parametrize(
    "chosen,there", [("auto", "FollowJointTrajectory"), ("parallel_gripper_command", "GripperCommand")]
)
def test_a_server_of_another_type_is_named(node, chosen, there):
    gripper = a_gripper(node, there, action_type=chosen)
    assert not gripper.ready
    assert f"the server at /hand/gripper_cmd is of control_msgs/action/{there}" in gripper.fault
    assert "ParallelGripperCommand expected" in gripper.fault


@pytest.mark.parametrize("kind", ["GripperCommand", "ParallelGripperCommand"])
@pytest.mark.parametrize("status", ["succeeded", "aborted"])
def test_stalled_on_an_object_is_success_whatever_the_server_calls_it(node, kind, status):
    gripper = a_gripper(node, kind)
    gripper.command(0.085, 0.005, 0.0)
    node.client.accept()
    node.client.end("succeeded", reached_goal=True)
    gripper.command(0.0, 0.005, 1.0)
    node.client.accept()
    result = {"position": 0.4} if kind == "GripperCommand" else {"state": JointState(position=[0.4])}
    node.client.end(status, stalled=True, **result)
    for cycle in range(100):
        gripper.command(0.0, 0.005, 1.0 + 0.02 * cycle)
    assert "holds something at 0.0425 m" in gripper.words and not gripper.fault
    assert len(node.client.goals) == 2


def test_a_refusal_and_a_lost_request_are_named(node):
    gripper = a_gripper(node, "GripperCommand")
    gripper.command(0.0, 0.005, 0.0)
    node.client.goals[0][1].set_result(SimpleNamespace(accepted=False))
    gripper.command(0.0, 0.005, 0.02)
    assert gripper.fault == "the gripper at /hand/gripper_cmd refused an opening of 0.0000 m"
    gripper = a_gripper(node, "GripperCommand")
    for cycle in range(300):
        gripper.command(0.0, 0.005, 0.02 * cycle)
        if len(node.client.goals) <= 3 and not node.client.goals[-1][1].done():
            node.client.goals[-1][1].set_exception(RuntimeError("the server went away"))
    assert "cannot be told" in gripper.fault or len(node.client.goals) > 3


@pytest.mark.parametrize("kind", list(ACTIONS))
def test_goals_and_results_of_both_actions_say_the_same(kind):
    action = ACTIONS[kind]
    goal = action.goal(ACTING, ["knuckle"], 0.0425)
    assert action.position(goal) == pytest.approx(0.4)
    assert action.outcome(action.result(["knuckle"], 0.4, True, False)) == (False, pytest.approx(0.4))
    assert action.outcome(action.result(["knuckle"], float("nan"), False, True)) == (True, None)
    if kind == "parallel_gripper_command":
        assert action.outcome(action.type.Result()) == (False, None), "nothing is said of where it is"
        goal.command.position = [0.4, 0.4]
        assert action.position(goal) is None


@pytest.fixture
def bench(monkeypatch):
    yield from a_bench(monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(ACTIONS))
def test_a_served_action_is_found_followed_and_missed(bench, kind):
    """The mock gripper in place of a driver, over the graph: whichever action it has; until it is gone, and back."""
    profile = load_profile("franka")

    def serve():
        return bench.run(MockGripperNode(parameter_overrides=[Parameter("gripper_action", value=kind)]))

    client = bench.run(WallOSSNode("client"))
    gripper = ActionGripper(client, profile.gripper, profile.gripper.joints)
    client.listen_to_joints(profile, lambda message: gripper.hear(message, client.steady()))

    def told(opening, words):
        def look():
            gripper.look()
            gripper.command(opening, 0.005, client.steady())
            return words in gripper.words

        return look

    served = serve()
    bench.until(told(0.0, "0.0000 m: there"))
    served.close()
    bench.until(lambda: gripper.look() or not gripper.ready)
    serve()
    bench.until(told(0.06, "0.0600 m: there"))
    assert not gripper.fault
    gripper.destroy()


@pytest.mark.slow
def test_control_holds_where_a_gripper_refuses_and_goes_on_once_it_takes_it(bench):
    statuses, robot = bench.listen(ControlStatus, "status", LATCHED), Robot(bench)
    robot.gripper.register_goal_callback(lambda _goal: GoalResponse.REJECT)
    control = bench.run_control(FakePolicy())
    bench.node.create_timer(0.5, robot.plan)
    said = "the gripper at /franka_gripper/gripper_action refused an opening of"
    bench.until(lambda: statuses and statuses[-1].state == ControlStatus.HOLDING and said in statuses[-1].reason)
    bench.until(lambda: not control.motion.moving)
    assert not robot.openings
    bench.until(lambda: "refused" in control.diagnose()[2]["/franka_gripper/gripper_action"])
    robot.gripper.register_goal_callback(lambda _goal: GoalResponse.ACCEPT)
    bench.until(lambda: robot.openings and statuses[-1].state == ControlStatus.RUNNING)
    bench.until(lambda: "there" in control.diagnose()[2]["/franka_gripper/gripper_action"])
