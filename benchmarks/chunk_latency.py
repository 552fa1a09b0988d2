#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time of one action chunk, with the same weights sampled in two ways in one run, and what it must cost at the least.

`public way`: images once, then images, words and actions through the decoder at every denoising step, with attention
written out. `engine`: this project's (policy/engine.py). On a processor the public way computes in float32 and the
engine in the type that a policy takes there, unless --dtype names one for both. Runs alternate, so that a busy machine
slows both. New pictures come in all views for every chunk, except in the rows that say otherwise. With
--pictures both ways begin at the cameras, with resizing and cutting into patches. The engine computes as a policy does
on this machine (policy/choices.py).

    python benchmarks/chunk_latency.py                                  # the shipped model, at the size that counts
    python benchmarks/chunk_latency.py --views 2 --pixels 112 --horizon 10 --steps 5     # ... at its own
    python benchmarks/chunk_latency.py --size middle --runs 5
    python benchmarks/chunk_latency.py --size released --runs 2 --public-runs 1 --public-steps 2     # on a CPU: 12 GiB
    python benchmarks/chunk_latency.py --size released --device cuda --runs 100 --public-runs 10
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import sys
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import result_form
import torch
import torch.nn.functional as F
from chunk_costs import Setting, measure_peaks, prefill_cost, step_cost, vision_cost, whole_step_cost
from chunk_models import VIEWS, load_model
from chunk_pictures import Cameras, RandomPatches
from rich.console import Console
from rich.table import Table
from torch.overrides import TorchFunctionMode

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy.choices import Choice, choose
from wall_oss_ros.policy.engine import Engine
from wall_oss_ros.policy.linear import CastMatmuls
from wall_oss_ros.policy.processor import Prefix
from wall_oss_ros.policy.runtime import GraphCache
from wall_oss_ros.policy.ways import Way

FIXED_WORDS, WORDS_PER_VIEW, ACT_WORDS = 17, 5, 36
"""Tokens of the released prompts around the views, and of an acting prompt with an instruction of eight words."""


