# SPDX-License-Identifier: Apache-2.0
"""Late cycles do not reach the arm: commands keep their beat, or go on from where the last one has led it."""

import numpy as np
import pytest
from control_support import Bench, robot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.beat import Beat, Tick
from wall_oss_ros.control.setpoints import Setpoint, Stopping, StreamedGripper, gone_on

PERIOD = 0.02
STOPPING = Stopping(PERIOD, np.full(2, -3.0), np.full(2, 3.0), np.full(2, 5.0))


def ticks(*times: float) -> list[Tick | None]:
    beat = Beat(PERIOD)
    return [beat.next(time) for time in times]


def test_a_cycle_a_little_early_or_late_changes_next_to_nothing():
    for tick, time in zip(ticks(1.0, 1.027, 1.035, 1.06), (1.0, 1.02, 1.04, 1.06)):
        assert tick == (pytest.approx(time, abs=5e-4), 0.0)


@given(st.lists(st.floats(-0.24, 0.24), min_size=2, max_size=200), st.floats(0.0, 1e9))
def test_times_are_regular_where_cycles_are_not(offsets, begin):
    beat = Beat(PERIOD)
    found = [beat.next(begin + (n + offset) * PERIOD) for n, offset in enumerate(offsets)]
    assert all(tick is not None and not tick.lost for tick in found)
    steps = np.diff([tick.time for tick in found])
    assert steps.min() > 0.95 * PERIOD and steps.max() < 1.05 * PERIOD


@pytest.mark.parametrize("rate", [0.985, 0.999, 1.001, 1.015])
def test_it_follows_a_clock_that_runs_slower_or_faster(rate):
    beat = Beat(PERIOD)
    assert not any(beat.next(5.0 + rate * n * PERIOD).lost for n in range(2000))


def test_two_cycles_at_once_send_one_command():
    assert ticks(1.0, 1.02, 1.021) == [Tick(1.0), Tick(1.02), None]
    assert ticks(1.0, 1.012, 1.0125)[2] is None, "nor where the one before was early"


def test_after_missed_cycles_it_says_for_how_long_nothing_was_sent():
    assert ticks(1.0, 1.3) == [Tick(1.0), Tick(1.3, pytest.approx(0.3))]


def test_a_command_for_long_after_the_one_before_goes_on_from_where_that_ends():
    """Whether the clock has leapt or the cycle was late: the controller follows what was sent until that time."""
    beat = Beat(PERIOD)
    beat.next(1.0, 50.0)
    assert beat.next(1.3, 50.02) == Tick(1.3, pytest.approx(0.3))
    assert beat.next(0.5, 50.04) == Tick(0.5)


def test_with_stamps_only_these_count_where_the_time_was_heard_of_late_before():
    """As on a machine that does not keep up with a slow simulation."""
    beat = Beat(PERIOD)
    beat.next(1.0, 50.4)
    assert beat.next(1.032, 50.1 + 0.118) == Tick(1.032, pytest.approx(0.032))


def test_without_stamps_only_real_time_counts_where_the_clock_leaps():
    beat = Beat(PERIOD, stamped=False)
    beat.next(1.0, 50.0)
    assert beat.next(1.3, 50.02) == Tick(1.3)
    assert beat.next(9.3, 50.06) == Tick(9.3, pytest.approx(0.04))


def test_after_a_standstill_the_time_may_be_heard_of_late():
    """As when the process was stopped: its first cycle still has the old time."""
    beat = Beat(PERIOD)
    beat.next(1.0, 50.0)
    assert beat.next(1.02, 51.6) == Tick(1.02)
    assert beat.next(2.62, 51.61) == Tick(2.62, pytest.approx(1.6))


def test_also_where_it_was_heard_of_late_more_than_once():
    """As on a machine that does not keep up."""
    beat = Beat(PERIOD)
    beat.next(1.0, 50.0)
    beat.next(1.02, 50.14)
    assert beat.next(1.26, 50.2) == Tick(1.26, pytest.approx(0.24, abs=1e-3))


def test_a_simulation_that_is_started_again_has_stood_still_before():
    beat = Beat(PERIOD)
    beat.next(50.0, 50.0)
    assert beat.next(0.02, 54.0) == Tick(0.02, 4.0)


def test_where_all_has_come_to_rest_meanwhile_it_begins_anew():
    """Nothing is sent until there is something to follow, and it starts where the arm is."""
    bench = Bench("franka")
    bench.go([(0.5, 0.2, 0.3)])
    bench.run(15)
    assert bench.motion.moving
    assert bench.motion.step(9.0, True, lost=5.0) is not None and not bench.motion.moving


def test_without_a_command_the_next_one_begins_anew():
    beat = Beat(PERIOD)
    beat.next(1.0)
    beat.forget()
    assert beat.next(1.3) == Tick(1.3)


