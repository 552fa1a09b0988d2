# SPDX-License-Identifier: Apache-2.0
"""What a policy computes with on a processor: types of numbers, packed weights or plain ones, threads.

Which is fastest differs from processor to processor by factors, so it is measured when a policy is loaded, on layers of
the network's own widths (``sample_layers.py``), for a fraction of a second, and kept for the machine
(``remembered.py``). What the caller gives is taken as it is. On a GPU nothing is measured.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSSConfig
from wall_oss_ros.model.checkpoint import read_config
from wall_oss_ros.model.weights import read_headers
from wall_oss_ros.policy import remembered
from wall_oss_ros.policy.machine import cores, free_memory, processor, waiting
from wall_oss_ros.policy.race import MARGIN, Race, Runner, decide
from wall_oss_ros.policy.remembered import LONGEST, Entry
from wall_oss_ros.policy.sample_layers import PARTS, SampleLayers, block_weights, language_weights
from wall_oss_ros.policy.ways import SHORT, Way, int8_way, usual_way, ways

SWITCH = "WALL_OSS_MEASURE"
"""Set to 0 in the environment, nothing is measured and nothing remembered is used."""
LEAST_SECONDS, MOST_SECONDS = 0.2, 2.0
EMULATED = 2.0
"""Times float32's time for a small product: from there on bfloat16 is not tried."""
BUSY = 0.05
"""Of the time of a measurement: where threads wait for a core longer than that, it is remembered for a day only."""
BUSY_GAIN = 2.0
"""Times faster that something must be on a busy machine to be taken all the same."""
SMALL = 50_000_000
"""Numbers in the layers of a network that answers soon enough in any way: on a busy machine it is not measured."""


@dataclass(frozen=True)
class Choice:
    """How a policy computes.

    Attributes:
        way: types, and copies of weights.
        threads: of torch, for the whole process; None leaves them.
        why: in words.
    """

    way: Way
    threads: int | None
    why: str

    def __str__(self) -> str:
        threads = "" if self.threads is None else f", {self.threads} thread{'s' * (self.threads > 1)}"
        return f"Computes in {self.way}{threads}: {self.why}."


def choose(
    config: WallOSSConfig,
    device: torch.device,
    dtype: torch.dtype | None = None,
    threads: int | None = None,
    numbers: int | None = None,
    disturbed: bool = True,
) -> Choice:
    """Decides, by what is remembered or by a measurement of 0.2 to 2 s.

    Args:
        dtype: of the weights, where the caller says it; torch.int8 for the large ones alone, on a processor.
        threads: of torch, where the caller says it. If not, and if ``OMP_NUM_THREADS`` does not, as many as the process
            has now or fewer.
        numbers: that the checkpoint's files hold: a config.json that promises more is not measured, for loading will
            refuse it. None takes its word.
        disturbed: whether what was measured on a busy machine, within the last day, will do; and whether small networks
            may go without a measurement there. Not so where a person asks for one.
    """
    if device.type != "cpu":
        return Choice(usual_way(dtype or torch.bfloat16, device), threads, "the usual on a GPU, where none is measured")
    if dtype == torch.int8:
        return Choice(int8_way(), threads, "as asked")
    usual = usual_way(dtype or torch.float32, device)
    if dtype not in (None, torch.float32, torch.bfloat16):
        return Choice(usual, threads, "the only way with such weights")
    if os.environ.get(SWITCH) == "0":
        return Choice(usual, threads, f"the usual, as {SWITCH}=0 wants")
    layer = language_weights(config) + block_weights(config)
    if numbers is not None and layer > numbers:
        return Choice(usual, threads, "the usual; one layer of its config.json is larger than all weights")
    now, free = threads or torch.get_num_threads(), threads is None and "OMP_NUM_THREADS" not in os.environ
    asked = question(config, dtype, now, free)
    entry = remembered.recall(asked, disturbed)
    if entry is not None and (found := _from_entry(entry, dtype, now, free, entry.whole and _roomy(config))):
        return Choice(found.way, found.threads, f"{entry.why} (measured before)")
    if disturbed and numbers_in_layers(config) < SMALL and has_waited():
        return Choice(usual, threads, "the usual; the machine is too busy to measure for a small network")
    try:
        chosen, gain, why, busy = measured(config, dtype, now, free)
    except (RuntimeError, MemoryError, WallOSSError) as error:  # such as too little memory
        said = (str(error).splitlines() or [type(error).__name__])[0]
        return Choice(usual, threads, f"the usual; measuring failed: {said[:100].rstrip('.')}")
    if busy and 1 < gain < BUSY_GAIN:
        why, chosen = f"the usual; {chosen} seemed {why}", Runner(usual, now)
    until = time.time() + remembered.A_DAY if busy else None
    way: dict[str, object] = {"weights": SHORT[chosen.way.weights], "steps": SHORT[chosen.way.steps]}
    way |= {"widen": chosen.way.widen, "packed": chosen.way.packed, "whole": chosen.way.whole}
    kept = remembered.remember(
        Entry.model_validate({"asked": asked, **way, "threads": chosen.threads, "why": why[:LONGEST], "until": until})
    )
    when = (
        f"measured now{', on a busy machine: for a day' if busy else ''}{'' if kept else '; it cannot be remembered'}"
    )
    return Choice(chosen.way, chosen.threads, f"{why} ({when})")


def choose_for(
    folder: Path,
    device: torch.device,
    dtype: torch.dtype | None = None,
    threads: int | None = None,
    disturbed: bool = True,
) -> Choice:
    """The same for a checkpoint, whose weights are not read.

    Raises:
        WallOSSError: its config.json or its files cannot be used.
    """
    numbers = sum(math.prod(header.shape) for header in read_headers(folder).values())
    return choose(read_config(folder), device, dtype, threads, numbers, disturbed)


