#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets faults into the whole running system, and judges each command that it sends.

Starts the simulated robot and all nodes as ``wall-oss run`` does, with relays between them, and for each kind of fault:
gives an instruction, lets the fault in while the robot moves, takes it away, and ends the plan. Every command is
compared with the one before it and with where the joints really are (judge.py says how). Everything random follows from
``--seed``. On ROS 2 the nodes run on rclpy, elsewhere on the embedded library.

    python benchmarks/faults.py
    python benchmarks/faults.py --robots franka --kinds joints: kill: --repeat 5
    python benchmarks/faults.py --soak 60        # random faults and instructions; does memory grow?
    python benchmarks/faults.py --logic 100000   # the plain logic alone, without processes

exit status: 0 when no command was unsafe, nothing resumed by itself, and no plan was lost; else 1
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.errors import WallOSSError

# A plan that cannot go on must end before patience does.
PARAMETERS = {"planner": {"subtask_timeout_s": 20.0, "held_timeout_s": 20.0}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--robots", nargs="+", default=["franka", "ur", "dual_arm"], help="profiles (default: all three)"
    )
    parser.add_argument("--kinds", nargs="+", help="beginnings of the faults' names (default: all)")
    parser.add_argument("--repeat", type=int, default=1, help="how often each (default: %(default)s)")
    parser.add_argument("--minutes", type=float, help="begin nothing new after this time")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="of the simulation; below 1 for a busy machine")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="random faults and instructions for so long")
    parser.add_argument("--logic", type=int, metavar="N", help="feed the plain logic with so many inputs")
    parser.add_argument("--ends", type=float, default=0.2, help="share of plans waited for (default: %(default)s)")
    parser.add_argument("--logs", type=Path, help="keep the processes' output there")
    parser.add_argument("--json", type=Path, help="write all figures there, too")
    args = parser.parse_args()
    if args.logic:
        return feed_logic(args)
    try:
        with TemporaryDirectory() as directory:
            return run(args, args.logs or Path(directory))
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


@dataclass
class Found:
    """What came of it: outcomes of trials, and the memory of processes."""

    outcomes: list = field(default_factory=list)
    memory: list[dict] = field(default_factory=list)


def run(args: argparse.Namespace, logs: Path) -> int:
    """Tries all robots, and prints what came of it."""
    from fault_campaign import report

    found, minutes = Found(), args.soak or args.minutes
    print(
        f"machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; seed {args.seed}, speed {args.speed:g}",
        flush=True,
    )
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has it ignored in the background
    try:
        for number, robot in enumerate(args.robots):
            share = (number + 1) / len(args.robots)
            end = begun + 60 * minutes * share if minutes else None
            campaign(robot, args, logs / robot, end, found, args.seed + 10000 * number)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(report.table(report.HEADINGS, report.rows(found.outcomes)))
    if found.memory:
        print(report.table(list(found.memory[0]), [list(one.values()) for one in found.memory]))
    sums = report.total(found.outcomes)
    minutes = (time.monotonic() - begun) / 60
    print(", ".join(f"{what}: {n}" for what, n in sums.items()), f"({minutes:.0f} min, load {os.getloadavg()[0]:.1f})")
    if args.json:
        trials = [one.as_dict() for one in found.outcomes]
        args.json.write_text(json.dumps({"total": sums, "trials": trials, "memory": found.memory}, indent=1) + "\n")
    return int(bool(sums["commands unsafe"] or sums["lost plans"] or sums["wrong resumes"]))


def feed_logic(args: argparse.Namespace) -> int:
    """Feeds the plain logic, in equal parts for each robot."""
    from fault_campaign.logic import feed

    unsafe = 0
    for robot in args.robots:
        fed = feed(robot, args.logic // len(args.robots), args.seed)
        worst = ", ".join(f"{what} {share:.2f}" for what, share in sorted(fed.worst.items()))
        print(f"{robot}: {fed.inputs} inputs, {fed.commands} commands, {fed.moved} to move; largest share of a limit: "
              f"{worst}; unsafe: {len(fed.unsafe)}", flush=True)  # fmt: skip
        for line in fed.unsafe[:10]:
            print(f"    {line}")
        unsafe += len(fed.unsafe)
    return int(unsafe > 0)


def campaign(robot: str, args: argparse.Namespace, logs: Path, end: float | None, found: Found, seed: int) -> None:
    """Tries what is to be tried with one robot."""
    from fault_campaign.kinds import chosen

    kinds, rng = chosen(args.kinds), np.random.default_rng(seed)
    if args.soak:
        trials = at_random(kinds, seed, rng)
    else:
        trials = ((kind, seed + 100 * turn + place, bool(rng.random() < args.ends))
                  for turn in range(args.repeat) for place, kind in enumerate(kinds))  # fmt: skip
    while not work(robot, trials, end, logs, found, seed, args.speed):
        pass


def at_random(kinds: list, seed: int, rng: np.random.Generator) -> Iterator[tuple]:
    """Kinds, seeds and whether the plan is waited for, without an end. Few kills: memory is looked at over a life."""
    rare = np.array([0.1 if kind.kills else 1.0 for kind in kinds])
    for number in itertools.count(seed):
        yield kinds[rng.choice(len(kinds), p=rare / rare.sum())], number, bool(rng.random() < 0.5)


def work(
    robot: str, trials: Iterator[tuple], end: float | None, logs: Path, found: Found, seed: int, speed: float
) -> bool:
    """Tries one after the other with one system; whether that was all, else the system has to be started anew."""
    from fault_campaign.memory import MemoryWatch
    from fault_campaign.stage import Stage
    from fault_campaign.trial import Outcome, run_trial

    with Stage(robot, seed, logs, PARAMETERS, speed) as stage, MemoryWatch(stage.memory) as memory:
        try:
            stage.ready()
            for kind, number, to_the_end in trials:
                if end is not None and time.monotonic() > end:
                    return True
                if kind.needs and found.outcomes and not stage.relays[kind.needs].passed:
                    continue  # there is no such topic in this system
                outcome = Outcome(kind.name, robot, number)
                try:
                    run_trial(stage, kind, outcome, to_the_end)
                except WallOSSError as error:
                    outcome.broken, outcome.note = True, str(error)
                    return False
                finally:
                    found.outcomes.append(outcome)
                    say(outcome)
        finally:
            found.memory += [{"robot": robot, **figures} for figures in memory.figures()]
    return True


def say(outcome) -> None:
    """One line on one trial."""
    from fault_campaign.report import worst

    marks = [word for word, there in (("UNSAFE", outcome.unsafe), ("WENT ON", outcome.missed), ("LOST", outcome.lost),
                                      ("RESUMED", outcome.resumed), ("BROKEN", outcome.broken)) if there]  # fmt: skip
    rest = "-" if outcome.rest is None else f"{outcome.rest:.2f} s"
    words = [outcome.robot, outcome.kind, f"seed {outcome.seed}", worst([outcome]), f"rest {rest}",
             f"{' '.join(marks)} {outcome.note}", "; ".join(outcome.named)[:200]]  # fmt: skip
    print(" | ".join(words), flush=True)
    if outcome.fast:
        at, share = max(outcome.fast, key=lambda one: one[1])
        print(f"    {at:+.2f} s: a real joint at {share:.2f} of its fastest", flush=True)
    for at, why in outcome.unsafe[:4]:
        print(f"    {at:+.2f} s: {why}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
