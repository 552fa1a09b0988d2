# SPDX-License-Identifier: Apache-2.0
"""Words one by one: which is chosen, and that batches, padding and the cache change nothing."""

import pytest
import torch
from fast_support import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.sampling import TokenChoice

PROMPTS = [[4, 5, 6], [7, 8, 9, 10, 11], [12]]


@pytest.fixture(scope="module")
def model():
    return tiny()[0]


def padded(prompts: list[list[int]], side: str, pad: int) -> dict[str, torch.Tensor]:
    width = max(map(len, prompts))
    fill = [[pad] * (width - len(prompt)) for prompt in prompts]
    rows = [f + p if side == "left" else p + f for p, f in zip(prompts, fill)]
    alive = [
        [0] * len(f) + [1] * len(p) if side == "left" else [1] * len(p) + [0] * len(f) for p, f in zip(prompts, fill)
    ]
    return {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(alive)}


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    "how", [{}, {"temperature": 1.3, "top_p": 0.9}, {"temperature": 2.0, "allowed": range(40, 90)}]
)
def test_each_row_is_as_if_alone(model, side, use_cache, how):
    pad, end = model.config.pad_token_id, 45
    together = model.generate(padded(PROMPTS, side, pad), 12, end, use_cache, TokenChoice(seed=7, **how)).tolist()
    for index, prompt in enumerate(PROMPTS):
        alone = model.generate({"input_ids": torch.tensor([prompt])}, 12, end, True, TokenChoice(seed=7 + index, **how))
        alone = alone[0].tolist()
        assert together[index][: len(alone)] == alone
        assert set(together[index][len(alone) :]) <= {pad}


def test_an_end_stops_its_row_only(model):
    free = model.generate(padded(PROMPTS, "left", 0), 12, eos=-1)
    end = int(free[0, 2])
    words = model.generate(padded(PROMPTS, "left", 0), 12, eos=end).tolist()
    stop = words[0].index(end) + 1
    assert words[0][:stop] == free[0, :stop].tolist() and set(words[0][stop:]) <= {model.config.pad_token_id}
    assert any(end not in row or row.index(end) + 1 != stop for row in words[1:])


def test_seeds_repeat_and_differ(model):
    batch = {"input_ids": torch.tensor([PROMPTS[1]])}
    draw = lambda seed: model.generate(batch, 12, -1, choose=TokenChoice(1.0, seed=seed)).tolist()  # noqa: E731
    assert draw(1) == draw(1) != draw(2)
    assert draw(None) != draw(None)


def test_only_allowed_words_appear(model):
    batch = padded(PROMPTS, "right", 0)
    allowed = [3, 50, 51]
    for temperature in (0.0, 5.0):
        words = model.generate(batch, 20, -1, choose=TokenChoice(temperature, seed=0, allowed=allowed))
        assert set(words.flatten().tolist()) <= set(allowed)
        assert temperature == 0 or len(set(words.flatten().tolist())) == 3
    everything = model.generate(batch, 20, -1)
    assert not set(everything.flatten().tolist()) <= set(allowed)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=8),
    st.floats(0.05, 3),
    st.floats(0.01, 1),
    st.integers(0, 1000),
)
def test_only_the_likely_ones_are_drawn(logits, temperature, top_p, seed):
    """The smallest set of likeliest tokens whose probability reaches top_p, by its definition."""
    choose = TokenChoice(temperature, top_p, seed)
    drawn = set(choose(torch.tensor([logits] * 20)).tolist())
    likely = (torch.tensor(logits, dtype=torch.float64) / temperature).softmax(0)
    order = likely.argsort(descending=True)
    least = likely[order[int((likely[order].cumsum(0) < top_p - 1e-5).sum().clamp(max=len(logits) - 1))]]
    assert all(likely[token] >= least - 1e-6 for token in drawn)


def test_draws_follow_the_probabilities():
    chances = torch.tensor([0.5, 0.1, 0.3, 0.1])
    logits = chances.log().expand(40, -1)

    def shares(choose: TokenChoice) -> torch.Tensor:
        return torch.bincount(torch.cat([choose(logits) for _ in range(25)]), minlength=4) / 1000

    assert torch.allclose(shares(TokenChoice(1.0, seed=0)), chances, atol=0.05)
    cool = TokenChoice(0.5, top_p=0.9, seed=0)  # squares the probabilities: 25, 1, 9, 1 of 36; the last two fall out
    assert torch.allclose(shares(cool), torch.tensor([25, 0, 9, 0]) / 34, atol=0.05)


@pytest.mark.parametrize(
    "how, message",
    [
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 0}, "top_p is 0"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"allowed": []}, "No token is allowed"),
    ],
)
def test_impossible_settings_are_refused(how, message):
    with pytest.raises(WallOSSError, match=message):
        TokenChoice(**how)


def test_logits_that_are_not_finite_are_refused(model):
    with pytest.raises(WallOSSError, match="not finite"):
        TokenChoice(1.0)(torch.tensor([[0.0, float("nan")]]))
    with pytest.raises(WallOSSError, match="0 new tokens"):
        model.generate({"input_ids": torch.tensor([[1]])}, 0)
