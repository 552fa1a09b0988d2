# SPDX-License-Identifier: Apache-2.0
"""Whatever the model puts out, what is sent to the arm keeps to its limits, and ends at rest."""

import numpy as np
import pytest
from control_support import follow_actions, steps_left
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.policy.chunk import Chunk
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.joint_trajectory_controller import Point, Trajectory

PROFILE = load_profile("franka")
ARM, LAYOUT = Arm(PROFILE), Layout(PROFILE)
DT = 1.0 / PROFILE.command.rate_hz
STATE = LAYOUT.pack(*ARM.fk(ARM.home), 0.08)[0].astype(float)
TOLERANCE = 1e-6


def chunk(**displacements) -> np.ndarray:
    """A chunk (10, 20) that moves evenly by x, y, z (m) in a second, with an opening."""
    rows = np.zeros((PROFILE.horizon, LAYOUT.size))
    steps = np.linspace(0.1, 1.0, PROFILE.horizon)
    for axis, name in enumerate("xyz"):
        rows[:, LAYOUT.position.start + axis] = displacements.get(name, 0.0) * steps
    rows[:, LAYOUT.gripper] = displacements.get("opening", 0.08)
    return rows


class Arm7:
    """The other side: a perfect arm behind a trajectory controller."""

    def __init__(self):
        self.q, self.v = ARM.home.copy(), np.zeros(7)
        self.visited = [self.q]

    def receive(self, setpoints, now: float) -> None:
        points = [Point(s.time, s.position, s.velocity) for s in setpoints]
        self.trajectory = Trajectory(PROFILE.arm.joints, PROFILE.arm.joints, points, now, now, self.q, self.v)

    def run(self, start: float, end: float) -> None:
        for step in range(1, round((end - start) / 0.004) + 1):
            self.q, self.v = self.trajectory.sample(start + 0.004 * step)
            assert (np.abs(self.v) <= ARM.velocity * 1.05 + TOLERANCE).all()
            self.visited.append(self.q)


def check(setpoints) -> None:
    for point in setpoints:
        assert np.isfinite(point.position).all() and np.isfinite(point.velocity).all()
        assert (point.position >= ARM.lower - TOLERANCE).all() and (point.position <= ARM.upper + TOLERANCE).all()
        assert (np.abs(point.velocity) <= ARM.velocity + TOLERANCE).all()
    assert not np.any(setpoints[-1].velocity), "the last point must be at rest"
    times = [point.time for point in setpoints]
    assert times == sorted(set(times)) and times[0] > 0


def follow(motion: RobotMotion, cycles: int, start: float = 0.0, running: bool = True, measured=None):
    """Steps the motion with an arm that follows; gives all setpoints sent."""
    sent, q = [], ARM.home if measured is None else measured
    for n in range(cycles):
        (setpoints,) = motion.step(start + n * DT, running and not motion.fault, q)
        if setpoints is not None:
            check(setpoints)
            sent.append(setpoints)
            q = setpoints[0].position
    return sent


wild = st.one_of(st.floats(-2.0, 2.0), st.floats(), st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    values=st.lists(wild, min_size=7, max_size=70),
    late=st.floats(0.0, 1.5),
    scale=st.sampled_from([1.0, 0.1, 0.01]),
)
def test_no_chunk_can_break_a_limit(values, late, scale):
    motion = RobotMotion(PROFILE, [ARM])
    rows = chunk(x=0.1)
    with np.errstate(all="ignore"):
        rows[:, 7:14] = np.resize(np.array(values) * scale, (PROFILE.horizon, 7))
    follow_actions(motion, 0.0, 0.0, STATE, chunk(x=0.2), ARM.home)
    follow(motion, 10)
    follow_actions(motion, 0.2, 0.2 - late, STATE, rows, ARM.home)
    before = motion._motions[0]._follower.q
    for setpoints in follow(motion, 60, start=0.2, measured=before):
        assert (np.abs(setpoints[0].position - before) <= ARM.velocity * DT * 1.01 + TOLERANCE).all()
        before = setpoints[0].position


