# SPDX-License-Identifier: Apache-2.0
"""Robots that somebody else's program moves: enough for a policy, refused where nodes are to drive them."""

import numpy as np
import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.policy_robot import load_embodiment
from wall_oss_ros.robots.profile import RobotProfile, load_profile

HAND = """
name: hand
description: a hand in somebody's simulator
policy_only: true
rate_hz: 20
horizon: 8
action_mode: relative
dof_config: {position: 3, rotation: 3, gripper: 1}
views: [{name: face_view, prompt: front view, rotate: 180}]
arm:
  position_dof: position
  rotation_dof: rotation
  workspace: {min: [-1, -1, 0], max: [1, 1, 1]}
gripper: {dof: gripper, closed: 0, open: 0.1}
"""


@pytest.fixture
def file(tmp_path):
    def write(text: str = HAND):
        path = tmp_path / "hand.yaml"
        path.write_text(text)
        return path

    return write


def test_a_hand_alone_has_a_layout(file):
    profile = load_embodiment(file())
    assert isinstance(profile, RobotProfile) and profile.trained_as == "hand" and profile.views[0].rotate == 180
    layout = Layout(profile)
    state, known = layout.pack([0.1, 0.2, 0.3], np.eye(3), 0.05)
    assert layout.size == 7 and known.all()
    targets = layout.absolute(np.full((8, 7), 0.01), state)
    np.testing.assert_allclose(targets[0, :3], [0.11, 0.21, 0.31], atol=1e-6)
    np.testing.assert_allclose(targets[:, 6], 0.01)


def test_a_hand_that_keeps_its_rotation_has_no_entries_for_it(file):
    layout = Layout(
        load_embodiment(file(HAND.replace("rotation_dof: rotation", "rotation_dof: rotation\n  turns: false")))
    )
    np.testing.assert_array_equal(layout.mask, [1, 1, 1, 0, 0, 0, 1])
    franka = data_path("config/robots/franka.yaml").read_text()
    with pytest.raises(WallOSSError, match="turns"):
        load_embodiment(file(franka.replace("  position_dof:", "  turns: false\n  position_dof:")))


def test_nodes_cannot_drive_it(file):
    with pytest.raises(WallOSSError, match="policy_only.*joints and controllers"):
        load_profile(file())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("policy_only: true", "policy_only: 1", "policy_only"),
        ("rate_hz: 20", "rate_hz: 20\nurdf: arm.urdf", "urdf"),
        ("position_dof: position", "position_dof: nowhere", "nowhere"),
        ("policy_only: true", "policy_only: false", "policy_only"),
        ("  rotation_dof: rotation", "  rotation_dof: rotation\n  joints_dof: rotation", "joints_dof"),
        ("closed: 0, ", "closed: 0, speed: 0.1, ", "speed"),
        ("prompt: front view", "prompt: front view, image_topic: /image", "image_topic"),
        ("position_dof: position", "position_dof: position\n  tool_rotation: [1, 1, 0, 0]", "unit quaternion"),
        ("gripper: {dof: gripper, closed: 0, open: 0.1}", "", "gripper"),
    ],
)
def test_what_it_cannot_have_is_named(file, old, new, words):
    assert old in HAND
    with pytest.raises(WallOSSError, match=words):
        load_embodiment(file(HAND.replace(old, new)))


def test_robots_of_nodes_are_taken_as_well():
    assert load_embodiment("franka") == load_profile("franka")
    assert load_embodiment("ur:ur10e") == load_profile("ur:ur10e")
    with pytest.raises(WallOSSError, match="no robot 'nobody'"):
        load_embodiment("nobody")


def test_a_robot_of_nodes_still_needs_all_of_its_own(file):
    whole = data_path("config/robots/franka.yaml").read_text()
    with pytest.raises(WallOSSError, match="urdf"):
        load_embodiment(file(whole.replace("urdf: urdf/fr3.urdf\n", "")))
