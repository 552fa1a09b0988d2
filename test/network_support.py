# SPDX-License-Identifier: Apache-2.0
"""Small networks and batches for the tests of the network."""

import torch

from wall_oss_ros.model import ExpertConfig, VisionConfig, WallOSS, WallOSSConfig

IMAGE, START, END, PROPRI, ACTION, PAD, VIDEO = 90, 91, 92, 93, 94, 95, 89

LINEAGE = {
    "flow": {},
    "flow-0.1": {"attention_moe": True},
    "split norms": {"attention_moe": True, "norm_moe": True},
    "0.5": {
        "attention_moe": True,
        "norm_moe": True,
        "causal_action_attention_mask": True,
        "experts": [ExpertConfig(32, 48), ExpertConfig(16, 24)],
    },
}
"""What tells the released models apart, at a small size."""


def small_config(**changes) -> WallOSSConfig:
    values = dict(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        mrope_section=[2, 1, 1], experts=[ExpertConfig(32, 48), ExpertConfig(32, 24)],
        vision=VisionConfig(
            depth=2, hidden_size=16, intermediate_size=32, num_heads=2, out_hidden_size=32, window_size=56,
            fullatt_block_indexes=[1],
        ),
        image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=END,
        pad_token_id=PAD, eos_token_id=1, propri_token_id=PROPRI, action_token_id=ACTION, action_horizon=4,
    )  # fmt: skip
    return WallOSSConfig(**{**values, **changes})


def small_model(seed: int = 0, **changes) -> WallOSS:
    """Fresh weights, norms and biases included, so that a mix-up of two of them shows."""
    torch.manual_seed(seed)
    model = WallOSS(small_config(**changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


def row(words: list[int], horizon: int = 4) -> list[int]:
    return [2, START, *[IMAGE] * 4, END, *words, PROPRI, *[ACTION] * horizon]


def make_batch(ids: torch.Tensor, alive: torch.Tensor | None = None) -> dict:
    """One image of 4 x 4 patches, one state and one chunk of 4 steps for each row."""
    generator = torch.Generator().manual_seed(3)
    rows = len(ids)
    random = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids) if alive is None else alive,
        "pixel_values": random(16 * rows, 1176),
        "image_grid_thw": torch.tensor([[1, 4, 4]] * rows),
        "proprioception": random(rows, 1, 20),
        "agent_pos_mask": torch.ones(rows, 1, 20),
        "dof_mask": torch.ones(rows, 4, 20),
        "action_chunk": random(rows, 4, 20),
        "noise": random(rows, 4, 20),
        "time": torch.rand(rows, generator=generator),
    }


def padded(rows: list[list[int]], side: str) -> torch.Tensor:
    """Rows of one length, padded on the left or on the right."""
    longest = max(map(len, rows))
    fill = [[PAD] * (longest - len(ids)) for ids in rows]
    return torch.tensor([ids + pad if side == "right" else pad + ids for ids, pad in zip(rows, fill)])
