#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time of a training step of the shipped network by the ways there are to compute it, in turns, in one run.

Types of numbers, layers compiled or not (`precision` and `compile` of a recipe), and, for comparison, a prefix computed
anew for each noisy chunk instead of one for all. Samples are observations, with a question, two acting prompts and two
noisy chunks for each.

    python benchmarks/training_ways.py
    python benchmarks/training_ways.py --rows 32 --rounds 20 --json ways.json
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import result_form
import torch
from scale_costs import Row
from training_step import timed_step, training_of

from wall_oss_ros.training.compiling import compile_layers

ROW = Row(views=2, pixels=112, words=10, asked=30, answered=20, told=30)
FIRST = "float32"
WAYS = {FIRST: (False, False), "float32, compiled": (False, True), "bfloat16": (True, False),
        "bfloat16, compiled": (True, True)}  # fmt: skip


def stepper(training, rows: int, lower: bool, compiled: bool, apart: bool = False) -> Callable[[], float]:
    """One step of a copy of the network; ms.

    Args:
        apart: each noisy chunk is a row of its own, with the pictures and words in front of it.
    """
    row = replace(ROW, acting=1, draws=1) if apart else ROW
    model = copy.deepcopy(training.model)
    batch = row.batch(model.config, rows * ROW.acting * ROW.draws if apart else rows, "cpu")
    batch.pixel_values.normal_(generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), fused=True)
    if compiled:
        compile_layers(model)

    autocast = torch.autocast("cpu", torch.bfloat16, enabled=lower)
    return lambda: timed_step(model, batch, row.draws, optimizer, autocast)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=16, help="observations of a batch (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="in which each way takes a turn (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args(argv)
    torch.manual_seed(0)
    training = training_of("shipped", "cpu")
    steps = {name: stepper(training, args.rows, *way) for name, way in WAYS.items()}
    steps = {"float32, a prefix for each chunk": stepper(training, args.rows, False, False, apart=True), **steps}
    for step in steps.values():  # sets libraries up, and compiles
        step(), step()
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(args.rounds):
        for name, step in steps.items():
            took[name].append(step())
    figures = {}
    for name, times in took.items():
        figures[name] = result_form.figure(times, "ms")
        figures[f"{FIRST} over {name}"] = ratio = result_form.ratios(took[FIRST], times)
        each, low, high = figures[name]["median"], ratio["low"], ratio["high"]
        speed = f"{1e3 * args.rows / each:.1f} samples/s, {each / args.rows:.1f} ms a sample"
        gain = f"{ratio['median']:.2f} times as fast as {FIRST}"
        print(f"{name}: median {each:.0f} ms, {speed}, {gain}" + ("" if low is None else f" ({low:.2f} to {high:.2f})"))
    if args.json:
        result_form.write(args.json, figures, rows=args.rows, threads=torch.get_num_threads())
    return 0


if __name__ == "__main__":
    sys.exit(main())
