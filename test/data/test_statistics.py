# SPDX-License-Identifier: Apache-2.0
"""Statistics that stream are those of all rows at once, quantiles within the error that is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.data.statistics import QUANTILES, Statistics


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), parts=st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_parts_give_what_the_whole_gives(seed, parts):
    rng = np.random.default_rng(seed)
    values = [rng.normal(rng.uniform(-5, 5), 2, (n, 3)) for n in parts]
    one, merged = Statistics(3), Statistics(3)
    for part in values:
        one.add(part)
        other = Statistics(3)
        other.add(part)
        merged.merge(other)
    whole = np.concatenate(values)
    if not len(whole):
        return
    right = {"min": whole.min(0), "max": whole.max(0), "mean": whole.mean(0), "std": whole.std(0)}
    right |= {name: np.quantile(whole, share, axis=0) for name, share in QUANTILES.items()}
    for found in (one.result(), merged.result()):
        assert found["count"] == len(whole)
        for name, expected in right.items():
            np.testing.assert_allclose(found[name], expected, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("order", ["drawn", "sorted", "reversed"])
def test_the_error_of_the_sketch_is_bounded(order):
    values = np.random.default_rng(0).exponential(1, 40_000)
    values = {"drawn": values, "sorted": np.sort(values), "reversed": np.sort(values)[::-1]}[order]
    one = Statistics(1, keep=500)
    for part in np.array_split(values, 37):
        one.add(part)
    assert 0 < one.rank_error < 0.02
    assert sum(len(buffer) for held in one._levels for buffer in held) < 500 * 12
    ranks = np.sort(values)
    for share, found in zip(QUANTILES.values(), one.quantiles(list(QUANTILES.values()))[:, 0]):
        rank = np.searchsorted(ranks, found) / len(ranks)
        assert abs(rank - share) <= one.rank_error + 1e-3
    assert one.result()["min"] == values.min() and one.result()["max"] == values.max()


def test_what_is_no_number_counts_for_nothing():
    one = Statistics(2)
    one.add(np.array([[1.0, np.nan], [3.0, np.inf], [2.0, 5.0]]))
    found = one.result()
    assert found["mean"].tolist() == [2, 5] and found["max"].tolist() == [3, 5] and found["q50"].tolist() == [2, 5]
    assert np.isnan(Statistics(1).result()["mean"]).all()
