# SPDX-License-Identifier: Apache-2.0
"""The follower: reaches what it is told, within every limit, and holds when something is wrong."""

import numpy as np
import pytest

from wall_oss_ros.control.follower import CartesianFollower, _Path
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile

DOWN = np.diag([1.0, -1.0, -1.0])
TIMES = np.arange(1, 11) * 0.1


@pytest.fixture(scope="module")
def profile():
    return load_profile("franka", simulated=True)  # the faster one


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


def test_a_path_follows_a_parabola_exactly_and_ends_at_rest():
    """Centred slopes are exact for parabolas; the first slope is the arm's present speed, the last is none."""
    times = np.array([2.0, 2.1, 2.2, 2.3])
    path = _Path(times, ((times - 1.0) ** 2)[:, None], np.array([2.0]))
    for time in np.linspace(2.0, 2.2, 11):
        assert path.at(time)[0] == pytest.approx((time - 1.0) ** 2, abs=1e-12), time
    assert path.at(1.0)[0] == 1.0 and path.at(2.3)[0] == path.at(9.0)[0] == pytest.approx(1.69)
    before = [path.at(2.3 - after)[0] for after in (1e-3, 2e-3)]
    assert 1.69 - before[0] < 1e-4 and 1.69 - before[1] < 3e-4, "at rest"


def test_joints_that_would_leap_between_two_targets_are_refused(follower, arm):
    """More than 0.3 rad and three times the fastest they may move in that time."""
    most = 0.3 + 3.0 * follower.velocity[6] * 0.1
    for share, fine in ((0.99, True), (1.01, False)):
        goal = arm.home + share * most * np.eye(7)[6]
        plan = follower.plan_joints(0.0, [0.1], [goal])
        assert plan.ok == fine and (fine or "a joint would have to move" in plan.reason)


@pytest.mark.parametrize("beyond, fine", [(0.029, True), (0.031, False)])
def test_joints_a_little_beyond_their_range_are_clipped_and_others_refused(follower, arm, beyond, fine):
    for end, side in ((arm.lower, -1.0), (arm.upper, 1.0)):
        goal = arm.home.copy()
        goal[6] = end[6] + side * beyond
        follower.reset(np.where(np.arange(7) == 6, end - side * 0.01, arm.home))
        plan = follower.plan_joints(0.0, [0.1], [goal])
        assert plan.ok == fine
        if fine:
            assert arm.lower[6] <= plan.knots[-1][6] <= arm.upper[6]
        else:
            assert plan.reason == f"{follower._profile.arm.joints[6]} would have to go 0.03 rad beyond its range"


def test_targets_that_have_passed_are_skipped_and_those_within_half_a_cycle(follower, arm):
    for now, left in ((0.0, 10), (0.1, 9), (0.1 - 0.6 * follower.dt, 10), (0.1 - 0.4 * follower.dt, 9)):
        plan = follower.plan_joints(now, TIMES, np.tile(arm.home, (10, 1)))
        assert len(plan.times) == left + 1 and plan.times[0] == now
        plan = follower.plan(now, TIMES, _line(arm, (0.01, 0, 0)), _rotations())
        assert len(plan.times) == left + 1 and len(plan.knots) == left + 1


def test_a_pose_out_of_reach_is_refused_with_its_place(follower, arm, profile):
    there = np.tile(np.array([*profile.arm.workspace.max]), (10, 1))  # a far corner
    plan = follower.plan(0.0, 3.0 * TIMES, there, _rotations())
    assert not plan.ok and "out of reach" in plan.reason and len(plan.times) == 0


def test_plans_are_slowed_to_the_tools_speed_limit(follower, arm, profile):
    most, start = 0.1 * profile.arm.max_tcp_speed, arm.fk(arm.home)[0]
    away = arm.home + 0.25 * np.eye(7)[0]
    for plan in (
        follower.plan(0.0, [0.1], [start + [0.0, 0.15, 0.0]], _rotations(1)),
        follower.plan_joints(0.0, [0.1], [away]),
    ):
        assert plan.ok and np.linalg.norm(arm.fk(plan.knots[1])[0] - start) == pytest.approx(most, rel=0.05)
    near = follower.plan_joints(0.0, [0.1], [arm.home + 0.02 * np.eye(7)[0]])
    assert near.knots[1] == pytest.approx(arm.home + 0.02 * np.eye(7)[0]), "what is slow enough stays as it is"


@pytest.mark.parametrize("objection, fault", [("two links would touch", True), ("", False)])
def test_each_command_is_checked_before_it_leaves(follower, arm, monkeypatch, objection, fault):
    asked = []
    monkeypatch.setattr(follower._stopping_check, "objection", lambda *_: asked.append(1))
    _go(follower, 0.0, TIMES, _line(arm, (0, 0.2, 0)), _rotations())
    _run(follower, 0.3)
    assert len(asked) == round(0.3 / follower.dt) and follower.moving
    monkeypatch.setattr(follower._stopping_check, "objection", lambda *_: objection)
    command = follower.step(0.3)
    assert command.ok != fault and command.reason == objection
    assert follower.following != fault, "without a fault it goes on when it may"
    for k in range(40):
        follower.step(0.3 + (k + 2) * follower.dt)
    assert not follower.moving
