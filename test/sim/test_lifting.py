# SPDX-License-Identifier: Apache-2.0
"""The two-handed task: scenes, ground truth by contact, an expert right from any state and able with real contacts."""

import numpy as np
import pytest
from control_support import follow_actions
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.sim.cell import RGB
from wall_oss_ros.sim.lifting import expert
from wall_oss_ros.sim.lifting.demonstrations import LiftingEnvironment
from wall_oss_ros.sim.lifting.expert import (
    CLOSED,
    LIFT,
    LOWER,
    OPEN,
    TAKE,
    TOP,
    active_subtask,
    rollout,
    target,
)
from wall_oss_ros.sim.lifting.frame import LEFT, LIFT_FRAME, RAISED, RIGHT
from wall_oss_ros.sim.lifting.goals import BRING, LET_GO, STEPS, TAKE_BAR, give, lay, lift
from wall_oss_ros.sim.lifting.scene import (
    BAR_SIZE,
    BAR_X,
    BAR_Y,
    DEPTH,
    HOLDS,
    MIDDLE,
    SIDE,
    TABLE,
    THICKNESS,
    WIDTH,
    LiftingSpec,
)
from wall_oss_ros.sim.lifting.state import BAR, REST, RESTS, LiftState
from wall_oss_ros.sim.reaching import SPEED

PLAN = [(TAKE, "red"), (LIFT, "red")]


@pytest.fixture(scope="module")
def environment():
    made = LiftingEnvironment(np.random.default_rng(0), "dual_arm")
    yield made
    made.simulator.close()


# Scenes


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_random_scenes_have_a_near_and_a_far_tray_that_do_not_touch(seed):
    spec = LiftingSpec.random(np.random.default_rng(seed))
    near, far = spec.trays[spec.near], spec.trays[1 - spec.near]
    assert near.colour != far.colour
    reach = [DEPTH / 2 * np.cos(tray.yaw) + WIDTH / 2 * abs(np.sin(tray.yaw)) for tray in (near, far)]
    assert near.x + reach[0] < far.x - reach[1]


def test_a_scene_is_shown_as_it_was_asked_for(environment):
    simulator = environment.simulator
    for seed in (1, 2):
        spec = LiftingSpec.random(np.random.default_rng(seed))
        simulator.reset(spec)
        for i, tray in enumerate(spec.trays):
            position, rotation = simulator.tray(i)
            assert position == pytest.approx((tray.x, tray.y, TABLE), abs=1e-6)
            assert np.arctan2(rotation[1, 0], rotation[0, 0]) == pytest.approx(tray.yaw)
            x, y = simulator.project("face_view", position).astype(int)
            pixel = simulator.render("face_view")[y, x] / 255
            shown = min(RGB, key=lambda name: np.abs(np.array(RGB[name]) / max(RGB[name]) - pixel).sum())
            assert shown == tray.colour


def test_trays_stand_still_and_arms_stay(environment):
    simulator = environment.simulator
    simulator.reset(LiftingSpec.random(np.random.default_rng(3)))
    before = [simulator.tray(i)[0] for i in range(2)]
    simulator.step(1.0)
    for i in range(2):
        assert np.linalg.norm(simulator.tray(i)[0] - before[i]) < 1e-3
        assert simulator.raised(i) == pytest.approx(0, abs=1e-3) and simulator.tilt(i) < 1e-3
    for arm in simulator.arms:
        assert np.abs(arm.q - arm.home).max() < 1e-3


def test_the_trays_stay_where_they_are_when_the_lift_carries_the_arms_down(environment):
    simulator = environment.simulator
    simulator.reset(LiftingSpec.random(np.random.default_rng(4)))
    lift, before = simulator.parts["lift"], [simulator.tray(i)[0] for i in range(2)]
    hands = [arm.tcp[0] for arm in simulator.arms]
    lift.set_joint_targets(lift.q - 0.05)
    simulator.step(2.0)
    for i in range(2):
        assert simulator.tray(i)[0] - before[i] == pytest.approx((0, 0, 0.05), abs=2e-3)
        assert simulator.arms[i].tcp[0] == pytest.approx(hands[i], abs=2e-3)
    with pytest.raises(ValueError, match="1 finite"):
        lift.set_joint_targets([0.0, 0.0])