class WrittenOutAttention(TorchFunctionMode):
    """Attention as softmax(q k^T) v with the whole matrix of scores in memory."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function is not F.scaled_dot_product_attention:
            return function(*args, **kwargs)
        q, k, v = args[:3]
        if kwargs.get("enable_gqa"):
            k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v))
        scores = (q @ k.transpose(-2, -1)).float() / math.sqrt(q.shape[-1])
        if kwargs.get("attn_mask") is not None:
            scores = scores.masked_fill(~kwargs["attn_mask"], float("-inf"))
        return scores.softmax(-1).to(q.dtype) @ v


class Clock:
    """By name: seconds on the wall (on a GPU, until it has finished), and of processor time in all threads.

    The latter hardly depends on what else the machine does.
    """

    def __init__(self, device: torch.device):
        self.gpu = device.type == "cuda"
        self.times: dict[str, list[tuple[float, float]]] = defaultdict(list)

    @contextmanager
    def measure(self, name: str):
        wall, work = self._now()
        yield
        end, done = self._now()
        self.times[name].append((end - wall, done - work))

    def _now(self) -> tuple[float, float]:
        if self.gpu:
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def summary(self, name: str) -> dict[str, float]:
        """Milliseconds."""
        wall, work = 1e3 * np.array(self.times[name]).T
        return {
            "median_ms": float(np.median(wall)),
            "p99_ms": float(np.percentile(wall, 99)),
            "processor_ms": float(np.median(work)),
            "runs": len(wall),
        }

    def timed(self, name: str, function):
        """The function, its calls measured."""

        def call(*args, **kwargs):
            with self.measure(name):
                return function(*args, **kwargs)

        return call


MODES = ("eager", "compiled", "graphs")
"""On a GPU: operator by operator; layers by torch.compile; these recorded as CUDA graphs, as a policy does."""


def engine_of(model: WallOSS, way: Way, mode: str) -> Engine:
    """Args: mode: one of ``MODES``; a processor knows only the first, whatever is said."""
    engine = Engine(model, accelerate=mode != "eager", way=way)
    if mode == "compiled":
        engine.graphs = GraphCache(None)
    return engine


class Prompt:
    """An acting prompt with random pictures and words, sampled either way."""

    def __init__(self, public: WallOSS, model: WallOSS, choice: Choice, options: argparse.Namespace, clock: Clock):
        """Args: public: what the public way runs on; model: what the engine does; choice: how."""
        config, self.public, self.model, self.clock = model.config, public, model, clock
        vision = config.vision
        side = options.pixels // vision.patch_size
        begin, end = config.vision_start_token_id, config.vision_end_token_id
        ids = [10 + i for i in range(FIXED_WORDS)]
        for _ in config.views:
            cells = [config.image_token_id] * (side * side // vision.spatial_merge_size**2)
            ids += [40 + i for i in range(WORDS_PER_VIEW - 2)] + [begin, *cells, end]
        self.ids = torch.tensor([ids])
        self.grids = torch.tensor([[1, side, side]] * len(config.views))
        self.suffix = [60 + i for i in range(ACT_WORDS - 5)] + [config.propri_token_id, 10, 11, 12, 13]
        self.random = torch.Generator().manual_seed(0)
        self.setting = Setting(
            len(config.views), options.pixels, FIXED_WORDS + WORDS_PER_VIEW - 1, len(ids), len(self.suffix),
            config.action_horizon, options.steps,
        )  # fmt: skip
        self.dof_mask = torch.ones(config.action_dim)
        self.noise = torch.randn(config.action_horizon, config.action_dim, generator=self.random)
        kind = Cameras if options.pictures else RandomPatches
        self.cameras = kind(len(config.views), options.pixels, vision, model.device)
        self.choice = choice
        self.engine = engine_of(model, choice.way, options.mode)
        run = self.engine.graphs.run

        def timed(key, work):  # each stage, where the engine starts its work
            with clock.measure(key[0]):
                return run(key, work)

        self.engine.graphs.run = timed
        self.change(slice(None))

    def change(self, views: slice) -> None:
        """Shows something else in these views, and another state."""
        self.cameras.change(views)
        self.state = torch.rand(self.model.config.propri_dim, generator=self.random) * 2 - 1

    def prefix(self) -> Prefix:
        """What the model sees now."""
        with self.clock.measure("pictures"):
            return Prefix(self.ids, self.cameras.seen())

    def public_pixels(self) -> torch.Tensor:
        """The same, as the public way takes it."""
        with self.clock.measure("public pictures"):
            return self.cameras.public_patches()

    def by_engine(self, steps: int) -> torch.Tensor:
        times = self.clock.times["prefill"]
        before = len(times)
        self.engine.observe(self.prefix())
        mask = torch.ones_like(self.state)
        actions = self.engine.act(self.suffix, self.state, mask, self.dof_mask, self.noise, steps)
        if len(times) > before:  # a recorded prefix and a recorded prompt are one stage
            times[before:] = [(sum(wall for wall, _ in times[before:]), sum(work for _, work in times[before:]))]
        return actions

    def publicly(self, steps: int) -> torch.Tensor:
        model, config = self.public, self.model.config
        actions = torch.full((1, config.action_horizon), config.action_token_id)
        batch = {
            "input_ids": torch.cat((self.ids, torch.tensor([self.suffix]), actions), dim=1),
            "pixel_values": self.public_pixels(),
            "proprioception": self.state[None, None],
            "agent_pos_mask": torch.ones(1, 1, config.propri_dim),
            "dof_mask": self.dof_mask.expand(1, *self.noise.shape),
        }
        batch = {name: tensor.to(model.device) for name, tensor in batch.items()} | {"image_grid_thw": self.grids}
        noise = self.noise[None].to(model.device)
        model.set_attention_backend("sdpa")
        model.visual.forward = self.clock.timed("public vision", model.visual.forward)
        model.model.forward = self.clock.timed("public step", model.model.forward)
        try:
            with ExitStack() as modes:
                if self.engine.way.widen and model.dtype == torch.bfloat16:
                    modes.enter_context(CastMatmuls(widen=True))
                modes.enter_context(WrittenOutAttention())
                return model.sample_actions(batch, noise, steps, use_cache=False)[0].cpu()
        finally:
            del model.visual.forward, model.model.forward


def measure(prompt: Prompt, options: argparse.Namespace) -> dict:
    """Everything but the warm-up, which comes first and is compared."""
    clock, steps = prompt.clock, options.steps
    found, expected = prompt.by_engine(options.public_steps), prompt.publicly(options.public_steps)
    difference = float((found - expected).abs().max() / expected.abs().max())
    for _ in range(3 if clock.gpu else 0):  # a GPU records what is timed below
        for views in (slice(None), slice(-1, None), slice(0)):
            prompt.change(views)
            prompt.by_engine(2)
    results: dict = {"difference": difference}
    clock.times.clear()
    for index in range(max(options.runs, options.public_runs)):
        prompt.change(slice(None))
        if index < options.runs:
            with clock.measure("chunk"):
                prompt.by_engine(steps)
        if index < options.public_runs:
            with clock.measure("public chunk"):
                prompt.publicly(options.public_steps)
    results["stages"] = {name: clock.summary(name) for name in clock.times}
    for name, views in (("last view new", slice(-1, None)), ("no view new", slice(0))):
        for _ in range(options.runs):
            prompt.change(views)
            with clock.measure(name):
                prompt.by_engine(steps)
        results["stages"][name] = clock.summary(name)
    return results


def costs(prompt: Prompt, options: argparse.Namespace, results: dict) -> None:
    """Adds operations, bytes and floors to the stages."""
    model, setting = prompt.model, prompt.setting
    config, runtime = model.config, prompt.engine.runtime
    kept, stepped = model.lm_head.weight.element_size(), runtime.embeds.element_size()
    whole, peaks = prompt.public.lm_head.weight.element_size(), measure_peaks(model.device, runtime.dtype)
    public = peaks if prompt.public.dtype == runtime.dtype else measure_peaks(model.device, prompt.public.dtype)
    results["peaks"] = {"gflops": peaks.operations / 1e9, "gigabytes_per_s": peaks.bytes / 1e9}
    results["public_peaks"] = {"gflops": public.operations / 1e9, "gigabytes_per_s": public.bytes / 1e9}
    counted = {
        "vision": (vision_cost(config, setting, kept, still=True), 1),
        "prefill": (prefill_cost(config, setting, kept), 1),
        "step": (step_cost(config, setting, stepped), setting.steps),
        "public vision": (vision_cost(config, setting, whole), 1),
        "public step": (whole_step_cost(config, setting, whole), setting.steps),
    }
    for name, (cost, times) in counted.items():
        floor = 1e3 * cost.floor(public if name.startswith("public") else peaks)
        stage = results["stages"][name]
        stage |= {"times": times, "gigaoperations": cost.operations / 1e9, "megabytes": cost.bytes / 1e6}
        stage |= {"floor_ms": floor, "over_floor": stage["median_ms"] / floor}
    for chunk, stages in (("chunk", ("vision", "prefill", "step")), ("public chunk", ("public vision", "public step"))):
        parts = [results["stages"][name] for name in stages]
        total = results["stages"][chunk]
        if chunk == "public chunk" and options.public_steps != setting.steps:
            for key in ("median_ms", "processor_ms"):
                total[key] += (setting.steps - options.public_steps) * parts[-1][key]
            del total["p99_ms"]
            total["extrapolated_from_steps"] = options.public_steps
        for key in ("gigaoperations", "megabytes", "floor_ms"):
            total[key] = sum(part["times"] * part[key] for part in parts)
        total["over_floor"] = total["median_ms"] / total["floor_ms"]
    stages = results["stages"]
    keys = {"faster": "median_ms", "less_processor_time": "processor_ms", "fewer_operations": "gigaoperations"}
    results |= {name: stages["public chunk"][key] / stages["chunk"][key] for name, key in keys.items()}


def figures(prompt: Prompt, options: argparse.Namespace) -> dict[str, dict]:
    """For comparisons; the public way's steps that were not run are taken to be like those that were."""
    wall = {name: [1e3 * one for one, _ in times] for name, times in prompt.clock.times.items()}
    count, left = options.public_steps, options.steps - options.public_steps
    steps = [np.mean(wall["public step"][run * count :][:count]) for run in range(options.public_runs)]
    public = [whole + left * step for whole, step in zip(wall["public chunk"], steps)]
    found = {"engine": wall["chunk"], "public way": public}
    found |= {f"engine, {name}": wall[name] for name in ("last view new", "no view new")}
    found |= {name: wall[name] for name in ("pictures", "public pictures") if name in wall}
    made = {name: result_form.figure(times, "ms") for name, times in found.items()}
    return {**made, "public way over engine": result_form.ratios(public, wall["chunk"])}


