# SPDX-License-Identifier: Apache-2.0
"""Statistics added up part by part are those of all rows at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.data.statistics import Statistics
from wall_oss_ros.data.summary import Summary
from wall_oss_ros.errors import WallOSSError


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 40), min_size=1, max_size=6), st.floats(-1e6, 1e6))
def test_parts_add_up_to_the_whole(seed, sizes, offset):
    rng = np.random.default_rng(seed)
    parts = [(offset + rng.normal(size=(n, 3)), rng.random((n, 3)) < (1.0, 0.5, 0.0)) for n in sizes]
    summary = Summary(3, quantiles=True)
    for values, known in parts:
        summary.add(values, known)
    values, known = (np.concatenate(column) for column in zip(*parts))
    assert summary.count.tolist() == known.sum(0).tolist()
    for entry in range(3):
        chosen = values[known[:, entry], entry]
        if not len(chosen):
            assert np.isnan(summary.low[entry]) and not summary.normalizer().varies[entry]
            continue
        assert (summary.low[entry], summary.high[entry]) == (chosen.min(), chosen.max())
        np.testing.assert_allclose(summary.mean[entry], chosen.mean(), atol=1e-6 * max(1, abs(offset)))
        np.testing.assert_allclose(summary.std[entry], chosen.std(), atol=1e-5 + 1e-9 * abs(offset))
        for share in (0.01, 0.5, 0.99):
            np.testing.assert_allclose(summary.quantile(share)[entry], np.quantile(chosen, share), atol=1e-9)


def test_quantiles_of_a_long_stream_are_near_in_rank_whatever_its_order():
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=700_000)
    for stream in (values, np.sort(values), np.sort(values)[::-1]):
        statistics = Statistics(1)
        for part in np.array_split(stream, 37):
            statistics.add(part)
        held = sum(len(part) for level in statistics._levels for part in level)
        assert held < 300_000
        for share in (0.001, 0.01, 0.5, 0.99, 0.999):
            assert (values < statistics.quantiles([share])[0, 0]).mean() == pytest.approx(share, abs=2e-4)


def test_a_few_wild_numbers_do_not_squeeze_the_others():
    values = np.random.default_rng(0).uniform(-1, 1, (1000, 1))
    values[:3] = 1000
    summary = Summary(1, quantiles=True)
    summary.add(values, np.ones_like(values, bool))
    assert summary.normalizer("quantiles").bounds()[1][0] < 1 < summary.normalizer().bounds()[1][0] == 1000


def test_an_entry_that_moves_rarely_keeps_its_range_and_noise_is_not_blown_up():
    values = np.zeros((1000, 3))
    values[:4, 0], values[:, 1] = 1, 1e-4 * np.random.default_rng(0).normal(size=1000)
    summary = Summary(3, quantiles=True)
    summary.add(values, np.ones_like(values, bool))
    for kind in ("min_max", "quantiles"):
        found = summary.normalizer(kind, least=0.01)
        assert found.varies.tolist() == [True, True, False]
        np.testing.assert_allclose(found.scale, [1, 0.01, 0], rtol=0.2)
    assert summary.normalizer("mean_std", least=0.01).scale[1] == pytest.approx(0.0025)


def test_what_is_not_finite_is_refused():
    with pytest.raises(WallOSSError, match="not finite"):
        Summary(2).add(np.array([[np.nan, 0.0]]), np.array([[True, True]]))
    Summary(2).add(np.array([[np.nan, 0.0]]), np.array([[False, True]]))