def test_an_even_motion_is_followed():
    motion = RobotMotion(PROFILE, [ARM])
    rows = follow_actions(motion, 0.0, 0.0, STATE, chunk(x=0.1, z=-0.05), ARM.home)
    assert rows[-1, LAYOUT.position] == pytest.approx(STATE[LAYOUT.position] + [0.1, 0.0, -0.05])
    sent = follow(motion, 60)
    assert ARM.fk(sent[-1][0].position)[0] == pytest.approx(STATE[LAYOUT.position] + [0.1, 0.0, -0.05], abs=3e-3)


@pytest.mark.parametrize(
    "bad, reason",
    [
        (chunk(x=np.nan), "finite"),
        (np.full((10, 20), np.inf), "finite"),
        (chunk(x=3.0), "workspace"),
        (np.zeros((10, 7)), "shape"),
        (np.zeros((0, 20)), "shape"),
    ],
)
def test_a_bad_chunk_brings_the_arm_to_rest_and_says_why(bad, reason):
    motion = RobotMotion(PROFILE, [ARM])
    follow_actions(motion, 0.0, 0.0, STATE, chunk(x=0.2), ARM.home)
    moving = follow(motion, 20)
    assert np.abs(moving[-1][0].velocity).max() > 0.01
    assert follow_actions(motion, 0.4, 0.4, STATE, bad, moving[-1][0].position) is None
    assert reason in motion.fault
    assert motion.queue.target(0.4) is None
    stopping = follow(motion, 30, start=0.4, measured=moving[-1][0].position)
    assert not motion.moving
    assert len(stopping) * DT < 0.45, "it goes on to send commands at rest"
    follow_actions(motion, 1.0, 1.0, STATE, chunk(x=0.1), stopping[-1][0].position)
    assert motion.fault == "", "a good chunk puts it right"


def test_a_model_that_is_slower_than_its_chunk_is_named():
    motion = RobotMotion(PROFILE, [ARM])
    follow_actions(motion, 1.4, 0.0, STATE, chunk(x=0.1), ARM.home)
    assert "too slow" in motion.fault and motion.step(1.4, False, ARM.home) == [None]
    follow_actions(motion, 1.5, 1.4, STATE, chunk(x=0.1), ARM.home)
    assert motion.fault == ""


def test_a_chunk_from_before_the_clock_was_set_back_is_refused():
    motion = RobotMotion(PROFILE, [ARM])
    assert follow_actions(motion, 1.0, 100.0, STATE, chunk(x=0.1), ARM.home) is None
    assert "ahead" in motion.fault and motion.queue.target(1.0) is None


def test_when_commands_cease_the_arm_comes_to_rest_smoothly():
    """The control process may be killed at any moment: what was sent last must end at rest."""
    motion, arm = RobotMotion(PROFILE, [ARM]), Arm7()
    follow_actions(motion, 0.0, 0.0, STATE, chunk(x=0.25, y=0.2), ARM.home)
    for n in range(20):
        arm.receive(*motion.step(n * DT, True, arm.q), n * DT)
        arm.run(n * DT, (n + 1) * DT)
    assert np.abs(arm.v).max() > 0.05
    arm.run(20 * DT, 20 * DT + 1.0)
    assert np.abs(arm.v).max() < 1e-9
    accelerations = np.diff(arm.visited, n=2, axis=0) / 0.004**2
    assert (np.abs(accelerations[-250:]) < 1.5 * np.array(PROFILE.arm.limits.acceleration)).all()


def test_an_arm_that_does_not_follow_brakes_from_its_last_command_and_waits_there_for_a_person():
    motion = RobotMotion(PROFILE, [ARM])
    follow_actions(motion, 0.0, 0.0, STATE, chunk(x=0.2), ARM.home)
    sent = [points[0] for points in follow(motion, 10)]
    stuck, now, faults = sent[-1].position, 0.2, []
    for n in range(150):  # it stays behind; its readings tremble as those of encoders do
        now += DT
        (setpoints,) = motion.step(now, not motion.fault, stuck + 1e-5 * (n % 2))
        faults.append(motion.fault)
        if setpoints is not None:
            check(setpoints)
            sent.append(setpoints[0])
        if n == 0 or motion.fault:
            follow_actions(motion, now, now, STATE, chunk(y=0.35), stuck)
    q, qd = np.array([point.position for point in sent]), np.array([point.velocity for point in sent])
    assert np.abs(np.diff(q, axis=0)).max() <= ARM.velocity.max() * DT
    assert (np.abs(np.diff(qd, axis=0)) <= np.array(PROFILE.arm.limits.acceleration) * DT + 1e-6).all()
    away = np.abs(q[-1] - stuck).max()
    assert 0.35 < away < 0.6 and any("away from its command" in fault for fault in faults)
    assert "service resume" in faults[-1], "new chunks change nothing"
    assert motion.accept() and not motion.accept()
    (setpoints,) = motion.step(now + DT, True, stuck)  # its readings have been at rest for long
    assert setpoints[0].position == pytest.approx(stuck) and "away from its last command" in motion.anchors[0].told[-1]


