"""A tiny WALL-OSS of the FAST kind: its tokenizers, its network with random weights, and smooth motions to encode."""

import numpy as np
import torch

from wall_oss_ros.data.tokenizer import train_tokenizer
from wall_oss_ros.model import ExpertConfig, VisionConfig, WallOSS, WallOSSConfig
from wall_oss_ros.model.action_vocabulary import ActionVocabulary, add_action_tokens
from wall_oss_ros.model.fast import FastTokenizer

HORIZON, ARM = 8, slice(7, 14)
ALIVE = np.zeros(20, bool)
ALIVE[ARM] = True
VIEWS = ["face_view", "right_wrist_view"]
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
    names = {
        "image_token_id": "<|image_pad|>", "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>", "eos_token_id": "<|im_end|>", "pad_token_id": "<|endoftext|>",
        "propri_token_id": "<|propri|>", "action_token_id": "<|action|>",
    }  # fmt: skip
    config = WallOSSConfig(
        vocab_size=language.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, mrope_section=[2, 1, 1], experts=[ExpertConfig(32, 48), ExpertConfig(32, 24)],
        vision=VisionConfig(depth=2, hidden_size=16, intermediate_size=32, num_heads=2, out_hidden_size=32,
                            window_size=56, fullatt_block_indexes=[1]),
        action_horizon=HORIZON, action_rate_hz=10.0, image_size=56, views=VIEWS,
        **{key: language.token_to_id(token) for key, token in names.items()},
    )  # fmt: skip
    torch.manual_seed(0)
    return WallOSS(config).eval(), ActionVocabulary(fast, language), language
