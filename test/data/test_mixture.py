# SPDX-License-Identifier: Apache-2.0
"""A mixture draws from each dataset as its weight says, and never what is held out."""

import numpy as np
import pytest
from training_support import Samples

from wall_oss_ros.data.mixture import Mixture, Source
from wall_oss_ros.errors import WallOSSError


def drawn(mixture: Mixture, seed: int, count: int = 5000):
    return mixture.draw(np.random.default_rng(seed), count)


def test_samples_are_drawn_by_weight_or_by_frames_and_none_is_held_out():
    data = [Samples(100, 20), Samples(1000, 200)]
    for weights, shares in (((3.0, 1.0), (0.75, 0.25)), ((None, None), (80 / 880, 800 / 880))):
        mixture = Mixture([Source(str(n), one, weight) for n, (one, weight) in enumerate(zip(data, weights))])
        np.testing.assert_allclose(mixture.shares, shares)
        parts = drawn(mixture, 0)
        assert [number for number, _ in parts] == [0, 1] and sum(len(indices) for _, indices in parts) == 5000
        assert len(parts[0][1]) / 5000 == pytest.approx(shares[0], abs=0.03)
        for number, indices in parts:
            free = len(data[number]) - data[number].held_out
            assert indices.min() == 0 and indices.max() == free - 1


def test_a_draw_is_a_function_of_its_generator_alone():
    mixture = Mixture([Source("a", Samples(50)), Source("b", Samples(70))])
    for (n, one), (m, other) in zip(drawn(mixture, 3, 40), drawn(mixture, 3, 40)):
        assert n == m and (one == other).all()
    assert [n for n, _ in drawn(mixture, 3, 1)] in ([0], [1])


@pytest.mark.parametrize("sources, words", [
    ([], "no datasets"),
    ([Source("a", Samples(40)), Source("a", Samples(40))], "called the same"),
    ([Source("a", Samples(16))], "none is left to train on"),
    ([Source("a", Samples(40), 0.0)], "weight of a is 0.0"),
    ([Source("a", Samples(40), float("nan"))], "weight of a is nan"),
    ([Source("a", Samples(40), 1.0), Source("b", Samples(40))], "b none"),
])  # fmt: skip
def test_what_cannot_be_drawn_from_is_refused(sources, words):
    with pytest.raises(WallOSSError, match=words):
        Mixture(sources)
