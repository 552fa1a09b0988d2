# SPDX-License-Identifier: Apache-2.0
"""A dataset's action chunks as FAST tokens: a tokenizer fitted to them, and the answers that a language head learns."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.model.action_vocabulary import ActionVocabulary
from wall_oss_ros.model.fast import FastTokenizer
from wall_oss_ros.policy.normalizer import Normalizer


def fit_fast(chunks: np.ndarray, actions: Normalizer, vocab_size: int = 1024, scale: float = 10.0) -> FastTokenizer:
    """The FAST tokenizer of a dataset, for the degrees of freedom that vary in it.

    Args:
        chunks: (N, T, A) in physical units.
        actions: the dataset's statistics.
    """
    return FastTokenizer.fit(actions.normalize(chunks)[..., actions.mask()], vocab_size, scale)


def fast_answers(chunks: np.ndarray, actions: Normalizer, words: ActionVocabulary) -> list[str]:
    """What the assistant answers to the acting prompt, without the end token: action tokens as text.

    Args:
        chunks: (N, T, A) in physical units.
        actions: the robot's statistics, by which :class:`~wall_oss_ros.policy.Policy` will turn answers back.

    Raises:
        WallOSSError: a chunk is beyond what the tokenizer can write.
    """
    return [words.spell(chunk, actions.mask()) for chunk in actions.normalize(chunks)]
