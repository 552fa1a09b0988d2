# SPDX-License-Identifier: Apache-2.0
"""Mobile ALOHA: its joints are where the vendor has them, its hands work side by side, and all rests in time."""

import numpy as np
import pytest

from wall_oss_ros.commands.profile_check import look_over
from wall_oss_ros.control.mobile_base import MobileBaseMotion
from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.control.stopping_check import holdable_speed
from wall_oss_ros.perception.robot_state import RobotStateHistory
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.urdf import mimicked, position_limits

PROFILE = load_profile("dual_arm:mobile_aloha")
ARMS = [Arm(one) for one in PROFILE.arms]
SIDES = (-1, 1)


def test_all_is_well_by_the_check():
    found = list(look_over(PROFILE))
    assert all(well for well, _ in found), found


def test_stretched_arms_are_as_long_as_the_vendors():
    """By the vendor's offsets: waist, shoulder, upper arm, elbow, forearm, wrist, gripper; then fingers, less 2 cm."""
    fingers = 0.042825 + 0.025875 + 0.0678 - 0.02
    for arm, side in zip(ARMS, SIDES):
        position, rotation = arm.fk(np.zeros(6))
        reach = 0.05955 + 0.2 + 0.1 + 0.069744 + fingers
        assert np.allclose(position, (0.5 + reach, side * 0.25, 0.079 + 0.04805 + 0.3), atol=1e-6)
        assert np.allclose(rotation[:, 2], (1, 0, 0), atol=1e-6), "where the fingers point"
        assert np.allclose(np.abs(rotation[:, 1]), (0, 1, 0), atol=1e-6), "the line along which they close"


def test_a_joint_turns_as_the_vendors_does():
    """Positive shoulder, elbow and wrist lower the hand; a positive waist turns it to the left."""
    (arm, _), here = ARMS, ARMS[0].fk(np.zeros(6))[0]
    for joint in (1, 2, 4):
        assert arm.fk(np.eye(6)[joint] * 0.2)[0][2] < here[2]
    assert arm.fk(np.eye(6)[0] * 0.2)[0][1] > here[1]
    low, high = position_limits(PROFILE, PROFILE.arm.joints)
    assert np.allclose(np.degrees(low), [-180, -106, -101, -180, -107, -180], atol=0.01)
    assert np.allclose(np.degrees(high), [180, 72, 92, 180, 128, 180], atol=0.01)


def test_its_speeds_let_it_rest_in_time():
    for one in PROFILE.arms:
        limits = one.arm.limits
        assert np.allclose(holdable_speed(*dict(limits).values(), 1 / one.command.rate_hz), limits.velocity)
    assert np.allclose(MobileBaseMotion(PROFILE).velocity, PROFILE.base.limits.velocity)


def test_what_it_lacks_of_the_layout_is_masked():
    layout = Layout(PROFILE)
    assert layout.size == 20 and np.flatnonzero(~layout.mask).tolist() == [14, 15, 16], "neither a head nor a lift"


def test_its_fingers_follow_the_motor():
    for side in ("right", "left"):
        for angle, travel in ((0.6197, 0.0), (1.6214, 0.0195)):
            found = mimicked(PROFILE, {f"follower_{side}/gripper": angle})
            fingers = [found[f"follower_{side}/{finger}_finger"] for finger in ("left", "right")]
            assert fingers == pytest.approx([travel, travel], abs=1e-6)
    assert PROFILE.gripper.opening([1.6214]) == pytest.approx(0.039)


def test_hands_that_meet_are_found():
    collisions = SelfCollision(PROFILE)
    homes = [arm.home for arm in ARMS]
    meeting = [arm.ik((0.85, side * 0.05, 0.25), arm.fk(arm.home)[1], arm.home).q for arm, side in zip(ARMS, SIDES)]
    assert collisions.touching(np.concatenate(homes)) == ""
    words = collisions.touching(np.concatenate(meeting))
    assert "follower_left" in words and "follower_right" in words
    down = np.array([0.0, 0.6, 0.9, 0.0, 0.5, 0.0])
    assert "world" in collisions.touching(np.concatenate([[np.pi - 0.01, *down[1:]], homes[1]])), (
        "its own frame, behind"
    )


def test_what_is_heard_of_both_arms_makes_one_state():
    heard, fingers = RobotStateHistory(PROFILE), [1.0]
    for stamp in (0.995, 1.0):
        for one, arm in zip(reversed(PROFILE.arms), reversed(ARMS)):
            lacks = heard.add_joint_state(stamp, [*one.arm.joints, *one.gripper.joints], [*arm.home, *fingers], [])
    assert lacks == ""
    reading = heard.at(1.0)
    assert set(reading.joints) == {joint for one in PROFILE.arms for joint in (*one.arm.joints, *one.gripper.joints)}
    assert reading.missing == ("the odometry at /mobile_base/odom",)
    for own, arm in zip(Layout(PROFILE).arms, ARMS):
        assert np.allclose(reading.state[own.position], arm.fk(arm.home)[0], atol=1e-6)