def test_servos_that_give_way_a_little_do_not_make_the_arm_sink_with_each_hold():
    motion, now, sag = RobotMotion(PROFILE, [ARM]), 0.0, 0.0
    for _ in range(5):
        follow_actions(motion, now, now, STATE, chunk(), ARM.home)
        for n in range(60):
            now, sag = now + DT, min(0.04, sag + 0.001)
            (setpoints,) = motion.step(now, n < 30, ARM.home - sag)
            if setpoints is not None:
                assert setpoints[0].position == pytest.approx(ARM.home, abs=1e-3)
    assert motion.fault == "" and motion.anchors[0].told == []


def test_at_rest_nothing_is_sent():
    assert RobotMotion(PROFILE, [ARM]).step(0.0, False, ARM.home) == [None]


def test_the_gripper_stays_within_its_range():
    motion = RobotMotion(PROFILE, [ARM])
    follow_actions(motion, 0.0, 0.0, STATE, chunk(opening=0.5), ARM.home)
    assert motion.openings(0.1) == [PROFILE.gripper.open]
    follow_actions(motion, 0.1, 0.1, STATE, chunk(opening=-0.5), ARM.home)
    assert motion.openings(0.2) == [PROFILE.gripper.closed]


@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_what_remains_of_a_chunk_makes_the_same_motion_from_another_observation(mode):
    """A new chunk that repeats it, from the state of a later observation, has the same absolute targets."""
    profile = PROFILE.model_copy(update={"action_mode": mode})
    motion, layout = RobotMotion(profile, [ARM]), Layout(profile)
    rows = chunk(x=0.1, y=-0.05)
    rows[:, layout.rotation.stop - 1] = np.linspace(0.0, 0.4, len(rows))
    targets = rows + np.where(np.arange(layout.size) == layout.gripper, 0.0, STATE)
    follow_actions(motion, 0.0, 0.0, STATE, layout.relative(targets, STATE), ARM.home)
    later = STATE.copy()
    later[layout.position] += [0.02, -0.03, 0.01]
    later[layout.rotation.stop - 1] += 0.2
    left = steps_left(motion, 0.4, later)
    assert left.shape == (6, layout.size)
    assert layout.absolute(left, later)[:, layout.position] == pytest.approx(targets[4:, layout.position])
    assert layout.absolute(left, later)[:, layout.rotation] == pytest.approx(targets[4:, layout.rotation])
    assert left[:, layout.gripper] == pytest.approx(0.08)
    if mode == "relative":
        assert np.abs(left[:, layout.position]).max() < 0.15, "displacements from the new state"


def test_angles_that_remain_are_told_the_short_way_round():
    motion, state = RobotMotion(PROFILE, [ARM]), STATE.copy()
    state[LAYOUT.rotation.stop - 1] = 3.1
    rows = chunk(x=0.01)
    rows[:, LAYOUT.rotation.stop - 1] = 0.02 * np.arange(1, 11)  # over the jump at pi
    motion.queue.put(Chunk(0.0, state, LAYOUT.absolute(rows, state), PROFILE.rate_hz), 0.0)
    later = state.copy()
    later[LAYOUT.rotation.stop - 1] = 3.15 - 2 * np.pi
    left = steps_left(motion, 0.1, later)[:, LAYOUT.rotation.stop - 1]
    assert left == pytest.approx(3.1 + 0.02 * np.arange(2, 11) - 3.15)
