# SPDX-License-Identifier: Apache-2.0
"""The expert: right from any state, and able to do the task with real contacts."""

import numpy as np
import pytest

from wall_oss_ros.control.follower import CartesianFollower
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.cubes import expert
from wall_oss_ros.sim.cubes.expert import CARRY, CLOSED, OPEN, PICK, PLACE, ExpertState, active_subtask, done, rollout
from wall_oss_ros.sim.cubes.scene import TRAY_FLOOR, CubeSpec
from wall_oss_ros.sim.cubes.simulator import CubeSimulator

TRAYS = {"left": (0.5, 0.285, TRAY_FLOOR), "right": (0.5, -0.285, TRAY_FLOOR)}
TASK = [(PICK, "red"), (PLACE, "left")]
IN_LEFT = (0.5, 0.285, 0.023)


def _state(tcp=(0.4, 0.0, 0.3), opening=OPEN, held=None, **cubes):
    return ExpertState(tcp, opening, held, {"red": (0.5, 0.1, 0.02), "blue": (0.45, -0.1, 0.02), **cubes}, TRAYS)


def _imagine(state, subtasks, limit=30):
    """Follows the expert without physics, replanning every 0.5 s, until all is done; returns the final state."""
    for _ in range(limit):
        index = active_subtask(subtasks, state)
        if index == len(subtasks):
            return state
        for _ in range(5):  # half a chunk
            expert._advance(state, *expert.target(state, subtasks[index]), 0.1)
    return state


def test_a_chunk_is_relative_and_leads_to_the_cube():
    state = _state()
    chunk = rollout(state, (PICK, "red"))
    assert chunk.shape == (10, 20) and chunk.dtype == np.float32
    assert state == _state()
    assert chunk[0, 7] > 0 and chunk[0, 8] > 0 and chunk[-1, 9] < 0
    assert (chunk[:, 13] == np.float32(OPEN)).all()
    assert not chunk[:, :7].any() and not chunk[:, 10:13].any() and not chunk[:, 14:].any()
    steps = np.diff(np.vstack([np.zeros(3), chunk[:, 7:10]]), axis=0)
    assert np.linalg.norm(steps, axis=1).max() <= 0.025 + 1e-6


def test_the_words_decide_where_it_goes():
    red, blue = (rollout(_state(), (PICK, colour))[-1, 7:10] for colour in ("red", "blue"))
    assert red[1] > 0.05 and blue[1] < -0.05


@pytest.mark.parametrize("opening", [0.08, 0.07, 0.05, 0.042])
def test_at_the_cube_it_closes_whatever_the_opening(opening):
    chunk = rollout(_state(tcp=(0.5, 0.1, 0.02), opening=opening), (PICK, "red"))
    assert chunk[0, 13] == CLOSED
    assert np.allclose(chunk[0, 7:10], 0)
    assert chunk[-1, 9] > 0.05, "once closed, it lifts"


def test_closed_on_nothing_it_opens_and_rises_before_it_goes():
    chunk = rollout(_state(tcp=(0.42, 0.0, 0.03), opening=0.0), (PICK, "red"))
    assert chunk[0, 13] == np.float32(OPEN) and chunk[0, 9] > 0


def test_low_beside_the_cube_it_rises_before_it_goes_across():
    chunk = rollout(_state(tcp=(0.5, 0.17, 0.02)), (PICK, "red"))
    assert chunk[0, 9] > 0.01 and abs(chunk[0, 8]) < 0.005


@pytest.mark.parametrize("height", [0.03, 0.12, 0.25])
@pytest.mark.parametrize("colour", ["red", "blue"])
def test_from_holding_any_cube_the_named_one_reaches_its_tray(height, colour):
    at = (0.48, 0.02, height)
    state = _imagine(_state(tcp=at, opening=0.04, held=colour, **{colour: at}), TASK)
    assert np.allclose(state.cubes["red"][:2], TRAYS["left"][:2], atol=0.02)
    assert max(abs(state.cubes["blue"][1]), 0) < 0.2 and state.cubes["blue"][2] < 0.03


def test_a_second_cube_goes_beside_the_first():
    state = _imagine(_state(blue=IN_LEFT), TASK)
    assert abs(state.cubes["red"][0] - state.cubes["blue"][0]) > 0.04
    assert abs(state.cubes["red"][0] - TRAYS["left"][0]) < 0.055


