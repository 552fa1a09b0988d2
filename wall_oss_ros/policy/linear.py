# SPDX-License-Identifier: Apache-2.0
"""Linear maps for inference: weights packed for the processor, and bfloat16 weights on processors that lack bfloat16.

Two measured facts stand behind them (one core of an AMD EPYC without AVX-512, torch 2.13; docs/speed.md), which other
processors need not share; ``choices.py`` measures:
- With the 10 to 64 rows of a denoising step, F.linear spends a third of its time on rearranging the weights, each time
  anew. oneDNN takes them rearranged once.
- A bfloat16 matmul falls back to code that is several times slower than float32. Widening the weights block by block
  on their way into a float32 matmul costs little, and the weights stay half as large in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.decoder import LANGUAGE, Kernels
from wall_oss_ros.model.layers import LinearMap, RMSNorm

BLOCK = 1 << 21
"""Weights widened at a time: 8 MiB in float32, so that they are still in the processor's cache when they are used."""


class Linear(LinearMap):
    """x W^T + b on given weights."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        """Args: weight: (out, in); bias: (out,)."""
        self.weight, self.bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class PackedLinear(Linear):
    """A copy of the weights in oneDNN's order, for few rows at a time. Later changes of the layer do not reach it."""

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int):
        super().__init__(torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows), bias)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")

    def silu(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "swish", [], "")

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, self.bias, "mul")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, self.bias, "add")


@lru_cache(maxsize=1)
def can_pack() -> bool:
    """Whether this build of torch packs and computes right. The operators are torch's own, but not documented."""
    if not torch.backends.mkldnn.is_available():
        return False
    x, weight, bias = torch.randn(3, 8), torch.randn(16, 8), torch.randn(16)
    other, expected = torch.randn(3, 16), F.linear(x, weight, bias)
    try:
        packed = PackedLinear(weight, bias, 3)
        pairs = [
            (packed(x), expected),
            (packed.silu(x), F.silu(expected)),
            (packed.times(x, other), expected * other),
            (packed.plus(x, other), expected + other),
        ]
    except (AttributeError, RuntimeError, TypeError):
        return False
    return all(torch.allclose(found, wanted, atol=1e-5) for found, wanted in pairs)


def packed(weight: Tensor, bias: Tensor | None, rows: int) -> Linear:
    """Packed where that can be done: float32 on a processor."""
    if weight.device.type == "cpu" and weight.dtype == torch.float32 and can_pack():
        return PackedLinear(weight, bias, rows)
    return Linear(weight, bias)


def _plain(weight: Tensor, bias: Tensor | None, rows: int) -> Linear:
    return Linear(weight, bias)


class PackedKernels(Kernels):
    """How the engine computes the decoder's layers.

    Attention's maps and the action expert's run at every step: they are copied, joined and, if asked, packed. The
    large expert of words and images stays on the model's own weights.
    """

    def __init__(self, rows: int, dtype: torch.dtype, pack: bool = True):
        """
        Args:
            rows: of the inputs that count, for packing.
            dtype: in which to compute.
            pack: whether to pack what can be packed.
        """
        self._rows, self._dtype, self._make = rows, dtype, packed if pack else _plain
        self._made: dict[tuple[int, ...], Linear] = {}  # what types of tokens share is copied once

    def norm(self, module: RMSNorm) -> Callable[[Tensor], Tensor]:
        weight, eps = module.weight.detach().to(self._dtype), module.eps
        return lambda x: torch.rms_norm(x, weight.shape, weight, eps)

    def linear(self, modules: Sequence[nn.Module], role: str, kind: int) -> Linear:
        for module in modules:
            if type(module) is not nn.Linear:  # of an adapter, only the part below it would be taken
                raise WallOSSError(
                    f"A {type(module).__name__} stands where a plain linear map was expected.",
                    "Merge the adapters into the weights before inference.",
                )
        if role == "feed_forward" and kind == LANGUAGE:
            return Linear(modules[0].weight, modules[0].bias)
        key = tuple(map(id, modules))
        if key not in self._made:
            weights = [module.weight.detach() for module in modules]
            biases = [module.bias.detach() for module in modules if module.bias is not None]
            weight, bias = (
                (torch.cat(parts) if len(parts) > 1 else parts[0]).to(self._dtype) if parts else None
                for parts in (weights, biases)
            )
            self._made[key] = self._make(weight, bias, self._rows)
        return self._made[key]


class CastMatmuls(TorchFunctionMode):
    """Within it, linear maps take inputs of another type than their weights, and results keep the input's type.

    Weights of bfloat16 are widened to float32 block by block, and never kept, or else the input is narrowed. Attention
    of bfloat16 tensors goes with them.
    """

    def __init__(self, widen: bool):
        super().__init__()
        self._widen = widen

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.linear and args[1].dtype == torch.bfloat16:
            if self._widen:
                return self._wide(*args, **kwargs)
            if args[0].dtype != torch.bfloat16:
                return function(args[0].bfloat16(), *args[1:], **kwargs).to(args[0].dtype)
        if self._widen and function is F.scaled_dot_product_attention and args[0].dtype == torch.bfloat16:
            return function(*(tensor.float() for tensor in args[:3]), *args[3:], **kwargs).to(args[0].dtype)
        return function(*args, **kwargs)

    @staticmethod
    def _wide(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        wide, pieces = x.float(), []
        for part in weight.split(max(1, BLOCK // weight.shape[1])):
            pieces.append(F.linear(wide, part.float()))
        out = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=-1)
        return (out if bias is None else out + bias.float()).to(x.dtype)