def test_an_observation_holds_both_arms_head_and_lift(environment):
    simulator = environment.simulator
    observation = simulator.observation(environment.profile).check()
    assert list(observation.images) == ["face_view", "left_wrist_view", "right_wrist_view"]
    right, left = simulator.arms
    assert observation.state[0:3] == pytest.approx(left.tcp[0], abs=1e-6)
    assert observation.state[7:10] == pytest.approx(right.tcp[0], abs=1e-6)
    assert observation.state[[6, 13]] == pytest.approx([left.gripper_width, right.gripper_width], abs=1e-6)
    assert observation.state[16] == pytest.approx(simulator.parts["lift"].q[0], abs=1e-6)
    assert observation.state_mask[:17].all()


# The expert, without physics


def _walls(x, right=REST, left=REST):
    return [(x, -SIDE, right), (x, SIDE, left)]


def _state(tcps=((0.32, -0.2, -0.36), (0.32, 0.2, -0.36)), openings=(OPEN, OPEN), gripped=((0, 0), (0, 0)), red=None):
    walls = [red or _walls(0.29), _walls(0.455)]
    held = [[bool(one) for one in row] for row in gripped]
    return LiftState(list(tcps), [(0.0, 0.0, 0.0)] * 2, list(openings), walls, held, ("red", "blue"))


def _holding(right=REST, left=REST, tray=0):
    walls = _walls((0.29, 0.455)[tray], right, left)
    state = _state(walls, (THICKNESS, THICKNESS), ((1, 1), (0, 0))[:: 1 if tray == 0 else -1])
    state.walls[tray] = walls
    return state


def _imagine(state, plan, steps=150):
    state = state.copy()
    for _ in range(steps):
        index = active_subtask(plan, state)
        if index == len(plan):
            break
        state.advance(*target(state, plan[index]), 0.1)
    return state


def test_a_chunk_is_relative_in_the_layouts_order_and_each_hand_goes_to_its_wall():
    state = _state()
    chunk = rollout(state, (TAKE, "blue"))
    assert chunk.shape == (10, 14) and chunk.dtype == np.float32 and state == _state()
    assert chunk[-1, 0] > 0.05 and chunk[-1, 7] > 0.05, "the blue tray is the far one"
    assert chunk[-1, 1] < -0.02 and chunk[-1, 8] > 0.02, "left comes from the left, right from the right"
    assert (chunk[:, [6, 13]] == np.float32(OPEN)).all()
    assert not chunk[:, 3:6].any() and not chunk[:, 10:13].any()
    steps = np.diff(np.vstack([np.zeros(3), chunk[:, 7:10]]), axis=0)
    assert np.linalg.norm(steps, axis=1).max() <= SPEED * 0.1 + 1e-6


def test_hands_that_have_turned_turn_back():
    state = _state()
    state.rotations[LEFT] = (0.0, 0.05, -0.1)
    chunk = rollout(state, (TAKE, "red"))
    assert chunk[-1, 3:6] == pytest.approx((0.0, -0.05, 0.1), abs=0.002) and not chunk[:, 10:13].any()
    assert (np.diff(chunk[:, 5]) > 0).all() and chunk[0, 5] < 0.06, "not at once"


@pytest.mark.parametrize("opening", [0.106, 0.08, 0.04, 0.01])
def test_each_hand_closes_on_its_own(opening):
    state = _state(((0.29, -SIDE, REST), (0.40, 0.2, -0.4)), (opening, OPEN))
    velocities, openings = target(state, (TAKE, "red"))
    assert openings == [CLOSED, OPEN]
    assert velocities[RIGHT] == (0, 0, 0) and np.linalg.norm(velocities[LEFT]) > 0.05


