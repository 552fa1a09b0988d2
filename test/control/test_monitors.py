# SPDX-License-Identifier: Apache-2.0
"""Jumps of what is observed, and of the clock, are noticed; ordinary motion is not."""

import numpy as np
import pytest

from wall_oss_ros.control.monitors import ClockMonitor, JumpMonitor


def tool() -> JumpMonitor:
    watch = JumpMonitor("the tool", "m", 1.0, 0.05, again=3)
    for k in range(5):
        assert watch.update(0.1 * k, [0.1 * k, 0.0]) == ""
    return watch


@pytest.mark.parametrize(
    "stamp, values, words",
    [
        (0.5, [1.0, 0.0], "jumped by 0.60 m in 0.10 s"),
        (0.2, [0.4, 0.0], "back in time by 0.20 s"),
        (0.5, [np.nan, 0.0], "not a finite number"),
        (np.nan, [0.5, 0.0], "not a finite number"),
        (0.5, [0.5], "1 numbers after 2"),
    ],
)
def test_a_jump_is_named_and_trust_comes_back_with_good_readings(stamp, values, words):
    watch = tool()
    assert words in watch.update(stamp, values)
    last = watch._stamp
    for k in range(1, 4):
        assert watch.reason
        watch.update(last + 0.1 * k, watch._values)
    assert watch.reason == ""


def test_the_same_reading_again_changes_nothing():
    watch = tool()
    watch.update(0.5, [9.0, 0.0])
    for _ in range(5):
        assert watch.update(0.5, [9.0, 0.0])
    watch.forget()
    assert watch.reason == "" and watch.update(0.0, [0.0]) == ""


def test_a_clock_that_leaps_is_remembered_for_a_second():
    watch = ClockMonitor()
    for k in range(5):
        assert watch.update(100 + 0.02 * k, 0.02 * k) == ""
    assert "ahead by 60.0 s" in watch.update(160.08, 0.1)
    assert "ahead" in watch.reason(1.0) and watch.reason(1.2) == ""
    assert "set back by 160.1 s" in watch.update(0.0, 1.2)


def test_a_slow_machine_or_a_fast_simulation_is_no_leap():
    watch = ClockMonitor()
    watch.update(0.0, 0.0)
    assert watch.update(3.0, 3.0) == "" and watch.update(4.0, 3.1) == ""


@pytest.mark.parametrize("ahead, leapt", [(0.89, False), (0.91, True), (-1e-7, False), (-1e-3, True)])
def test_a_clock_may_run_at_20_times_real_time_and_half_a_second_on_top(ahead, leapt):
    watch = ClockMonitor()
    watch.update(50.0, 100.0)
    assert bool(watch.update(50.0 + ahead, 100.02)) == leapt
