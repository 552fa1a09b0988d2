#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How smoothly chunks are joined: jerk and tracking for each way of joining, at injected latencies.

A policy whose chunks disagree, as a model's do, leads the tool along a curve: an exact flow whose chunks are normally
distributed around the motion wanted, smooth within a chunk and independent between chunks. Its chunks go through the
nodes' control code to joint commands at the controller's rate; the arm follows these exactly, so that all that is seen
comes from the joining. All ways meet the same noise.

Columns: `border jerk` is the tool's jerk in the 0.2 s after a chunk has come, `ratio` is that over the jerk at other
times, `against switch` that over the one of plain switching; `jump` is by how much the target leaps when a chunk comes;
`tracking` is the tool's distance from the curve. All are root mean squares.

    python benchmarks/chunk_borders.py
    python benchmarks/chunk_borders.py --seconds 30 --spread 0.02 --plot borders.png --json borders.json
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from wall_oss_ros.control.chunk_queue import JOININGS
from wall_oss_ros.control.chunk_requests import LatencyEstimate
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.policy.chunk import make_chunk, previous_chunk
from wall_oss_ros.policy.observation import PreviousChunk
from wall_oss_ros.policy.real_time_chunking import guidance
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile, load_profile

BORDER = 0.2  # s after a chunk has come that count as its border
RANGE = 0.2  # m that the policy calls 1
RECOVERY = 0.3  # s in which a chunk leads back to the curve
SMOOTH = 3.0  # steps over which a chunk's own error hangs together
STEPS = 5  # of the flow
START = 1.0  # s that are left out


def curve(time: float | np.ndarray) -> np.ndarray:
    """Where the tool should be, (..., 3) m, around the middle of the Franka's workspace; up to 0.3 m/s."""
    time = np.asarray(time, float)[..., None]
    return np.array([0.45, 0.0, 0.30]) + np.array([0.08, 0.15, 0.06]) * np.sin(
        2 * np.pi * time / np.array([2.9, 4.7, 3.7]) + np.array([0.0, 0.0, math.pi / 2])
    )


class NoisyPolicy:
    """Chunks back to the curve and along it, each with an error of its own; by Euler steps of the exact flow."""

    def __init__(self, profile: RobotProfile, layout: Layout, spread: float, seed: int):
        self._profile, self._layout = profile, layout
        steps = torch.arange(profile.horizon, dtype=torch.float64)
        kernel = torch.exp(-(((steps[:, None] - steps) / SMOOTH) ** 2) / 2) + 1e-6 * torch.eye(len(steps))
        self._covariance = (spread / RANGE) ** 2 * kernel
        self._noise = torch.Generator().manual_seed(seed)
        self._mask = np.zeros(layout.size, bool)
        self._mask[layout.position] = True

    def act(self, time: float, state: np.ndarray, previous: PreviousChunk | None) -> np.ndarray:
        """A chunk (horizon, A), relative, from an observation at ``time`` (s)."""
        layout, horizon = self._layout, self._profile.horizon
        after = np.arange(1, horizon + 1) / self._profile.rate_hz
        here = state[layout.position]
        path = curve(time + after) + np.exp(-after / RECOVERY)[:, None] * (here - curve(time)) - here
        mean = torch.zeros(horizon, layout.size, dtype=torch.float64)
        mean[:, layout.position] = torch.from_numpy(path / RANGE)
        guide = previous and guidance(previous, lambda steps: steps / RANGE, self._mask, horizon)
        actions = torch.randn(mean.shape, generator=self._noise, dtype=torch.float64)

        def advance(t: float) -> None:
            seen = t * t * self._covariance + (1 - t) ** 2 * torch.eye(horizon, dtype=torch.float64)
            clean = mean + t * self._covariance @ torch.linalg.solve(seen, actions - t * mean)
            actions.add_((clean - actions) / (1 - t) / STEPS)

        for t in (index / STEPS for index in range(STEPS)):
            if guide is None:
                advance(t)
            else:
                guide(actions, t, 1 / STEPS, partial(advance, t))
        return np.where(self._mask, RANGE * actions.numpy(), 0.0)