def measured(
    config: WallOSSConfig, dtype: torch.dtype | None, threads: int, free: bool
) -> tuple[Runner, float, str, bool]:
    """Measures.

    Args:
        threads: how many there are; free: whether fewer may be taken.

    Returns:
        What to take, how many times faster than the usual it was, why in words, and whether the machine was busy.
    """
    waited, start = waiting(), time.monotonic()
    found, layers = ways(dtype, _roomy(config)), SampleLayers(config, threads, _clock(threads))
    for part in PARTS:  # what is set up once for all is nobody's time
        layers.seconds(found[0], threads, part)
    spent = _stopwatch(config, threads)
    ratio = layers.bfloat16_ratio() if dtype != torch.float32 else 1.0
    if ratio > EMULATED:  # a layer would take longer than all that is to be measured
        found = [way for way in found if way.weights == torch.float32 or way.widen or way == found[0]]
    race = Race(layers.seconds, spent, budget(config))
    chosen = decide(race, found[0], found, threads, free)
    busy = waited is not None and (waiting() or waited) - waited > BUSY * (time.monotonic() - start)
    usual = Runner(found[0], threads)
    gain = race.total(usual) / race.total(chosen)
    return chosen, gain, reason(race, found, usual, chosen, ratio), busy


def _roomy(config: WallOSSConfig) -> bool:
    """Whether a copy of all layers' weights, in bfloat16, takes no more than a quarter of the memory that is free."""
    free = free_memory()
    return free is not None and 2 * numbers_in_layers(config) / 2**30 < free / 4


def has_waited() -> bool:
    """Whether this process has so far stood ready without a core for longer than ``BUSY`` of the time it had one."""
    return (waiting() or 0.0) > BUSY * time.process_time()


def _clock(threads: int) -> Callable[[], float]:
    """One thread's own time leaves out what others do meanwhile; of several, the slowest counts."""
    return time.thread_time if threads == 1 else time.perf_counter


def _stopwatch(config: WallOSSConfig, threads: int) -> Callable[[], float]:
    """Seconds of measuring; on a machine that gives little time, not long on the wall either."""
    clock, share = _clock(threads), budget(config) / (2 * MOST_SECONDS)
    start, wall = clock(), time.monotonic()
    return lambda: max(clock() - start, share * (time.monotonic() - wall))


def budget(config: WallOSSConfig) -> float:
    """Seconds after which no further run begins: 0.2 for small networks, 2 for 4 B."""
    return min(MOST_SECONDS, LEAST_SECONDS + numbers_in_layers(config) / 2e9)


def numbers_in_layers(config: WallOSSConfig) -> int:
    """The weights of all layers, without vocabulary and heads."""
    return config.num_hidden_layers * language_weights(config) + config.vision.depth * block_weights(config)


def reason(race: Race, found: Sequence[Way], usual: Runner, chosen: Runner, ratio: float) -> str:
    """One line: what decided, and the times of all that ran to the end.

    Args:
        found: the ways that there are; ratio: see :meth:`SampleLayers.bfloat16_ratio`.
    """
    late = [str(way) for way in found if Runner(way, usual.threads) not in race.best]
    if chosen != usual:
        head = f"{race.total(usual) / race.total(chosen):.2f} times faster than the usual"
    else:
        head = "the usual" if late else f"the usual, than which nothing was {100 * (1 - MARGIN):.0f} % faster"
    facts = [f"{runner} {1e3 * race.total(runner):.3g}" for runner in race.best if race.total(runner) < float("inf")]
    facts += [f"{runner} too slow" for runner in race.best if race.total(runner) == float("inf")]
    facts += [f"no time for {way}" for way in late]
    if ratio > EMULATED:
        facts.append(f"one product in bfloat16 itself takes {ratio:.0f} times as long")
    return f"{head}; ms for a chunk's layers: {'; '.join(facts)}"


def question(config: WallOSSConfig, dtype: torch.dtype | None, threads: int, free: bool) -> dict[str, str | int]:
    """What a choice depends on: the machine, as this process may use it, and the network's shapes."""
    vision = config.vision
    experts = " ".join(f"{expert.hidden_size}x{expert.intermediate_size}" for expert in config.experts)
    shapes = [
        config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.num_key_value_heads, experts,
        config.attention_moe, config.norm_moe, vision.hidden_size, vision.intermediate_size, vision.depth,
        vision.num_heads, vision.patch_size, vision.spatial_merge_size, vision.window_size, len(config.views),
        config.image_size, config.action_horizon, config.noise_scheduler.num_inference_timesteps,
    ]  # fmt: skip
    return {
        "processor": processor(),
        "torch": f"{torch.__version__} {torch.backends.cpu.get_cpu_capability()}",
        "cores": cores(),
        "threads": threads,
        "fewer": "may be" if free else "may not be",
        "waiting": os.environ.get("OMP_WAIT_POLICY", "") if threads > 1 else "",
        "weights": "free" if dtype is None else SHORT[dtype],
        "shapes": " ".join(map(str, shapes)),
    }


def _from_entry(entry: Entry, dtype: torch.dtype | None, threads: int, free: bool, roomy: bool) -> Runner | None:
    """What the entry says, if this process can do it."""
    types = {name: kind for kind, name in SHORT.items()}
    way = Way(types[entry.weights], types[entry.steps], entry.widen, entry.packed, entry.whole)
    fits = 1 <= entry.threads <= threads if free else entry.threads == threads
    return Runner(way, entry.threads) if fits and way in ways(dtype, roomy) else None
