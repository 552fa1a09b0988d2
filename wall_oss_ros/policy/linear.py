# SPDX-License-Identifier: Apache-2.0
"""Linear maps for inference: weights packed for the processor, and bfloat16 weights on processors that lack bfloat16.

Two measured facts stand behind them (one core of an AMD EPYC without AVX-512, torch 2.13; docs/speed.md), which other
processors need not share; ``choices.py`` measures:
- With the 10 to 64 rows of a denoising step, F.linear spends a third of its time on rearranging the weights, each time
  anew. oneDNN takes them rearranged once, and then does what follows, such as a gate, in the same pass.
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
from wall_oss_ros.model.decoder import LANGUAGE
from wall_oss_ros.model.layers import Kernels, LinearMap, RMSNorm

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


@lru_cache(maxsize=2)
def can_pack(dtype: torch.dtype = torch.float32) -> bool:
    """Whether this build of torch packs such weights for this processor, and computes right. The operators are torch's
    own, but not documented."""
    if not torch.backends.mkldnn.is_available() or dtype not in (torch.float32, torch.bfloat16):
        return False
    low = dtype == torch.bfloat16
    if low and not multiplies_bfloat16():
        return False
    shapes = ((3, 8), (16, 8), (16,), (3, 16))
    x, weight, bias, other = (torch.randn(shape).to(dtype) for shape in shapes)
    expected = F.linear(x, weight, bias)
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
    return all(torch.allclose(found, wanted, atol=0.1 if low else 1e-5, rtol=0.02) for found, wanted in pairs)


def multiplies_bfloat16() -> bool:
    """Whether oneDNN has bfloat16 products for this processor. The operator is torch's own, but not documented."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False


def packed(weight: Tensor, bias: Tensor | None, rows: int) -> Linear:
    """Packed where that can be done: on a processor, in float32, or in bfloat16 where it has products in that."""
    if weight.device.type == "cpu" and can_pack(weight.dtype):
        return PackedLinear(weight, bias, rows)
    return Linear(weight, bias)


def _plain(weight: Tensor, bias: Tensor | None, rows: int) -> Linear:
    return Linear(weight, bias)


class PackedKernels(Kernels):
    """How the engine computes the layers of the decoder and of the vision tower.

    Attention's maps and the action expert's run at every step: they are copied, joined and, if asked, packed. The
    large expert of words and images and the vision tower stay on the model's own weights, unless all is to be packed.
    """

    def __init__(self, rows: int, dtype: torch.dtype, pack: bool = True, whole: bool = False):
        """
        Args:
            rows: of the inputs that count, for packing.
            dtype: in which to compute.
            pack: whether to pack what can be packed.
            whole: whether what images and words meet is copied and packed, too.
        """
        self._rows, self._dtype, self._make, self._whole = rows, dtype, packed if pack else _plain, whole
        self._made: dict[tuple[int, ...], Linear] = {}  # what types of tokens share is copied once

    def norm(self, module: RMSNorm) -> Callable[[Tensor], Tensor]:
        """On a processor in fewer passes than PyTorch's own, whose parts run one by one there: two thirds of its time
        are saved."""
        if module.weight.device.type != "cpu":
            weight, eps = module.weight.detach().to(self._dtype), module.eps
            return lambda x: torch.rms_norm(x, weight.shape, weight, eps)
        width = len(module.weight)
        scale, least = module.weight.detach().float() * width**0.5, torch.tensor(width * module.eps)

        def normed(x: Tensor) -> Tensor:
            wide = x.float()
            length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
            return wide.mul(torch.addcmul(least, length, length).rsqrt_()).mul_(scale).to(x.dtype)

        return normed

    def linear(self, modules: Sequence[nn.Module], role: str, kind: int) -> Linear:
        for module in modules:
            if type(module) is not nn.Linear:  # of an adapter, only the part below it would be taken
                raise WallOSSError(
                    f"A {type(module).__name__} stands where a plain linear map was expected.",
                    "Merge the adapters into the weights before inference.",
                )
        large = role == "vision" or (role == "feed_forward" and kind == LANGUAGE)
        if large and not self._whole:
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
