#!/usr/bin/env python3
"""Time of one action chunk, with the same weights sampled in two ways in one run.

`whole sequence` runs images, words and actions through the decoder at every denoising step, with attention written
out, as the public implementation does. `prefix split` is this project's engine: the prefix once, then the action
tokens alone. The images are encoded once in both. Runs of the two alternate, so that a busy machine slows both.

    python benchmarks/chunk_latency.py --size small
    python benchmarks/chunk_latency.py --size middle --threads 2 --runs 5
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import ExpertConfig, VisionConfig, WallOSS, WallOSSConfig
from wall_oss_ros.policy.engine import Engine
from wall_oss_ros.policy.processor import Prefix

INSTRUCTION_TOKENS = 24
"""Words of an acting prompt, about as many as an instruction needs."""


def middle_config() -> WallOSSConfig:
    """About 250 M parameters; three views of 252 pixels and a horizon of 32, as the released checkpoints."""
    return WallOSSConfig(
        vocab_size=24000,
        hidden_size=1024,
        num_hidden_layers=12,
        num_attention_heads=16,
        num_key_value_heads=2,
        mrope_section=[8, 12, 12],
        experts=[ExpertConfig(1024, 2816), ExpertConfig(1024, 1024)],
        vision=VisionConfig(
            depth=8,
            hidden_size=512,
            intermediate_size=1376,
            num_heads=8,
            fullatt_block_indexes=[3, 7],
            out_hidden_size=1024,
        ),
        image_token_id=1,
        vision_start_token_id=2,
        vision_end_token_id=3,
        action_horizon=32,
        image_size=252,
        views=["face_view", "left_wrist_view", "right_wrist_view"],
    )


def small_model(checkpoint: Path | None) -> WallOSS:
    """The shipped checkpoint; random weights at its recipe's size where there is none."""
    from wall_oss_ros.paths import data_path
    from wall_oss_ros.training.recipe import load_recipe

    if checkpoint is None:
        try:
            checkpoint = data_path("models/wall-oss-tiny")
            return WallOSS.from_pretrained(checkpoint)
        except WallOSSError:
            recipe = load_recipe("tiny")
            values = {
                **recipe.model,
                "vocab_size": recipe.vocab_size,
                "image_token_id": 1,
                "vision_start_token_id": 2,
                "vision_end_token_id": 3,
            }
            return WallOSS(WallOSSConfig.from_dict(values)).eval()
    return WallOSS.from_pretrained(checkpoint)


@contextmanager
def written_out_attention():
    """Attention as softmax(q k^T) v with the whole score matrix in memory."""
    fused = F.scaled_dot_product_attention

    def eager(q, k, v, attn_mask=None, is_causal=False, enable_gqa=False):
        if enable_gqa:
            k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, float("-inf"))
        return scores.softmax(-1) @ v

    F.scaled_dot_product_attention = eager
    try:
        yield
    finally:
        F.scaled_dot_product_attention = fused


class Chunk:
    """One prompt with random pictures and words, sampled either way."""

    def __init__(self, model: WallOSS):
        config, vision = model.config, model.config.vision
        generator = torch.Generator().manual_seed(0)
        side = (config.image_size or 252) // vision.patch_size
        tokens = side * side // vision.spatial_merge_size**2
        prefix = []
        for _ in config.views:
            prefix += [
                10,
                11,
                config.vision_start_token_id,
                *[config.image_token_id] * tokens,
                config.vision_end_token_id,
            ]
        self.model, self.engine = model, Engine(model)
        patches = torch.randn(len(config.views) * side * side, vision.patch_dim, generator=generator)
        self.prefix = Prefix(torch.tensor([prefix]), patches, torch.tensor([[1, side, side]] * len(config.views)))
        self.suffix = [10 + i for i in range(INSTRUCTION_TOKENS)] + [config.propri_token_id]
        self.state = torch.rand(config.propri_dim, generator=generator) * 2 - 1
        self.mask = torch.ones(config.action_dim)
        self.noise = torch.randn(config.action_horizon, config.action_dim, generator=generator)
        actions = [config.action_token_id] * config.action_horizon
        self.batch = {
            "input_ids": torch.tensor([[*prefix, *self.suffix, *actions]]),
            "pixel_values": patches,
            "image_grid_thw": self.prefix.image_grid_thw,
            "proprioception": self.state[None, None],
            "agent_pos_mask": torch.ones(1, 1, config.propri_dim),
            "dof_mask": self.mask.expand(1, *self.noise.shape),
        }

    def whole(self, steps: int) -> torch.Tensor:
        with written_out_attention():
            return self.model.sample_actions(self.batch, self.noise[None], steps, use_cache=False)[0]

    def split(self, steps: int) -> torch.Tensor:
        self.engine.observe(self.prefix)
        return self.engine.act(self.suffix, self.state, torch.ones_like(self.state), self.mask, self.noise, steps)


def timed(function, *arguments) -> tuple[float, float]:
    """Seconds on the wall, and of processor time in all threads: the latter hardly depends on what else is running."""
    wall, processor = time.perf_counter(), time.process_time()
    function(*arguments)
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--size", choices=["small", "middle"], default="small", help="the shipped model's size, or 250 M parameters"
    )
    parser.add_argument("--checkpoint", type=Path, help="another checkpoint's folder, instead of --size small")
    parser.add_argument("--steps", type=int, default=10, help="denoising steps")
    parser.add_argument("--runs", type=int, default=5, help="runs of each way")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    try:
        model = WallOSS(middle_config()).eval() if options.size == "middle" else small_model(options.checkpoint)
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    chunk = Chunk(model)
    difference = float((chunk.whole(options.steps) - chunk.split(options.steps)).abs().max())  # also the warm-up
    ways = {
        "whole": lambda: chunk.whole(options.steps),
        "split": lambda: chunk.split(options.steps),
        "first": lambda: chunk.split(1),
        "images": lambda: chunk.engine.observe(chunk.prefix),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(options.runs):
        for name, way in ways.items():
            times[name].append(timed(way))
    wall = {name: statistics.median(t[0] for t in values) for name, values in times.items()}
    processor = {name: statistics.median(t[1] for t in values) for name, values in times.items()}
    for clock in (wall, processor):
        clock["step"] = (clock["split"] - clock["first"]) / max(options.steps - 1, 1)
        clock["prefix"] = clock["first"] - clock["images"] - clock["step"]
    length = chunk.batch["input_ids"].shape[1]
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    table = Table(
        title=f"One chunk: {millions:.1f} M parameters, {len(model.config.views)} views "
        f"of {model.config.image_size} px, {length} tokens, "
        f"horizon {model.config.action_horizon}, {options.steps} steps, {options.threads} threads, float32"
    )
    table.add_column("")
    for name in ("median ms", "min ms", "max ms", "processor ms"):
        table.add_column(name, justify="right")
    rows = {
        "whole": "whole sequence at each step",
        "split": "prefix split",
        "images": "  of it: images",
        "prefix": "  of it: prefix and prompt",
        "step": "  of it: one denoising step",
    }
    for name, title in rows.items():
        spread = [f"{1e3 * f(t[0] for t in times[name]):.1f}" if name in times else "" for f in (min, max)]
        table.add_row(title, f"{1e3 * wall[name]:.1f}", *spread, f"{1e3 * processor[name]:.1f}")
    console = Console()
    console.print(table)
    ratios = [clock["whole"] / clock["split"] for clock in (wall, processor)]
    console.print(
        f"{ratios[0]:.1f} times faster ({ratios[1]:.1f} by processor time); "
        f"the two chunks differ by {difference:.1e} at most."
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
