# SPDX-License-Identifier: Apache-2.0
"""Kinematics against a published pose, against finite differences, and against themselves."""

import math

import numpy as np
import pytest
import yaml

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile

DOWN = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def arm():
    return Arm(load_profile("franka"))


def test_ready_pose_is_where_the_manual_puts_it(arm):
    position, rotation = arm.fk((0, -math.pi / 4, 0, -3 * math.pi / 4, 0, math.pi / 2, math.pi / 4))
    assert np.allclose(position, (0.3069, 0, 0.4869), atol=2e-4)
    assert np.allclose(rotation, DOWN, atol=1e-6)


def test_home_points_the_tool_down_inside_the_workspace(arm):
    workspace = load_profile("franka").arm.workspace
    position, rotation = arm.fk(arm.home)
    assert np.allclose(rotation, DOWN, atol=1e-3)
    assert (position > workspace.min).all() and (position < workspace.max).all()


def test_jacobian_is_the_derivative_of_the_pose(arm):
    q = arm.home + np.linspace(-0.3, 0.3, 7)
    position, rotation = arm.fk(q)
    for joint, column in enumerate(arm.jacobian(q).T):
        moved = q.copy()
        moved[joint] += 1e-6
        there, turned = arm.fk(moved)
        skew = turned @ rotation.T
        angular = np.array([skew[2, 1] - skew[1, 2], skew[0, 2] - skew[2, 0], skew[1, 0] - skew[0, 1]]) / 2e-6
        assert np.allclose(column, np.concatenate([(there - position) / 1e-6, angular]), atol=1e-4)


def test_inverse_kinematics_reaches_all_of_the_table(arm):
    rng = np.random.default_rng(0)
    for _ in range(100):
        goal = rng.uniform((0.32, -0.38, 0.012), (0.66, 0.38, 0.30))
        result = arm.ik(goal, DOWN, arm.home)
        position, rotation = arm.fk(result.q)
        assert result.ok
        assert np.linalg.norm(position - goal) < 1e-4 and np.abs(rotation - DOWN).max() < 2e-4
        assert (result.q >= arm.lower).all() and (result.q <= arm.upper).all()


def test_neighbouring_poses_have_neighbouring_joints(arm):
    q = arm.home
    for y in np.arange(0.0, 0.3, 0.02):
        before, q = q, arm.ik((0.5, y, 0.2), DOWN, q).q
        if y > 0:
            assert np.abs(q - before).max() < 0.15


def test_a_pose_out_of_reach_is_reported_with_its_error(arm):
    result = arm.ik((1.5, 0, 0.3), DOWN, arm.home)
    assert not result.ok and result.error > 0.3
    assert np.isfinite(result.q).all()


def test_a_frame_that_the_urdf_lacks_is_named(tmp_path):
    content = yaml.safe_load((data_path("config/robots") / "franka.yaml").read_text())
    content["arm"]["tcp_frame"] = "panda_hand_tcp"
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(WallOSSError, match="panda_hand_tcp"):
        Arm(load_profile(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "arm.urdf of profile 'franka' cannot be read .*No such file"),
        ("<robot", "is not XML"),
        ("<robot name='x'/>", "is no URDF"),
    ],
)
def test_a_urdf_that_cannot_be_read_is_named(tmp_path, text, words):
    path = tmp_path / "arm.urdf"
    if text is not None:
        path.write_text(text)
    with pytest.raises(WallOSSError, match=words):
        Arm(load_profile("franka").model_copy(update={"urdf": str(path)}))
