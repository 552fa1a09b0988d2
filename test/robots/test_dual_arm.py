# SPDX-License-Identifier: Apache-2.0
"""A robot with two arms, a head and a lift: its layout, the kinematics of both arms, and that they keep apart."""

import numpy as np
import pytest

from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.rotations import matrix_from_euler

PROFILE = load_profile("dual_arm")
ARMS = [Arm(one) for one in PROFILE.arms]
DOWN = np.diag([1.0, -1.0, -1.0])
HOME = np.concatenate([arm.home for arm in ARMS])


@pytest.fixture(scope="module")
def collisions() -> SelfCollision:
    return SelfCollision(PROFILE)


def _reach(*places) -> np.ndarray:
    """Both arms' joints with the tools straight down at these places."""
    solutions = [arm.ik(place, DOWN, arm.home) for arm, place in zip(ARMS, places)]
    assert all(solution.ok for solution in solutions)
    return np.concatenate([solution.q for solution in solutions])


def test_each_arm_alone_has_its_own_joints_gripper_controller_and_servos():
    right, left = PROFILE.arms
    assert [one.arm.name for one in (right, left)] == ["right arm", "left arm"]
    assert right.command.topic.endswith("right/joint_trajectory") and left.command.topic.endswith(
        "left/joint_trajectory"
    )
    assert all(len(one.arms) == 1 and not one.parts for one in (right, left))
    for one, letter in ((right, "r"), (left, "l")):
        assert one.gripper.joints == (f"gripper_{letter}_joint1",) and one.gripper.in_trajectory
        assert one.simulation.fingers.links == (f"gripper_{letter}_finger_a", f"gripper_{letter}_finger_b")
        assert one.start == one.arm.home


def test_both_arms_head_and_lift_have_their_places_in_the_vector():
    layout = Layout(PROFILE)
    poses = [((0.3, -0.2, -0.4), DOWN, 0.05), ((0.4, 0.2, -0.3), matrix_from_euler((0, 0, 0.5)) @ DOWN, 0.1)]
    state, mask = layout.pack_all(poses, {"head_actions": (0.6, 0.1), "height": (-0.2,)})
    left, right = [0.4, 0.2, -0.3, 0, 0, 0.5, 0.1], [0.3, -0.2, -0.4, 0, 0, 0, 0.05]
    assert np.allclose(state, [*left, *right, 0.6, 0.1, -0.2, 0, 0, 0], atol=1e-6)
    assert mask.tolist() == layout.mask.tolist() == [True] * 17 + [False] * 3
    assert np.flatnonzero(layout.optional).tolist() == [14, 15, 16]
    for own, (position, rotation, opening) in zip(layout.arms, poses):
        back = own.unpack(state)
        assert np.allclose(back[0], position) and np.allclose(back[1], rotation, atol=1e-6)
        assert back[2] == pytest.approx(opening)


def test_displacements_are_the_arms_and_head_and_lift_are_absolute():
    layout, chunk = Layout(PROFILE), np.full((10, 20), 0.01)
    absolute = layout.absolute(chunk, np.ones(20))
    assert np.allclose(absolute[:, [0, 5, 7, 12]], 1.01) and np.allclose(absolute[:, [6, 13, 14, 15, 16]], 0.01)


def test_the_left_arm_mirrors_the_right():
    mirror = np.array([1, -1, -1, 1, -1, 1, -1])
    right, left = ARMS
    assert np.allclose(right.lower * mirror, np.where(mirror > 0, left.lower, left.upper))
    for q in np.random.default_rng(0).uniform(right.lower, right.upper, (5, 7)):
        (here, turned), (there, mirrored) = right.fk(q), left.fk(q * mirror)
        assert np.allclose(here * [1, -1, 1], there, atol=1e-6)
        assert np.allclose(np.diag([1, -1, 1]) @ turned @ np.diag([1, -1, 1]), mirrored, atol=1e-6)


def test_hanging_arms_are_as_long_as_the_vendors():
    """Shoulder to flange, down the vendor's offsets; the gripper's base and the tool's centre below."""
    flange = 0.165 + 0.135 + 0.1489 + 0.1041 + 0.0885
    for arm, side in zip(ARMS, (-1, 1)):
        position, rotation = arm.fk(np.zeros(7))
        assert np.allclose(position, (0, side * (0.1045 + 0.123), -(flange + 0.078 + 0.135)), atol=1e-6)
        assert np.allclose(rotation, DOWN, atol=1e-6)


@pytest.mark.parametrize("x", [0.27, 0.36, 0.45])
@pytest.mark.parametrize("z", [-0.53, -0.40])
def test_two_hands_beside_each_other_reach_the_table(collisions, x, z):
    q = _reach((x, -0.13, z), (x, 0.13, z))
    assert collisions.touching(q) == ""
    for arm, joints in zip(ARMS, np.split(q, 2)):
        assert np.minimum(joints - arm.lower, arm.upper - joints).min() > 0.1


