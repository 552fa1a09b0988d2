# SPDX-License-Identifier: Apache-2.0
"""Resizing by torch, for a policy at work: as Pillow does it, within two grey levels, and faster where it is used.

Pillow's bicubic filter (a = -0.5, widened by the scale where it shrinks) runs along the rows, is rounded to 8 bits, and
then runs along the columns. torch has the same filter as ``antialias``; what differs is rounding. Figures are in
docs/speed.md.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wall_oss_ros.policy.images import by_pillow


@lru_cache(maxsize=1)
def fast_on_processor() -> bool:
    """Whether torch has its vectorised kernel for 8-bit pictures here: without it, Pillow is the faster one."""
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def resize(image: np.ndarray, sizes: list[tuple[int, int]], device: torch.device) -> Tensor:
    """Resized to each (height, width) in turn.

    Args:
        image: (H, W, 3) uint8.
        device: where the result is wanted; on a GPU, the picture is resized there.

    Returns:
        (H', W', 3) uint8, in memory of its own.
    """
    if device.type == "cpu" and sizes and not fast_on_processor():
        return torch.from_numpy(by_pillow(image, sizes).copy())
    picture = torch.from_numpy(image.copy()).to(device)  # a copy: torch takes no strides backwards
    planes = picture.permute(2, 0, 1)[None]  # (1, 3, H, W), colours beside each other
    for size in sizes:
        planes = _by_kernel(planes, size) if device.type == "cpu" else by_passes(planes, size)
    return planes[0].permute(1, 2, 0)


def _by_kernel(planes: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(planes, size=size, mode="bicubic", antialias=True)


def by_passes(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """For GPUs, whose kernel takes no 8-bit pictures: in float32, rounded after the rows and after the columns, as
    Pillow does. (N, 3, H, W) uint8 -> (N, 3, *size) uint8."""
    for between in ((planes.shape[2], size[1]), size):
        if between != tuple(planes.shape[2:]):
            planes = _by_kernel(planes.float(), between).round_().clamp_(0, 255).to(torch.uint8)
    return planes
