#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rate and jitter of the commands that reach the robot's controller, in a running system.

Starts the simulated robot and all nodes, gives an instruction, and times the joint trajectories as a subscriber
receives them. `scheduled` is the regularity of the times the commands are for (their stamps), which the arm sees;
`received` is that of their arrival, which the machine's load disturbs. Only commands sent in motion count.

    python benchmarks/control_rate.py
    python benchmarks/control_rate.py --seconds 30 --json control_rate.json
    python benchmarks/control_rate.py --attach          # to a system that runs already: wall-oss run --stay
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.bringup.system import system
from wall_oss_ros.commands.instruction import choose
from wall_oss_ros.commands.processes import Processes
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.registry import task_of

import rclpy
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory
from wall_oss_msgs.msg import ControlStatus

START_LIMIT = 180.0  # s until the first command
PAUSE = 0.2  # s: a longer interval separates two motions and is not counted as jitter


def intervals(times: list[float]) -> np.ndarray:
    """Seconds between neighbours (n,), without the pauses."""
    gaps = np.diff(times)
    return gaps[gaps < PAUSE]


def summary(times: list[float]) -> dict[str, float]:
    """Rate (Hz), jitter (standard deviation of the interval), 99th percentile and longest interval (ms)."""
    gaps = intervals(times)
    if len(gaps) < 2:
        return {"commands": len(times)}
    return {
        "commands": len(times),
        "rate_hz": round(float(1 / gaps.mean()), 2),
        "jitter_ms": round(float(1e3 * gaps.std()), 2),
        "p99_ms": round(float(1e3 * np.percentile(gaps, 99)), 2),
        "longest_ms": round(float(1e3 * gaps.max()), 2),
    }


class Probe:
    """Listens to the controller's topic and to the control node's status."""

    def __init__(self, topic: str):
        self.received: list[float] = []  # s, steady
        self.scheduled: list[float] = []  # s, the robot's clock
        self.inference: list[float] = []  # s
        self.status: ControlStatus | None = None
        self.node = rclpy.create_node("control_rate")
        self.instruct = self.node.create_publisher(String, "/wall_oss/instruction", EVENTS)
        self.node.create_subscription(JointTrajectory, topic, self._on_command, EVENTS)
        self.node.create_subscription(ControlStatus, "/wall_oss/status", self._on_status, LATCHED)

    def _on_command(self, message: JointTrajectory) -> None:
        if len(message.points) < 3:  # holding still
            return
        self.received.append(time.monotonic())
        stamp = message.header.stamp
        self.scheduled.append(stamp.sec + stamp.nanosec * 1e-9)

    def _on_status(self, status: ControlStatus) -> None:
        if status.inference_s > 0 and (self.status is None or status.chunks != self.status.chunks):
            self.inference.append(status.inference_s)
        self.status = status

    def spin_until(self, condition, limit: float) -> bool:
        """Takes messages in until ``condition`` holds; False after ``limit`` s."""
        deadline = time.monotonic() + limit
        while not condition():
            if time.monotonic() > deadline:
                return False
            rclpy.spin_once(self.node, timeout_sec=0.1)
        return True


def measure(probe: Probe, instruction: str, seconds: float, check) -> dict:
    """Gives the instruction and times the commands of the ``seconds`` of wall time from the first on."""

    def moving() -> bool:
        check()
        return bool(probe.received)

    ready = probe.spin_until(lambda: check() or (probe.status and probe.instruct.get_subscription_count()), START_LIMIT)
    if not ready:
        raise WallOSSError(f"No control node or planner within {START_LIMIT:g} s.", "See whether the nodes run.")
    probe.instruct.publish(String(data=instruction))
    if not probe.spin_until(moving, START_LIMIT):
        raise WallOSSError(f"No motion: {probe.status.reason}.", "See whether the instruction can be followed.")
    probe.spin_until(lambda: check() or False, seconds)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}",
        "instruction": instruction,
        "seconds": seconds,
        "scheduled": summary(probe.scheduled),
        "received": summary(probe.received),
        "inference_ms": round(1e3 * float(np.median(probe.inference)), 1) if probe.inference else None,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("instruction", nargs="?", help="by default one that suits the scene")
    parser.add_argument("--seconds", type=float, default=10.0, help="of motion to measure (default: %(default)s)")
    parser.add_argument("--robot", default="franka")
    parser.add_argument("--model", help="a checkpoint; by default the one that ships")
    parser.add_argument("--seed", type=int, help="of the scene")
    parser.add_argument("--attach", action="store_true", help="measure a system that runs already")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    args = parser.parse_args()
    try:
        figures = run(args)
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(figures, indent=2))
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def run(args: argparse.Namespace) -> dict:
    """Starts what is to be measured, unless it runs already, and measures it."""
    profile = load_profile(args.robot)
    instruction, seed = choose(task_of(profile), args.instruction, args.seed)
    specs = [] if args.attach else system(robot=args.robot, sim=True, model=args.model, seed=seed)
    rclpy.init(args=[])
    with TemporaryDirectory() as logs, Processes(Path(logs)) as processes:
        for spec in specs:
            processes.start(spec.name, spec.module, spec.arguments())

        def check() -> None:
            if (ended := processes.ended()) is not None:
                raise WallOSSError(f"{ended[0]} ended: {processes.complaint(ended[0])}")

        probe = Probe(profile.command.topic)
        try:
            return measure(probe, instruction, args.seconds, check)
        finally:
            probe.node.destroy_node()
            rclpy.shutdown()


if __name__ == "__main__":
    sys.exit(main())
