# SPDX-License-Identifier: Apache-2.0
"""What perception knows of a robot at the moment of an image: all arms and grippers, and what else there is."""

import numpy as np
import pytest

from wall_oss_ros.perception.robot_state import RobotStateHistory
from wall_oss_ros.robots.components import Base, Limits
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

DUAL = load_profile("dual_arm")
BASE = Base(
    dof="car_pose", frame="base_link", holonomic=True, topic="/cmd_vel", stamped=True, odometry="/odom", rate_hz=20.0,
    limits=Limits(velocity=(1,) * 3, acceleration=(1,) * 3, jerk=(9,) * 3),
)  # fmt: skip
ON_WHEELS = DUAL.model_copy(update={"base": BASE})


def joints(profile, moved: float = 0.0) -> dict[str, float]:
    """Positions by name at home, the first joint of each arm ``moved`` by that much."""
    found = {}
    for one in profile.arms:
        found |= dict(zip(one.arm.joints, one.arm.home)) | dict.fromkeys(
            one.gripper.joints, one.gripper.joint_position(0.05)
        )
        found[one.arm.joints[0]] += moved
    for part in profile.parts:
        found |= dict(zip(part.joints, part.home))
    return found


def add(state: RobotStateHistory, stamp: float, found: dict[str, float]) -> str:
    return state.add_joint_state(stamp, list(found), list(found.values()), [])


@pytest.mark.parametrize("name", ["franka", "dual_arm"])
def test_all_arms_are_read_between_two_joint_states(name):
    profile = load_profile(name)
    layout, state = Layout(profile), RobotStateHistory(profile)
    assert state.stamp is None and state.at(1.0) is None
    assert add(state, 1.0, joints(profile)) == add(state, 1.1, joints(profile, 0.1)) == ""
    reading = state.at(1.05)
    assert state.stamp == 1.1 and reading.missing == ()
    assert (reading.mask == layout.mask).all()
    for one, own in zip(profile.arms, layout.arms):
        q = np.array(one.arm.home)
        q[0] += 0.05
        position, rotation, opening = own.unpack(reading.state)
        expected = Arm(one).fk(q)
        assert position == pytest.approx(expected[0], abs=1e-5) and rotation == pytest.approx(expected[1], abs=1e-5)
        assert opening == pytest.approx(0.05)
    for part in profile.parts:
        assert reading.state[layout.slots[part.dof]] == pytest.approx(part.home)
    assert dict(zip(reading.joints, reading.positions)) == pytest.approx(joints(profile, 0.05))


def test_arms_are_needed_and_named_while_head_and_lift_may_be_missing():
    state, found = RobotStateHistory(DUAL), joints(DUAL)
    assert add(state, 1.0, {k: v for k, v in found.items() if k != "arm_l_joint3"}) == "joint states lack arm_l_joint3"
    assert state.at(1.0) is None
    assert add(state, 2.0, {k: v for k, v in found.items() if k != "lift_joint"}) == ""
    reading, slots = state.at(2.0), Layout(DUAL).slots
    assert reading.missing == ("the joints of the lift",)
    assert not reading.mask[slots["height"]].any() and reading.mask[slots["head_actions"]].all()
    assert "lift_joint" not in reading.joints


def test_what_comes_from_several_publishers_is_put_together():
    state, found = RobotStateHistory(DUAL), joints(DUAL)
    left = {name: at for name, at in found.items() if "_l_" in name}
    assert add(state, 1.0, left) == "", "no message of the first arm's"
    assert add(state, 1.02, {name: at for name, at in found.items() if name not in left}) == ""
    assert state.at(1.02).missing == ()


def test_the_base_is_where_its_odometry_says_also_through_pi():
    state, slot = RobotStateHistory(ON_WHEELS), Layout(ON_WHEELS).slots["car_pose"]
    for n in range(3):
        add(state, 1.0 + n / 10, joints(ON_WHEELS))
    assert state.at(1.0).missing == ("the odometry at /odom",) and not state.at(1.0).mask[slot].any()
    state.add_odometry(1.0, np.array([1.0, 2.0, 3.0]))
    state.add_odometry(1.1, np.array([1.2, 2.0, -3.1]))
    state.add_odometry(1.2, np.array([1.4, 2.0, -3.0]))
    assert state.at(1.05).state[slot] == pytest.approx([1.1, 2.0, (3.0 + 2 * np.pi - 3.1) / 2])
    assert state.at(1.2).state[slot] == pytest.approx([1.4, 2.0, -3.0])
    assert state.at(1.2).mask[slot].all() and state.at(1.2).missing == ()
