# SPDX-License-Identifier: Apache-2.0
"""The control node on a robot with two arms, head, lift and base: who is told what, and what makes all of them hold."""

import numpy as np
import pytest
import yaml
from nodes_support import FakePolicy, Observations, a_bench, running_plan

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.observation_messages import image_message
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Header
from trajectory_msgs.msg import JointTrajectory
from wall_oss_msgs.msg import ActionChunk, ControlStatus, Observation, SubtaskPlan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
bench = pytest.fixture(a_bench)
PROGRAM = "/io/program_running"
BASE = {
    "dof": "car_pose", "frame": "base_link", "holonomic": True, "topic": "/cmd_vel", "stamped": True,
    "odometry": "/odom", "rate_hz": 20.0,
    "limits": {"velocity": [0.3, 0.3, 0.6], "acceleration": [3.0, 3.0, 6.0], "jerk": [100.0, 100.0, 200.0]},
}  # fmt: skip


@pytest.fixture
def profile(tmp_path):
    """The path of a profile like the dual arm's, on wheels, whose right arm has a program that must run."""
    content = yaml.safe_load(data_path("config/robots/dual_arm.yaml").read_text())
    content |= {"base": BASE, "resume": "automatic"}
    content["command"]["program_running_topic"] = PROGRAM
    path = tmp_path / "on_wheels.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


class Slow(FakePolicy):
    """Moves both hands forward at 2 cm/s, turns the head, drives ahead; leaves the lift alone."""

    def __init__(self, layout: Layout):
        super().__init__()
        self.dof_mask = layout.mask.copy()
        self.dof_mask[layout.slots["height"]] = False
        self.actions = np.zeros((10, layout.size), np.float32)
        share = np.linspace(0.1, 1.0, 10)
        for arm in layout.arms:
            self.actions[:, arm.position.start], self.actions[:, arm.gripper] = 0.02 * share, 0.03
        self.actions[:, layout.slots["head_actions"]] = (0.5, 0.1)
        self.actions[:, layout.slots["car_pose"].start] = 0.1 * share


class World:
    """Arms and head that follow, wheels that stand, and a plan; what is in ``silent`` is not said."""

    def __init__(self, bench, profile):
        self.profile, self.node, self.silent = profile, bench.node, set()
        self.arms, self.layout = [Arm(one) for one in profile.arms], Layout(profile)
        self.at, self._trembles = {}, 1e-5  # positions by joint; m
        for one in profile.arms:
            self.at |= dict(zip(one.arm.joints, one.arm.home))
            self.at |= {joint: one.gripper.joint_position(one.gripper.open) for joint in one.gripper.joints}
        for part in profile.parts:
            self.at |= dict(zip(part.joints, part.home))
        self.sent = {x.command.topic: [] for x in (*profile.arms, *profile.parts)}
        for topic, heard in self.sent.items():
            bench.node.create_subscription(JointTrajectory, topic, lambda m, h=heard: self._on_trajectory(h, m), EVENTS)
        self.twists = bench.listen(TwistStamped, profile.base.topic, EVENTS)
        self._joints = bench.node.create_publisher(JointState, profile.joint_states, EVENTS)
        self._odometry = bench.node.create_publisher(Odometry, profile.base.odometry, EVENTS)
        self._observations = Observations(bench.node)
        self._plan = bench.node.create_publisher(SubtaskPlan, "plan", LATCHED)
        for period, say in (
            (0.02, self._say_joints),
            (0.02, self._say_odometry),
            (0.1, self._see),
            (0.5, self._say_plan),
        ):
            bench.node.create_timer(period, say)

    def _on_trajectory(self, heard, message: JointTrajectory) -> None:
        heard.append(message)
        self.at |= dict(zip(message.joint_names, message.points[0].positions))

    def _header(self) -> Header:
        return Header(stamp=self.node.get_clock().now().to_msg())

    def _say_joints(self) -> None:
        said = {name: at for name, at in self.at.items() if name not in self.silent}
        self._joints.publish(
            JointState(header=self._header(), name=list(said), position=[float(x) for x in said.values()])
        )

    def _say_odometry(self) -> None:
        if "odometry" not in self.silent:
            message = Odometry(header=self._header())
            self._trembles = -self._trembles  # as wheels do; what stands still to the last bit is frozen
            message.pose.pose.position.x = self._trembles
            self._odometry.publish(message)

    def _see(self) -> None:
        poses = [(*arm.fk([self.at[j] for j in one.arm.joints]), 0.1) for one, arm in zip(self.profile.arms, self.arms)]
        parts = {part.dof: [self.at[joint] for joint in part.joints] for part in self.profile.parts}
        state, mask = self.layout.pack_all(poses, parts | {"car_pose": [0.0, 0.0, 0.0]})
        message = Observation(
            header=self._header(), robot=robot_identity(self.profile), state=state.tolist(), state_mask=mask.tolist()
        )
        message.view_names = [view.name for view in self.profile.views]
        message.views = [image_message(np.zeros((112, 112, 3), np.uint8), Header()) for _ in self.profile.views]
        self._observations.publish(message)

    def _say_plan(self) -> None:
        self._plan.publish(running_plan(self.node))