@pytest.mark.parametrize("aside", [(0.05, 0.0), (0.0, 0.03), (-0.04, -0.02)])
def test_a_low_hand_aside_of_its_wall_rises_and_does_not_close(aside):
    state = _state(((0.29 + aside[0], -SIDE + aside[1], REST), (0.32, 0.2, -0.36)))
    velocities, openings = target(state, (TAKE, "red"))
    assert openings[RIGHT] == OPEN and velocities[RIGHT][2] > 0.05
    assert np.hypot(*velocities[RIGHT][:2]) < 0.02


def test_a_wall_between_the_fingers_is_let_go_before_the_hand_moves():
    state = _state(((0.30, -SIDE + 0.02, REST), (0.32, 0.2, -0.36)), (0.03, OPEN))
    velocities, openings = target(state, (TAKE, "blue"))
    assert velocities[RIGHT] == (0, 0, 0) and openings[RIGHT] == OPEN


def test_only_both_hands_lift_and_one_alone_waits_or_sets_down():
    one = _state(((0.29, -SIDE, REST), (0.32, 0.2, -0.36)), (THICKNESS, OPEN), ((1, 0), (0, 0)))
    for action in (TAKE, LIFT):
        velocities, openings = target(one, (action, "red"))
        assert velocities[RIGHT] == (0, 0, 0) and openings[RIGHT] == CLOSED
    one.walls[0][RIGHT] = (0.29, -SIDE, REST + 0.05)
    velocities, openings = target(one, (LIFT, "red"))
    assert velocities[RIGHT][2] < -0.03 and openings[RIGHT] == CLOSED
    velocities, openings = target(_holding(), (LIFT, "red"))
    assert velocities[RIGHT] == velocities[LEFT] and velocities[LEFT][2] > 0.05 and openings == [CLOSED] * 2
    velocities, openings = target(_holding(), (TAKE, "red"))
    assert velocities == [(0, 0, 0)] * 2 and openings == [CLOSED] * 2


def test_the_lower_hand_is_faster_and_both_stop_at_the_top():
    (right, left), _ = target(_holding(REST + 0.05, REST + 0.07), (LIFT, "red"))
    assert right[2] > left[2] > 0
    end = _holding(REST + 0.02, REST)
    for _ in range(60):
        end.advance(*target(end, (LIFT, "red")), 0.1)
    assert end.raised(0) == pytest.approx(TOP, abs=0.005) and end.tilt(0) < 0.01


def test_both_hands_lower_a_tray_level_let_go_on_the_table_and_rise():
    (right, left), openings = target(_holding(REST + 0.10, REST + 0.12), (LOWER, "red"))
    assert left[2] < right[2] < 0 and openings == [CLOSED] * 2, "the higher hand sinks faster"
    state, levels = _holding(REST + TOP, REST + TOP), []
    for _ in range(40):
        state.advance(*target(state, (LOWER, "red")), 0.1)
        if any(state.gripped[0]):
            levels.append(abs(state.walls[0][RIGHT][2] - state.walls[0][LEFT][2]))
        else:
            assert max(wall[2] for wall in state.walls[0]) <= REST + 0.001, "let go on the table"
    assert expert.done((LOWER, "red"), state) and max(levels) < 0.005
    assert min(tcp[2] for tcp in state.tcps) > REST + 0.05 and min(state.openings) >= 0.06
    assert target(state, (LOWER, "red")) == ([(0, 0, 0)] * 2, [OPEN] * 2)


def test_the_tray_that_is_not_to_be_lowered_is_kept():
    state = _holding(REST + 0.1, REST + 0.1, tray=1)
    assert target(state, (LOWER, "red")) == ([(0, 0, 0)] * 2, [CLOSED] * 2)


