#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Chunks operator by operator, compiled and as CUDA graphs, with one to three views, against their floors.

Part of gpu.sh. What is measured is written after each setting: should time run out, that much is there.

    python benchmarks/gpu_chunks.py --size released --device cuda --seconds 240 --json chunks.json
    python benchmarks/gpu_chunks.py --size shipped --device cpu --runs 3 --views 1 --pixels 56 --json chunks.json
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from chunk_costs import Peaks, measure_peaks, prefill_cost, step_cost, vision_cost
from chunk_latency import MODES, Clock, Prompt
from chunk_models import VIEWS, load_model

from wall_oss_ros.policy.choices import choose

WORDS = 64
"""Tokens behind the prefix that graphs are recorded for: as many as an acting prompt has, and more."""
STAGES = ("vision", "prefill", "step")


def measure(prompt: Prompt, runs: int, steps: int, end: float) -> dict:
    """One setting: all views new for each chunk, at least three of them.

    Args:
        end: no further chunk begins after it, by time.perf_counter.

    Returns:
        median_ms, p99_ms, runs, and for each stage its time in a chunk; seconds of the warm-up; graphs recorded in it,
        and after it.
    """
    clock, graphs, recorded = prompt.clock, prompt.engine.graphs, []
    capture = graphs.capture
    if capture is not None:
        graphs.capture = lambda work: recorded.append(1) or capture(work)
    begin = time.perf_counter()
    prompt.engine.warm_up(prompt.prefix(), WORDS)
    for _ in range(3):  # libraries that set themselves up for what the warm-up has not had
        prompt.change(slice(None))
        prompt.by_engine(steps)
    warm, before = time.perf_counter() - begin, len(recorded)
    clock.times.clear()
    while len(clock.times["chunk"]) < runs and (len(clock.times["chunk"]) < 3 or time.perf_counter() < end):
        prompt.change(slice(None))
        with clock.measure("chunk"):
            prompt.by_engine(steps)
    chunks = len(clock.times["chunk"])
    found = {key: clock.summary("chunk")[key] for key in ("median_ms", "p99_ms", "processor_ms", "runs")}
    found["stages"] = {
        name: {"ms": 1e3 * float(np.sum([wall for wall, _ in clock.times[name]])) / chunks} for name in STAGES
    }
    return found | {"warm_up_s": warm, "graphs": before, "graphs_after": len(recorded) - before}


def floors(prompt: Prompt, peaks: Peaks, found: dict) -> None:
    """Adds each stage's floor, and their sum, from operations and bytes."""
    config, setting, runtime = prompt.model.config, prompt.setting, prompt.engine.runtime
    kept, stepped = prompt.model.lm_head.weight.element_size(), runtime.embeds.element_size()
    costs = {
        "vision": (vision_cost(config, setting, kept, still=True), 1),
        "prefill": (prefill_cost(config, setting, kept), 1),
        "step": (step_cost(config, setting, stepped), setting.steps),
    }
    for name, (cost, times) in costs.items():
        stage = found["stages"][name]
        stage["floor_ms"] = 1e3 * times * cost.floor(peaks)
        stage |= {"gigaoperations": times * cost.operations / 1e9, "megabytes": times * cost.bytes / 1e6}
    found["floor_ms"] = sum(found["stages"][name]["floor_ms"] for name in STAGES)
    found["over_floor"] = found["median_ms"] / found["floor_ms"]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=["shipped", "middle", "released"], default="released")
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--views", type=int, nargs="+", default=[1, 2, 3], choices=range(1, 1 + len(VIEWS)), metavar="N"
    )
    parser.add_argument("--pixels", type=int, default=252, help="a side of the square views, a multiple of 28")
    parser.add_argument("--horizon", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10, help="denoising steps")
    parser.add_argument("--runs", type=int, default=200, help="at most, of each setting")
    parser.add_argument("--seconds", type=float, default=240, help="for all settings, warm-ups and compilation aside")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(argv)
    options.threads, options.pictures = None, False
    device = torch.device(options.device)
    gpu = device.type == "cuda"
    dtype = torch.bfloat16 if gpu else torch.float32
    model = load_model(options.size, None, device, dtype)
    model.config.image_size, model.config.action_horizon = options.pixels, options.horizon
    settings = [(mode, views) for mode in (MODES if gpu else MODES[:1]) for views in options.views]
    peaks = measure_peaks(device, dtype, 1.0 if gpu else 0.1)
    report: dict = {"size": options.size, "pixels": options.pixels, "horizon": options.horizon, "steps": options.steps}
    report |= {"dtype": str(dtype).removeprefix("torch."), "parameters": sum(p.numel() for p in model.parameters())}
    report["peaks"] = {"gflops": peaks.operations / 1e9, "gigabytes_per_s": peaks.bytes / 1e9}
    report["settings"] = []
    for mode, views in settings:
        model.config.views, options.mode = VIEWS[:views], mode
        if gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        choice = choose(model.config, device, model.dtype, options.threads)
        prompt = Prompt(model, model, choice, options, Clock(device))
        end = time.perf_counter() + options.seconds / len(settings)
        found = {"mode": mode, "views": views, **measure(prompt, options.runs, options.steps, end)}
        floors(prompt, peaks, found)
        used = torch.cuda.max_memory_allocated() if gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["memory_gib"] = used / 2**30
        report["settings"].append(found)
        options.json.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
        times = f"median {found['median_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms of {found['runs']}"
        bounds = f"floor {found['floor_ms']:.1f} ms, {found['memory_gib']:.1f} GiB"
        print(f"{mode}, {views} views: {times}, {bounds}", flush=True)
        del prompt
    return 0


if __name__ == "__main__":
    sys.exit(main())
