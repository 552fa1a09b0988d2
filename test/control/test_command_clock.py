# SPDX-License-Identifier: Apache-2.0
"""However early or late cycles come, commands count from regular times; after a miss they begin where the robot is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wall_oss_ros.control.command_clock import CommandClock
from wall_oss_ros.control.setpoints import Setpoint, Stopping, gone_on

DT = 0.02
STOPPING = Stopping(DT, np.full(2, -3.0), np.full(2, 3.0), np.full(2, 5.0))


@given(st.lists(st.floats(-0.45, 0.5), min_size=2, max_size=200), st.floats(0.0, 1e9))
def test_a_cycle_up_to_one_late_is_not_felt(offsets, begin):
    clock, times = CommandClock(DT), []
    for n, offset in enumerate(offsets):
        time, missed = clock.next(begin + (n + offset) * DT)
        assert not missed
        times.append(time)
        assert abs(time - (begin + (n + offset) * DT)) <= 2 * DT
    steps = np.diff(times)
    assert steps.min() > 0.85 * DT and steps.max() < 1.15 * DT


def test_it_follows_a_clock_that_runs_slower_or_faster():
    for rate in (0.97, 0.99, 1.01, 1.03):
        clock = CommandClock(DT)
        for n in range(2000):
            now = 5.0 + rate * n * DT
            time, missed = clock.next(now)
            assert not missed and abs(time - now) < 3 * DT


def test_missed_commands_are_noticed_and_a_new_grid_begins():
    clock = CommandClock(DT)
    clock.next(1.0)
    assert clock.next(1.1) == (1.1, True)
    assert clock.next(1.12) == (pytest.approx(1.12), False)
    clock.forget()
    assert clock.next(9.0) == (9.0, False)
    assert clock.next(1e7) == (1e7, False), "the clock leapt, which others notice"
    assert clock.next(float("nan"))[1] is False


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