ROWS = {
    "public chunk": "public way",
    "public pictures": "  pictures to patches",
    "public vision": "  images",
    "public step": "  each step: whole sequence",
    "chunk": "engine",
    "pictures": "  pictures to patches",
    "vision": "  images",
    "prefill": "  what is new of prefix and prompt",
    "step": "  each step: actions alone",
    "last view new": "engine, only the last view new",
    "no view new": "engine, no view new",
}


def show(results: dict) -> None:
    columns = {
        "median ms": "median_ms", "p99 ms": "p99_ms", "processor ms": "processor_ms", "runs": "runs",
        "Gop": "gigaoperations", "MB": "megabytes", "floor ms": "floor_ms", "over floor": "over_floor",
    }  # fmt: skip
    table = Table(title=results["title"])
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for name, title in ((name, title) for name, title in ROWS.items() if name in results["stages"]):
        stage = results["stages"][name]
        cells = [stage.get(key, "") for key in columns.values()]
        table.add_row(title, *(f"{cell:,.1f}" if isinstance(cell, float) else str(cell) for cell in cells))
    console = Console() if sys.stdout.isatty() else Console(width=130)
    console.print(table)
    peaks, public = results["peaks"], results["stages"]["public chunk"]
    console.print(
        f"{results['faster']:.1f} times faster ({results['less_processor_time']:.1f} by processor time) "
        f"with {results['fewer_operations']:.1f} times fewer operations; "
        f"the chunks differ by {results['difference']:.1e} of the largest number. "
        f"Peaks: {peaks['gflops']:,.0f} Gop/s, {peaks['gigabytes_per_s']:.1f} GB/s. "
        f"Memory: {results['memory_gib']:.1f} GiB."
    )
    if "extrapolated_from_steps" in public:
        console.print(
            f"The public way was timed with {public['extrapolated_from_steps']} steps; the rest is arithmetic."
        )


