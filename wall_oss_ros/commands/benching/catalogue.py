# SPDX-License-Identifier: Apache-2.0
"""The benchmarks that make sense on any machine, with what each takes. A quick run measures the same, fewer times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from wall_oss_ros.errors import WallOSSError


@dataclass(frozen=True)
class Benchmark:
    """One program of benchmarks/.

    Attributes:
        name: by which it is chosen; what: it measures.
        program: its file; words, quick: its arguments, and those of a quick run.
        seconds, quick_seconds: that it may take, and a quick run.
        memory: that must be free, GiB.
    """

    name: str
    what: str
    program: str
    words: tuple[str, ...]
    quick: tuple[str, ...]
    seconds: float
    quick_seconds: float
    memory: float = 1.0


def _table(*rows: Benchmark) -> dict[str, Benchmark]:
    return {row.name: row for row in rows}


BENCHMARKS: Mapping[str, Benchmark] = _table(
    Benchmark(
        "chunk", "a chunk of the shipped model from cameras' pictures on, against the public way", "chunk_latency.py",
        ("--pictures", "--runs", "20", "--public-runs", "10"), ("--pictures", "--runs", "6", "--public-runs", "6"),
        240, 90,
    ),
    Benchmark(
        "chunk_362m", "the same with 362 M random weights", "chunk_latency.py",
        ("--size", "middle", "--pictures", "--runs", "6", "--public-runs", "6", "--public-steps", "2"),
        ("--size", "middle", "--pictures", "--runs", "3", "--public-runs", "3", "--public-steps", "1"),
        600, 240, 4.0,
    ),
    Benchmark(
        "control_cycle", "a cycle of control, taking in a chunk, and a look at the links", "control_cycle.py",
        ("--seconds", "10"), ("--seconds", "2"), 120, 60,
    ),
    Benchmark(
        "image_latency", "a camera's picture of 640 x 480 from one process to another", "image_latency.py",
        ("--seconds", "10"), ("--seconds", "3"), 90, 70,
    ),
    Benchmark(
        "image_transport", "the same with pictures of 1920 x 1080", "image_latency.py",
        ("--seconds", "10", "--width", "1920", "--height", "1080"),
        ("--seconds", "3", "--width", "1920", "--height", "1080"), 90, 70,
    ),
    Benchmark(
        "time_to_motion", "from wall-oss run to the robot's first motion", "time_to_motion.py",
        ("--repeat", "6"), ("--repeat", "3"), 240, 120, 2.0,
    ),
    Benchmark(
        "training_step", "a training step at the shipped model's size", "training_step.py",
        ("--steps", "20"), ("--steps", "6"), 180, 90, 2.0,
    ),
    Benchmark(
        "training_ways", "the same in float32 and bfloat16, compiled and not", "training_ways.py",
        ("--rounds", "10"), ("--rounds", "3"), 400, 300, 4.0,
    ),
)  # fmt: skip


def chosen(only: str | None) -> Sequence[Benchmark]:
    """Those that ``--only`` names, in the catalogue's order; all without it.

    Raises:
        WallOSSError: there is none of a name.
    """
    there = BENCHMARKS
    if only is None:
        return list(there.values())
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in there:
            close = get_close_matches(name, there, 1)
            raise WallOSSError(
                f"{name!r} is no benchmark.", f"Did you mean {close[0]}?" if close else f"There are {', '.join(there)}."
            )
    if not names:
        raise WallOSSError("--only names no benchmark.", f"There are {', '.join(there)}.")
    return [there[name] for name in there if name in names]
