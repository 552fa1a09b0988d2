# SPDX-License-Identifier: Apache-2.0
"""Rotary positions: the vision tower's two axes, and the decoder's three (time, height, width: M-RoPE)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the pairs (i, i + D/2) of the last axis. x: (..., D); cos, sin: (..., D/2), broadcast against x."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


# Tables that were made while sampling must serve training too, hence inference_mode(False) beneath each cache.
@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _inverse_frequencies(half: int, theta: float, device: torch.device) -> Tensor:
    return theta ** -(torch.arange(half, dtype=torch.float32, device=device) / half)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _axis_of_frequency(sections: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(sections)), torch.tensor(sections)).to(device)


def decoder_rotation(position_ids: Tensor, head_dim: int, theta: float, sections: list[int], dtype: torch.dtype):
    """cos and sin, each (B, L, 1, D/2), of positions (3, B, L).

    The first ``sections[0]`` frequencies turn with time, the next with height, the last with width
    (Qwen2-VL, arXiv 2409.12191, section 2.1).
    """
    device = position_ids.device
    axis = _axis_of_frequency(tuple(sections), device)
    angle = position_ids.float()[axis].permute(1, 2, 0) * _inverse_frequencies(
        head_dim // 2, theta, device
    )  # (B, L, D/2)
    angle = angle.unsqueeze(2)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def vision_rotation(rows: Tensor, columns: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """cos and sin, each (P, 1, D/2): half the frequencies turn with the patch's row, half with its column."""
    frequencies = _inverse_frequencies(head_dim // 4, 10000.0, rows.device)
    angle = torch.cat((rows[:, None] * frequencies, columns[:, None] * frequencies), dim=-1).unsqueeze(1)
    return angle.cos(), angle.sin()
