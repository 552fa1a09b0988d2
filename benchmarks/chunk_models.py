# SPDX-License-Identifier: Apache-2.0
"""Models to time chunks with: the shipped one, and random weights at other sizes."""

from __future__ import annotations

from pathlib import Path

import torch

from wall_oss_ros.model import ExpertConfig, VisionConfig, WallOSS, WallOSSConfig
from wall_oss_ros.paths import data_path

VIEWS = ["face_view", "left_wrist_view", "right_wrist_view", "move1_view", "move2_view", "top_view"]


def released_config() -> WallOSSConfig:
    """The size of wall-oss-flow: Qwen2.5-VL-3B and an action expert as wide as the model."""
    return WallOSSConfig(
        experts=[ExpertConfig(2048, 11008), ExpertConfig(2048, 2048)],
        tie_word_embeddings=True,
        propri_token_id=151665,
        action_token_id=151666,
    )


def middle_config() -> WallOSSConfig:
    """Half the released widths, a third of the depth, a sixth of the vocabulary: stages keep their proportions."""
    return WallOSSConfig(
        vocab_size=25000,
        hidden_size=1024,
        num_hidden_layers=12,
        num_attention_heads=8,
        num_key_value_heads=1,
        experts=[ExpertConfig(1024, 5504), ExpertConfig(1024, 1024)],
        vision=VisionConfig(
            depth=11, hidden_size=640, intermediate_size=1710, num_heads=8, fullatt_block_indexes=[2, 5, 8, 10],
            out_hidden_size=1024,
        ),
        tie_word_embeddings=True,
        image_token_id=1,
        vision_start_token_id=2,
        vision_end_token_id=3,
    )  # fmt: skip


def load_model(size: str, checkpoint: Path | None, device: torch.device, dtype: torch.dtype) -> WallOSS:
    """Args: size: shipped, middle or released; checkpoint: a folder instead."""
    if checkpoint is not None or size == "shipped":
        return WallOSS.from_pretrained(checkpoint or data_path("models/wall-oss-tiny"), device, dtype)
    return random_model(middle_config() if size == "middle" else released_config(), device, dtype)


@torch.no_grad()
def random_model(config: WallOSSConfig, device: torch.device, dtype: torch.dtype) -> WallOSS:
    """Weights of variance 1 / inputs, and small where they add to the residual stream.

    They are cut from one block of random numbers: drawing billions takes minutes, and time does not depend on values.
    """
    with torch.device("meta"):
        model = WallOSS(config, initialise=False)
    model = model.to(dtype).to_empty(device=device)
    if config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    block = torch.randn((1 << 22) + 1, device=device).to(dtype)  # an odd length: rows of a matrix differ
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.fill_(0 if name.endswith("bias") else 1)
            continue
        flat = parameter.view(-1)
        for start in range(0, len(flat), len(block)):
            part = flat[start : start + len(block)]
            part.copy_(block[: len(part)])
        small = name.endswith(("o_proj.weight", "down_proj.weight", "attn.proj.weight"))
        parameter.mul_(parameter[0].numel() ** -0.5 * (0.1 if small else 1))
    return model.eval()