@pytest.mark.parametrize("height", [0.0, 0.1])
def test_a_tray_that_nobody_asked_for_is_set_down_and_the_named_one_lifted(height):
    end = _imagine(_holding(REST + height, REST + height, tray=1), PLAN)
    assert active_subtask(PLAN, end) == 2
    assert end.gripped == [[True, True], [False, False]] and end.raised(1) < 0.01


def test_what_is_done_and_what_comes_next():
    assert active_subtask(PLAN, _state()) == 0
    assert active_subtask(PLAN, _holding()) == 1
    assert active_subtask(PLAN, _holding(REST + TOP, REST + TOP)) == 2
    assert active_subtask(PLAN, _holding(REST + 0.13, REST + 0.19)) == 1, "not level"
    slipped = _holding(REST + TOP, REST + TOP)
    slipped.gripped[0][LEFT] = False
    assert active_subtask(PLAN, slipped) == 0
    assert target(_holding(), None) == ([(0, 0, 0)] * 2, [CLOSED] * 2)
    assert target(_state(), None)[1] == [OPEN] * 2
    with pytest.raises(ValueError, match="knows"):
        target(_state(), ("throw", "red"))


heights = st.floats(0.0, 0.2)


@st.composite
def any_state(draw, bar=False):
    """Hands, trays and perhaps a bar anywhere, held or not; nothing but what is held is off the table."""
    walls, gripped = [_walls(0.29), _walls(0.455)], [[False, False], [False, False]]
    if bar:
        holding, y = draw(st.sampled_from([(), (), (RIGHT,), (LEFT,), (RIGHT, LEFT)])), draw(st.floats(-0.3, 0.3))
        z = RESTS[BAR] + (draw(st.floats(0.0, 0.15)) if holding else 0.0)
        y = y if len(holding) < 2 else 0.1 * y
        walls.append([(BAR_X + along, y, z) for along in HOLDS])
        gripped.append([arm in holding for arm in (RIGHT, LEFT)])
    tcps, openings = [], []
    for arm, sign in ((RIGHT, -1), (LEFT, 1)):
        if bar and gripped[BAR][arm]:
            tcps.append(walls[BAR][arm])
            openings.append(BAR_SIZE[1])
            continue
        tray = draw(st.sampled_from([None, None, 0, 1]))
        if tray is None:
            x, y, z = draw(st.floats(0.24, 0.5)), draw(st.floats(-0.05, 0.35)), draw(st.floats(TABLE + 0.014, -0.2))
            tcps.append((x, sign * y, z))
            openings.append(draw(st.floats(0.0, 0.106)))
            continue
        gripped[tray][arm] = True
        x, y, _ = walls[tray][arm]
        walls[tray][arm] = tuple(map(float, (x, y, REST + draw(heights))))
        slip = draw(st.floats(-0.02, 0.02)), 0.0, draw(st.floats(-0.008, 0.008))
        tcps.append(tuple(a + b for a, b in zip(walls[tray][arm], slip)))
        openings.append(THICKNESS)
    turned = [tuple(draw(st.floats(-0.2, 0.2)) for _ in range(3)) for _ in range(2)]
    return LiftState(tcps, turned, openings, walls, gripped, ("red", "blue"))


SUBTASKS = [*((action, colour) for action in (TAKE, LIFT, LOWER) for colour in ("red", "blue")), *STEPS]


@given(st.booleans().flatmap(any_state), st.sampled_from(SUBTASKS))
@settings(max_examples=200, deadline=None)
def test_from_any_state_a_chunk_is_finite_and_within_limits_and_the_state_is_left_alone(state, subtask):
    before = state.copy()
    chunk = rollout(state, subtask)
    assert np.isfinite(chunk).all() and state == before
    for first in (0, 7):
        steps = np.diff(np.vstack([np.zeros(3), chunk[:, first : first + 3]]), axis=0)
        assert np.linalg.norm(steps, axis=1).max() <= SPEED * 0.1 + 1e-6
        assert set(np.unique(chunk[:, first + 6])) <= {np.float32(OPEN), np.float32(CLOSED)}
        assert np.abs(chunk[:, first + 3 : first + 6]).max() <= 0.2


