# SPDX-License-Identifier: Apache-2.0
"""In which types of numbers, and on which copies of the weights, an engine computes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from wall_oss_ros.policy.linear import can_pack, multiplies_bfloat16

SHORT = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16", torch.float64: "float64"}


@dataclass(frozen=True)
class Way:
    """One way to compute; results differ by rounding alone.

    Attributes:
        weights: type of the model's weights, in which images and words are computed unless they are widened.
        steps: type of attention and the action expert, which run at every step; copies are kept where it is another.
        widen: bfloat16 products of images and words are computed in float32; see
            :class:`~wall_oss_ros.policy.linear.CastMatmuls`.
        packed: attention's and the action expert's weights lie in oneDNN's order.
        whole: the other ones' as well, of the vision tower and of words and images: their memory is taken twice.
        int8: those are of 8 bits instead; see ``eight_bits.py``.
    """

    weights: torch.dtype
    steps: torch.dtype
    widen: bool = False
    packed: bool = False
    whole: bool = False
    int8: bool = False

    def __str__(self) -> str:
        kept = f"{SHORT[self.weights]} widened to float32" if self.widen else SHORT[self.weights]
        if self.steps != self.weights and not self.widen:
            kept += f" with {SHORT[self.steps]} steps"
        if self.int8:
            kept += " with int8 weights for images and words"
        return kept + (", all packed" if self.whole else ", packed" if self.packed else ", plain")


def float32_way() -> Way:
    """The usual way on a processor."""
    return Way(torch.float32, torch.float32, packed=can_pack())


def usual_way(weights: torch.dtype, device: torch.device) -> Way:
    """How weights of this type are computed where nothing has been measured.

    bfloat16 on a processor is widened unless oneDNN says that it can multiply it there.
    """
    if device.type != "cpu":
        return Way(weights, weights)
    if weights == torch.bfloat16 and not multiplies_bfloat16():
        return Way(weights, torch.float32, widen=True, packed=can_pack())
    return float32_way() if weights == torch.float32 else Way(weights, weights)


def int8_way() -> Way:
    """Weights of 8 bits on a processor, and beside them bfloat16 where it can multiply that."""
    base = torch.bfloat16 if multiplies_bfloat16() else torch.float32
    return replace(usual_way(base, torch.device("cpu")), int8=True)


def ways(weights: torch.dtype | None, roomy: bool = True) -> list[Way]:
    """All that a processor has for weights of this type, or where their type is free; the usual one first.

    Args:
        roomy: whether there is memory for all weights twice.
    """
    cpu, low = torch.device("cpu"), torch.bfloat16
    packing = [True, False] if can_pack() else [False]

    full = [Way(torch.float32, torch.float32, packed=packed) for packed in packing]
    native = [Way(low, low)] + ([Way(low, low, packed=True, whole=roomy)] if can_pack(low) else [])
    mixed = [Way(low, torch.float32, packed=packed) for packed in packing]
    wide = [Way(low, torch.float32, True, packed) for packed in packing]
    if weights is None:
        found = [*full, *native, *mixed]
    else:
        found = full if weights == torch.float32 else [*native, *mixed, *wide]
    usual = float32_way() if weights is None else usual_way(weights, cpu)
    return [usual, *(way for way in found if way != usual)]
