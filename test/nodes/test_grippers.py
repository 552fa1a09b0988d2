# SPDX-License-Identifier: Apache-2.0
"""A gripper with a trajectory controller of its own: what it is sent, and when."""

import pytest

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.grippers import TrajectoryGripper
from wall_oss_ros.robots.components import Gripper, Stroke

PROFILE = Gripper(
    dof="gripper", closed=0.0, open=0.09, joints=("right_finger", "left_finger"),
    topic="/gripper_controller/joint_trajectory", joint_positions=Stroke(closed=0.0, open=0.045), speed=0.05,
)  # fmt: skip


class _Node:
    def __init__(self):
        self.listeners, self.sent = 1, []

    def publish_to(self, _kind, topic, _qos):
        assert topic == PROFILE.topic
        return self

    def get_subscription_count(self) -> int:
        return self.listeners

    def send(self, _publisher, message) -> None:
        (point,) = message.points
        seconds = point.time_from_start.sec + 1e-9 * point.time_from_start.nanosec
        self.sent.append((list(message.joint_names), list(point.positions), seconds))


@pytest.fixture
def node():
    return _Node()


def test_both_fingers_go_to_half_the_opening_in_the_time_that_its_speed_needs(node):
    gripper = TrajectoryGripper(node, PROFILE, PROFILE.joints)
    gripper.command(0.09, 0.001)
    gripper.command(0.03, 0.001)
    gripper.command(0.028, 0.001)
    names = ["right_finger", "left_finger"]
    assert [sent[0] for sent in node.sent] == [names] * 3
    assert [sent[1] for sent in node.sent] == [pytest.approx([x, x]) for x in (0.045, 0.015, 0.014)]
    assert [sent[2] for sent in node.sent] == pytest.approx([1.8, 1.2, 0.1]), "at first from anywhere; never at once"


def test_it_is_told_only_what_is_new(node):
    gripper = TrajectoryGripper(node, PROFILE, PROFILE.joints)
    for opening in (None, 0.05, 0.0505, None, 0.05):
        gripper.command(opening, 0.002)
    assert len(node.sent) == 1


def test_a_controller_that_comes_anew_is_told_again(node):
    gripper = TrajectoryGripper(node, PROFILE, PROFILE.joints)
    gripper.look()
    gripper.command(0.05, 0.002)
    node.listeners = 0
    gripper.look()
    assert not gripper.ready
    node.listeners = 1
    gripper.look()
    gripper.command(0.05, 0.002)
    assert gripper.ready and len(node.sent) == 2 and gripper.name == PROFILE.topic
