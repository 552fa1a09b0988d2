# SPDX-License-Identifier: Apache-2.0
"""Labels for the language head from a dataset's frames."""

import numpy as np
import pytest
from fast_support import ARM, DOF_MASK, smooth_chunks

from wall_oss_ros.model.action_vocabulary import ActionVocabulary, add_action_tokens
from wall_oss_ros.model.fast import largest_error
from wall_oss_ros.policy.fast_actions import fast_answers, fit_fast
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.sim.cubes.language import FRAME
from wall_oss_ros.sim.steps import HORIZON
from wall_oss_ros.training.tokenizer import train_tokenizer


@pytest.mark.parametrize("kind", ["min_max", "mean_std"])
def test_a_frames_chunks_come_back_from_their_answers(kind):
    frames = np.zeros(30, FRAME)
    frames["chunks"] = 0.2 * smooth_chunks(270, HORIZON).reshape(30, 9, HORIZON, 7)
    chunks = np.zeros((270, HORIZON, 20))
    chunks[..., ARM] = frames["chunks"].reshape(-1, HORIZON, 7)
    flat = chunks.reshape(-1, 20)
    first, second = (flat.min(0), np.ptp(flat, 0)) if kind == "min_max" else (flat.mean(0), flat.std(0))
    actions = Normalizer(first, second, kind)
    fast, language = fit_fast(chunks, actions, 400), train_tokenizer(["done"] * 3, 330)
    add_action_tokens(language, fast.vocab_size)
    words = ActionVocabulary(fast, language, 1.0 if kind == "min_max" else 10.0)
    for chunk, answer in zip(chunks, fast_answers(chunks[:10], actions, words)):
        said = actions.denormalize(words.decode([*language.encode(answer).ids, words.end], HORIZON, DOF_MASK))
        unit = second / 2 if kind == "min_max" else second  # physical units of one normalised unit
        assert (np.abs(said - chunk) <= largest_error(HORIZON, 10) * unit + 1e-6).all()
