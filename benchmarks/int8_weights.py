#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What types of weights come to, in one run: time of a chunk, memory, and how far a chunk is from the first type's.

Pictures and states are new for every chunk, and the types take turns. float32 and bfloat16 are computed as a policy is
that is told the type; int8 as ``dtype`` int8 has it (policy/eight_bits.py). Success is another command's:
`wall-oss eval --episodes 100 --dtype int8`.

    python benchmarks/int8_weights.py                                                # the shipped model
    python benchmarks/int8_weights.py --size middle --runs 5
    python benchmarks/int8_weights.py --size released --types bfloat16,int8 --runs 2 --steps 10
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from chunk_latency import Clock, Prompt
from chunk_models import VIEWS, load_model
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import eight_bits
from wall_oss_ros.policy.choices import Choice, choose
from wall_oss_ros.policy.number_types import NAMES, named

CPU = torch.device("cpu")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--size", choices=("shipped", "middle", "released"), default="shipped")
    found.add_argument("--types", default="float32,bfloat16,int8", help="the first is what others are compared with")
    found.add_argument("--runs", type=int, default=15)
    found.add_argument("--views", type=int, default=3)
    found.add_argument("--pixels", type=int, default=252)
    found.add_argument("--horizon", type=int, default=32)
    found.add_argument("--steps", type=int, default=10)
    found.add_argument("--threads", type=int, help="default: torch's number")
    return found


def loaded(name: str, options: argparse.Namespace) -> tuple[WallOSS, Choice]:
    """The network with weights of this type, and how it is computed."""
    dtype = named(name)
    torch.manual_seed(0)  # random weights are the same ones, but for their type
    stored = eight_bits.STORED if name == "int8" else dtype
    model = load_model(options.size, None, CPU, stored)
    model.config.views = VIEWS[: options.views]
    model.config.action_horizon = options.horizon
    choice = choose(model.config, CPU, dtype, options.threads)
    if name == "int8":
        eight_bits.quantise(model, choice.way.weights)
    return model, choice


def gigabytes(model: WallOSS) -> float:
    """GiB of all parameters."""
    return sum(_bytes(parameter.data) for parameter in model.parameters()) / 2**30


def _bytes(tensor: Tensor) -> int:
    if type(tensor) is Tensor:
        return tensor.numel() * tensor.element_size()
    names, _ = tensor.__tensor_flatten__()
    return sum(_bytes(getattr(tensor, name)) for name in names)


def main() -> int:
    options = parser().parse_args()
    options.mode, options.pictures = "eager", True
    types = options.types.split(",")
    if unknown := {*types} - {*NAMES} | {*types} & {"auto"}:
        raise WallOSSError(f"--types names {', '.join(unknown)}.", f"Name some of {', '.join(NAMES[1:])}.")
    if options.threads:
        torch.set_num_threads(options.threads)
    prompts: dict[str, Prompt] = {}
    for name in types:
        model, choice = loaded(name, options)
        prompts[name] = Prompt(model, model, choice, options, Clock(CPU))
        print(f"{name}: {gigabytes(model):.3g} GiB of weights; {choice.way}", flush=True)
    took: dict[str, list[float]] = {name: [] for name in types}
    apart: dict[str, list[float]] = {name: [] for name in types}
    for run in range(options.runs + 1):
        first = None
        for name, prompt in prompts.items():
            prompt.change(slice(None))  # by generators that are alike: all see the same
            start = time.perf_counter()
            chunk = prompt.by_engine(options.steps)
            if run:  # the first warms up
                took[name].append(1e3 * (time.perf_counter() - start))
            first = chunk if first is None else first
            apart[name].append(float((chunk - first).abs().max() / first.abs().max()))
    print(f"{torch.get_num_threads()} threads, {options.runs} chunks each, in turns")
    for name in types:
        median, low, high = np.percentile(took[name], [50, 5, 95])
        ratio = np.median(np.array(took[types[0]]) / np.array(took[name]))
        print(
            f"{name}: {median:.4g} ms a chunk ({low:.4g} to {high:.4g}), {ratio:.2f} times as fast as {types[0]}; "
            f"differs from it by {max(apart[name]):.2%} of the largest number, {np.mean(apart[name]):.2%} in the mean"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
