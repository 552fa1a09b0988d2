# SPDX-License-Identifier: Apache-2.0
"""A complete checkpoint of random weights, small enough to be made for every test module."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from wall_oss_ros.model import ExpertConfig, VisionConfig, WallOSS, WallOSSConfig
from wall_oss_ros.training.tokenizer import train_tokenizer

VIEWS = ["face_view", "right_wrist_view"]
INSTRUCTION = "put the red cube in the left tray"
ARM = slice(7, 14)
"""The right arm's entries, the only ones that the Franka has."""

# Ranges that a Franka at its table has: position (m), rotation (rad), gripper (m).
STATE_MIN, STATE_MAX = [0.3, -0.4, 0.02, -0.1, -0.1, -0.1, 0.0], [0.7, 0.4, 0.35, 0.1, 0.1, 0.1, 0.08]
ACTION_MIN, ACTION_MAX = [-0.2, -0.2, -0.2, -0.1, -0.1, -0.1, 0.0], [0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.08]


def in_layout(values, rest: float = 0.0) -> torch.Tensor:
    """(20,) with the seven values in the right arm's entries."""
    full = torch.full((20,), rest)
    full[ARM] = torch.tensor(values)
    return full


def small_config(tokenizer, **changes) -> WallOSSConfig:
    """A tiny network for two views of 56 px, with this tokenizer's ids; ``changes`` go over the rest."""
    names = {
        "image_token_id": "<|image_pad|>", "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>", "eos_token_id": "<|im_end|>", "pad_token_id": "<|endoftext|>",
        "propri_token_id": "<|propri|>", "action_token_id": "<|action|>", "video_token_id": "<|video_pad|>",
    }  # fmt: skip
    return WallOSSConfig(
        **dict(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, mrope_section=[2, 1, 1], experts=[ExpertConfig(32, 48), ExpertConfig(32, 24)],
            vision=VisionConfig(depth=2, hidden_size=16, intermediate_size=32, num_heads=2, out_hidden_size=32,
                                window_size=56, fullatt_block_indexes=[1]),
            action_horizon=10, action_rate_hz=10.0, image_size=56, views=VIEWS,
            **{key: tokenizer.token_to_id(token) for key, token in names.items()},
        )
        | changes
    )  # fmt: skip


def make_checkpoint(folder: Path, **changes) -> Path:
    """Writes config.json, model.safetensors and tokenizer.json.

    Args:
        changes: of the config.
    """
    tokenizer = train_tokenizer([INSTRUCTION, "pick up the red cube", "done"] * 3, 400)
    config = small_config(tokenizer, **changes)
    torch.manual_seed(0)
    model = WallOSS(config)
    head = model.action_preprocessor
    for statistics, low, high in (
        (head.normalizer_propri, STATE_MIN, STATE_MAX),
        (head.normalizer_action, ACTION_MIN, ACTION_MAX),
    ):
        statistics.set("franka", in_layout(low), in_layout(high) - in_layout(low))
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Lets ``change`` alter the checkpoint's tensors in place."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
