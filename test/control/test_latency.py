# SPDX-License-Identifier: Apache-2.0
"""How long the model takes is estimated from its ordinary runs."""

import numpy as np
import pytest

from wall_oss_ros.control.chunk_requests import LatencyEstimate


def after(*seconds: float) -> float | None:
    estimate = LatencyEstimate()
    for each in seconds:
        estimate.record(each)
    return estimate.seconds


def test_the_first_run_does_not_count():
    assert after() is None and after(30.0) is None
    assert after(30.0, 0.1) == 0.1


def test_outliers_and_nonsense_do_not_move_it():
    usual = [0.1 + 0.001 * k for k in range(10)]
    assert after(5.0, *usual, 20.0) == pytest.approx(max(usual), abs=0.005)
    assert after(5.0, *usual, np.nan, np.inf, -3.0) == after(5.0, *usual)


def test_it_follows_a_model_that_has_become_slower():
    assert after(0.1, *[0.1] * 20, *[0.3] * 10) == 0.3


def test_it_is_longer_than_most_runs():
    times = np.random.default_rng(0).uniform(0.1, 0.2, 20)
    assert (times <= after(9.0, *times)).mean() >= 0.75
