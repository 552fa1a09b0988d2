# SPDX-License-Identifier: Apache-2.0
"""A tiny WALL-OSS of the FAST kind: its tokenizers, its network with random weights, and smooth motions to encode."""

import numpy as np
import torch
from checkpoint_support import VIEWS, small_config  # noqa: F401  VIEWS is handed on

from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.action_vocabulary import ActionVocabulary, add_action_tokens
from wall_oss_ros.model.fast import FastTokenizer
from wall_oss_ros.training.tokenizer import train_tokenizer

HORIZON, ARM = 8, slice(7, 14)
DOF_MASK = np.zeros(20, bool)
DOF_MASK[ARM] = True
SUBTASK = "pick up the red cube"


def smooth_chunks(count: int, horizon: int = HORIZON, width: int = 7, seed: int = 0) -> np.ndarray:
    """(count, horizon, width) in [-1, 1]: slow waves, as an arm's motion."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, horizon)[:, None]
    pace, phase, size = (rng.uniform(*ends, (count, 1, width)) for ends in ((0.1, 1), (0, 6.3), (0.1, 1)))
    return size * np.sin(6.3 * pace * time + phase)


def tiny(vocab_size: int = 300) -> tuple[WallOSS, ActionVocabulary, object]:
    """The network, its action words, and the language model's tokenizer."""
    fast = FastTokenizer.fit(smooth_chunks(100), vocab_size)
    language = train_tokenizer([SUBTASK, "done"] * 3, 330)
    add_action_tokens(language, fast.vocab_size)
    config = small_config(language, action_horizon=HORIZON)
    torch.manual_seed(0)
    return WallOSS(config).eval(), ActionVocabulary(fast, language), language
