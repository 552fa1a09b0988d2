# SPDX-License-Identifier: Apache-2.0
"""Numbers over time, and commands as a controller follows them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wall_oss_ros.data.bags.samples import Samples
from wall_oss_ros.data.bags.told import ToldTrajectories


def filled(resample: str, tolerance: float = 0.5, **options) -> Samples:
    samples = Samples(1, resample, tolerance, **options)
    for time, value in ((0.0, 0.0), (1.0, 10.0), (2.0, 20.0)):
        samples.add(time, [value])
    return samples


@pytest.mark.parametrize("resample, values", [
    ("nearest", [0, 0, 10, 10, 20]), ("hold", [0, 0, 0, 10, 20]), ("interpolate", [0, 4, 6, 14, 20]),
])  # fmt: skip
def test_values_between_samples(resample, values):
    found = filled(resample, 2.0).at(np.array([0.0, 0.4, 0.6, 1.4, 2.3]))
    np.testing.assert_allclose(found.values[:, 0], values, atol=1e-9)
    assert found.known.all()


def test_what_is_too_far_from_a_sample_is_not_known():
    times = np.array([-0.2, -0.01, 0.05, 0.5, 0.95, 2.05, 2.2])
    assert filled("nearest", 0.1).at(times).known.tolist() == [False, True, True, False, True, True, False]
    assert filled("interpolate", 0.1).at(times).known.tolist() == [False, True, True, False, True, True, False]
    assert filled("hold", 0.1).at(times).known.tolist() == [False, False, True, False, False, True, False]


def test_angles_go_the_short_way_round():
    samples = Samples(2, "interpolate", 1.0, turns=(1,))
    samples.add(0.0, [3.0, 3.0])
    samples.add(1.0, [-3.0, -3.0])
    values = samples.at(np.array([0.25, 0.5, 0.75])).values
    np.testing.assert_allclose(values[:, 0], [1.5, 0.0, -1.5])  # a number that is no angle
    np.testing.assert_allclose(np.abs(values[:, 1]), [3.0708, np.pi, 3.0708], atol=1e-4)


@given(st.floats(-3.1, 3.1), st.floats(-3.1, 3.1), st.floats(0, 1), st.sampled_from([-1, 1]))
def test_quaternions_turn_evenly_the_short_way_whatever_their_sign(a, b, share, sign):
    samples = Samples(4, "interpolate", 2.0, quaternion=True)
    samples.add(0.0, [np.sin(a / 2), 0, 0, np.cos(a / 2)])
    samples.add(1.0, [sign * np.sin(b / 2), 0, 0, sign * np.cos(b / 2)])
    x, _, _, w = samples.at(np.array([share])).values[0]
    way = (b - a + np.pi) % (2 * np.pi) - np.pi
    if abs(abs(way) - np.pi) > 1e-3:
        error = (2 * np.arctan2(x, w) - (a + share * way) + np.pi) % (2 * np.pi) - np.pi
        assert abs(error) < 1e-6


def test_samples_that_come_muddled_are_put_in_order_and_counted():
    samples = Samples(1, "nearest", 1.0)
    for time, value in ((2.0, 2.0), (1.0, 1.0), (2.0, 7.0), (3.0, 3.0)):
        samples.add(time, [value])
    assert samples.times.tolist() == [1.0, 2.0, 3.0] and samples.values[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert (samples.repeated, samples.disorder) == (1, 1)


def test_nothing_is_known_of_an_empty_stream():
    found = Samples(3, "interpolate", 1.0).at(np.array([0.0, 1.0]))
    assert found.values.shape == (2, 3) and not found.known.any()


def follow(*trajectories, size: int = 1, times=()) -> list:
    told = ToldTrajectories(size)
    for begin, start, points, positions in trajectories:
        told.add(
            begin, start, np.arange(size), np.array(points, float), np.array(positions, float).reshape(-1, size), None
        )
    return told.at(np.array(times, float))[0][:, 0].tolist()


def test_a_trajectory_leads_through_its_points_and_stands_at_the_last():
    assert follow((0, 0, [0, 1, 2], [5, 6, 8]), times=[0, 0.5, 1.5, 2, 9]) == pytest.approx([5, 5.5, 7, 8, 8])


def test_the_way_to_the_first_point_begins_where_the_robot_is_told_to_be():
    found = follow((0, 0, [0], [4]), (1, 1, [2], [8]), times=[0.5, 1, 2, 3, 4])
    assert found == pytest.approx([4, 4, 6, 8, 8])


def test_a_new_trajectory_replaces_the_old_one_when_it_comes():
    found = follow((0, 0, [0, 10], [0, 10]), (2, 2, [1], [0]), times=[1, 2, 2.5, 3])
    assert found == pytest.approx([1, 2, 1, 0])


def test_a_trajectory_may_have_begun_before_it_came():
    assert follow((0.4, 0, [0, 1], [0, 1]), times=[0.5, 0.75]) == pytest.approx([0.5, 0.75])


def test_nothing_is_told_before_the_first_trajectory_and_of_joints_that_none_names():
    told = ToldTrajectories(2)
    told.add(1.0, 1.0, np.array([1]), np.array([0.0]), np.array([[3.0]]), None)
    values, known = told.at(np.array([0.5, 1.5]))
    assert known.tolist() == [[False, False], [False, True]] and values[1, 1] == 3.0
    told.add(2.0, 2.0, np.array([0]), np.array([0.0]), np.array([[7.0]]), None)
    assert told.at(np.array([2.5]))[0].tolist() == [[7.0, 3.0]]


def test_points_with_velocities_are_joined_smoothly():
    told = ToldTrajectories(1)
    told.add(0.0, 0.0, np.array([0]), np.array([0.0, 1.0]), np.array([[0.0], [1.0]]), np.array([[0.0], [0.0]]))
    assert told.at(np.array([0.25, 0.5]))[0][:, 0].tolist() == pytest.approx([0.15625, 0.5])


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 1), st.floats(-3, 3)), min_size=1, max_size=12))
def test_references_never_jump_but_to_a_first_point_that_is_due(steps):
    """Whatever comes when: trajectories of one point ahead lead there without a jump."""
    told, now = ToldTrajectories(1), 0.0
    for wait, ahead, goal in steps:
        now += wait + 1e-3
        told.add(now, now, np.array([0]), np.array([ahead]), np.array([[goal]]), None)
    times = np.linspace(1e-3 + steps[0][0], now + 2, 4001)
    values = told.at(times)[0][:, 0]
    step, fastest = times[1] - times[0], 6 / 0.01
    assert np.abs(np.diff(values[np.isfinite(values)])).max() <= fastest * step + 1e-9
