#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rate and jitter of the commands to the robot's controller, in a running system, while the model computes.

Starts the simulated robot and all nodes, gives one instruction after the other, and times the joint trajectories that
move the arm: `sent` by the middleware's stamps, `received` as a subscriber gets them, `scheduled` by the times they are
for (their stamps), which the arm sees. An interval counts if the command before it was to move. `holds` are the reasons
for which control held or stopped meanwhile; it is resumed after a stop. `sleeper` is what the machine itself allows
meanwhile: a process that does nothing but sleep until the next multiple of the same period.

    python benchmarks/control_rate.py
    python benchmarks/control_rate.py --seconds 60 --load 2 --json control_rate.json
    python benchmarks/control_rate.py --niceness 0      # control and simulated robot without priority
    python benchmarks/control_rate.py --load 2 --fifo   # control under SCHED_FIFO, where that is permitted
    python benchmarks/control_rate.py --attach          # to a system that runs already: wall-oss run --stay
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.bringup.system import system
from wall_oss_ros.commands.instruction import choose
from wall_oss_ros.commands.processes import Processes
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import seconds
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.registry import task_of

import rclpy
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory
from wall_oss_msgs.msg import ControlStatus, SubtaskPlan

START_LIMIT = 180.0  # s until the first command
FIFO_PRIORITY = 20
_STILL = 1e-3  # rad/s: what is told less rests
# What keeps a core busy as other people's programs do: numbers, memory, and an interpreter.
BUSY = """
import numpy as np
rng = np.random.default_rng()
while True:
    a = rng.normal(size=(300, 300)); (a @ a).sum(); sorted(range(20000), key=lambda x: -x)
"""

# Prints the times between its awakenings, s, when its input ends.
SLEEPER = """
import json, sys, threading, time
ended, gaps = threading.Event(), []
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
due = last = time.monotonic()
while not ended.is_set():
    due = max(due + PERIOD, time.monotonic())
    time.sleep(max(0, due - time.monotonic()))
    now = time.monotonic()
    gaps.append(now - last)
    last = now
print(json.dumps(gaps))
"""


def summary(gaps: list[float]) -> dict[str, float]:
    """Rate (Hz), jitter (standard deviation of the interval) and its percentiles (ms), of intervals in s."""
    if len(gaps) < 2:
        return {"commands": len(gaps)}
    values = 1e3 * np.array(gaps)
    return {
        "commands": len(gaps),
        "rate_hz": round(float(1e3 / values.mean()), 2),
        "jitter_ms": round(float(values.std()), 2),
        "p50_ms": round(float(np.percentile(values, 50)), 2),
        "p99_ms": round(float(np.percentile(values, 99)), 2),
        "longest_ms": round(float(values.max()), 2),
    }


class Probe:
    """Listens to the controller's topic and to what control and planner say."""

    def __init__(self, topic: str):
        self.gaps: dict[str, list[float]] = {"scheduled": [], "sent": [], "received": []}
        self.inference: list[float] = []  # s
        self.holds: list[str] = []
        self.status: ControlStatus | None = None
        self.plan: SubtaskPlan | None = None
        self._last: tuple[float, float, float] | None = None  # times of the command before, if it was to move
        self.node = rclpy.create_node("control_rate")
        self.instructions = self.node.create_publisher(String, "/wall_oss/instruction", EVENTS)
        self.reset = self.node.create_client(Trigger, "/simulation/reset")
        self.resume = self.node.create_client(Trigger, "/wall_oss/resume")
        self.node.create_subscription(JointTrajectory, topic, self._on_command, EVENTS)
        self.node.create_subscription(ControlStatus, "/wall_oss/status", self._on_status, LATCHED)
        self.node.create_subscription(SubtaskPlan, "/wall_oss/plan", lambda plan: setattr(self, "plan", plan), LATCHED)

    @property
    def working(self) -> bool:
        """Whether a plan is being carried out."""
        return self.plan is not None and self.plan.status == SubtaskPlan.RUNNING

    def _on_command(self, message: JointTrajectory, info) -> None:
        times = seconds(message.header.stamp), info["source_timestamp"] * 1e-9, time.monotonic()
        if self._last is not None:
            for kind, before, now in zip(self.gaps, self._last, times):
                self.gaps[kind].append(now - before)
        moves = len(message.points) > 0 and np.abs(message.points[0].velocities).max() > _STILL
        self._last = times if moves else None

    def _on_status(self, status: ControlStatus) -> None:
        if status.inference_s > 0 and (self.status is None or status.chunks != self.status.chunks):
            self.inference.append(status.inference_s)
        resting = (ControlStatus.HOLDING, ControlStatus.STOPPED)
        before = None if self.status is None else self.status.state
        if status.state in resting and status.state != before and "waiting for the first" not in status.reason:
            self.holds.append(status.reason)
        self.status = status

    def spin_until(self, condition, limit: float) -> bool:
        """Takes messages in until ``condition`` holds; False after ``limit`` s."""
        deadline = time.monotonic() + limit
        while not condition():
            if time.monotonic() > deadline:
                return False
            rclpy.spin_once(self.node, timeout_sec=0.1)
        return True

    def forget(self) -> None:
        """Counts from now on."""
        for gaps in (*self.gaps.values(), self.inference, self.holds):
            gaps.clear()

    def instruct(self, instruction: str) -> None:
        """Gives an instruction, in the scene as it was at first."""
        self.spin_until(lambda: self._last is None, 3.0)  # it rests
        stopped = self.status is not None and self.status.state == ControlStatus.STOPPED
        for client in (self.reset, *([self.resume] if stopped else [])):
            if client.service_is_ready():
                future = client.call_async(Trigger.Request())
                self.spin_until(future.done, 5.0)
        self.spin_until(lambda: False, 1.0)
        self.instructions.publish(String(data=instruction))


