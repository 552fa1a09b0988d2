# SPDX-License-Identifier: Apache-2.0
"""Arms moved by 6-D rotations or by joints: the same limits hold, and what cannot be followed is refused and said."""

import re

import numpy as np
import pytest
from arm_space_support import saved
from control_support import STRANGE, Bench, follow_actions, robot, steps_left
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wall_oss_ros.nodes  # noqa: F401  gives ROS's messages
from wall_oss_ros.control.chunk_queue import ChunkQueue
from wall_oss_ros.control.input_monitor import InputMonitor
from wall_oss_ros.homing.moveit.child import Side
from wall_oss_ros.nodes.conversions import answer_message
from wall_oss_ros.perception.robot_state import RobotStateHistory
from wall_oss_ros.policy.chunk import Chunk, ChunkAnswer, Task
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.rotations import matrix_from_euler, six_from_matrix

TOLD = [("columns", "relative"), ("rows", "absolute"), ("joints", "relative"), ("joints", "absolute")]


def even(bench: Bench, q) -> np.ndarray:
    """A chunk that leads the joints straight from home to joints (n,) rad, told in the robot's form."""
    known, state = bench.robot, bench.robot.state(bench.robot.home)
    way = np.linspace(known.home, q, known.profile.horizon + 1)[1:]
    return known.layout.relative(np.array([known.state(at) for at in way]), state)


def sent(bench: Bench, rows) -> str:
    """Takes a chunk at rest; what is wrong with it. Then nothing must move."""
    follow_actions(bench.motion, 0.0, 0.0, bench.robot.state(bench.q), rows, bench.q)
    fault = bench.motion.fault
    bench.run(10)
    assert not fault or bench.moved == 0.0
    return fault


@pytest.mark.parametrize("way", TOLD)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 1000),
    size=st.sampled_from([0.01, 0.05, 0.3]),
    strange=st.integers(0, 2),
    late=st.floats(0.0, 1.2),
)
def test_no_chunk_can_break_a_limit(way, seed, size, strange, late):
    bench, rng = Bench(saved(*way)), np.random.default_rng(seed)
    follow_actions(bench.motion, 0.0, 0.0, bench.robot.state(bench.q), even(bench, bench.q + 0.1), bench.q)
    bench.run(10)
    state = bench.robot.state(bench.q)
    rows = bench.robot.layout.relative(np.tile(state, (10, 1)), state)
    rows += np.cumsum(rng.normal(0, size, rows.shape), axis=0)
    for _ in range(strange):
        rows[rng.integers(10), rng.integers(rows.shape[1])] = rng.choice(STRANGE)
    follow_actions(bench.motion, bench.now, bench.now - late, state, rows, bench.q)
    bench.run(25)
    bench.rest()


@pytest.mark.parametrize("way", TOLD)
def test_a_way_told_in_any_form_is_followed(way):
    bench = Bench(saved(*way))
    goal = bench.q + [0.2, 0.1, 0.0, 0.2, 0.0, 0.1, 0.4]
    rows = even(bench, goal)
    assert sent(bench, rows) == ""
    bench.run(60)
    arm = bench.robot.arms[0]
    assert np.allclose(arm.fk(bench.q)[0], arm.fk(goal)[0], atol=3e-3)
    assert np.allclose(arm.fk(bench.q)[1], arm.fk(goal)[1], atol=2e-2)
    if way[0] == "joints":
        assert np.allclose(bench.q, goal, atol=3e-3), "no kinematics in between"


@pytest.mark.parametrize("way", TOLD[:2])
@pytest.mark.parametrize("six", [[0] * 6, [1, 0, 0, 2, 0.01, 0]])
def test_six_numbers_that_are_no_rotation_move_nothing(way, six):
    bench = Bench(saved(*way))
    rows = even(bench, bench.q + 0.1)
    rows[4, bench.robot.layout.rotation] = six
    assert "no rotation" in sent(bench, rows)


def test_a_state_that_is_no_rotation_moves_nothing():
    bench = Bench(saved("columns", "relative"))
    state, rows = bench.robot.state(bench.q), even(bench, bench.q + 0.1)
    state[bench.robot.layout.rotation] = 0.0
    assert follow_actions(bench.motion, 0.0, 0.0, state, rows, bench.q) is None and "no rotation" in bench.motion.fault


@pytest.mark.parametrize("mode", ["relative", "absolute"])
@pytest.mark.parametrize(
    ("joint", "goal", "words"),
    [
        (6, 3.2, "fr3_joint7 would have to go 0.1. rad beyond its range"),
        (1, 0.6, "workspace"),
        (0, np.nan, "not finite"),
    ],
)
def test_joints_that_cannot_be_are_refused(mode, joint, goal, words):
    bench = Bench(saved("joints", mode))
    there = bench.q.copy()
    there[joint] = goal
    rows = even(bench, np.nan_to_num(there))
    rows[-1, joint] += goal - np.nan_to_num(goal)
    assert re.search(words, sent(bench, rows))


def test_a_leap_of_a_joint_is_refused():
    bench = Bench(saved("joints", "absolute"))
    rows = even(bench, bench.q)
    rows[5:, 6] -= 1.5
    assert "a joint would have to move 1.50 rad in 0.10 s" in sent(bench, rows)


