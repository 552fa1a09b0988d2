# SPDX-License-Identifier: Apache-2.0
"""The simulated robot behind a driver's face: trajectories, gripper goals, reset, ground truth, rhythm."""

import threading

import numpy as np
import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.driver import RESET_LEAP, SimulatedDriver
from wall_oss_ros.sim.joint_trajectory_controller import Point, TrajectoryError
from wall_oss_ros.sim.paced_thread import PacedThread
from wall_oss_ros.sim.registry import task_of

PROFILE = load_profile("franka")
TASK = task_of(PROFILE)
make_scene = TASK.scene
ARM_JOINTS, HOME = PROFILE.arm.joints, PROFILE.start


@pytest.fixture
def driver():
    return SimulatedDriver(TASK.simulator(make_scene(0)), TASK)


@pytest.fixture
def arm(driver):
    return driver.controllers[0]


@pytest.fixture
def fingers(driver):
    return driver.grippers[0]


def advance(driver, seconds):
    for _ in range(round(seconds / 0.01)):
        driver.tick(0.01)


def ahead(joint, by, time, speed=0.0):
    q, v = np.array(HOME), np.zeros(7)
    q[joint] += by
    v[joint] = speed
    return Point(time, q, v)


def test_a_trajectory_is_followed_to_its_goal(driver, arm):
    arm.follow(ARM_JOINTS, [ahead(0, 0.2, 1.0)], None)
    advance(driver, 0.5)
    assert arm.state().position[0] == pytest.approx(0.1, abs=0.01), "half way at half time"
    advance(driver, 0.8)
    assert arm.state().position == pytest.approx(np.array(HOME) + [0.2, 0, 0, 0, 0, 0, 0], abs=0.005)


def test_a_new_trajectory_takes_over_without_a_jump(driver, arm):
    first = arm.follow(ARM_JOINTS, [ahead(0, 0.3, 1.0)], None)
    advance(driver, 0.5)
    before = arm.state()
    second = arm.follow(ARM_JOINTS, [ahead(0, -0.1, 1.0)], None)
    assert arm.is_running(second) and not arm.is_running(first)
    driver.tick(0.01)
    after = arm.state()
    assert np.abs(after.desired_position - before.desired_position).max() < 0.01
    assert np.abs(after.desired_velocity - before.desired_velocity).max() < 0.1


def test_a_refused_trajectory_leaves_the_running_one_alone(arm):
    running = arm.follow(ARM_JOINTS, [ahead(0, 0.2, 1.0)], None)
    good, bad = [ahead(0, 0.2, 1.0)], [ahead(0, np.nan, 1.0)]
    for names, points in ((ARM_JOINTS[:6], good), (ARM_JOINTS, bad), (ARM_JOINTS, [])):
        with pytest.raises(TrajectoryError):
            arm.follow(names, points, None)
    assert arm.is_running(running)


def test_hold_stops_where_the_arm_is(driver, arm):
    arm.follow(ARM_JOINTS, [ahead(0, 0.5, 1.0)], None)
    advance(driver, 0.5)
    arm.hold()
    stopped = arm.state().desired_position[0]
    advance(driver, 0.5)
    assert arm.state().position[0] == pytest.approx(stopped, abs=0.01)


def test_the_gripper_arrives_or_is_stopped_by_what_it_grasps(driver, fingers):
    fingers.move(0.03)
    advance(driver, 0.2)
    assert not fingers.state()[1]
    advance(driver, 0.8)
    opening, reached, stalled = fingers.state()
    assert opening == pytest.approx(0.03, abs=0.002) and reached and not stalled
    colour = driver._simulator.spec.colours[0]
    driver._simulator.hold(colour)
    fingers.move(0.0)
    advance(driver, 1.0)
    opening, reached, stalled = fingers.state()
    assert stalled and not reached and opening > 0.03
    assert driver.ground_truth()["cubes"][colour]["where"] == "gripper"


def test_a_reset_puts_all_back_and_time_leaps_ahead(driver, arm):
    arm.follow(ARM_JOINTS, [ahead(0, 0.3, 0.5)], None)
    advance(driver, 1.0)
    before = driver.time
    driver.reset(make_scene(5))
    assert driver.time == before + RESET_LEAP
    advance(driver, 0.1)
    assert driver.time == pytest.approx(before + RESET_LEAP + 0.1)
    assert arm.state().position == pytest.approx(HOME, abs=0.01)
    truth = driver.ground_truth()
    wanted = make_scene(5)
    assert set(truth["cubes"]) == set(wanted.colours)
    for cube in wanted.cubes:
        assert truth["cubes"][cube.colour]["position"][:2] == pytest.approx([cube.x, cube.y], abs=2e-3)
        assert truth["cubes"][cube.colour]["yaw"] == pytest.approx(cube.yaw, abs=0.02)


def test_scenes_by_seed_and_colours():
    assert make_scene(3) == make_scene(3) != make_scene(4)
    assert make_scene(3, "green, red,blue").colours == ("green", "red", "blue")
    assert [(c.x, c.y) for c in make_scene(3, "green,red,blue").cubes] == [(c.x, c.y) for c in make_scene(3).cubes]
    for bad in ("red", "red,red,blue", "red,green,mauve"):
        with pytest.raises(WallOSSError, match="different"):
            make_scene(3, bad)


def test_a_paced_thread_catches_up_and_reports_its_end():
    done, errors, finished = threading.Event(), [], threading.Event()
    steps = []

    def step():
        steps.append(1)
        if len(steps) == 20:
            done.set()
        if len(steps) == 25:
            raise RuntimeError("broken")

    thread = PacedThread("test", 0.002, step, errors.append, finished.set)
    thread.start()
    assert done.wait(30) and finished.wait(30)
    assert thread.steps == 24 and str(errors[0]) == "broken"
    thread.stop()
