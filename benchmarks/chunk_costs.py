# SPDX-License-Identifier: Apache-2.0
"""What a chunk costs at the least: operations and bytes of each stage from a model's config, and a machine's peaks.

Operations are those of the matrix products, two for a multiplication and its addition. Bytes are weights, each read
once for a pass, and keys and values; activations are taken to stay in cache. The floor of a stage is the longer of the
two times at the machine's measured peaks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from wall_oss_ros.model import WallOSSConfig


@dataclass(frozen=True)
class Setting:
    """One chunk's numbers of things.

    Attributes:
        views, pixels: how many square views of how many pixels a side.
        fixed: words before the first view, which never change.
        prefix: tokens of words and images that all prompts share.
        suffix: tokens of the acting prompt behind them.
        horizon: action tokens.
        steps: of denoising.
    """

    views: int
    pixels: int
    fixed: int
    prefix: int
    suffix: int
    horizon: int
    steps: int


@dataclass(frozen=True)
class Cost:
    operations: float
    bytes: float

    def floor(self, peaks: Peaks) -> float:
        """Seconds."""
        return max(self.operations / peaks.operations, self.bytes / peaks.bytes)


@dataclass(frozen=True)
class Peaks:
    operations: float  # a second
    bytes: float  # a second, read and written


def vision_cost(config: WallOSSConfig, setting: Setting, size: int, still: bool = False) -> Cost:
    """All views through the vision tower.

    Args:
        size: bytes of a weight.
        still: a patch is embedded as one frame, not as two that are equal.
    """
    v = config.vision
    side = setting.pixels // v.patch_size
    patches, cells = side * side, (side // v.spatial_merge_size) ** 2
    window = v.window_size // v.patch_size
    spans = [min(window, side - start) for start in range(0, side, window)]
    in_windows = sum((rows * columns) ** 2 for rows in spans for columns in spans)
    full = len(set(v.fullatt_block_indexes) & set(range(v.depth)))
    pairs = full * patches**2 + (v.depth - full) * in_windows
    block = 4 * v.hidden_size**2 + 3 * v.hidden_size * v.intermediate_size
    merged = v.hidden_size * v.spatial_merge_size**2
    merger = merged * merged + merged * config.hidden_size
    numbers = v.patch_dim // v.temporal_patch_size if still else v.patch_dim
    per_patch = numbers * v.hidden_size + v.depth * block
    operations = 2 * (patches * per_patch + cells * merger) + 4 * pairs * v.hidden_size
    return Cost(setting.views * operations, size * (per_patch + merger))


def _attention_weights(config: WallOSSConfig, width: int) -> tuple[int, int]:
    """Of one layer: those of keys and values, and all."""
    keys = 2 * width * config.num_key_value_heads * config.head_dim
    return keys, keys + 2 * width * config.hidden_size


def _key_bytes(config: WallOSSConfig, tokens: int, size: int) -> int:
    return 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * tokens * size


def prefill_cost(config: WallOSSConfig, setting: Setting, size: int) -> Cost:
    """What is new of prefix and prompt, once; the last layer need only leave keys and values."""
    keys, attention = _attention_weights(config, config.hidden_size)
    feed = 3 * config.hidden_size * config.experts[0].intermediate_size
    weights = (config.num_hidden_layers - 1) * (attention + feed) + keys
    stop = setting.prefix + setting.suffix
    tokens = stop - setting.fixed
    pairs = (stop * (stop + 1) - setting.fixed * (setting.fixed + 1)) / 2
    operations = 2 * tokens * weights + 4 * pairs * config.hidden_size * (config.num_hidden_layers - 1)
    return Cost(operations, size * weights + _key_bytes(config, stop, size))


def step_cost(config: WallOSSConfig, setting: Setting, size: int) -> Cost:
    """One denoising step of the action tokens alone."""
    width = config.action_width
    _, attention = _attention_weights(config, width)
    layers = config.num_hidden_layers * (attention + 3 * width * config.experts[1].intermediate_size)
    head = width * width + 2 * width * config.action_dim
    seen = setting.prefix + setting.suffix + setting.horizon
    pairs = setting.horizon * seen
    operations = 2 * setting.horizon * (layers + head) + 4 * pairs * config.hidden_size * config.num_hidden_layers
    return Cost(operations, size * (layers + head) + _key_bytes(config, seen, size))


def whole_step_cost(config: WallOSSConfig, setting: Setting, size: int) -> Cost:
    """One denoising step of the public way: everything through the decoder, scores of all pairs."""
    _, attention = _attention_weights(config, config.hidden_size)
    language, width = setting.prefix + setting.suffix, config.action_width
    layers, tokens = config.num_hidden_layers, language + setting.horizon
    first = layers * (attention + 3 * config.hidden_size * config.experts[0].intermediate_size)
    _, own = _attention_weights(config, width)
    feed = layers * 3 * width * config.experts[1].intermediate_size
    second = layers * own + feed + 3 * width * width + 3 * width * config.action_dim
    operations = 2 * (language * first + setting.horizon * second) + 4 * tokens**2 * config.hidden_size * layers
    shared = 0 if config.attention_moe else layers * own
    return Cost(operations, size * (first + second - shared))


def measure_peaks(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> Peaks:
    """The fastest of several large matrix products, and of several copies, on this machine now."""
    gpu = device.type == "cuda"
    side, length = (8192, 1 << 30) if gpu else (1536, 1 << 26)
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    source = torch.ones(length, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def fastest(work) -> float:
        times, end = [], time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            work()
            if gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return min(times)

    with torch.inference_mode():
        product = torch.empty_like(a)
        multiply = fastest(lambda: torch.mm(a, b, out=product))
        return Peaks(2 * side**3 / multiply, 2 * length / fastest(lambda: target.copy_(source)))
