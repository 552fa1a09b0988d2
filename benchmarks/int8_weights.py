#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What weights of 8 bits would do: time of single maps against float32 and widened bfloat16, and error of a chunk.

Words' and images' maps have a scale for each row of weights, and quantise their inputs as they come (fbgemm). The
decoder's attention and the action expert stay as they are. Times are the thread's own. The policy offers none of it;
see docs/speed.md.

    python benchmarks/int8_weights.py
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.model.layers import LinearMap
from wall_oss_ros.paths import data_path
from wall_oss_ros.policy import Observation, Policy
from wall_oss_ros.policy.engine import Engine
from wall_oss_ros.policy.linear import CastMatmuls, PackedKernels

MAPS = {
    "words, 362 M": (279, 1024, 5504), "words, 362 M, back": (279, 5504, 1024), "images, 362 M": (972, 640, 1710),
    "words, shipped": (279, 192, 512), "images, shipped": (972, 192, 576),
}  # fmt: skip
"""Rows, inputs, outputs."""


class Int8Linear(nn.Linear):
    """A copy of a linear map. Args: bits: 7 or 8, of its inputs."""

    def __init__(self, module: nn.Linear, bits: int):
        nn.Module.__init__(self)
        weight, self._narrow = module.weight.detach(), bits == 7
        scale = weight.abs().amax(1).clamp_min(1e-8).double() / 127
        zero = torch.zeros(len(weight), dtype=torch.int64)
        bias = None if module.bias is None else module.bias.detach()
        quantised = torch.quantize_per_channel(weight, scale, zero, 0, torch.qint8)
        self._packed = torch.ops.quantized.linear_prepack(quantised, bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic(x, self._packed, self._narrow)


class Int8Kernels(PackedKernels):
    """The engine's, which leave quantised maps to themselves."""

    def linear(self, modules, role, kind):
        return LinearMap(modules[0]) if isinstance(modules[0], Int8Linear) else super().linear(modules, role, kind)


def times(rows: int, inputs: int, outputs: int, runs: int = 5) -> dict[str, float]:
    """Milliseconds, medians of runs in turns."""
    plain = nn.Linear(inputs, outputs, bias=False)
    small, low, x = Int8Linear(plain, 7), plain.weight.bfloat16(), torch.randn(rows, inputs)

    def widened() -> Tensor:
        with CastMatmuls(widen=True):
            return F.linear(x, low)

    ways = {"float32": lambda: plain(x), "int8": lambda: small(x), "bfloat16, widened": widened}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, run in ways.items():
            start = time.thread_time()
            run()
            took[name].append(1e3 * (time.thread_time() - start))
    return {name: float(np.median(one)) for name, one in took.items()}


def observations(policy: Policy, count: int = 4) -> list[Observation]:
    """Clouds: amplitudes fall with frequency."""
    rng, size = np.random.default_rng(0), policy.config.propri_dim
    distance = np.hypot(np.fft.fftfreq(112)[:, None], np.fft.rfftfreq(112)) * 112

    def clouds() -> np.ndarray:
        picture = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(3, 112, 112))) / np.maximum(distance, 1))
        return np.clip(128 + 50 * picture / picture.std(), 0, 255).astype(np.uint8).transpose(1, 2, 0)

    mask, state = policy.dof_mask[:size], np.zeros(size, np.float32)
    return [Observation(0.0, {view: clouds() for view in policy.views}, state, mask) for _ in range(count)]


def errors(bits: int) -> dict[str, tuple[float, float]]:
    """Greatest and mean difference of the shipped model's chunks, as parts of the largest number."""
    found, exact, seen = {}, None, None
    for part in ("nothing", "words", "images", "words and images"):
        policy = Policy.from_pretrained(data_path("models/wall-oss-tiny"), dtype=torch.float32, threads=1)
        model, seen = policy.model, seen or observations(policy)
        owners = [*model.visual.blocks.modules(), *model.visual.merger.modules()] if "images" in part else []
        if "words" in part:
            owners += [module for layer in model.model.layers for module in layer.moe.experts[0].modules()]
        for owner in owners:
            for name, module in list(owner.named_children()):
                if type(module) is nn.Linear:
                    setattr(owner, name, Int8Linear(module, bits))
        policy._engine = Engine(model, way=policy.choice.way)
        chunks = np.stack([policy.act(one, "pick up the red cube", seed=0) for one in seen])
        exact = chunks if exact is None else exact
        difference = np.abs(chunks - exact) / np.abs(exact).max()
        found[part] = float(difference.max()), float(difference.mean())
    return found


def main() -> int:
    warnings.simplefilter("ignore")
    torch.backends.quantized.engine = "fbgemm"
    torch.set_num_threads(1)
    sys.modules["wall_oss_ros.policy.runtime"].PackedKernels = Int8Kernels
    with torch.inference_mode():
        for name, shape in MAPS.items():
            print(
                f"{name} {shape}:", ", ".join(f"{way} {took:.2f} ms" for way, took in times(*shape).items()), flush=True
            )
    for bits in (7, 8):
        for part, (worst, mean) in errors(bits).items():
            print(f"inputs of {bits} bits, {part}: a chunk differs by {worst:.2%}, {mean:.3%} in the mean", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
