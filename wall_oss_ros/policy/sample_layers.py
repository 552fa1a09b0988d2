# SPDX-License-Identifier: Apache-2.0
"""One layer of a network's decoder and one block of its vision tower, to time before the network itself is there.

They are the network's own modules at its own widths, run by the engine as it runs the whole, with random weights: time
does not depend on values. Where one layer has so much to do that a measurement would take long, fewer rows go through
it than a chunk has, and the time is scaled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import torch

from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.policy.engine import Engine
from wall_oss_ros.policy.ways import Way

PARTS = ("step", "prefix", "images")
"""What a chunk is made of, the shortest first."""
OPERATIONS = 4e9
"""For each core, in one layer at once: some 40 ms on a core of a robot's computer."""
WORDS_AROUND, WORDS_PER_VIEW = 53, 5
"""Tokens of the released prompts around the views, with an instruction of eight words."""
USUAL_SIDE, LEAST_ROWS = 252, 16


@dataclass(frozen=True)
class Rows:
    """What one chunk, all of its views new, sends through a layer, and what a measurement does.

    Attributes:
        tokens, all_tokens: of a prefix with its prompt; measured, and in a chunk.
        cells: sides of a square view, in merged patches, as it is measured.
        patches, all_patches: of what is measured, and of all views.
    """

    tokens: int
    all_tokens: int
    cells: int
    patches: int
    all_patches: int

    @classmethod
    def of(cls, config: WallOSSConfig, operations: float) -> Rows:
        """Args: operations: most of them that a layer may have, at two for a multiplication and its addition."""
        vision, views = config.vision, len(config.views)
        merge, token, patch = vision.spatial_merge_size, 2 * language_weights(config), 2 * block_weights(config)
        every = max(1, (config.image_size or USUAL_SIDE) // (vision.patch_size * merge))
        all_tokens = WORDS_AROUND + views * (WORDS_PER_VIEW + every**2)
        tokens, cells = max(LEAST_ROWS, min(all_tokens, int(operations / token))), every
        while cells > 2 and (cells * merge) ** 2 * patch > operations:
            cells -= 1
        side = (every * merge) ** 2
        return cls(tokens, all_tokens, cells, (cells * merge) ** 2, views * side)


def language_weights(config: WallOSSConfig) -> int:
    """Numbers that a word meets in one layer."""
    width = config.hidden_size
    attention = 2 * width * (width + config.num_key_value_heads * config.head_dim)
    return attention + 3 * width * config.experts[0].intermediate_size


def block_weights(config: WallOSSConfig) -> int:
    """Numbers that a patch meets in one block of the vision tower."""
    vision = config.vision
    return 4 * vision.hidden_size**2 + 3 * vision.hidden_size * vision.intermediate_size


def sample_config(config: WallOSSConfig) -> WallOSSConfig:
    """The same widths with one layer each, and hardly a vocabulary."""
    sample = copy(config)
    sample.num_hidden_layers, sample.vocab_size, sample.vision = 1, 8, copy(config.vision)
    sample.vision.depth, sample.vision.fullatt_block_indexes = 1, []
    return sample


class SampleLayers:
    """Times a chunk's parts in any way on any number of threads.

    Attributes:
        rows: what goes through a layer.
    """

    def __init__(self, config: WallOSSConfig, cores: int, now: Callable[[], float] = time.perf_counter):
        self.rows = Rows.of(config, OPERATIONS * cores)
        self._config, self._now = config, now
        self._engines: dict[Way, Engine] = {}
        self._known: set[tuple[Way, int, str]] = set()
        steps = config.noise_scheduler.num_inference_timesteps
        self._times = {
            "step": steps * config.num_hidden_layers,
            "prefix": config.num_hidden_layers * self.rows.all_tokens / self.rows.tokens,
            "images": config.vision.depth * self.rows.all_patches / self.rows.patches,
        }

    def seconds(self, way: Way, threads: int, part: str) -> float:
        """What this part of a whole chunk takes, s, by one run of one layer; the process keeps its threads.

        Args:
            part: one of ``PARTS``.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            engine = self._engine(way)
            with engine.computing():
                work = self._work(engine, part)
                if (way, threads, part) not in self._known:  # libraries set themselves up for each kind of product
                    work()
                    self._known.add((way, threads, part))
                start = self._now()
                work()
                return self._times[part] * (self._now() - start)
        finally:
            torch.set_num_threads(before)

    def bfloat16_ratio(self) -> float:
        """How many times as long as in float32 a small product takes in bfloat16: where it is emulated, a layer in it
        would take longer than the whole measurement may."""
        x, weight = torch.rand(64, 256), torch.rand(256, 256)
        best = dict.fromkeys((torch.float32, torch.bfloat16), float("inf"))
        for _ in range(8):  # in turns, so that a busy moment does not decide
            for dtype in best:
                pair = x.to(dtype), weight.to(dtype)
                start = self._now()
                torch.nn.functional.linear(*pair)
                best[dtype] = min(best[dtype], self._now() - start)
        return best[torch.bfloat16] / max(best[torch.float32], 1e-9)

    def _work(self, engine: Engine, part: str) -> Callable[[], object]:
        runtime, rows = engine.runtime, self.rows
        if part == "step":
            return lambda: runtime.step(rows.tokens)  # with a stride of 0, so that the actions stay
        if part == "prefix":
            return lambda: runtime.prefill(0, rows.tokens, True)
        vision = self._config.vision
        side = rows.cells * vision.spatial_merge_size
        shape, generator = (side * side, 3 * vision.patch_size**2), torch.Generator().manual_seed(0)
        patches = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        return lambda: runtime.see(patches, torch.tensor([[1, side, side]]))

    def _engine(self, way: Way) -> Engine:
        if way not in self._engines:
            alike = (one.model for other, one in self._engines.items() if other.weights == way.weights)
            model = next(alike, None) or random_network(sample_config(self._config), way.weights)
            room = self.rows.tokens + self._config.action_horizon
            self._engines[way] = engine = Engine(model, capacity=room, way=way)
            with torch.inference_mode():
                engine.runtime.embeds.uniform_(-1, 1)
        return self._engines[way]


@torch.no_grad()
def random_network(config: WallOSSConfig, dtype: torch.dtype) -> WallOSS:
    """Weights of variance 1 / inputs, cut from one short block of random numbers: drawing all takes seconds."""
    with torch.device("meta"):
        model = WallOSS(config, initialise=False)
    model = model.to(dtype).to_empty(device="cpu")
    block = torch.randn((1 << 16) + 1, generator=torch.Generator().manual_seed(0)).to(dtype)
    for parameter in model.parameters():
        flat = parameter.view(-1)
        for start in range(0, len(flat), len(block)):
            part = flat[start : start + len(block)]
            part.copy_(block[: len(part)])
        parameter.fill_(1) if parameter.ndim == 1 else parameter.mul_(parameter[0].numel() ** -0.5)
    return model.eval()
