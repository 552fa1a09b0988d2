#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time of a training step: forward and backward pass and AdamW.

At the shipped model's size all weights are trained in float32; at the released one adapters on random weights, as the
recipe own_robot says.

python benchmarks/training_step.py
python benchmarks/training_step.py --rows 8 --steps 10 --json step.json
python benchmarks/training_step.py --size released --device cuda --rows 4
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import result_form
import torch
from chunk_models import released_config
from scale_costs import Row, Training

from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.checkpoint import read_config
from wall_oss_ros.paths import data_path
from wall_oss_ros.training.losses import Batch, compute
from wall_oss_ros.training.optimization import precision
from wall_oss_ros.training.recipe import load_recipe

ROWS = {"shipped": Row(views=2, pixels=112, words=10, asked=8, answered=4, told=8), "released": Row()}


def training_of(size: str, device: str) -> Training:
    """Random weights of a size, as they are trained."""
    recipe = load_recipe("own_robot")
    if size == "released":
        return Training.of(released_config(), recipe, device)
    stage = recipe.stages[-1].model_copy(update={"vision_rate": 1.0})
    recipe = recipe.model_copy(update={"lora": None, "precision": "float32", "stages": [stage]})
    return Training.of(read_config(data_path("models/wall-oss-tiny")), recipe, device)


def timed_step(
    model: WallOSS, batch: Batch, draws: int, optimizer: torch.optim.Optimizer, lower: torch.autocast
) -> float:
    """Milliseconds of one step. Args: lower: what the forward pass runs under."""
    start = time.perf_counter()
    with lower:
        losses = compute(model, batch, draws, torch.Generator().manual_seed(0))
    (losses.cross_entropy + losses.flow).backward()
    optimizer.step()
    optimizer.zero_grad()
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start)


def measure(
    rows: int, steps: int, size: str = "shipped", device: str = "cpu", seconds: float = math.inf
) -> list[float]:
    """Milliseconds of each step behind a first one. Args: seconds: no step begins after that many."""
    torch.manual_seed(0)
    training, row = training_of(size, device), ROWS[size]
    model, batch = training.model, row.batch(training.model.config, rows, "cpu").to(torch.device(device))
    lower = precision(torch.device(device), training.recipe)
    end = time.perf_counter() + seconds
    optimizer = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)
    took = []
    while len(took) <= steps and (len(took) < 2 or time.perf_counter() < end):
        took.append(timed_step(model, batch, row.draws, optimizer, lower))
    return took[1:]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=8, help="of a batch, a picture set each (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="that are timed (default: %(default)s)")
    parser.add_argument("--size", choices=list(ROWS), default="shipped")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=math.inf, help="no further step begins after that many")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args(argv)
    took = result_form.figure(measure(args.rows, args.steps, args.size, args.device, args.seconds), "ms")
    where = f"{torch.get_num_threads()} threads" if args.device == "cpu" else args.device
    print(f"{args.size}, {args.rows} rows, {where}: median {took['median']:.1f} ms a step")
    if args.json:
        more: dict = {"threads": torch.get_num_threads(), "size": args.size, "device": args.device}
        more |= {"steps_per_s": 1e3 / took["median"]}
        if args.device.startswith("cuda"):
            more["memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
        result_form.write(args.json, {f"step of {args.rows} rows": took}, **more)
    return 0


if __name__ == "__main__":
    sys.exit(main())
