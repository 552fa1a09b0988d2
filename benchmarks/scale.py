# SPDX-License-Identifier: Apache-2.0
"""What a training of the released model takes on one, 8 and 64 GPUs: memory, time, decoding, storage, money.

Calculated from the network's shapes, bytes and operations (``scale_costs.py``), with prices and peaks as given below.
Prints the tables of docs/scale.md. With --measure it says instead what of this can be measured on this machine: frames
that a core decodes, and how far the formulas are from a small network that is really trained.

    python benchmarks/scale.py
    python benchmarks/scale.py --price 2.1 3.2 --share 0.45 --hours 20
    python benchmarks/scale.py --measure
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scale_costs import Row, Training, memory, operations, sent

from wall_oss_ros.model.config import load_preset
from wall_oss_ros.training.recipe import load_recipe

GPUS = (1, 8, 64)
ON_MACHINE = 8
SIZES = (80e9, 141e9)  # bytes of memory
KINDS = ("adapters", "in full", "in full, mean")


@dataclass(frozen=True)
class Inputs:
    """What is assumed; all may be given on the command line.

    Attributes:
        peak: operations a second of one GPU in bfloat16, dense, as the maker states them.
        share: of the peak that the products of a training step reach.
        links: bytes a second that a GPU sends within its machine, and to other machines, as stated.
        link_share: of these that is reached.
        memory_speed: bytes a second to and from a GPU's memory.
        price: of an hour of a GPU with 80 GB, and of one with 141 GB.
        rows: of a batch on each GPU; at_once: that are computed at once.
        hours, rate: of robot data, and pictures a second of each view.
        passes: over these data.
        frame_bytes: of a picture in its video.
        decoded: frames a second that one core decodes at random, as measured by --measure.
    """

    peak: float = 989e12
    share: float = 0.35
    links: tuple[float, float] = (450e9, 50e9)
    link_share: float = 0.7
    memory_speed: float = 3.35e12
    price: tuple[float, float] = (2.5, 3.5)
    rows: int = 8
    at_once: int = 8
    hours: float = 100.0
    rate: float = 30.0
    passes: float = 1.0
    frame_bytes: float = 15e3
    decoded: float = 210.0


@cache
def training(kind: str, checkpointed: bool = True) -> Training:
    """The released model, by the recipe that ships for one's own robot; or all of it, with the vision tower."""
    recipe = load_recipe("own_robot").model_copy(update={"checkpoint_activations": checkpointed})
    if kind != "adapters":
        stage = recipe.stages[-1].model_copy(update={"vision_rate": 1.0})
        recipe = recipe.model_copy(
            update={"lora": None, "stages": [stage], "ema": 0.999 if kind.endswith("mean") else None}
        )
    return Training.of(load_preset("wall-oss-flow"), recipe)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}"


def parameters(inputs: Inputs) -> str:
    """Of the network, and what is trained."""
    rows = []
    for kind in KINDS[:2]:
        one = training(kind)
        rows.append([kind, f"{one.parameters / 1e6:.0f} M", f"{one.trained / 1e6:.0f} M"])
    return _table(["", "parameters", "trained"], rows)


def fits(total: float, size: float) -> bool:
    """Whether so much can be had of a GPU of that size, whose driver, kernels and gaps take some, too."""
    return total < 0.92 * size


def memories(inputs: Inputs) -> str:
    """GB on each GPU."""
    rows = []
    for kind in KINDS:
        for gpus in GPUS[:2]:
            shards = min(gpus, ON_MACHINE)
            found = memory(training(kind), Row(), inputs.at_once, shards)
            whole = memory(training(kind, False), Row(), inputs.at_once, shards)
            parts = [_gb(found[name]) for name in ("weights", "gradients", "moments", "mean", "copies")]
            sums = [found["all"], whole["all"]]
            where = [", ".join(f"{size / 1e9:.0f}" for size in SIZES if fits(total, size)) for total in sums]
            count = "1" if gpus == 1 else "8, 64"
            rows.append([
                kind, count, *parts, _gb(found["activations"]), _gb(whole["activations"]),
                *(f"{_gb(total)}: {found or 'neither'}" for total, found in zip(sums, where)),
            ])  # fmt: skip
    head = [
        "", "GPUs", "weights", "gradients", "moments", "mean", "copies", "activations, again", "activations, kept",
        "in all, again: fits", "in all, kept: fits",
    ]  # fmt: skip
    return _table(head, rows)