def load(options: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> WallOSS:
    """The model in a type, for the pictures and chunks that are asked for; random weights are the same in each."""
    torch.manual_seed(0)
    model = load_model(options.size, options.checkpoint, device, dtype)
    model.config.views, model.config.image_size = VIEWS[: options.views], options.pixels
    model.config.action_horizon = options.horizon
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=["shipped", "middle", "released"], default="shipped")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint's folder, instead of --size")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        help="of both ways; bfloat16 for --size released and on a GPU, else float32 and what the policy takes",
    )
    parser.add_argument("--mode", choices=MODES, default="graphs", help="of a GPU (default: %(default)s)")
    parser.add_argument("--views", type=int, default=3, choices=range(1, 1 + len(VIEWS)), metavar=f"1-{len(VIEWS)}")
    parser.add_argument("--pixels", type=int, default=252, help="a side of the square views, a multiple of 28")
    parser.add_argument("--horizon", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10, help="denoising steps")
    parser.add_argument("--pictures", action="store_true", help="begin with pictures of 640 x 480 from cameras")
    parser.add_argument("--runs", type=int, default=20, help="of the engine")
    parser.add_argument("--public-runs", type=int, help="of the public way; as many when left out")
    parser.add_argument("--public-steps", type=int, help="steps to time the public way with; --steps when left out")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    options.public_runs = options.public_runs or options.runs
    options.public_steps = options.public_steps or options.steps
    if options.pixels % 28 or options.pixels < 28:
        parser.error("--pixels must be a multiple of 28")
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    wide = options.size == "released" or device.type == "cuda"
    told = options.dtype or ("bfloat16" if wide else None)
    try:
        public = load(options, device, getattr(torch, told or "float32"))
        choice = choose(public.config, device, told and public.dtype, options.threads)
        dtype = choice.way.weights
        model = public if dtype == public.dtype else load(options, device, dtype)
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    prompt = Prompt(public, model, choice, options, Clock(device))
    results = measure(prompt, options)
    costs(prompt, options, results)
    gpu = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    setting, parameters = prompt.setting, sum(parameter.numel() for parameter in model.parameters())
    low = str(dtype).removeprefix("torch.")
    if prompt.engine.runtime.dtype != dtype:
        low += " computed in float32" if choice.way.widen else " with float32 steps"
    if public.dtype != dtype:
        low += f" against {str(public.dtype).removeprefix('torch.')}"
    results |= {
        "memory_gib": peak / 2**30,
        "parameters": parameters,
        "setting": vars(setting),
        "machine": torch.cuda.get_device_name() if gpu else f"{platform.machine()}, {os.cpu_count()} CPUs",
        "threads": options.threads,
        "choice": str(prompt.choice),
        "figures": figures(prompt, options),
        "load": os.getloadavg()[0],
        "dtype": str(dtype).removeprefix("torch."),
        "title": f"One chunk: {parameters / 1e6:,.0f} M parameters, {setting.views} views of {setting.pixels} px, "
        f"{setting.prefix + setting.suffix} tokens, horizon {setting.horizon}, {setting.steps} steps, "
        f"{options.device}, {options.threads} threads, {low}",
    }
    if dtype == torch.bfloat16 and not gpu and not choice.way.widen:
        results["title"] += ", native"
    show(results)
    print(f"Engine: {prompt.choice}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