def test_home_is_free(collisions):
    assert collisions.touching(HOME) == ""
    assert collisions.joints == PROFILE.arm.joints + PROFILE.more_arms[0].arm.joints


def test_hands_that_meet_are_found_and_named(collisions):
    words = collisions.touching(_reach((0.34, -0.02, -0.45), (0.34, 0.02, -0.45)))
    assert "_l_" in words and "_r_" in words


def test_one_hand_at_the_other_is_found_although_either_may_be_there(collisions):
    place = (0.34, 0.0, -0.45)
    meeting, right = _reach(place, place), _reach(place, (0.34, 0.3, -0.45))
    left = np.concatenate([HOME[:7], meeting[7:]])
    assert collisions.touching(meeting) != ""
    assert collisions.touching(right) == "" and collisions.touching(left) == ""


def test_grippers_count_as_open(collisions):
    """Closed, these hands would be 2 cm apart: the palms are 8 cm wide, open fingers reach 2 cm farther."""
    words = collisions.touching(_reach((0.34, -0.06, -0.45), (0.34, 0.06, -0.45)))
    assert "finger" in words


def test_a_forearm_folded_into_the_body_is_found(collisions):
    folded = HOME.copy()
    folded[:7] = [0.0, -0.05, 1.57, -1.8, 0.0, 0.0, 0.0]
    words = collisions.touching(folded)
    assert "arm_base_link" in words and "arm_r_link" in words


def test_the_base_is_nearer_with_the_lift_down(collisions):
    """Hanging arms, a little forward, pass in front of the base while the lift is up."""
    hanging = np.concatenate([[-0.1, -0.05, 0, 0, 0, 0, 0], [-0.1, 0.05, 0, 0, 0, 0, 0]])
    assert collisions.touching(hanging, {"lift_joint": 0.0}) == ""
    assert "base_link" in collisions.touching(hanging, {"lift_joint": -0.5})


def test_a_joint_that_the_urdf_lacks_is_named():
    part = PROFILE.parts[0].model_copy(update={"joints": ("neck", "head_joint2")})
    with pytest.raises(WallOSSError, match="no joint neck"):
        SelfCollision(PROFILE.model_copy(update={"parts": (part,)}))


# TIAGo Dual

TIAGO = load_profile("dual_arm:tiago_dual")


def test_tiago_has_its_own_joints_grippers_and_base():
    right, left = TIAGO.arms
    assert right.command.controller == "arm_right_controller" and left.command.controller == "arm_left_controller"
    assert right.command.rate_hz == left.command.rate_hz
    assert not any(one.gripper.in_trajectory for one in (right, left))
    assert right.gripper.topic == "/gripper_right_controller/joint_trajectory"
    assert TIAGO.base.topic == "/cmd_vel" and not TIAGO.base.stamped
    assert Layout(TIAGO).mask.all(), "it has all that the layout has"
    assert TIAGO.simulation is None


@pytest.mark.parametrize("one, side", [(TIAGO.arms[0], -1), (TIAGO.arms[1], 1)], ids=("right", "left"))
def test_tiagos_hands_point_down_and_forward_at_home(one, side):
    arm = Arm(one)
    position, rotation = arm.fk(arm.home)
    assert np.allclose(position, (0.58, side * 0.22, -0.40), atol=1e-4)
    assert np.allclose(rotation[:, 2], (np.sin(0.4), 0, -np.cos(0.4)), atol=1e-3), "where the fingers point"
    assert np.allclose(rotation[:, 1], (0, -1, 0), atol=1e-3), "the line along which they close"


def test_tiagos_arms_stretch_sideways_at_zero():
    """Down the vendor's offsets: shoulder, joints 2 to 7, tool, sensor, gripper; the tool's centre is 0.20 m beyond."""
    reach = 0.19 + 0.125 + 0.0895 + 0.222 + 0.162 + 0.15 + 0.046 + 0.0157 + 0.009750 / 2 + 0.01 + 0.20
    for one, side in zip(TIAGO.arms, (-1, 1)):
        arm = Arm(one)
        position, _ = arm.fk(np.zeros(7))
        assert position[1] == pytest.approx(side * reach, abs=1e-4)


def test_tiagos_hands_that_meet_are_found():
    collisions, arms = SelfCollision(TIAGO), [Arm(one) for one in TIAGO.arms]
    at = [arm.ik((0.6, side * 0.04, -0.4), arm.fk(arm.home)[1], arm.home) for arm, side in zip(arms, (-1, 1))]
    assert all(solution.ok for solution in at)
    assert collisions.touching(np.concatenate([arm.home for arm in arms])) == ""
    words = collisions.touching(np.concatenate([solution.q for solution in at]))
    assert "_left_" in words and "_right_" in words