@dataclass(frozen=True)
class Speed:
    """Of a run on so many GPUs; by the step."""

    compute: float  # seconds
    sending: float  # seconds
    updating: float  # seconds
    samples: float  # a second, all GPUs together
    tokens: float


def speed(kind: str, gpus: int, inputs: Inputs) -> Speed:
    """Products at their share of the peak; what is sent goes on meanwhile, and takes over where it is longer. Then each
    weight is updated: it, its gradient and its moments are read, and all but the gradient written."""
    one = training(kind)
    passes = -(-inputs.rows // inputs.at_once)
    compute = inputs.rows * operations(one, Row()).step / (inputs.peak * inputs.share)
    inside, outside = sent(one, gpus, ON_MACHINE)
    reached = [link * inputs.link_share for link in inputs.links]
    sending = passes * inside / reached[0] + outside / reached[1]
    updating = 28 * one.trained / min(gpus, ON_MACHINE) / inputs.memory_speed
    samples = inputs.rows * gpus / (max(compute, sending) + updating)
    return Speed(compute, sending, updating, samples, samples * Row().batch(one.model.config, 1).tokens)


def speeds(inputs: Inputs) -> str:
    """Samples, tokens and frames a second."""
    rows = []
    for kind in KINDS[:2]:
        for gpus in GPUS:
            found = speed(kind, gpus, inputs)
            frames = found.samples / gpus * Row().views
            rows.append([
                kind, str(gpus), str(inputs.rows * gpus), f"{operations(training(kind), Row()).step / 1e12:.1f}",
                f"{found.compute:.2f} s", f"{found.sending:.2f} s",
                f"{found.updating:.2f} s", f"{found.samples:.0f}", f"{found.tokens:,.0f}",
                f"{frames:.0f}", f"{frames / inputs.decoded:.1f}",
            ])  # fmt: skip
    head = [
        "", "GPUs", "batch", "10^12 operations a sample", "computing", "sending", "updating", "samples/s", "tokens/s",
        "frames/s to decode on each GPU", "cores for it",
    ]  # fmt: skip
    return _table(head, rows)


def storage(inputs: Inputs) -> str:
    """GB on disk."""
    frames = inputs.hours * 3600 * inputs.rate * Row().views
    rows = [[f"{inputs.hours:g} h of recordings, {Row().views} views", _gb(frames * inputs.frame_bytes)]]
    for kind in KINDS:
        rows.append([f"a save, {kind}; two while one is written", _gb(training(kind).saved)])
    rows.append(["the checkpoint, float32", _gb(4 * training("in full").parameters)])
    rows.append(
        ["the machine's own memory for each process while it loads, at least", _gb(4 * training("in full").parameters)]
    )
    return _table(["", "GB"], rows)


def costs(inputs: Inputs) -> str:
    """Hours and money of passes over the data."""
    samples = inputs.hours * 3600 * inputs.rate * inputs.passes
    rows = []
    for kind in KINDS[:2]:
        for gpus in GPUS:
            hours = samples / speed(kind, gpus, inputs).samples / 3600
            needs = memory(training(kind), Row(), inputs.at_once, min(gpus, ON_MACHINE))["all"]
            money = [
                f"{hours * gpus * price:,.0f}" if fits(needs, size) else "does not fit"
                for size, price in zip(SIZES, inputs.price)
            ]
            steps = samples / (inputs.rows * gpus)
            rows.append([kind, str(gpus), f"{steps:,.0f}", f"{hours:.1f}", f"{hours * gpus:.0f}", *money])
    head = ["", "GPUs", "steps", "hours", "GPU hours", "$, 80 GB", "$, 141 GB"]
    return _table(head, rows)


TABLES: dict[str, Callable[[Inputs], str]] = {
    "parameters": parameters, "memory": memories, "speed": speeds, "storage": storage, "cost": costs,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = Inputs()
    for name, value in vars(known).items():
        many = isinstance(value, tuple)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(value[0] if many else value), default=value,
            nargs=len(value) if many else None, help="(default: %(default)s)",
        )  # fmt: skip
    parser.add_argument("--measure", action="store_true", help="measure on this machine what can be")
    args = vars(parser.parse_args())
    if args.pop("measure"):
        from scale_measured import report

        print(report())
        return
    inputs = Inputs(**{name: tuple(value) if isinstance(value, list) else value for name, value in args.items()})
    print("\n\n".join(f"{name}\n{make(inputs)}" for name, make in TABLES.items()))


if __name__ == "__main__":
    main()
