# SPDX-License-Identifier: Apache-2.0
"""The decoder's attention: by which kernel, what each token sees, and keys and values that are kept.

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


def check_backend(backend: str, device: torch.device | None = None, dtype: torch.dtype | None = None) -> str:
    """The name itself.

    Args:
        device, dtype: what it would run on, where that is known.

    Raises:
        WallOSSError: it is unknown, or flash was asked for and is not installed or does not fit.
    """
    if backend not in BACKENDS:
        raise WallOSSError(f"The attention backend {backend!r} is unknown.", f"Use one of: {', '.join(BACKENDS)}.")
    if backend == "flash" and flash_kernel() is None:
        raise WallOSSError(
            "The attention backend flash was asked for, but flash-attn cannot be imported.",
            "pip install flash-attn --no-build-isolation, or use the backend auto or sdpa.",
        )
    if backend == "flash" and device is not None and not flash_fits(device, dtype):
        raise WallOSSError(
            f"Flash attention does not run on {device.type} in {dtype}.",
            "Use it on a CUDA device in bfloat16 or float16, or set the backend auto.",
        )
    return backend


class AttentionSpec(NamedTuple):
    """What every layer of one run sees, and by which kernel."""

    mask: Tensor | None  # for PyTorch's kernel: bool, broadcastable to (B, 1, L, S); stacked: see below
    causal: bool
    kernel: Callable | None  # flash-attn's; None for PyTorch's
    stacked: bool = False  # heads that share keys stand in one long row of queries; mask (heads / groups * L, S), added


def attention_spec(
    backend: str, x: Tensor, mask: Tensor | None, causal: bool, cached: int, stacked: int | None = None
) -> AttentionSpec:
    """Decided once for all layers.

    Args:
        backend: auto takes flash-attn where it is installed and fits, flash insists on it wherever no mask is needed.
        x: (B, L, W), the new tokens.
        mask: bool, broadcastable to (B, 1, L, cached + L), True where a token sees another; None for none.
        causal: instead of a mask: each token sees the cached ones, itself and those before it.
        cached: tokens before the new ones.
        stacked: for PyTorch's kernel without a mask of one's own, how many heads share keys, to stack their queries:
            faster for few tokens, as it copies no keys and makes larger products.

    Raises:
        WallOSSError: flash was asked for on a device or type of numbers that it does not know.
    """
    length = x.shape[1]
    causal = causal and mask is None and length > 1
    if mask is None and backend != "sdpa" and flash_kernel() is not None:
        check_backend(backend, x.device, x.dtype)
        if flash_fits(x.device, x.dtype):
            return AttentionSpec(None, causal, flash_kernel())  # its causal masks align at the last cached token
    if causal and (cached or stacked):  # PyTorch's own causal mask aligns at the first token
        mask, causal = torch.ones(length, cached + length, dtype=torch.bool, device=x.device).tril(cached), False
    if stacked is None:
        return AttentionSpec(mask, causal, None)
    if mask is not None:
        hidden = torch.zeros(mask.shape, device=x.device, dtype=x.dtype).masked_fill_(~mask, float("-inf"))
        mask = hidden.repeat(stacked, 1)
    return AttentionSpec(mask, False, None, True)


def scaled_product(q: Tensor, k: Tensor, v: Tensor, **how) -> Tensor:
    """PyTorch's attention; while a CPU trains in bfloat16, in float32 all the same.

    On CPUs its backward pass in bfloat16 took 45 % of a training step, which was slower for it than float32 throughout;
    with attention alone in float32, bfloat16 was 1.4 times as fast (two cores of a Xeon with AMX).
    """
    low = q.dtype == torch.bfloat16 or (q.device.type == "cpu" and torch.is_autocast_enabled("cpu"))
    if q.device.type != "cpu" or not low or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, **how)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), **how).to(q.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, spec: AttentionSpec) -> Tensor:
    """Grouped-query attention. q: (B, L, heads, D); k, v: (B, groups, S, D) -> (B, L, heads * D)."""
    batch, length, heads, size = q.shape
    groups = k.shape[1]
    if spec.kernel is not None:
        out = spec.kernel(q, k.transpose(1, 2), v.transpose(1, 2), causal=spec.causal)
    elif spec.stacked:
        q = q.reshape(batch, length, groups, -1, size).permute(0, 2, 3, 1, 4).reshape(batch, groups, -1, size)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=spec.mask)  # (B, groups, heads / groups * L, D)
        out = out.view(batch, groups, -1, length, size).permute(0, 3, 1, 2, 4)
    else:
        out = scaled_product(
            q.transpose(1, 2), k, v, attn_mask=spec.mask, is_causal=spec.causal, enable_gqa=heads != groups
        ).transpose(1, 2)
    return out.reshape(batch, length, -1)


class LayerCache(NamedTuple):
    """Keys and values of one layer, in buffers allocated once."""

    keys: Tensor  # (B, groups, capacity, D)
    values: Tensor

    def extend(self, start: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Writes (B, groups, L, D) at the tokens' places from ``start`` on; returns views of all up to their end."""
        stop = start + key.shape[2]
        self.keys[:, :, start:stop] = key
        self.values[:, :, start:stop] = value
        return self.keys[:, :, :stop], self.values[:, :, :stop]


class PlacedCache(NamedTuple):
    """The same, for new tokens whose places are known on the device alone: work of one shape, wherever they stand."""

    keys: Tensor  # (B, groups, S, D), as many as may be seen; what each token sees of them is a mask's matter
    values: Tensor
    places: Tensor  # (L,) int64, below S

    def extend(self, start: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Writes (B, groups, L, D) at the places, whatever ``start`` says; returns all."""
        self.keys.index_copy_(2, self.places, key)
        self.values.index_copy_(2, self.places, value)
        return self.keys, self.values


class KVCache:
    """Keys and values of all layers, filled from the front.

    ``length`` tokens are valid. What lies behind them may be overwritten at will: that is how every denoising step
    reuses one prefix, and how several prompts continue one observation.
    """

    def __init__(
        self, layers: int, batch: int, groups: int, capacity: int, head_dim: int, device=None, dtype=torch.float32
    ):
        shape = (2, layers, batch, groups, capacity, head_dim)
        keys, values = torch.zeros(shape, device=device, dtype=dtype)
        self.layers = [LayerCache(*pair) for pair in zip(keys, values)]
        self.capacity = capacity
        self.length = 0

    def reserve(self, tokens: int) -> None:
        """Makes sure that ``tokens`` more fit.

        Raises:
            WallOSSError: they do not.
        """
        if self.length + tokens > self.capacity:
            raise WallOSSError(
                f"{self.length + tokens} tokens do not fit the prefix cache of {self.capacity}.",
                "Allocate it for the longest prompt and its answer.",
            )

    def truncate(self, length: int) -> None:
        """Forgets everything behind the first ``length`` tokens."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot truncate {self.length} tokens to {length}")
        self.length = length
