# SPDX-License-Identifier: Apache-2.0
"""Small layers that the vision tower, the decoder and the inference engine share, and how an engine replaces them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LinearMap:
    """A linear map, and what usually follows it as methods: an engine that packs weights does both in one pass."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        """Args: function: (..., in) -> (..., out), such as a linear module."""
        self.function = function

    def __call__(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return self.function(x)

    def silu(self, x: Tensor) -> Tensor:
        """silu(map(x))."""
        return F.silu(self(x))

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """map(x) * other."""
        return self(x) * other

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """map(x) + other."""
        return self(x) + other


def gated(x: Tensor, gate: LinearMap, up: LinearMap) -> Tensor:
    """silu(gate(x)) * up(x): the inside of a SwiGLU (arXiv 2002.05202)."""
    return up.times(x, gate.silu(x))


class RMSNorm(nn.Module):
    """Root-mean-square normalisation (arXiv 1910.07467), in float32 whatever the input's type."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.weight, self.eps)


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, width: int, inner: int, bias: bool = False):
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=bias)
        self.up_proj = nn.Linear(width, inner, bias=bias)
        self.down_proj = nn.Linear(inner, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(gated(x, LinearMap(self.gate_proj), LinearMap(self.up_proj)))


class Kernels:
    """How a layer's modules are computed: by themselves, unless a subclass has another way."""

    def norm(self, module: RMSNorm) -> Callable[[Tensor], Tensor]:
        """(..., H) -> (..., H)."""
        return module

    def linear(self, modules: Sequence[nn.Module], role: str, kind: int) -> LinearMap:
        """Linear modules on one input, their results side by side.

        Args:
            role: ``attention`` or ``feed_forward`` of the decoder, or ``vision``.
            kind: the type of token, see ``decoder.py``; patches are of the first.
        """
        if len(modules) == 1:
            return LinearMap(modules[0])
        return LinearMap(lambda x: torch.cat([module(x) for module in modules], dim=-1))
