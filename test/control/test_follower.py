# SPDX-License-Identifier: Apache-2.0
"""The follower: reaches what it is told, within every limit, and holds when something is wrong."""

import numpy as np
import pytest

from wall_oss_ros.control.follower import CartesianFollower
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile

DOWN = np.diag([1.0, -1.0, -1.0])
TIMES = np.arange(1, 11) * 0.1


@pytest.fixture(scope="module")
def profile():
    return load_profile("franka")


@pytest.fixture(scope="module")
def arm(profile):
    return Arm(profile)


@pytest.fixture
def follower(profile, arm):
    return CartesianFollower(profile, arm)


def _line(arm, displacement):
    start = arm.fk(arm.home)[0]
    return start + np.linspace(0.1, 1, 10)[:, None] * np.asarray(displacement)


def _rotations(n=10):
    return np.repeat(DOWN[None], n, axis=0)


def _go(follower, now, times, positions, rotations):
    plan = follower.plan(now, times, positions, rotations)
    follower.follow(plan)
    return plan


def _run(follower, seconds, start=0.0):
    steps = [follower.step(start + k * follower.dt) for k in range(round(seconds / follower.dt))]
    return np.array([s.q for s in steps]), np.array([s.qd for s in steps]), steps


def test_it_ends_at_the_last_target_and_rests(follower, arm):
    goal = _line(arm, (0.08, 0.1, -0.1))
    assert _go(follower, 0.0, TIMES, goal, _rotations()).ok
    _run(follower, 2.5)
    assert np.linalg.norm(arm.fk(follower.q)[0] - goal[-1]) < 1e-3
    assert not follower.moving


def test_it_keeps_time_on_the_way(follower, arm):
    goal = _line(arm, (0.10, 0.0, 0.0))
    _go(follower, 0.0, TIMES, goal, _rotations())
    _run(follower, 0.6)
    assert np.linalg.norm(arm.fk(follower.q)[0] - goal[5]) < 0.012


def test_velocity_acceleration_and_jerk_stay_within_the_profile(follower, profile, arm):
    rng = np.random.default_rng(1)
    speeds = []
    for chunk in range(8):  # chunks that contradict one another, each cut short by the next
        now = chunk * 0.3
        goal = arm.fk(follower.q)[0] + rng.uniform(-0.25, 0.25, 3) * np.linspace(0.1, 1, 10)[:, None]
        _go(follower, now, now + TIMES, goal, _rotations())
        speeds.append(_run(follower, 0.3, now)[1])
    velocity = np.concatenate([np.zeros((1, 7)), *speeds])
    acceleration = np.diff(velocity, axis=0) / follower.dt
    jerk = np.diff(acceleration, axis=0) / follower.dt
    limits = profile.arm.limits
    assert (np.abs(velocity) <= np.array(limits.velocity) + 1e-6).all()
    assert (np.abs(acceleration) <= np.array(limits.acceleration) + 1e-6).all()
    assert (np.abs(jerk) <= np.array(limits.jerk) + 1e-3).all()
    assert np.abs(velocity).max() > 0.3


def test_targets_outside_the_workspace_stop_at_its_edge(follower, profile, arm):
    _go(follower, 0.0, TIMES, _line(arm, (0, 0, -0.6)), _rotations())
    _run(follower, 3.0)
    assert arm.fk(follower.q)[0][2] == pytest.approx(profile.arm.workspace.min[2], abs=2e-3)


def test_a_leap_is_slowed_to_the_tools_speed_limit(follower, profile, arm):
    _go(follower, 0.0, TIMES, np.repeat(_line(arm, (0, 0.4, 0))[-1:], 10, axis=0), _rotations())
    q, _, _ = _run(follower, 1.2)
    tool = np.array([arm.fk(x)[0] for x in q])
    assert np.linalg.norm(np.diff(tool, axis=0), axis=1).max() / follower.dt < profile.arm.max_tcp_speed * 1.1


@pytest.mark.parametrize(
    ("times", "positions", "words"),
    [
        (TIMES, np.full((10, 3), np.nan), "not finite"),
        (TIMES, np.zeros((9, 3)), "do not fit"),
        (TIMES[::-1], np.zeros((10, 3)), "do not increase"),
        (TIMES - 5.0, np.zeros((10, 3)), "ended"),
    ],
)
def test_a_bad_chunk_is_refused_and_the_arm_comes_to_rest(follower, arm, times, positions, words):
    _go(follower, 0.0, TIMES, _line(arm, (0, 0.2, 0)), _rotations())
    _run(follower, 0.4)
    report = _go(follower, 0.4, times, positions, _rotations())
    assert not report.ok and words in report.reason
    _run(follower, 1.0, 0.4)
    assert not follower.moving


def test_stop_brakes_within_the_limits(follower, profile, arm):
    _go(follower, 0.0, TIMES, _line(arm, (0, 0.3, 0)), _rotations())
    _run(follower, 0.5)
    assert follower.moving
    follower.stop()
    _, velocity, _ = _run(follower, 0.6, 0.5)
    assert not follower.moving
    assert (np.abs(np.diff(velocity, axis=0)) / follower.dt <= np.array(profile.arm.limits.acceleration) + 1e-6).all()


@pytest.mark.parametrize("reading", [0.5, np.nan])
def test_an_arm_that_does_not_follow_is_stopped(follower, arm, reading):
    _go(follower, 0.0, TIMES, _line(arm, (0, 0.2, 0)), _rotations())
    command = follower.step(0.0, measured=follower.q + reading)
    assert not command.ok and "away from its command" in command.reason
    _run(follower, 1.0)
    assert not follower.moving
