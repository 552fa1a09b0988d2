# SPDX-License-Identifier: Apache-2.0
"""Splits by episode and orders of samples: nothing twice, nothing lost, the same for ever."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wall_oss_ros.data.splits import Shuffle, split_episodes
from wall_oss_ros.errors import WallOSSError


@given(st.sets(st.integers(0, 10**6), max_size=60), st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers())
def test_each_episode_is_in_one_part_and_no_part_is_empty_without_need(episodes, shares, seed):
    total = sum(shares)
    parts = {f"part {at}": share / total if total > 1 else share for at, share in enumerate(shares)}
    found = split_episodes(episodes, parts, seed)
    taken = [index for part in found.values() for index in part]
    assert len(taken) == len(set(taken)) and set(taken) <= episodes
    assert abs(len(taken) - sum(parts.values()) * len(episodes)) <= len(parts)
    wanted = [name for name, share in parts.items() if share > 0]
    if len(episodes) >= len(wanted):
        assert all(found[name] for name in wanted)
    assert found == split_episodes(sorted(episodes, reverse=True), parts, seed)


def test_a_split_is_the_same_on_every_machine():
    assert split_episodes(range(10), {"train": 0.8, "validation": 0.2}) == {
        "train": (0, 2, 3, 4, 5, 6, 8, 9),
        "validation": (1, 7),
    }
    assert split_episodes(range(10), {"train": 0.8, "validation": 0.2}, seed=1)["validation"] != (1, 7)
    assert split_episodes(range(5), {"validation": [3, 1], "train": 1.0}) == {"validation": (1, 3), "train": (0, 2, 4)}


@pytest.mark.parametrize(
    "parts, said",
    [
        ({"a": 0.6, "b": 0.6}, "sum up to 1.2"),
        ({"a": -0.1}, "share of a"),
        ({"a": float("nan")}, "share of a"),
        ({"a": [7]}, "episode 7"),
        ({"a": [1], "b": [1]}, "episode 1"),
        ({"a": "all"}, "a is 'all'"),
    ],
)
def test_splits_that_cannot_be_are_refused(parts, said):
    with pytest.raises(WallOSSError, match=said):
        split_episodes(range(5), parts)


@given(st.integers(1, 3000), st.integers(), st.integers(0, 5))
def test_every_sample_comes_once_in_an_epoch(count, seed, epoch):
    order = Shuffle(count, seed, epoch)
    assert sorted(order[:]) == list(range(count))
    assert [order[at] for at in (0, count // 2, -1)] == [order[:][at] for at in (0, count // 2, -1)]


def test_orders_are_the_same_for_ever_and_differ_by_seed_and_epoch():
    assert Shuffle(10)[:].tolist() == [6, 3, 7, 2, 4, 5, 8, 9, 0, 1]
    orders = {tuple(Shuffle(50, seed, epoch)[:]) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25
    far = Shuffle(10**12, 3).at(np.arange(1000))
    assert len(set(far.tolist())) == 1000 and abs(far.mean() / 10**12 - 0.5) < 0.05


def test_samples_are_spread_evenly():
    """Where a sample comes says nothing about which it is."""
    count = 1000
    orders = np.array([Shuffle(count, seed)[:] for seed in range(200)])
    assert abs(np.corrcoef(orders[:, :-1].ravel(), orders[:, 1:].ravel())[0, 1]) < 0.01
    assert np.abs(orders.mean(axis=0) / (count - 1) - 0.5).max() < 0.12