def test_placing_with_an_empty_hand_holds_still():
    chunk = rollout(_state(tcp=(0.4, 0.0, 0.25)), (PLACE, "left"))
    assert not chunk[:, 7:10].any()


def test_when_nothing_is_left_it_holds_still():
    assert not rollout(_state(), None)[:, :13].any()


def test_done_needs_the_cube_lifted_or_let_go():
    def carried(height):
        return _state(tcp=(0.5, 0.1, height), opening=0.04, held="red", red=(0.5, 0.1, height))

    assert not done((PICK, "red"), carried(0.06)) and done((PICK, "red"), carried(CARRY))
    assert not done((PICK, "blue"), carried(CARRY))
    lying = dict(red=IN_LEFT)
    assert done((PLACE, "left"), _state(tcp=(0.5, 0.285, 0.12), **lying), "red")
    assert not done((PLACE, "left"), _state(tcp=(0.5, 0.285, 0.04), **lying), "red")
    assert not done((PLACE, "right"), _state(tcp=(0.5, 0.285, 0.12), **lying), "red")


@pytest.mark.parametrize(
    ("state", "index"),
    [
        (_state(), 0),
        (_state(tcp=(0.5, 0.1, 0.05), opening=0.04, held="red", red=(0.5, 0.1, 0.05)), 0),
        (_state(tcp=(0.5, 0.1, 0.2), opening=0.04, held="red", red=(0.5, 0.1, 0.2)), 1),
        (_state(tcp=(0.5, 0.28, 0.04), opening=0.04, held="red", red=(0.5, 0.28, 0.04)), 1),
        (_state(tcp=IN_LEFT, opening=0.06, red=IN_LEFT), 1),
        (_state(tcp=(0.5, 0.285, 0.14), red=IN_LEFT), 2),
        (_state(red=(0.5, -0.285, 0.023)), 0),
    ],
)
def test_the_active_subtask_follows_the_state(state, index):
    assert active_subtask(TASK, state) == index


def test_a_plan_of_two_cubes_goes_through_both():
    plan = [*TASK, (PICK, "blue"), (PLACE, "right")]
    state = _imagine(_state(), plan, limit=60)
    assert active_subtask(plan, state) == 4
    assert state.cubes["blue"][1] < -0.2 < 0.2 < state.cubes["red"][1]


def _episode(simulator, arm, spec, subtasks, seconds=20.0):
    """Expert, follower and physics together; replans every 0.5 s."""
    profile = load_profile("franka")
    simulator.reset(spec)
    follower = CartesianFollower(profile, arm)
    follower.reset(simulator.arm.q)
    down = np.repeat(np.diag([1.0, -1.0, -1.0])[None], profile.horizon, axis=0)
    for cycle in range(int(seconds / follower.dt)):
        now = simulator.time
        if cycle % 25 == 0:
            state = ExpertState.of(simulator)
            index = active_subtask(subtasks, state)
            if index == len(subtasks):
                return
            chunk, begun = rollout(state, subtasks[index]), now
            times = now + profile.dt * np.arange(1, profile.horizon + 1)
            plan = follower.plan(now, times, np.add(state.tcp, chunk[:, 7:10]), down)
            assert plan.ok, plan.reason
            follower.follow(plan)
        row = min(int((now - begun) / profile.dt + 1e-6), profile.horizon - 1)
        simulator.arm.set_gripper(chunk[row, 13])
        command = follower.step(now)
        assert command.ok, command.reason
        simulator.arm.set_joint_targets(command.q, command.qd)
        simulator.step(follower.dt)


def _success_rate(episodes, seed):
    rng = np.random.default_rng(seed)
    arm, simulator, successes = Arm(load_profile("franka")), None, 0
    for _ in range(episodes):
        spec = CubeSpec.random(rng)
        simulator = simulator or CubeSimulator(spec)
        colour, side = str(rng.choice(spec.colours)), str(rng.choice(["left", "right"]))
        _episode(simulator, arm, spec, [(PICK, colour), (PLACE, side)])
        others_lie = all(simulator.where(other) == "table" for other in spec.colours if other != colour)
        successes += simulator.where(colour) == f"{side} tray" and others_lie
    return successes / episodes


def test_the_expert_does_the_task_in_physics():
    assert _success_rate(4, seed=11) == 1.0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_expert_hardly_ever_fails():
    assert _success_rate(40, seed=12) >= 0.95