def run(joining: str, latency: float, args: argparse.Namespace) -> dict[str, float]:
    """One run along the curve; root mean squares in m, m/s3."""
    profile, arm, layout = args.profile, args.arm, Layout(args.profile)
    policy, estimate = NoisyPolicy(profile, layout, args.spread, args.seed), LatencyEstimate()
    motion = RobotMotion(profile, [arm], 0.15, joining)
    q = arm.ik(curve(0.0), layout.tool_rotation(np.zeros(3)), arm.home).q
    dt = 1.0 / profile.command.rate_hz
    pending, tool, came, jumps = None, [], [], []
    for n in range(round((START + args.seconds) / dt)):
        now, queue = n * dt, motion.queue
        if pending is None and (queue.stamp is None or queue.steps_done(now) >= args.replan_every):
            state = layout.pack(*arm.fk(q), 0.08)[0].astype(float)
            previous = None
            if joining == "real_time":
                until = now + (estimate.seconds or 0.0)
                previous = previous_chunk(layout, queue.followed(), until, now, state)
            pending = now, state, policy.act(now, state, previous)
        if pending is not None and now >= pending[0] + latency - 1e-9:
            before = queue.target(now)
            chunk, _ = make_chunk(layout, *pending)
            motion.follow_chunk(now, chunk, q)
            estimate.record(now - pending[0])
            after, pending = queue.target(now), None
            if motion.fault or after is None:
                raise RuntimeError(f"the benchmark's own chunk was refused: {motion.fault}")
            if before is not None and now > START:
                jumps.append(after[layout.position] - before[layout.position])
                came.append(n)
        (setpoints,) = motion.step(now, queue.target(now) is not None, q)
        q = q if setpoints is None else setpoints[0].position
        tool.append(arm.fk(q)[0])
    tool = np.array(tool)
    jerk = np.linalg.norm(np.diff(tool, n=3, axis=0), axis=1) / dt**3
    when = np.arange(len(jerk)) + 3  # a third difference is known with its last point
    border = np.any([(when >= n) & (when < n + BORDER / dt) for n in came], axis=0)
    counted = when * dt > START
    off = tool - curve(dt * np.arange(1, len(tool) + 1))
    return {
        "border_jerk": _rms(jerk[border & counted]), "other_jerk": _rms(jerk[~border & counted]),
        "jump": _rms(np.linalg.norm(jumps, axis=1)), "tracking": _rms(np.linalg.norm(off[when[counted]], axis=1)),
    }  # fmt: skip


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else math.nan


def show(results: dict[tuple[str, float], dict[str, float]], latencies: Sequence[float]) -> None:
    """The table."""
    table = Table("latency", "joining", "border jerk m/s³", "ratio", "against switch", "jump mm", "tracking mm")
    for latency in latencies:
        base = results["switch", latency]["border_jerk"]
        for joining in JOININGS:
            found = results[joining, latency]
            jerk, ratio = found["border_jerk"], found["border_jerk"] / found["other_jerk"]
            table.add_row(
                f"{1e3 * latency:.0f} ms", joining, f"{jerk:.1f}", f"{ratio:.1f}", f"{jerk / base:.2f}",
                f"{1e3 * found['jump']:.1f}", f"{1e3 * found['tracking']:.1f}",
            )  # fmt: skip
        table.add_section()
    Console().print(table)


def plot(results: dict[tuple[str, float], dict[str, float]], latencies: Sequence[float], path: Path) -> None:
    """Jerk, jump and tracking over latency."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = (("border_jerk", 1, "jerk at chunk borders, m/s³"), ("jump", 1e3, "leap of the target, mm"),
               ("tracking", 1e3, "distance from the curve, mm"))  # fmt: skip
    figure, axes = plt.subplots(1, len(columns), figsize=(12, 3.6))
    for axis, (key, scale, title) in zip(axes, columns):
        for joining in JOININGS:
            values = [scale * results[joining, x][key] for x in latencies]
            axis.plot([1e3 * x for x in latencies], values, "o-", label=joining)
        axis.set(xlabel="latency, ms", title=title, ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of motion, for each run (10)")
    parser.add_argument("--latencies", type=float, nargs="+", default=[0, 100, 200, 300], help="ms (0 100 200 300)")
    parser.add_argument("--spread", type=float, default=0.01, help="by how much chunks disagree, m (0.01)")
    parser.add_argument("--replan-every", type=int, default=5, help="steps of a chunk before the next is asked for (5)")
    parser.add_argument("--robot", default="franka", help="robot profile; the curve fits franka")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, help="PNG to write")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    args = parser.parse_args(argv)
    args.profile = load_profile(args.robot, simulated=True)
    args.arm = Arm(args.profile)
    latencies = [x / 1e3 for x in args.latencies]
    results = {(joining, latency): run(joining, latency, args) for latency in latencies for joining in JOININGS}
    show(results, latencies)
    if args.plot:
        plot(results, latencies, args.plot)
        print(f"plot: {args.plot}")
    if args.json:
        rows = [{"joining": joining, "latency_s": latency, **found} for (joining, latency), found in results.items()]
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