def test_an_arm_that_would_touch_itself_is_refused():
    bench = Bench(saved("joints", "absolute"))
    box = bench.robot.profile.arm.workspace
    rng, arm = np.random.default_rng(0), bench.robot.arms[0]
    for _ in range(20000):
        q = rng.uniform(arm.lower, arm.upper)
        tool = arm.fk(q)[0]
        if (tool > box.min).all() and (tool < box.max).all() and bench.robot.apart.touching(q):
            break
    rows = np.tile(bench.robot.state(q), (10, 1))
    bench.q = q + 0.01
    follow_actions(bench.motion, 0.0, 0.0, bench.robot.state(bench.q), rows, bench.q)
    assert "would touch" in bench.motion.fault


@pytest.mark.parametrize("form", ["columns", "rows"])
@settings(max_examples=25, deadline=None)
@given(st.floats(-1.2, 1.2), st.floats(-1.2, 1.2), st.sampled_from(["blend", "ensemble"]), st.floats(0.0, 0.3))
def test_mixed_chunks_have_rotations_between_those_of_each(form, one, other, joining, time):
    layout = robot(saved(form, "absolute")).layout
    queue = ChunkQueue(layout.space.angles, [layout.gripper], joining=joining)
    for stamp, yaw in ((0.0, one), (0.1, other)):
        vector = np.zeros(layout.size)
        turn = matrix_from_euler((0, 0, yaw))
        vector[layout.rotation] = six_from_matrix(turn if form == "columns" else turn.T)
        queue.put(Chunk(stamp, vector, np.tile(vector, (10, 1)), 10.0), 0.1)
    yaw = layout.state_rotation(layout.unpack(queue.target(0.1 + time))[1])[2]
    assert min(one, other) - 1e-6 <= yaw <= max(one, other) + 1e-6


def test_joints_are_mixed_the_way_they_can_turn():
    """The short way round would lead over a joint's ends."""
    layout = robot(saved("joints", "absolute")).layout
    queue = ChunkQueue(layout.space.angles, [layout.gripper], joining="ensemble")
    for stamp, angle in ((0.0, -2.5), (0.1, 2.5)):
        vector = np.full(layout.size, angle)
        queue.put(Chunk(stamp, vector, np.tile(vector, (10, 1)), 10.0), 0.1)
    assert np.abs(queue.target(0.3)[layout.joints]).max() < 0.1


@pytest.mark.parametrize("way", TOLD)
def test_what_remains_of_a_chunk_makes_the_same_motion_from_another_observation(way):
    bench = Bench(saved(*way))
    known, goal = bench.robot, bench.q + [0.2, 0.1, 0.0, 0.2, 0.0, 0.1, 0.4]
    targets = follow_actions(bench.motion, 0.0, 0.0, known.state(bench.q), even(bench, goal), bench.q)
    later = known.state(bench.q + 0.05)
    left = steps_left(bench.motion, 0.4, later)
    assert left.shape == (6, known.layout.size)
    assert np.allclose(known.layout.absolute(left, later), targets[4:], atol=1e-6)


@pytest.mark.parametrize("way", TOLD)
def test_a_target_is_shown_to_moveit_as_joints(way):
    known = robot(saved(*way))
    goal = known.home + [0.05, 0.02, 0.0, 0.05, 0.0, 0.02, 0.1]
    q = Side._posture(known.layout, known.arms[0], known.home, known.state(goal))
    assert np.allclose(known.arms[0].fk(q)[0], known.arms[0].fk(goal)[0], atol=1e-3)
    assert way[0] != "joints" or np.allclose(q, goal, atol=1e-6)


def test_what_is_observed_of_such_an_arm_are_its_joints():
    known = robot(saved("joints", "relative"))
    heard = RobotStateHistory(known.profile)
    names = [*known.profile.arm.joints, *known.profile.gripper.joints]
    assert heard.add_joint_state(1.0, names, [*known.home, 0.02, 0.02], [0.0] * 9) == ""
    reading = heard.at(1.0)
    assert np.allclose(reading.state, [*known.home, 0.04], atol=1e-6) and reading.mask.all()


def test_an_observed_tool_that_jumps_is_noticed_by_its_joints():
    known = robot(saved("joints", "relative"))
    health = InputMonitor(known.profile, 0.0)
    for n, turned in enumerate((0.0, 0.01, 0.6)):
        health.observation(robot_identity(known.profile), 0.1 * n, known.state(known.home + [turned, 0, 0, 0, 0, 0, 0]))
        health.cycle(0.1 * n, 0.1 * n)
        assert ("tool of the arm jumped" in health.fault(0.1 * n, 0.1 * n)) == (turned == 0.6)


@pytest.mark.parametrize("way", [("euler", "relative"), *TOLD])
def test_the_path_that_is_published_is_the_tools(way):
    known = robot(saved(*way))
    rows = np.tile(known.state(known.home), (3, 1))
    chunk = Chunk(1.0, known.state(known.home), rows, 10.0)
    task = Task("planner", 1, 0, "")
    message = answer_message(ChunkAnswer("control", 1, task, chunk=chunk, moves=known.layout.mask), known.layout)
    position, place = message.path.poses[2].position, known.arms[0].fk(known.home)[0]
    assert np.allclose([position.x, position.y, position.z], place, atol=1e-5)
