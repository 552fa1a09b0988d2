#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a cycle of control costs: the commands of all of a robot's arms, and taking in a chunk, in processor time.

The arms follow their commands exactly; chunks lead each hand 5 cm up and down around its home, so that each cycle is
one in motion. `cycle` is all arms' commands, with the check of where they would come to rest; `chunk` is taking in one
chunk, with inverse kinematics and the check of links that would touch on its way; `links` is one such check alone.

    python benchmarks/control_cycle.py
    python benchmarks/control_cycle.py --robots franka ur:ur10e dual_arm --seconds 20
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import result_form
from rich.console import Console
from rich.table import Table

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.policy.chunk import make_chunk
from wall_oss_ros.robots.profile import RobotProfile, load_profile

REPLAN = 0.5  # s between chunks
SWING = 0.05  # m
PERIOD = 4.0  # s


def measure(profile: RobotProfile, seconds: float) -> dict[str, np.ndarray]:
    """Milliseconds of processor time of each cycle, chunk and look at the links."""
    links = SelfCollision(profile)
    motion = RobotMotion(profile, joining="real_time", collisions=links)
    q, layout, dt = np.concatenate([arm.home for arm in motion.arms]), motion.layout, 1.0 / profile.command.rate_hz
    home = [arm.fk(arm.home)[0] for arm in motion.arms]
    after = np.arange(1, profile.horizon + 1) / profile.rate_hz
    spent: dict[str, list[float]] = {"cycle": [], "chunk": [], "links": []}

    def timed(what: str, call, *arguments):
        begun = time.process_time()
        result = call(*arguments)
        spent[what].append(1e3 * (time.process_time() - begun))
        return result

    for n in range(round(seconds / dt)):
        now = n * dt
        if n % round(REPLAN / dt) == 0:
            state = layout.pack_all([(*arm.fk(x), 0.05) for arm, x in zip(motion.arms, _split(q, motion))])[0].astype(
                float
            )
            actions = np.zeros((profile.horizon, layout.size))
            for own, start in zip(layout.arms, home):
                actions[:, own.position] = start - state[own.position]
                actions[:, own.position.start + 2] += SWING * np.sin(2 * np.pi * (now + after) / PERIOD)
            chunk, reason = make_chunk(layout, now, state, actions)
            if chunk is None:
                raise RuntimeError(f"the benchmark's own actions make no chunk: {reason}")
            timed("chunk", motion.follow_chunk, now, chunk, q)
            if motion.fault:
                raise RuntimeError(f"the benchmark's own chunk was refused: {motion.fault}")
        sent = timed("cycle", motion.step, now, True, q)
        q = np.concatenate([points[0].position for points in sent])
        timed("links", links.touching, q)
    return {what: np.array(times) for what, times in spent.items()}


def _split(q: np.ndarray, motion: RobotMotion) -> list[np.ndarray]:
    return np.split(q, np.cumsum([len(arm.home) for arm in motion.arms])[:-1])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--robots", nargs="+", default=["franka", "dual_arm"], help="profiles (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of motion for each (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args(argv)
    table, figures = Table("robot", "arms", "", "median ms", "99 % ms"), {}
    for name in args.robots:
        profile = load_profile(name)
        for what, times in measure(profile, args.seconds).items():
            median, high = np.percentile(times, [50, 99])
            figures[f"{name}, {what}"] = result_form.figure(times, "ms")
            table.add_row(name, str(len(profile.arms)), what, f"{median:.2f}", f"{high:.2f}")
        table.add_section()
    Console().print(table)
    if args.json:
        result_form.write(args.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
