# SPDX-License-Identifier: Apache-2.0
"""Weights of 8 bits for the large maps that images and words meet, by torchao: half the memory of bfloat16.

Each row of weights keeps one scale. Inputs are quantised as they come, each token by its own scale, products are of
8-bit numbers and sums of 32. What runs at every denoising step (attention and the action expert), embeddings, norms and
heads keep their type: they are a quarter of the released model. Chunks differ by it; docs/speed.md says how much.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch
from torch import nn

from wall_oss_ros.errors import WallOSSError, require_package
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.decoder import LANGUAGE

STORED = torch.bfloat16
"""The type that weights are loaded in, before the large ones become smaller still."""


def require(device: torch.device) -> None:
    """Raises WallOSSError unless weights can be made so small there: on a processor, and with torchao."""
    if device.type != "cpu":
        raise WallOSSError(f"dtype is {torch.int8} on {device}; weights of 8 bits are for processors.", "Leave it out.")
    require_package("torchao")


def quantise(model: WallOSS, kept: torch.dtype) -> None:
    """Replaces the large weights of ``model``, one by one, and turns all others into the type ``kept``."""
    for name in ("torchao", "torch.utils._pytree"):  # which speak of GPUs' kernels while they are imported
        logging.getLogger(name).setLevel(logging.ERROR)
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    for owner in large_parts(model):
        quantize_(owner.to(kept), Int8DynamicActivationInt8WeightConfig())
    for tensor in [*model.parameters(), *model.buffers()]:
        if type(tensor.data) is torch.Tensor and tensor.is_floating_point() and tensor.dtype == STORED:
            tensor.data = tensor.data.to(kept)


def large_parts(model: WallOSS) -> Iterator[nn.Module]:
    """The modules whose linear maps become smaller: vision blocks, and what words and images meet in each layer."""
    yield from model.visual.blocks.children()
    for layer in model.model.layers.children():
        yield layer.get_submodule(f"moe.experts.{LANGUAGE}")
