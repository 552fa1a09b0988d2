# SPDX-License-Identifier: Apache-2.0
"""Perception and control before a stand-in for Mobile ALOHA's drivers: two arms that call their joints alike."""

import numpy as np
import pytest
import yaml
from interbotix_support import NEEDS_INTERBOTIX, JointGroupCommand, JointSingleCommand
from nodes_support import FakePolicy, a_bench, running_plan

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.control import ControlNode
from wall_oss_ros.nodes.observation_messages import image_message
from wall_oss_ros.nodes.perception import PerceptionNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from wall_oss_msgs.msg import ControlStatus, Observation, SubtaskPlan

pytestmark = [NEEDS_INTERBOTIX, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
bench = pytest.fixture(a_bench)
ROBOT = "dual_arm:mobile_aloha"
PROFILE = load_profile(ROBOT)
LAYOUT = Layout(PROFILE)
SIDES = ("right", "left")
ARM = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
NAMES = (*ARM, "gripper", "left_finger", "right_finger")
DT = 0.02  # s
FASTEST, HARDEST = 0.75 * DT, 5.0 * DT * DT  # rad from one command to the next, and by how much that may change
STILL = 2e-3  # rad/s: what is slower counts as at rest, and ends there
ROUND = 1e-5  # rad; commands are float32


class Swinging(FakePolicy):
    """Moves both hands forward and back at 12 cm/s, closes the grippers, drives ahead."""

    views = [view.name for view in PROFILE.views]

    def __init__(self):
        super().__init__()
        self.dof_mask, self._forward = LAYOUT.mask.copy(), 1.0

    def act(self, obs, subtask, steps=None, seed=None, previous=None):
        x = obs.state[LAYOUT.position.start]
        self._forward = -1.0 if x > 0.9 else 1.0 if x < 0.8 else self._forward
        rows, share = np.zeros((10, 20), np.float32), np.linspace(0.1, 1.0, 10)
        for arm in LAYOUT.arms:
            rows[:, arm.position.start], rows[:, arm.gripper] = 0.12 * self._forward * share, 0.01
        rows[:, LAYOUT.slots["car_pose"].start] = 0.1 * share
        return rows


class Aloha:
    """Drivers of two arms, three cameras and a base that stands, a plan. A side in ``silent`` has no joint states."""

    def __init__(self, bench):
        self.node, self.silent, self._trembles = bench.node, set(), 1e-5
        self.at = {side: [*PROFILE.arm.home, 1.6214] for side in SIDES}
        # Deep enough for what is sent while this process waits for the control node to come to rest.
        topic = "/follower_{}/commands/joint_{}".format
        self.arms = {side: bench.listen(JointGroupCommand, topic(side, "group"), 50) for side in SIDES}
        self.hands = {side: bench.listen(JointSingleCommand, topic(side, "single"), 50) for side in SIDES}
        self.twists = bench.listen(Twist, "/mobile_base/cmd_vel", EVENTS)
        publish = bench.node.create_publisher
        self._joints = {side: publish(JointState, f"/follower_{side}/joint_states", EVENTS) for side in SIDES}
        self._odometry, self._plan = (
            publish(Odometry, "/mobile_base/odom", EVENTS),
            publish(SubtaskPlan, "plan", LATCHED),
        )
        cameras = ("cam_high", "cam_left_wrist", "cam_right_wrist")
        self._images = [publish(Image, f"/{camera}/camera/color/image_rect_raw", EVENTS) for camera in cameras]
        for period, say in (
            (0.01, self._say_joints),
            (0.05, self._say_odometry),
            (0.1, self._see),
            (0.5, self._say_plan),
        ):
            bench.node.create_timer(period, say)

    def _header(self) -> Header:
        return Header(stamp=self.node.get_clock().now().to_msg())

    def _say_joints(self) -> None:
        for side, at in self.at.items():
            if self.arms[side]:
                at[:6] = [float(x) for x in self.arms[side][-1].cmd]
            if self.hands[side]:
                at[6] = float(self.hands[side][-1].cmd)
            if side not in self.silent:
                state = JointState(header=self._header(), name=list(NAMES), position=[*at, 0.05, -0.05])
                self._joints[side].publish(state)

    def _say_odometry(self) -> None:
        message = Odometry(header=self._header())
        self._trembles = -self._trembles  # as wheels do; what stands still to the last bit is frozen
        message.pose.pose.position.x = self._trembles
        self._odometry.publish(message)

    def _see(self) -> None:
        for out in self._images:
            out.publish(image_message(np.zeros((16, 16, 3), np.uint8), self._header()))

    def _say_plan(self) -> None:
        self._plan.publish(running_plan(self.node))

    def told(self, side: str) -> np.ndarray:
        """(n, 6) all that an arm was told, rad."""
        return np.array([list(message.cmd) for message in self.arms[side]])

    def speed(self, side: str) -> float:
        """How far an arm's joints went by the last command, rad."""
        last = self.told(side)[-2:]
        return float(np.abs(np.diff(last, axis=0)).max()) if len(last) > 1 else 0.0


def smooth(told: np.ndarray) -> None:
    """No command goes farther than a joint may in a cycle, nor does any cut a motion off."""
    steps = np.diff(told, axis=0)
    assert np.abs(steps).max() <= FASTEST + ROUND
    assert np.abs(np.diff(steps, axis=0)).max() <= HARDEST + 2 * ROUND


def in_state(statuses, state, words=""):
    return lambda: statuses and statuses[-1].state == state and words in statuses[-1].reason


def start(bench, tmp_path):
    world, statuses = Aloha(bench), bench.listen(ControlStatus, "status", LATCHED)
    seen = bench.listen(Observation, "observation", NEWEST)
    content = yaml.safe_load(data_path("config/robots/dual_arm.yaml").read_text()) | {"resume": "automatic"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    parameters = [Parameter("robot", value=f"{tmp_path / 'mine.yaml'}:mobile_aloha")]
    bench.run(PerceptionNode(parameter_overrides=parameters))
    control = bench.run_control(Swinging(), robot=parameters[0].value)
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    return world, statuses, seen, control


def test_both_arms_are_told_by_name_and_hold_when_one_falls_silent(bench, tmp_path):
    world, statuses, seen, control = start(bench, tmp_path)
    bench.until(
        lambda: all(len(world.arms[side]) > 30 and world.hands[side] for side in SIDES) and len(world.twists) > 10
    )
    observation = seen[-1]
    joints = dict(zip(observation.joint_names, observation.joint_positions))
    assert {f"follower_{side}/{name}" for side in SIDES for name in NAMES[:7]} == joints.keys()
    assert observation.state_mask == LAYOUT.mask.tolist()
    assert list(observation.view_names) == [view.name for view in PROFILE.views]

    closing = PROFILE.gripper.joint_position(0.01)
    bench.until(lambda: all(world.hands[side][-1].cmd == pytest.approx(closing, abs=1e-5) for side in SIDES))
    for side in SIDES:
        assert {message.name for message in world.arms[side]} == {"arm"}
        assert {message.name for message in world.hands[side]} == {"gripper"}
        fingers = np.array([message.cmd for message in world.hands[side]])
        most = PROFILE.gripper.joint_velocity(PROFILE.gripper.speed) * DT
        assert np.abs(np.diff([1.6214, *fingers])).max() <= most + ROUND
    assert max(twist.linear.x for twist in world.twists) > 0.05

    world.silent = {"left"}
    bench.until(in_state(statuses, ControlStatus.HOLDING, "nothing from the joints of the left arm for"))
    bench.until(lambda: not control.motion.moving and world.twists[-1].linear.x == 0.0)
    counts = [len(world.arms[side]) for side in SIDES]
    bench.until(lambda: len(statuses) and in_state(statuses, ControlStatus.HOLDING, "no joint states for")())
    assert all(len(world.arms[side]) <= count + 2 for side, count in zip(SIDES, counts)), "then they are told nothing"
    for side in SIDES:
        smooth(world.told(side))
        assert world.speed(side) <= STILL * DT, "where it rests, once more"
    world.silent = set()
    bench.until(
        lambda: in_state(statuses, ControlStatus.RUNNING)() or bench.call(Trigger, "resume", Trigger.Request()).success
    )
    bench.until(in_state(statuses, ControlStatus.RUNNING))


def test_a_motion_that_is_under_way_is_not_cut_off_when_the_node_is_deactivated(bench, tmp_path):
    world, _, _, control = start(bench, tmp_path)
    bench.until(lambda: all(world.speed(side) > 0.2 * DT for side in SIDES))
    assert control.motion.moving
    control.trigger_deactivate()
    assert not control.motion.moving
    bench.until(lambda: all(world.speed(side) <= ROUND for side in SIDES))
    for side in SIDES:
        smooth(world.told(side))


@pytest.mark.parametrize("settings", [{"home_planner": "moveit"}, {"check_targets": True}])
def test_moveit_which_cannot_read_its_joints_is_refused(bench, settings):
    parameters = [Parameter(name, value=value) for name, value in {"robot": ROBOT, **settings}.items()]
    node = ControlNode(parameter_overrides=parameters)
    with pytest.raises(WallOSSError, match="MoveIt cannot read .* of dual_arm.*follower_left.*planner to builtin"):
        bench.run(node)
