#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time of a training step at the shipped model's size: forward and backward pass and AdamW, all weights trained.

python benchmarks/training_step.py
python benchmarks/training_step.py --rows 8 --steps 10 --json step.json
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import result_form
import torch
from scale_costs import Row, Training

from wall_oss_ros.model.checkpoint import read_config
from wall_oss_ros.paths import data_path
from wall_oss_ros.training.losses import compute
from wall_oss_ros.training.recipe import load_recipe

ROW = Row(views=2, pixels=112, words=10, asked=8, answered=4, told=8)


def measure(rows: int, steps: int) -> list[float]:
    """Milliseconds of each step behind a first one."""
    torch.manual_seed(0)
    recipe = load_recipe("own_robot")
    stage = recipe.stages[-1].model_copy(update={"vision_rate": 1.0})
    recipe = recipe.model_copy(update={"lora": None, "precision": "float32", "stages": [stage]})
    training = Training.of(read_config(data_path("models/wall-oss-tiny")), recipe, "cpu")
    model, batch = training.model, ROW.batch(training.model.config, rows, "cpu")
    optimizer = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)
    took = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        losses = compute(model, batch, ROW.draws, torch.Generator().manual_seed(0))
        (losses.cross_entropy + losses.flow).backward()
        optimizer.step()
        optimizer.zero_grad()
        took.append(1e3 * (time.perf_counter() - start))
    return took[1:]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=8, help="of a batch, a picture set each (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="that are timed (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args(argv)
    took = result_form.figure(measure(args.rows, args.steps), "ms")
    print(f"{args.rows} rows, {torch.get_num_threads()} threads: median {took['median']:.1f} ms a step")
    if args.json:
        result_form.write(args.json, {f"step of {args.rows} rows": took}, threads=torch.get_num_threads())
    return 0


if __name__ == "__main__":
    sys.exit(main())
