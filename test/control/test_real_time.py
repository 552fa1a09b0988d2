# SPDX-License-Identifier: Apache-2.0
"""Real-time chunking: on flows that are known exactly, a guided chunk begins as the robot will have moved."""

from functools import partial

import numpy as np
import pytest
import torch
from checkpoint_support import ARM, VIEWS, make_checkpoint

from wall_oss_ros.policy import Observation, Policy
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.policy.observation import PreviousChunk
from wall_oss_ros.policy.real_time_chunking import Guidance, guidance, weights

HORIZON, WIDTH, STEPS = 10, 3, 5


class NormalFlow:
    """The exact flow to actions that are normal over the rows, with mean ``mean`` and covariance ``K``, from noise.

    With x_t = t x_1 + (1 - t) x_0, the clean chunk seen from x_t is mean + t K (t^2 K + (1 - t)^2)^-1 (x_t - t mean).
    """

    def __init__(self, mean: torch.Tensor, K: torch.Tensor):
        self.mean, self.K = mean, K

    def clean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        seen = t * t * self.K + (1 - t) ** 2 * torch.eye(len(self.K), dtype=x.dtype)
        return self.mean + t * self.K @ torch.linalg.solve(seen, x - t * self.mean)

    def run(self, noise: torch.Tensor, guide: Guidance | None = None, steps: int = STEPS) -> torch.Tensor:
        actions = noise.clone()

        def advance(t: float) -> None:
            actions.add_((self.clean(actions, t) - actions) / (1 - t) / steps)

        for t in (index / steps for index in range(steps)):
            if guide is None:
                advance(t)
            else:
                guide(actions, t, 1 / steps, partial(advance, t))
        return actions


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(HORIZON, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth() -> torch.Tensor:
    rows = torch.arange(HORIZON, dtype=torch.float64)
    return torch.exp(-(((rows[:, None] - rows) / 3) ** 2) / 2) + 1e-6 * torch.eye(HORIZON, dtype=torch.float64)


def held(committed: int, overlap: int) -> torch.Tensor:
    return torch.from_numpy(np.repeat(weights(HORIZON, committed, overlap)[:, None], WIDTH, axis=1))


@pytest.mark.parametrize("steps", [1, 5, 16])
@pytest.mark.parametrize("prior", ["independent", "smooth", "certain"])
def test_committed_rows_are_met_exactly(prior, steps):
    """Whatever the flow: also one that knows a single motion, and whose chunks do not depend on the noise."""
    identity = torch.eye(HORIZON, dtype=torch.float64)
    covariance = {"independent": identity, "smooth": smooth(), "certain": 1e-9 * identity}[prior]
    flow = NormalFlow(torch.full((HORIZON, WIDTH), 0.3, dtype=torch.float64), covariance)
    target, hold = torch.linspace(-0.9, 0.9, HORIZON)[:, None].double().expand(-1, WIDTH), held(4, 4)
    guided, free = flow.run(noise(), Guidance(target, hold), steps), flow.run(noise(), None, steps)
    assert torch.allclose(guided[:4], target[:4], atol=1e-9)
    assert (free[:4] - target[:4]).abs().max() > 0.3, "without guidance it is elsewhere"
    if prior == "independent":
        assert torch.allclose(guided[4:], free[4:], atol=1e-12), "what has nothing to do with them is left alone"


def test_a_smooth_flow_goes_on_from_the_committed_rows():
    """Rows that nothing holds follow from the committed ones by what the flow knows of motions."""
    flow = NormalFlow(torch.zeros(HORIZON, WIDTH, dtype=torch.float64), smooth())
    alone, joined = [], []
    for seed in range(8):
        old, new = flow.run(noise(100 + seed)), flow.run(noise(seed))
        guided = flow.run(noise(seed), Guidance(old, held(3, 3)))
        alone.append((new[3] - old[2]).abs().mean())  # from the last committed row to the first free one
        joined.append((guided[3] - old[2]).abs().mean())
    assert np.mean(joined) < 0.75 * np.mean(alone)


def test_it_is_the_papers_correction_where_the_papers_assumption_holds():
    """One step, against equations 2 to 4 with the Jacobian by automatic differentiation, for actions of variance 1."""
    flow = NormalFlow(torch.zeros(HORIZON, WIDTH, dtype=torch.float64), torch.eye(HORIZON, dtype=torch.float64))
    x, target, hold, t, stride = noise(1), noise(2), held(3, 7), 0.4, 0.2
    point = x.clone().requires_grad_()
    clean = flow.clean(point, t)
    (product,) = torch.autograd.grad(clean, point, hold * (target - clean.detach()))
    r2 = (1 - t) ** 2 / (t**2 + (1 - t) ** 2)
    velocity = (clean.detach() - x) / (1 - t) + (1 - t) / (t * r2) * product
    actions = x.clone()
    Guidance(target, hold)(
        actions, t, stride, lambda: actions.add_(stride * (flow.clean(actions, t) - actions) / (1 - t))
    )
    assert torch.allclose(actions, x + stride * velocity, atol=1e-12)


def test_rows_are_held_while_committed_softly_in_between_and_not_beyond():
    row = weights(10, 3, 8)
    assert (row[:3] == 1).all() and (row[8:] == 0).all()
    assert (np.diff(row[2:9]) < 0).all() and 0 < row[7] < 0.1
    c = 5 / 6
    assert row[3] == pytest.approx(c * np.expm1(c) / np.expm1(1))
    assert (weights(10, 0, 0) == 0).all() and (weights(10, 99, 99) == 1).all()


def test_only_entries_that_the_model_decides_are_held_in_its_own_units():
    normalizer = Normalizer(np.array([-0.2, 0.0, 0.0]), np.array([0.4, 0.0, 0.08]))
    rows = np.tile([0.1, 5.0, 0.08], (4, 1))
    guide = guidance(PreviousChunk(rows, 2), normalizer.normalize, normalizer.mask(), 6)
    assert guide.target[:4] == pytest.approx(np.tile([0.5, 0.0, 1.0], (4, 1)))
    assert (guide.hold[:, 1] == 0).all() and (guide.hold[4:] == 0).all() and (guide.hold[:2, 0] == 1).all()


def test_a_policy_goes_on_from_what_the_robot_does(tmp_path):
    """Through a whole checkpoint, of random weights: in physical units, for the entries that the robot has."""
    policy = Policy.from_pretrained(make_checkpoint(tmp_path))
    image, mask = np.zeros((policy.image_size, policy.image_size, 3), np.uint8), np.zeros(20, bool)
    mask[ARM] = True
    obs = Observation(0.0, dict.fromkeys(VIEWS, image), np.zeros(20, np.float32), mask)
    rows = np.zeros((7, 20))
    rows[:, ARM] = np.linspace(0, 1, 7)[:, None] * [0.1, -0.05, 0.02, 0.0, 0.05, -0.05, 0.08]
    free = policy.act(obs, "pick up the red cube", seed=1)
    guided = policy.act(obs, "pick up the red cube", seed=1, previous=PreviousChunk(rows, 3))
    assert guided[:3] == pytest.approx(rows[:3], abs=1e-5)
    assert np.abs(free[:3] - rows[:3]).max() > 0.01, "without guidance it is elsewhere"
    assert (np.abs(guided - free)[3:7, ARM] > 1e-4).any(), "the rows behind are drawn along"
    assert (policy.act(obs, "pick up the red cube", seed=1) == free).all(), "nothing stays behind"
