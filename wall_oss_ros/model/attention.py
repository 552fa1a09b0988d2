# SPDX-License-Identifier: Apache-2.0
"""Which kernel computes the decoder's attention, and what each token sees.

Flash attention knows two kinds of sight: everything, and causal. That is all the fast path needs: a prefix is causal,
and action tokens behind a cached prefix see everything. Any other mask (padding, a whole sequence with its island of
action tokens, which see each other both ways) goes to PyTorch's scaled_dot_product_attention, so no mask is ever lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wall_oss_ros.errors import WallOSSError

BACKENDS = ("auto", "sdpa", "flash")


@lru_cache(maxsize=1)
def flash_kernel() -> Callable | None:
    """``flash_attn_func`` of the package flash-attn, version 2.1 or later; None where it cannot be imported."""
    try:
        from flash_attn import flash_attn_func
    except (ImportError, OSError, RuntimeError):  # absent, or built for another torch or CUDA
        return None
    return flash_attn_func


def flash_fits(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether flash-attn's kernels run on such tensors."""
    return device.type == "cuda" and dtype in (torch.float16, torch.bfloat16)


def check_backend(backend: str) -> str:
    """The name itself.

    Raises:
        WallOSSError: it is unknown, or flash was asked for and is not installed.
    """
    if backend not in BACKENDS:
        raise WallOSSError(f"The attention backend {backend!r} is unknown.", f"Use one of: {', '.join(BACKENDS)}.")
    if backend == "flash" and flash_kernel() is None:
        raise WallOSSError(
            "The attention backend flash was asked for, but flash-attn cannot be imported.",
            "pip install flash-attn --no-build-isolation, or use the backend auto or sdpa.",
        )
    return backend


class Sight(NamedTuple):
    """What every layer of one run sees, and by which kernel."""

    mask: Tensor | None  # bool, broadcastable to (B, 1, L, S)
    causal: bool
    kernel: Callable | None  # flash-attn's; None for PyTorch's


def make_sight(backend: str, x: Tensor, mask: Tensor | None, causal: bool, seen: int) -> Sight:
    """Decided once for all layers.

    Args:
        backend: auto takes flash-attn where it is installed and fits, flash insists on it wherever no mask is needed.
        x: (B, L, W), the new tokens.
        mask: bool, broadcastable to (B, 1, L, seen + L), True where a token sees another; None for none.
        causal: instead of a mask: each token sees the cached ones, itself and those before it.
        seen: cached tokens.

    Raises:
        WallOSSError: flash was asked for on a device or type of numbers that it does not know.
    """
    length = x.shape[1]
    causal = causal and mask is None and length > 1
    if mask is None and backend != "sdpa" and flash_kernel() is not None:
        if flash_fits(x.device, x.dtype):
            return Sight(None, causal, flash_kernel())  # causal with cached tokens: its masks align at the last one
        if backend == "flash":
            raise WallOSSError(
                f"Flash attention does not run on {x.device.type} in {x.dtype}.",
                "Use it on a CUDA device in bfloat16 or float16, or set the backend auto.",
            )
    if causal and seen:  # PyTorch's own causal mask aligns at the first token
        ones = torch.ones(length, seen + length, dtype=torch.bool, device=x.device)
        return Sight(ones.tril(seen), False, None)
    return Sight(mask, causal, None)


def attend(q: Tensor, k: Tensor, v: Tensor, sight: Sight) -> Tensor:
    """Grouped-query attention. q: (B, heads, L, D); k, v: (B, groups, S, D) -> (B, L, heads, D)."""
    if sight.kernel is not None:
        return sight.kernel(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), causal=sight.causal)
    out = F.scaled_dot_product_attention(
        q, k, v, attn_mask=sight.mask, is_causal=sight.causal, enable_gqa=q.shape[1] != k.shape[1]
    )
    return out.transpose(1, 2)
