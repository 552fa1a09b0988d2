# SPDX-License-Identifier: Apache-2.0
"""The vector layout: what goes in comes out, and displacements add up."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.rotations import (
    euler_from_matrix,
    matrix_from_euler,
    matrix_from_quaternion,
    quaternion_from_matrix,
)

DOWN = np.diag([1.0, -1.0, -1.0])
angles = st.tuples(*[st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1)])


@pytest.fixture(scope="module")
def layout():
    return Layout(load_profile("franka"))


def test_a_single_arm_sits_in_the_right_arms_place(layout):
    state, mask = layout.pack((1.0, 2.0, 3.0), DOWN, 0.05)
    assert state.shape == (20,) and state.dtype == np.float32
    assert state[7:10].tolist() == [1.0, 2.0, 3.0]
    assert state[13] == pytest.approx(0.05)
    assert np.flatnonzero(mask).tolist() == list(range(7, 14))


def test_a_tool_that_points_down_has_rotation_zero(layout):
    assert np.allclose(layout.pack((0, 0, 0), DOWN, 0)[0][10:13], 0, atol=1e-7)


def test_yaw_is_the_third_angle(layout):
    yaw = matrix_from_euler((0, 0, 0.3))
    assert np.allclose(layout.state_rotation(yaw @ DOWN), (0, 0, 0.3))


@given(angles)
@settings(max_examples=50, deadline=None)
def test_pose_and_opening_survive_a_round_trip(euler):
    layout = Layout(load_profile("franka"))
    rotation = matrix_from_euler(euler) @ DOWN
    position, back, opening = layout.unpack(layout.pack((0.4, -0.1, 0.2), rotation, 0.03)[0])
    assert np.allclose(position, (0.4, -0.1, 0.2), atol=1e-6)
    assert np.allclose(back, rotation, atol=1e-5)
    assert opening == pytest.approx(0.03)


def test_relative_chunks_move_the_arm_and_name_openings(layout):
    state, _ = layout.pack((0.4, 0.1, 0.2), DOWN, 0.08)
    chunk = np.zeros((10, 20))
    chunk[:, 7], chunk[:, 13] = 0.01, 0.02
    absolute = layout.absolute(chunk, state)
    assert np.allclose(absolute[:, 7:10], (0.41, 0.1, 0.2))
    assert np.allclose(absolute[:, 13], 0.02)
    assert np.allclose(layout.relative(absolute, state), chunk)


@given(angles)
@settings(max_examples=100, deadline=None)
def test_euler_angles_and_quaternions_describe_the_same_rotation(euler):
    rotation = matrix_from_euler(euler)
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.allclose(euler_from_matrix(rotation), euler, atol=1e-6)
    assert np.allclose(matrix_from_quaternion(quaternion_from_matrix(rotation)), rotation)


@pytest.mark.parametrize("b", [math.pi / 2, -math.pi / 2])
def test_euler_angles_at_the_pole_still_give_the_rotation(b):
    rotation = matrix_from_euler((0.4, b, -0.2))
    assert np.allclose(matrix_from_euler(euler_from_matrix(rotation)), rotation, atol=1e-6)
