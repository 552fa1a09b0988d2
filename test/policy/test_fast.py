# SPDX-License-Identifier: Apache-2.0
"""A FAST checkpoint on a robot: loaded from disk, it gives the chunk it learnt, a bounded one, or a clear refusal."""

import json

import numpy as np
import pytest
import torch
from fast_support import ARM, DOF_MASK, HORIZON, SUBTASK, VIEWS, smooth_chunks, tiny

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.config import load_preset
from wall_oss_ros.model.fast import FastTokenizer, NotAChunk, largest_error
from wall_oss_ros.policy import Observation, Policy, WallOSSProcessor
from wall_oss_ros.policy.fast_actions import LIMITS, speaks_fast

pytestmark = pytest.mark.slow

LEAST, RANGE = -0.5, 1.0


def observe(seed: int = 0) -> Observation:
    rng = np.random.default_rng(seed)
    state = np.where(DOF_MASK, rng.uniform(-0.4, 0.4, 20), 0).astype(np.float32)
    return Observation(0.0, {view: rng.integers(0, 256, (56, 56, 3), np.uint8) for view in VIEWS}, state, DOF_MASK)


def write(folder, model, words, language) -> None:
    """A complete checkpoint, as a released one would be laid out."""
    vectors = torch.where(torch.from_numpy(DOF_MASK), LEAST, 0.0), torch.where(torch.from_numpy(DOF_MASK), RANGE, 0.0)
    model.action_preprocessor.normalizer_action.set("franka", *vectors)
    model.action_preprocessor.normalizer_propri.set("franka", *vectors)
    model.config.extra["use_fast_tokenizer"] = True
    model.save_pretrained(folder)
    language.save(str(folder / "tokenizer.json"))
    words.fast.save(folder / "action_tokenizer")


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, *tiny())
    return tmp_path


def learn(model, words, processor, samples) -> None:
    """Overfits (observation, normalised chunk) pairs, through the very prompts that the processor makes."""
    batch = processor(
        [obs for obs, _ in samples], SUBTASK, "fast", [words.spell(chunk, DOF_MASK) for _, chunk in samples]
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        loss = model(batch).cross_entropy_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.02:
            break


def test_learnt_motions_come_out_and_anything_else_is_bounded_or_refused(tmp_path):
    torch.manual_seed(0)
    model, words, language = tiny()
    write(tmp_path, model, words, language)
    samples = []
    for seed, motion in enumerate(smooth_chunks(2, seed=7)):
        chunk = np.zeros((HORIZON, 20))
        chunk[:, ARM] = motion
        samples.append((observe(seed), chunk))
    learn(model, words, WallOSSProcessor.from_pretrained(tmp_path), samples)
    model.save_pretrained(tmp_path)
    policy = Policy.from_pretrained(tmp_path)
    for obs, chunk in (*samples, samples[0]):
        physical = policy.act(obs, SUBTASK)
        assert physical.shape == (HORIZON, 20) and not physical[:, ~DOF_MASK].any()
        expected = (chunk[:, ARM] + 1) / 2 * RANGE + LEAST
        assert np.abs(physical[:, ARM] - expected).max() <= largest_error(HORIZON, 10) * RANGE / 2
    assert np.abs(policy.act(samples[0][0], SUBTASK) - policy.act(samples[1][0], SUBTASK)).max() > 0.3
    for seed in range(2, 6):
        try:
            physical = policy.act(observe(seed), SUBTASK)
        except NotAChunk as refusal:
            assert "make no action chunk" in str(refusal) and refusal.hint
        else:
            assert (np.abs(physical[:, ARM]) <= 0.5).all()


def test_an_untrained_one_refuses_but_warms_up_and_speaks(folder):
    policy = Policy.from_pretrained(folder)
    policy.warm_up()
    with pytest.raises(NotAChunk, match="make no action chunk"):
        policy.act(observe(), SUBTASK)
    assert isinstance(policy.reason(observe(), SUBTASK), str)


def test_weights_that_are_not_finite_are_no_nonsense_to_warm_up_over(folder):
    policy = Policy.from_pretrained(folder)
    with torch.no_grad():
        policy.model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(WallOSSError, match="not finite"):
        policy.warm_up()


@pytest.mark.parametrize("changes", [{"use_fast_tokenizer": False}, {}])
def test_without_the_switch_chunks_come_from_the_flow_head(folder, changes):
    values = json.loads((folder / "config.json").read_text())
    del values["use_fast_tokenizer"]
    (folder / "config.json").write_text(json.dumps({**values, **changes}))
    chunk = Policy.from_pretrained(folder).act(observe(), SUBTASK, seed=0)
    assert chunk.shape == (HORIZON, 20) and chunk[:, ARM].std() > 0
    assert speaks_fast(load_preset("wall-oss-fast")) and not speaks_fast(load_preset("wall-oss-flow"))


def test_the_tokenizer_is_found_where_config_says(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("fast")
    (folder / "action_tokenizer").rename(elsewhere / "tokenizer")
    with pytest.raises(WallOSSError, match="no folder action_tokenizer"):
        Policy.from_pretrained(folder)
    values = json.loads((folder / "config.json").read_text())
    del values["use_fast_tokenizer"]
    values |= {"prediction_mode": "fast", "action_tokenizer_path": str(elsewhere / "tokenizer")}
    (folder / "config.json").write_text(json.dumps(values))
    assert Policy.from_pretrained(folder).fast is not None


def test_what_does_not_fit_is_refused(folder):
    fast = FastTokenizer.from_pretrained(folder / "action_tokenizer")
    fast.horizon, fast.width = 32, 7
    fast.save(folder / "action_tokenizer")
    with pytest.raises(WallOSSError, match=r"\(32, 7\).*are \(8, 7\)"):
        Policy.from_pretrained(folder)
    FastTokenizer.fit(smooth_chunks(200, seed=1), 400).save(folder / "action_tokenizer")
    with pytest.raises(WallOSSError, match=r"has no <\|action_token_300\|>"):
        Policy.from_pretrained(folder)


def test_statistics_by_deviation_allow_larger_values(folder):
    policy = Policy.from_pretrained(folder)
    assert policy.fast.vocabulary.limit == LIMITS["min_max"] == 1
    statistics = policy.model.action_preprocessor.normalizer_action
    statistics.set("franka", torch.zeros(20), torch.from_numpy(DOF_MASK).float(), "mean_std")
    policy.model.save_pretrained(folder)
    assert Policy.from_pretrained(folder).fast.vocabulary.limit == LIMITS["mean_std"] == 10
