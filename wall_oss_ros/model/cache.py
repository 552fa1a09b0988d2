# SPDX-License-Identifier: Apache-2.0
"""Keys and values of tokens that were seen already, in buffers allocated once."""

from __future__ import annotations

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError


class KVCache:
    """One pair of buffers for each layer, filled from the front.

    ``length`` tokens are valid. What lies behind them may be overwritten at will: that is how every denoising step
    reuses one prefix, and how several prompts continue one observation.
    """

    def __init__(
        self, layers: int, batch: int, heads: int, capacity: int, head_dim: int, device=None, dtype=torch.float32
    ):
        shape = (layers, batch, heads, capacity, head_dim)
        self.keys = torch.empty(shape, device=device, dtype=dtype)
        self.values = torch.empty(shape, device=device, dtype=dtype)
        self.capacity = capacity
        self.length = 0

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Writes (B, heads, L, D) behind the valid tokens; returns views of all tokens up to there."""
        stop = self.length + key.shape[2]
        if stop > self.capacity:
            raise WallOSSError(
                f"{stop} tokens do not fit the prefix cache of {self.capacity}.",
                "Allocate it for the longest prompt and its answer.",
            )
        self.keys[layer, :, :, self.length : stop] = key
        self.values[layer, :, :, self.length : stop] = value
        return self.keys[layer, :, :, :stop], self.values[layer, :, :, :stop]

    def truncate(self, length: int) -> None:
        """Forgets everything behind the first ``length`` tokens."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot truncate {self.length} tokens to {length}")
        self.length = length