@given(st.floats(0.0, 1.0), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_what_a_controller_follows_is_smooth_and_ends_at_rest(seconds, first, second):
    points = STOPPING.setpoints(np.array([0.1, -0.2]), np.array([first, second]))
    seconds += points[0].time
    here, next_one = gone_on(points, seconds), gone_on(points, seconds + 1e-5)
    assert (next_one.position - here.position) / 1e-5 == pytest.approx(here.velocity, abs=2e-3)
    assert np.abs(here.velocity).max() <= max(abs(first), abs(second)) + 1e-6
    rest = gone_on(points, 99.0)
    assert rest.position == pytest.approx(points[-1].position) and not rest.velocity.any()


def test_it_goes_through_the_points():
    points = [
        Setpoint(0.02, np.array([1.0]), np.array([0.5])),
        Setpoint(0.04, np.array([1.01]), np.array([0.5])),
        Setpoint(0.14, np.array([1.035]), np.array([0.0])),
    ]
    for point in points:
        here = gone_on(points, point.time)
        assert here.position == pytest.approx(point.position) and here.velocity == pytest.approx(point.velocity)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(["franka", "dual_arm"]), goals=st.integers(0, 99),
       gaps=st.lists(st.one_of(st.floats(0.0, 0.04), st.floats(0.0, 0.5)), min_size=4, max_size=40))  # fmt: skip
def test_however_late_cycles_are_the_controller_need_not_hurry(name, goals, gaps):
    """Each command begins within the limits of where the one before has led the controller until then."""
    known, rng, bench = robot(name), np.random.default_rng(goals), Bench(name)
    boxes = [one.arm.workspace for one in known.profile.arms]
    beat, sent = Beat(known.dt), [None] * len(boxes)
    since, now, moved, refused = 0.0, 0.0, False, False
    for n, gap in enumerate([*[PERIOD] * 10, *gaps]):
        now += gap
        if n % 8 == 0:
            bench.now, bench.q = now, np.concatenate([arm.home if s is None else s[0].position
                                                      for arm, s in zip(known.arms, sent)])  # fmt: skip
            bench.go([rng.uniform(box.min, box.max) for box in boxes])
            refused = refused or bool(bench.motion.fault)
        tick = beat.next(now)
        if tick is None:
            continue
        passed, since = tick.time - since, tick.time
        for arm, setpoints in enumerate(bench.motion.step(tick.time, not bench.motion.fault, lost=tick.lost)):
            if setpoints is not None:
                check(known, arm, sent[arm], setpoints, passed)
                moved = moved or np.abs(setpoints[0].velocity).max() > 0.1
            sent[arm] = setpoints
        if not any(sent):
            beat.forget()
    assert moved or refused


def check(known, arm: int, last: list[Setpoint] | None, sent: list[Setpoint], passed: float) -> None:
    limits, fastest = known.profile.arms[arm].arm.limits, known.arms[arm].velocity
    q, qd = known.arms[arm].home, 0.0 * fastest
    if last is not None:
        going = gone_on(last, passed)
        q, qd = (going.position, going.velocity) if passed > 1.1 * PERIOD else (last[0].position, last[0].velocity)
    assert (np.abs(sent[0].position - q) <= fastest * PERIOD + 1e-6).all(), "no leap"
    assert (np.abs(sent[0].velocity - qd) <= np.array(limits.acceleration) * PERIOD + 1e-6).all()


def test_fingers_that_ride_go_on_from_where_they_have_come_to_rest():
    gripper = robot("dual_arm").profile.arms[0].gripper
    fingers, arm = StreamedGripper(gripper), [Setpoint(t, np.zeros(7), np.zeros(7)) for t in (0.02, 0.2)]
    (first, *_, rest), reach = fingers.append_to(arm, 0.0, 0.1), gripper.speed * 0.02
    again = fingers.append_to(arm, 0.1, 0.1, lost=0.1)[0]
    openings = [gripper.opening(point.position[7:]) for point in (first, rest, again)]
    assert openings == pytest.approx([0.1 - reach, 0.1 - 1.5 * reach, 0.1 - 0.5 * reach])


def test_fingers_that_are_told_positions_go_on_from_the_last_one():
    gripper = robot("dual_arm").profile.arms[0].gripper
    fingers, arm = StreamedGripper(gripper, stands=True), [Setpoint(t, np.zeros(7), np.zeros(7)) for t in (0.02, 0.2)]
    told = [fingers.append_to(arm, 0.0, 0.1, lost=lost)[0] for lost in (0.0, 0.1, 0.0, 0.03)]
    openings = [0.1, *(gripper.opening(point.position[7:]) for point in told)]
    assert -np.diff(openings) == pytest.approx([gripper.speed * 0.02] * 4)


@given(lost=st.floats(0.03, 0.3), wanted=st.sampled_from([0.0, 0.03, 0.1, None]), moves=st.booleans())
def test_fingers_that_ride_need_not_hurry_after_lost_cycles(lost, wanted, moves):
    gripper = robot("dual_arm").profile.arms[0].gripper
    times = (0.02, 0.04, 0.2) if moves else (0.02, 0.2)
    fingers, arm = StreamedGripper(gripper), [Setpoint(t, np.zeros(7), np.zeros(7)) for t in times]
    before = fingers.append_to(arm, 0.0, 0.1)
    here = gripper.opening(gone_on(before, lost).position[7:])
    there = gripper.opening(fingers.append_to(arm, wanted, 0.1, lost=lost)[0].position[7:])
    assert abs(there - here) <= gripper.speed * 0.02 + 1e-6
