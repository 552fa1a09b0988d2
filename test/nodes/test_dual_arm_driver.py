# SPDX-License-Identifier: Apache-2.0
"""The simulated AI Worker has its vendor's controllers: eight joints an arm, a head that takes partial goals."""

import json

import numpy as np
import pytest

from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.driver import SimulatedDriver
from wall_oss_ros.sim.joint_trajectory_controller import Point, TrajectoryError
from wall_oss_ros.sim.registry import task_of

pytestmark = pytest.mark.real_time

PROFILE = load_profile("dual_arm")
TASK = task_of(PROFILE)
CLOSED = 1.1  # rad of the vendor's gripper


@pytest.fixture(scope="module")
def made():
    return SimulatedDriver(TASK.simulator(TASK.scene(0)), TASK)


@pytest.fixture
def driver(made):
    made.reset(TASK.scene(0))
    return made


def controller(driver, name):
    return next(one for one in driver.controllers if one.command.controller == name)


def advance(driver, seconds):
    for _ in range(round(seconds / 0.02)):
        driver.tick(0.02)


def positions(driver):
    names, values, speeds = driver.joints()
    assert len(names) == len(values) == len(speeds) == len(set(names))
    return dict(zip(names, values))


def test_the_controllers_are_the_vendors(driver):
    joints = {one.command.controller: one.joints for one in driver.controllers}
    assert list(joints) == ["arm_r_controller", "arm_l_controller", "head_controller", "lift_controller"]
    for side in "rl":
        expected = (*(f"arm_{side}_joint{i}" for i in range(1, 8)), f"gripper_{side}_joint1")
        assert joints[f"arm_{side}_controller"] == expected
    assert joints["head_controller"] == ("head_joint1", "head_joint2") and joints["lift_controller"] == ("lift_joint",)
    assert driver.grippers == (None, None), "the vendor has no action for them"
    assert {name for names in joints.values() for name in names} == set(positions(driver))


def test_arms_follow_trajectories_of_their_own_with_their_grippers(driver):
    right, left = (controller(driver, f"arm_{side}_controller") for side in "rl")
    before = positions(driver)
    goals = {}
    for one, turn, gripper in ((right, 0.1, CLOSED), (left, -0.1, 0.4)):
        goals[one] = one.state().position.copy()
        goals[one][4] += turn
        goals[one][7] = gripper
        one.follow(one.joints, [Point(0.4, goals[one])], None)
    advance(driver, 1.0)
    after = positions(driver)
    for one, goal in goals.items():
        assert [after[name] for name in one.joints] == pytest.approx(goal, abs=0.02)
    assert driver._simulator.arms[0].gripper_width == pytest.approx(0.0, abs=0.002)
    assert PROFILE.arms[1].gripper.opening([0.4]) == pytest.approx(driver._simulator.arms[1].gripper_width, abs=0.002)
    for name in ("head_joint1", "head_joint2", "lift_joint"):
        assert after[name] == pytest.approx(before[name], abs=0.005), "nobody moved it"


def test_only_the_head_takes_a_part_of_its_joints(driver):
    head, right = controller(driver, "head_controller"), controller(driver, "arm_r_controller")
    tilt = positions(driver)["head_joint1"]
    head.follow(["head_joint2"], [Point(0.4, [0.2])], None)
    advance(driver, 0.8)
    assert positions(driver)["head_joint2"] == pytest.approx(0.2, abs=0.02)
    assert positions(driver)["head_joint1"] == pytest.approx(tilt, abs=0.01)
    with pytest.raises(TrajectoryError, match="gripper_r_joint1"):
        right.follow(right.joints[:7], [Point(0.4, np.zeros(7))], None)


def test_the_truth_is_told_in_numbers(driver):
    truth = json.loads(json.dumps(driver.ground_truth()))
    assert set(truth) == {"time", "wide_trays"} and set(truth["wide_trays"]) == set(TASK.scene(0).colours)
    for tray, wanted in zip(truth["wide_trays"].values(), TASK.scene(0).trays):
        assert tray["position"][:2] == pytest.approx([wanted.x, wanted.y], abs=2e-3)
        assert tray["raised"] == pytest.approx(0.0, abs=2e-3) and tray["hands"] == []
