# SPDX-License-Identifier: Apache-2.0
"""What arms, parts and grippers are sent in each cycle, by the kind of command that their driver takes."""

from array import array
from unittest.mock import Mock

import numpy as np
import pytest
from interbotix_support import NEEDS_INTERBOTIX, JointGroupCommand, JointSingleCommand

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes import command_publishers
from wall_oss_ros.nodes.arms import _Limb
from wall_oss_ros.nodes.command_publishers import (
    CommandPublishers,
    InterbotixSinglePublisher,
    come_to_rest,
    make_command_publisher,
)
from wall_oss_ros.nodes.conversions import to_stamp
from wall_oss_ros.nodes.torso_and_base import TorsoAndBase
from wall_oss_ros.robots.components import Command
from wall_oss_ros.robots.profile import load_profile

from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, Header
from trajectory_msgs.msg import JointTrajectory

POSITIONS = Command(sink="positions", controller="forward", topic="/forward/commands", rate_hz=50.0)
GROUP = Command(sink="joint_group", group="arm", topic="/follower/commands/joint_group", rate_hz=50.0)
TRAJECTORY = Command(
    controller="arm", topic="/arm/joint_trajectory", action="/arm/follow", state_topic="/arm/state", rate_hz=50.0
)
ALOHA = load_profile("dual_arm:mobile_aloha")