def in_state(statuses, state, words=""):
    return lambda: statuses and statuses[-1].state == state and words in statuses[-1].reason


def test_all_parts_move_together_and_hold_together(bench, profile):
    robot = load_profile(profile)
    statuses, chunks = bench.listen(ControlStatus, "status", LATCHED), bench.listen(ActionChunk, "action_chunk", EVENTS)
    world, policy = World(bench, robot), Slow(Layout(robot))
    said = bench.node.create_publisher(Bool, PROGRAM, LATCHED)
    control = bench.run_control(policy, robot=profile)
    head, lift = robot.parts
    right, left = (world.sent[one.command.topic] for one in robot.arms)

    bench.until(in_state(statuses, ControlStatus.HOLDING, f"nothing from {PROGRAM} yet"))
    assert not any(world.sent.values()) and not world.twists, "nothing moves before the driver has said that it may"
    said.publish(Bool(data=True))
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    bench.until(
        lambda: len(right) > 20 and len(left) > 20 and world.sent[head.command.topic] and len(world.twists) > 20
    )
    for one, heard in zip(robot.arms, (right, left)):
        for message in heard:
            assert list(message.joint_names) == [*one.arm.joints, *one.gripper.joints]
            assert not np.any(message.points[-1].velocities), "each command ends at rest"
    closing = robot.gripper.joint_position(0.03)
    bench.until(lambda: right[-1].points[-1].positions[7] == pytest.approx(closing, abs=1e-6))
    bench.until(lambda: world.at["head_joint2"] == pytest.approx(0.1, abs=1e-3))
    assert world.sent[lift.command.topic] == [], "the model does not move it"
    assert max(twist.twist.linear.x for twist in world.twists) > 0.05
    assert world.twists[-1].header.frame_id == "base_link"
    assert len(chunks[-1].path.poses) == 10 and [len(path.poses) for path in chunks[-1].more_paths] == [10]
    assert chunks[-1].more_paths[0].poses[0].position.y > 0 > chunks[-1].path.poses[0].position.y

    def stands() -> bool:
        return not control.motion.moving and world.twists[-1].twist.linear.x == 0.0

    said.publish(Bool(data=False))
    bench.until(in_state(statuses, ControlStatus.HOLDING, f"program is not running, says {PROGRAM}"))
    bench.until(stands)
    said.publish(Bool(data=True))
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    world.silent = {"odometry"}
    bench.until(in_state(statuses, ControlStatus.HOLDING, "nothing from the odometry at /odom for"))
    world.silent = {"head_joint1"}
    bench.until(in_state(statuses, ControlStatus.HOLDING, "nothing from the joints of the head for"))
    world.silent = {"gripper_l_joint1"}
    bench.until(in_state(statuses, ControlStatus.HOLDING, "no joint states"))
    world.silent = {"lift_joint"}  # which the model leaves alone
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    bench.until(lambda: world.twists[-1].twist.linear.x > 0.02)
    control.trigger_deactivate()
    bench.until(lambda: world.twists[-1].twist.linear.x == 0.0)


def test_mock_hardware_that_never_says_that_a_program_runs_can_be_moved(bench, profile):
    robot = load_profile(profile)
    statuses, world = bench.listen(ControlStatus, "status", LATCHED), World(bench, robot)
    bench.run_control(Slow(Layout(robot)), robot=profile, watch_program=False)
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    bench.until(lambda: all(world.sent[one.command.topic] for one in robot.arms))
