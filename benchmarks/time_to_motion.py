# SPDX-License-Identifier: Apache-2.0
"""Time from ``wall-oss run`` to the first motion of the robot, and what it is made of.

Starts ``wall-oss run --headless`` as a user does and watches the topics from outside: the simulator's first joint
states, the first observation, the instruction, the plan, the first action chunk, and the moment the arm has left
its place. The environment must be set up; ``./wall-oss`` adds a few milliseconds to that. The processor time that all
processes have used by then says more on a machine that does other work.

    python benchmarks/time_to_motion.py --repeat 3
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402
import result_form  # noqa: E402

from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST, SENSOR  # noqa: E402

import rclpy  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from wall_oss_msgs.msg import ActionChunk, Observation, SubtaskPlan  # noqa: E402

MOVED = 0.01  # rad: more than the arm sags or trembles while it holds
LIMIT = 300.0  # s


class Watch:
    """Notes when each thing happened first, in seconds since the start."""

    def __init__(self, node, started: float):
        self.seen: dict[str, float] = {}
        self._started = started
        self._home: list[float] | None = None
        self._subscriptions = [
            node.create_subscription(JointState, "/joint_states", self._on_joints, SENSOR),
            node.create_subscription(Observation, "observation", lambda _: self._note("first observation"), NEWEST),
            node.create_subscription(String, "instruction", lambda _: self._note("instruction"), EVENTS),
            node.create_subscription(SubtaskPlan, "plan", self._on_plan, LATCHED),
            node.create_subscription(ActionChunk, "action_chunk", lambda _: self._note("first action chunk"), EVENTS),
        ]

    def _note(self, what: str) -> None:
        self.seen.setdefault(what, time.monotonic() - self._started)

    def _on_plan(self, plan: SubtaskPlan) -> None:
        if plan.subtasks:
            self._note("plan")

    def _on_joints(self, message: JointState) -> None:
        self._note("robot simulated")
        arm = list(message.position[:7])
        if self._home is None:
            self._home = arm
        elif max(abs(a - b) for a, b in zip(arm, self._home)) > MOVED:
            self._note("first motion")


def processor_time(pid: int) -> dict[str, float]:
    """What a process and all that it has started have used so far, s of user and system time, by their names."""
    process, spent = psutil.Process(pid), {}
    for one in (process, *process.children(recursive=True)):
        name, times = "run" if one.pid == pid else one.name(), one.cpu_times()
        spent[name] = spent.get(name, 0.0) + times.user + times.system
    return spent


def once(node, command: list[str]) -> dict[str, float]:
    """One start; seconds of wall time to each event, in order, and of processor time in all.

    Raises:
        RuntimeError: the run ended, or the time was over, before the robot moved.
    """
    with tempfile.TemporaryDirectory() as directory, open(Path(directory) / "output", "w+") as output:
        started = time.monotonic()
        watch = Watch(node, started)
        run = subprocess.Popen(command, cwd=directory, stdout=output, stderr=subprocess.STDOUT)
        try:
            while "first motion" not in watch.seen:
                rclpy.spin_once(node, timeout_sec=0.1)
                if run.poll() is not None or time.monotonic() - started > LIMIT:
                    output.seek(0)
                    raise RuntimeError(f"The robot did not move. {command[-1]} said:\n{output.read()}")
            spent = processor_time(run.pid)
            print("processor time:", ", ".join(f"{name} {seconds:.2f} s" for name, seconds in spent.items()))
        finally:
            run.terminate()
            run.wait()
            for subscription in watch._subscriptions:
                node.destroy_subscription(subscription)
    return {**watch.seen, "processor time": sum(spent.values())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="starts; the median is reported (default: %(default)s)")
    parser.add_argument("--domain", type=int, default=87, help="ROS domain of its own (default: %(default)s)")
    parser.add_argument("--model", help="a checkpoint; by default the one that ships")
    parser.add_argument("--instruction", default="put the red cube in the left tray")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args()
    os.environ["ROS_DOMAIN_ID"] = str(args.domain)
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as ./wall-oss does
    command = [sys.executable, "-m", "wall_oss_ros.commands.main", "run", "--headless"]
    command += ["--model", args.model] if args.model else []
    rclpy.init(args=[])
    node = rclpy.create_node("time_to_motion", namespace="wall_oss")
    runs = [once(node, [*command, args.instruction]) for _ in range(args.repeat)]
    node.destroy_node()
    rclpy.shutdown()
    medians = {what: round(statistics.median(run[what] for run in runs), 2) for what in runs[0]}
    for what, seconds in medians.items():
        print(f"{seconds:7.2f} s  {what}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if args.json:
        result_form.write(args.json, {what: result_form.figure([run[what] for run in runs], "s") for what in runs[0]})
    print(json.dumps({"starts": args.repeat, "machine": machine, "load": os.getloadavg()[0], **medians}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