class _Node:
    """Keeps what is sent, by topic."""

    def __init__(self):
        self.sent, self.kinds, self.listeners = {}, {}, 1

    def publish_to(self, kind, topic, _qos):
        self.sent[topic], self.kinds[topic] = [], kind

        class Out:
            get_subscription_count = staticmethod(lambda: self.listeners)
            keep = self.sent[topic]

        return Out()

    def send(self, publisher, message) -> None:
        publisher.keep.append(message)

    def value(self, name: str):
        return {"stamp_commands": True, "twists": "", "gripper_step_m": 0.005}[name]

    def keep(self, entity):
        return entity

    def listen(self, *_arguments) -> None:
        """Nothing is heard."""

    listen_to_joints = listen

    def every(self, *_arguments, **_options) -> None:
        """Cycles are made by hand."""

    time = 100.0  # s; passes by hand

    def tell(self, told: list[str]) -> None:
        """Nobody is told."""

    def now(self) -> float:
        return self.time

    def steady(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def node():
    return _Node()


def moving(*positions: float, rest: float) -> list[Setpoint]:
    """One cycle's setpoints of two joints that move alike, and come to rest at ``rest``."""
    times, speeds = (0.02, 0.04, 0.1), (0.3, 0.3, 0.0)
    return [Setpoint(t, np.full(2, q), np.full(2, v)) for t, q, v in zip(times, (*positions, rest), speeds)]


def test_a_trajectory_controller_is_told_how_to_come_to_rest_and_then_nothing(node):
    publisher = make_command_publisher(node, TRAJECTORY, ["a", "b"])
    publisher.send(moving(0.1, 0.106, rest=0.11), 5.0)
    publisher.send(None, 5.02)
    (message,) = node.sent["/arm/joint_trajectory"]
    assert (
        isinstance(message, JointTrajectory)
        and list(message.joint_names) == ["a", "b"]
        and message.header.stamp.sec == 5
    )
    assert [point.positions[0] for point in message.points] == [0.1, 0.106, 0.11] and not publisher.streams


@pytest.mark.parametrize(
    "command, kind, read",
    [
        (POSITIONS, Float64MultiArray, lambda m: m.data),
        pytest.param(GROUP, JointGroupCommand, lambda m: m.cmd, marks=NEEDS_INTERBOTIX),
    ],
)
def test_a_stream_is_told_the_next_position_in_each_cycle_and_where_it_rests_once_more(node, command, kind, read):
    publisher = make_command_publisher(node, command, ["a", "b"])
    publisher.send(None, 0.0)
    assert node.sent[command.topic] == [], "an arm that was told nothing is told nothing"
    for setpoints in (moving(0.1, 0.106, rest=0.11), moving(0.106, 0.112, rest=0.116), None, None):
        publisher.send(setpoints, 0.0)
    sent = node.sent[command.topic]
    assert publisher.streams and all(isinstance(message, kind) for message in sent)
    assert np.allclose([list(read(message)) for message in sent], [[0.1] * 2, [0.106] * 2, [0.116] * 2])


@pytest.mark.parametrize("command", [POSITIONS, pytest.param(GROUP, marks=NEEDS_INTERBOTIX)])
def test_what_was_told_long_ago_is_not_told_again(node, command):
    publisher = make_command_publisher(node, command, ["a", "b"])
    publisher.send(moving(0.1, 0.106, rest=0.11), 0.0)
    publisher.forget()
    publisher.send(None, 0.0)
    assert len(node.sent[command.topic]) == 1


def test_a_head_that_is_told_positions_goes_on_to_rest_when_its_cycles_end(node, monkeypatch):
    monkeypatch.setattr(command_publishers.time, "sleep", node.sleep)
    robot = load_profile("dual_arm")
    command = POSITIONS.model_copy(update={"rate_hz": 25.0})
    head = robot.parts[0].model_copy(update={"command": command})
    robot = robot.model_copy(update={"parts": (head, robot.parts[1]), "simulation": None})
    wanted = np.zeros(20)
    wanted[14:16] = 0.6, 0.3
    targets, publishers = [wanted], CommandPublishers(node, robot, np.ones(20, bool))
    parts = TorsoAndBase(node, robot, publishers, Mock(), Mock(touching=lambda: ""), lambda _: targets[0])
    for _ in range(20):  # at rest, so that they are believed
        node.time += 0.02
        parts._on_joints(
            JointState(header=Header(stamp=to_stamp(node.now())), name=list(head.joints), position=[0.6, 0.0])
        )
    motion = parts._groups[0]
    for _ in range(8):
        node.time += 0.04
        parts._move(motion)
    targets[0] = None
    assert motion.moving
    come_to_rest(parts.braking(), node.steady)
    turns = np.array([message.data[1] for message in node.sent[command.topic]])
    steps = np.diff(turns)
    assert not motion.moving and len(turns) > 10 and turns[-1] == turns[-2] > 0.03, "where it rests, once more"
    assert np.abs(np.diff(steps)).max() <= head.limits.acceleration[1] / 25.0**2 + 1e-9


@NEEDS_INTERBOTIX
def test_a_group_and_a_single_joint_are_named(node):
    make_command_publisher(node, GROUP, ["a", "b"]).send(moving(0.1, 0.1, rest=0.1), 0.0)
    single = InterbotixSinglePublisher(node, "/single", "gripper")
    single.send([point.of(slice(1, None)) for point in moving(0.1, 0.1, rest=0.1)], 0.0)
    (group,), (one,) = node.sent[GROUP.topic], node.sent["/single"]
    assert (group.name, group.cmd) == ("arm", array("f", [0.1, 0.1]))
    assert isinstance(one, JointSingleCommand) and one.name == "gripper" and one.cmd == pytest.approx(0.1)


def test_a_gripper_that_rides_is_the_last_of_the_positions(node):
    right = load_profile("dual_arm").arms[0]
    command = POSITIONS.model_copy(update={"topic": right.command.topic})
    profile = right.model_copy(update={"command": command, "simulation": None})
    limb = _Limb(node, profile, CommandPublishers(node, profile, np.ones(20, bool)))
    arm = [Setpoint(t, np.zeros(7), np.zeros(7)) for t in (0.02, 0.2)]
    for opening in (0.0, 0.0, None):
        limb.send(arm, opening, 0.106, True, 0.0)
    limb.send(None, None, 0.106, True, 0.0)
    openings = [profile.gripper.opening(message.data[7:]) for message in node.sent[command.topic]]
    assert all(len(message.data) == 8 for message in node.sent[command.topic]) and limb.streams
    # 3 mm a cycle at 0.15 m/s; told to stop it comes to rest in half of that, where it is told to stay once more.
    assert np.allclose(openings, [0.103, 0.1, 0.0985, 0.0985], atol=1e-6)


@NEEDS_INTERBOTIX
def test_alohas_gripper_is_told_apart_from_its_arm_by_the_drivers_name(node):
    profile = ALOHA.arms[1]
    limb = _Limb(node, profile, CommandPublishers(node, profile, np.ones(20, bool)))
    arm = [Setpoint(t, np.array(profile.arm.home), np.zeros(6)) for t in (0.02, 0.2)]
    for _ in range(30):
        limb.send(arm, 0.0, profile.gripper.opening([1.6214]), True, 0.0)
    arms, grippers = (node.sent[f"/follower_left/commands/joint_{kind}"] for kind in ("group", "single"))
    assert all(message.name == "arm" and np.allclose(message.cmd, profile.arm.home) for message in arms)
    told = np.array([message.cmd for message in grippers])
    assert {message.name for message in grippers} == {"gripper"}
    assert told[0] > 1.5 and told[-1] == pytest.approx(0.6197) and (np.diff(told) <= 1e-6).all(), (
        "no faster than it may"
    )
    topics = [profile.command.topic, profile.gripper.joint_single]
    assert limb.look() == {} and CommandPublishers(node, profile, np.ones(20, bool)).listeners() == dict.fromkeys(
        topics, 1
    )


@NEEDS_INTERBOTIX
def test_names_told_to_a_trajectory_controller_are_the_drivers(node):
    right = ALOHA.arms[0]
    command = TRAJECTORY.model_copy(update={"topic": right.command.topic})
    publishers = CommandPublishers(node, right.model_copy(update={"command": command}), np.ones(20, bool))
    publishers.by_topic[command.topic].send([Setpoint(0.02, np.zeros(6), np.zeros(6))], 0.0)
    (message,) = node.sent[command.topic]
    assert list(message.joint_names) == ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"]


def test_messages_that_are_not_installed_are_named_with_what_to_do(node, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(command_publishers.importlib, "import_module", missing)
    make_command_publisher(node, POSITIONS, ["a"])
    with pytest.raises(WallOSSError, match="interbotix_xs_msgs, which is not installed.*git clone"):
        make_command_publisher(node, GROUP, ["a"])
    with pytest.raises(WallOSSError, match="interbotix_xs_msgs"):
        InterbotixSinglePublisher(node, "/single", "gripper")