def measure(probe: Probe, instruction: str, length: float, check) -> None:
    """Has the robot work for ``length`` s of wall time, from its first motion on."""

    def moving() -> bool:
        check()
        return bool(probe.gaps["received"])

    ready = lambda: check() or (probe.status and probe.plan and probe.instructions.get_subscription_count())  # noqa: E731
    if not probe.spin_until(ready, START_LIMIT):
        raise WallOSSError(f"No control node or planner within {START_LIMIT:g} s.", "See whether the nodes run.")
    probe.instruct(instruction)
    if not probe.spin_until(moving, START_LIMIT):
        raise WallOSSError(f"No motion: {probe.status.reason}.", "See whether the instruction can be followed.")
    probe.forget()
    end = time.monotonic() + length
    while (left := end - time.monotonic()) > 0:
        if not probe.spin_until(lambda: check() or not probe.working, left):
            break
        probe.instruct(instruction)
        probe.spin_until(lambda: check() or probe.working, 10.0)


@contextmanager
def sleeper(period: float, gaps: list[float]):
    """Meanwhile a process that wakes up every ``period`` s; ``gaps`` are filled with what came between, s."""
    code = [sys.executable, "-c", SLEEPER.replace("PERIOD", repr(period))]
    with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield
        finally:
            gaps += json.loads(process.communicate()[0])


@contextmanager
def busy(count: int):
    """So many other processes, each with a core's worth of work."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # Each in a session of its own, as other people's programs are: the kernel shares processors out by session.
    start = partial(subprocess.Popen, [sys.executable, "-c", BUSY], env=environment, start_new_session=True)
    others = [start() for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def use_fifo(pid: int) -> str:
    """Puts all threads of a process under SCHED_FIFO; what came of it, in words."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except (PermissionError, OSError) as error:
        return f"not permitted here: {error.strerror}"
    return f"SCHED_FIFO, priority {FIFO_PRIORITY}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("instruction", nargs="?", help="by default one that suits the scene")
    parser.add_argument("--seconds", type=float, default=20.0, help="of work to measure (default: %(default)s)")
    parser.add_argument("--load", type=int, default=0, metavar="N", help="busy processes beside (default: %(default)s)")
    parser.add_argument("--fifo", action="store_true", help="control under SCHED_FIFO, where that is permitted")
    parser.add_argument("--niceness", type=int, metavar="N", help="of control and simulated robot, not the default one")
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
    rclpy.init(args=[])
    with TemporaryDirectory() as logs, Processes(Path(logs)) as processes:
        own = {"robot": args.robot, "sim": True, "model": args.model, "seed": seed, "state": Path(logs)}
        if args.niceness is not None:
            own["parameters"] = {name: {"niceness": args.niceness} for name in ("control", "simulated_robot")}
        specs = [] if args.attach else system(**own)
        for spec in specs:
            processes.start(spec.name, spec.module, spec.arguments())

        def check() -> None:
            if (ended := processes.ended()) is not None:
                raise WallOSSError(f"{ended[0]} ended: {processes.complaint(ended[0])}")

        probe = Probe(profile.command.topic)
        scheduling, awakenings = "niceness of its default" if args.niceness is None else f"niceness {args.niceness}", []
        try:
            with busy(args.load):
                if args.fifo and not args.attach:
                    if not probe.spin_until(lambda: check() or probe.status is not None, START_LIMIT):
                        raise WallOSSError(f"No control node within {START_LIMIT:g} s.", "See whether it runs.")
                    scheduling = use_fifo(processes.pid("control"))
                with sleeper(1 / profile.command.rate_hz, awakenings):
                    measure(probe, instruction, args.seconds, check)
        finally:
            probe.node.destroy_node()
            rclpy.shutdown()
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, {args.load} busy processes, load {os.getloadavg()[0]:.1f}"
    figures = {"machine": machine, "scheduling of control": scheduling, "instruction": instruction}
    figures |= {kind: summary(gaps) for kind, gaps in {**probe.gaps, "sleeper": awakenings}.items()}
    figures["inference_ms"] = round(1e3 * float(np.median(probe.inference)), 1) if probe.inference else None
    figures["holds"] = probe.holds
    return figures


if __name__ == "__main__":
    sys.exit(main())
