# SPDX-License-Identifier: Apache-2.0
"""How far the thing at a pixel is, where the depth has gaps, outliers and edges, or is nothing at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wall_oss_ros.uni_cot.surface import NoDepthError, surface_at

FLAT = np.full((100, 100), 800, np.uint16)


def test_noise_gaps_and_outliers_do_not_move_it():
    random = np.random.default_rng(0)
    depth = FLAT + random.normal(0, 3, FLAT.shape)
    depth[random.random(FLAT.shape) < 0.3] = 0
    depth[random.random(FLAT.shape) < 0.03] = 9000
    depth[random.random(FLAT.shape) < 0.02] = 60
    found = [surface_at(depth.astype(np.uint16), x + 0.5, y + 0.5) for x in range(2, 98) for y in range(2, 98, 5)]
    assert np.abs(np.array(found) - 800).max() < 10


@pytest.mark.parametrize("x", range(45, 56))
def test_of_two_surfaces_the_pixels_own_counts_or_else_the_nearer(x):
    """A thing at 0.7 m before a wall at 0.9 m, whose edge is in the middle of the window, or near it."""
    depth = np.where(np.arange(100) < 50, 700, 900)[None].repeat(100, axis=0).astype(np.uint16)
    assert surface_at(depth, x + 0.5, 40.5) == (700 if x < 50 else 900), "never something between the two"
    for unknown in (0, 800, 5000):  # nothing, a mixture of both sides, an outlier
        depth[40, x] = unknown
        assert surface_at(depth, x + 0.5, 40.5) == (700 if x < 51 else 900), "the thing, if enough of it is there"


def test_the_corner_of_something_else_does_not_count():
    depth = FLAT.copy()
    depth[48:50, 48:51] = 400  # six pixels of the window's 25
    assert surface_at(depth, 50.5, 50.5) == 800


def test_a_slope_is_one_surface():
    slope = (700 + 8 * np.arange(100))[:, None].repeat(100, axis=1).astype(np.uint16)
    assert surface_at(slope, 50.5, 50.5) == 1100


@pytest.mark.parametrize("x, y", [(0, 0), (99.99, 99.99), (0.5, 50), (50, 99.9)])
def test_at_the_pictures_border_what_is_there_counts(x, y):
    assert surface_at(FLAT, x, y) == 800


@pytest.mark.parametrize("x, y", [(-0.01, 50), (100, 50), (50, 100.0), (50, -1), (1e30, 5), (np.nan, 5), (5, np.inf)])
def test_outside_there_is_nothing(x, y):
    with pytest.raises(NoDepthError, match="outside"):
        surface_at(FLAT, x, y)


def test_too_little_is_refused():
    with pytest.raises(NoDepthError, match="only 0 of 25"):
        surface_at(FLAT * 0, 50.5, 50.5)
    few = FLAT * 0
    few[48:50, 48:51] = 800
    with pytest.raises(NoDepthError, match="only 6 of 25"):
        surface_at(few, 50.5, 50.5)
    with pytest.raises(NoDepthError, match="outside"):
        surface_at(np.zeros((0, 0), np.uint16), 0.0, 0.0)


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.floats(0, 9), st.floats(0, 9))
def test_whatever_comes_the_distance_is_one_that_is_there(depth, x, y):
    try:
        found = surface_at(depth, x, y)
    except NoDepthError:
        return
    assert depth[depth > 0].min() <= found <= depth.max()