@given(any_state(), st.sampled_from(["red", "blue"]))
@settings(max_examples=60, deadline=None)
def test_from_any_state_a_tray_is_lifted_and_put_down_in_the_end(state, colour):
    """And what is undone on the way is done again."""
    plan, tray = [(TAKE, colour), (LIFT, colour)], ("red", "blue").index(colour)
    lifted = _imagine(state, plan)
    assert active_subtask(plan, lifted) == 2
    lifted.gripped[tray][LEFT], lifted.openings[LEFT] = False, 0.05  # it slips
    lifted.walls[tray] = _walls(lifted.walls[tray][RIGHT][0])
    lifted.gripped[tray][RIGHT] = False
    assert active_subtask(plan, _imagine(lifted, plan)) == 2
    down = _imagine(_imagine(lifted, plan), [(LOWER, colour)])
    assert expert.done((LOWER, colour), down) and not any(down.gripped[tray])


def _follow(state, goal, steps=200):
    """The state where a goal is reached, or after so many steps."""
    state = state.copy()
    for _ in range(steps):
        if (subtask := expert.called(goal, state)) is None:
            break
        state.advance(*target(state, subtask), 0.1)
    return state


@given(any_state(bar=True), st.sampled_from(["right", "left"]), st.sampled_from(["red", "blue"]))
@settings(max_examples=80, deadline=None)
def test_from_any_state_the_bar_is_handed_over_laid_down_and_a_tray_lifted_in_the_end(state, hand, colour):
    for goal in (give(hand), lay(), lift(colour)):
        state = _follow(state, goal)
        assert expert.called(goal, state) is None, goal
    assert abs(state.walls[BAR][RIGHT][1]) > 0.2 and state.raised(BAR) == pytest.approx(0, abs=1e-6)


@given(any_state(bar=True), st.sampled_from(["red", "blue"]))
@settings(max_examples=60, deadline=None)
def test_whoever_holds_a_bar_lays_it_down_before_a_tray_is_lifted(state, colour):
    end = _follow(state, lift(colour))
    assert expert.called(lift(colour), end) is None
    assert not any(end.gripped[BAR]) and end.raised(BAR) == pytest.approx(0, abs=1e-6)


def test_the_bar_does_not_leave_the_hand_that_has_it_before_the_other_one_has_it_too():
    walls = [[(BAR_X + along, -BAR_Y, RESTS[BAR]) for along in HOLDS]]
    state = _state()
    state.walls, state.gripped = state.walls + walls, [*state.gripped, [False, False]]
    heights, seen = [], set()
    for _ in range(120):
        if (subtask := expert.called(give("left"), state)) is None:
            break
        seen.add(subtask)
        was = any(state.gripped[BAR])
        state.advance(*target(state, subtask), 0.1)
        assert any(state.gripped[BAR]) or not was
        heights.append(state.raised(BAR))
    assert seen == {(TAKE_BAR, RIGHT), (BRING, 0), (TAKE_BAR, LEFT), (LET_GO, RIGHT)}
    assert state.gripped[BAR] == [False, True] and heights[-1] == pytest.approx(MIDDLE[1], abs=0.02)
    away = [a - b for a, b in zip(*state.tcps)]
    assert abs(away[0]) > 0.1, "the hands hold it side by side"


# The environment


