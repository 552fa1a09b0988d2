# SPDX-License-Identifier: Apache-2.0
"""The times that flow matching is trained at."""

import pytest
import torch
from torch.distributions import Beta

from wall_oss_ros.model import NoiseConfig
from wall_oss_ros.model.flow import sample_time


def draws(count: int = 40000, seed: int = 0, **values) -> torch.Tensor:
    return sample_time(count, NoiseConfig(**values), generator=torch.Generator().manual_seed(seed))


def test_times_lie_towards_the_noise():
    times = draws()
    assert times.min() >= 0 and times.max() <= 0.999
    assert times.mean().item() == pytest.approx(0.999 * 0.4, abs=0.005)  # Beta(1.5, 1) has the mean 0.6
    share = (times < 0.999 * (1 - 0.5)).float().mean().item()  # b > 0.5
    assert share == pytest.approx(1 - 0.5**1.5, abs=0.01)


def test_the_two_public_formulas_take_the_same_draws():
    b = 1 - draws() / 0.999
    assert torch.allclose(draws(time_formula="(s - b) / s"), (0.999 - b) / 0.999, atol=1e-6)


@pytest.mark.parametrize("alpha, beta", [(1.5, 1.0), (2.0, 3.0)])
def test_any_beta_distribution_can_be_set(alpha, beta):
    b = 1 - draws(beta_alpha=alpha, beta_beta=beta, s=1.0)
    expected = Beta(alpha, beta)
    assert b.mean().item() == pytest.approx(expected.mean.item(), abs=0.005)
    assert b.var().item() == pytest.approx(expected.variance.item(), abs=0.005)


def test_a_generator_repeats_its_stream():
    for beta in (1.0, 2.0):
        assert torch.equal(draws(8, seed=1, beta_beta=beta), draws(8, seed=1, beta_beta=beta))
        assert not torch.equal(draws(8, seed=1, beta_beta=beta), draws(8, seed=2, beta_beta=beta))
    assert sample_time((2, 3), NoiseConfig()).shape == (2, 3)