def test_posed_frames_are_labelled_with_the_truth(environment):
    held = tilted = aside = bars = carried = 0
    taken = 0
    while taken < 40:
        if not environment.pose():
            continue
        taken += 1
        record = environment.truth()
        record["chunks"] = environment.chunks()
        assert record.dtype == LIFT_FRAME and np.isfinite(record["chunks"]).all()
        assert np.abs(record["chunks"][..., [0, 1, 2, 7, 8, 9]]).max() < 0.3
        held += record["gripped"].any()
        bars += record["bar_there"]
        carried += record["bar_gripped"].any()
        assert record["bar_there"] or not record["chunks"][6:].any()
        tilted += (record["tilt"] > 0.02).any()
        low = record["tcps"][:, 2] < REST + 0.02
        aside += (low & ~record["gripped"].any(0)).any()
        state = LiftState.of(environment.simulator, environment.layout)
        imagined = _imagine(state, [(TAKE, state.colours[0]), (LIFT, state.colours[0])])
        assert imagined.raised(0) >= RAISED and all(imagined.gripped[0])
        called = environment.simulator.spec.colours[0]
        assert expert.done((LOWER, called), _imagine(state, [(LOWER, called)]))
    assert held > 5 and tilted > 2 and aside > 3 and bars > 8 and carried > 4


def test_a_posed_grip_is_a_real_one(environment):
    """What the truth calls held stays in the fingers when physics goes on."""
    checked = 0
    while checked < 3:
        if environment.pose() and (environment.truth()["gripped"].sum(1) == 2).any():
            tray = int(environment.truth()["gripped"].all(1).argmax())
            height = environment.simulator.raised(tray)
            environment.simulator.step(1.0)
            assert all(environment.simulator.gripped(tray, arm) for arm in (RIGHT, LEFT))
            assert environment.simulator.raised(tray) == pytest.approx(height, abs=0.006)
            checked += 1


def _carry_out(environment, spec, colour, seconds=15.0, latency=0.1):
    """The expert's chunks, the control node's motion and physics together; a new chunk every 0.5 s."""
    simulator, profile = environment.simulator, environment.profile
    simulator.reset(spec)
    body, plan, pending = RobotMotion(profile, environment.arms), [(TAKE, colour), (LIFT, colour)], None
    dt = 1 / profile.command.rate_hz
    for cycle in range(int(seconds / dt)):
        now, joints = simulator.time, np.concatenate([arm.q for arm in simulator.arms])
        if cycle % 25 == 0:
            state = LiftState.of(simulator, environment.layout)
            index = active_subtask(plan, state)
            if index == 2:
                break
            actions = np.zeros((10, 20), np.float32)
            actions[:, :14] = rollout(state, plan[index])
            poses = [(*arm.tcp, arm.gripper_width) for arm in simulator.arms]
            pending = (now, environment.layout.pack_all(poses)[0], actions)
        if pending and now >= pending[0] + latency - 1e-6:
            follow_actions(body, now, *pending, joints)
            assert not body.fault, body.fault
            pending = None
        openings = body.openings(now)
        for arm, setpoints, opening in zip(simulator.arms, body.step(now, True, joints), openings):
            if setpoints:
                arm.set_joint_targets(setpoints[0].position, setpoints[0].velocity)
            if opening is not None:
                arm.set_gripper(opening)
        simulator.step(dt)
    return active_subtask(plan, LiftState.of(simulator, environment.layout)) == 2


def _successes(environment, episodes, seed):
    rng, count = np.random.default_rng(seed), 0
    for _ in range(episodes):
        spec = LiftingSpec.random(rng)
        index = int(rng.integers(2))
        lifted = _carry_out(environment, spec, spec.colours[index])
        tray, other = spec.trays[1 - index], environment.simulator.tray(1 - index)[0]
        count += lifted and other == pytest.approx((tray.x, tray.y, TABLE), abs=0.01)
    return count


@pytest.mark.slow
def test_the_expert_lifts_a_tray_in_physics(environment):
    assert _successes(environment, 2, seed=11) == 2
    simulator = environment.simulator
    simulator.step(3.0)
    tray = int(np.argmax([simulator.raised(i) for i in range(2)]))
    assert simulator.raised(tray) > 0.1 and simulator.tilt(tray) < 0.05, "it does not creep out of the fingers"
    assert all(simulator.gripped(tray, arm) for arm in (RIGHT, LEFT))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_expert_hardly_ever_fails(environment):
    assert _successes(environment, 30, seed=12) == 30
