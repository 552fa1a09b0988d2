# SPDX-License-Identifier: Apache-2.0
"""Simulates a robot at a table, gives it an instruction, shows what it does, and judges the result.

Starts the simulated robot and the nodes perception, planner, control and plan_markers as processes of their own,
and a page in the browser unless told otherwise. The verdict is read from the simulator's state. On a terminal the
system then stays up, so that one can watch it and give further instructions, until Ctrl-C; with --headless, or where
the output is no terminal, it ends with the verdict.

exit status: 0 the instruction was carried out, 1 it was not, 2 bad input or a node that died

examples:
  wall-oss run
  wall-oss run "put the red cube in the left tray"
  wall-oss run --headless --seed 7 "pick up the blue cube"
  wall-oss run --robot dual_arm "lift the red tray"
  wall-oss run --approve "put the red cube in the left tray"
  wall-oss run --approval subtask "put the red cube in the left tray"
  wall-oss run --record runs/first.mcap "pick up the red cube"     # and again: wall-oss replay runs/first.mcap
In a second shell, while it runs:
  wall-oss topic pub --once /wall_oss/instruction std_msgs/msg/String "data: put the green cube in the right tray"
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wall_oss_ros import starting
from wall_oss_ros.commands.arguments import SEED_LIMIT, folder, number, require_writable, text, whole
from wall_oss_ros.errors import WallOSSError, require_package
from wall_oss_ros.uni_cot.plan import APPROVALS, REASONING

if TYPE_CHECKING:
    from wall_oss_ros.commands.display import Display
    from wall_oss_ros.commands.monitor import Monitor
    from wall_oss_ros.commands.processes import Processes
    from wall_oss_ros.sim.task import Task

START_LIMIT = 180.0  # s of wall time; a slow disk may need a minute to read torch
PLAN_LIMIT = 60.0  # s of wall time from instruction to plan
STALL_LIMIT = 20.0  # s of wall time without a word from the simulator
SETTLE = 0.5  # s of simulated time between the end of a plan and the verdict
UNNOTICED = 5.0  # s of simulated time that a reached goal may last before the run ends without the model's "done"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "instruction", nargs="*", metavar="INSTRUCTION", help="what to do, in words; quotes are not needed"
    )
    parser.add_argument(
        "--robot", type=text, default="franka", help="profile in config/robots, or a path (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=whole(0, SEED_LIMIT),
        metavar="N",
        help="fixes the scene; by default the first that has what is named",
    )
    parser.add_argument("--headless", action="store_true", help="no page in the browser")
    parser.add_argument(
        "--port", type=whole(1, 65535), default=8080, metavar="N", help="of the page (default: %(default)s)"
    )
    parser.add_argument("--model", type=text, metavar="DIR", help="a checkpoint: its folder, or owner/name on the hub"
                        " (default: the one that ships)")  # fmt: skip
    parser.add_argument("--approve", action="store_const", const="plan", default="none", dest="approval", help="each"
                        " plan waits for the service /wall_oss/approve_plan before the arm moves")  # fmt: skip
    parser.add_argument("--approval", type=text, choices=APPROVALS, help="what waits: each plan, each subtask as well,"
                        " or only plans that are made anew (replan)")  # fmt: skip
    parser.add_argument("--reasoning", type=text, choices=REASONING, default="subtask", help="full: the model writes"
                        " what it sees, then subtasks, where it was trained so; none: it acts on the instruction itself"
                        " (default: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--timeout", type=number(0.1, 1e6), default=90.0, metavar="S", help="simulated time (default: %(default)s)"
    )
    parser.add_argument("--speed", type=number(0.05, 20), default=1.0, metavar="F", help="of simulated time against"
                        " real time; below 1 gives a slow machine time to think (default: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", help="print each verdict as a line of JSON; all else goes to the standard error"
    )
    parser.add_argument("--record", type=folder, metavar="PATH", help="record all of it in this file, NAME.mcap; or"
                        " each plan as an episode, marked by the verdict, in this folder")  # fmt: skip
    parser.add_argument("--stay", action="store_true", help="stay up after the verdict in any case")
    parser.add_argument("--domain", type=whole(0, 232), metavar="N", help="ROS domain (default: ROS_DOMAIN_ID, or 0)")


def main(args: argparse.Namespace) -> int:
    """Runs until the verdict, or Ctrl-C.

    Returns:
        0 when the simulator shows that the instruction was carried out, else 1.

    Raises:
        WallOSSError: bad input, or a node died.
    """
    started = time.monotonic()
    with starting.imports():
        from wall_oss_ros.bringup.system import system
        from wall_oss_ros.commands.domain import ClaimedDomain, set_domain
        from wall_oss_ros.commands.instruction import choose
        from wall_oss_ros.commands.processes import Processes
        from wall_oss_ros.policy.machine import cores
        from wall_oss_ros.robots.profile import load_profile
        from wall_oss_ros.sim.registry import task_of

    require_package("mujoco")  # the simulator's process would say it late
    task = task_of(load_profile(args.robot))
    words = " ".join(args.instruction) if args.instruction else None
    instruction, seed = choose(task, words, args.seed)
    if not args.headless:
        check_port(args.port)
    recorder = recorder_arguments(args.record, args.robot) if args.record else None
    set_domain(args.domain)
    logs = free_log_directory()
    waits = {"planner": {"approval": args.approval, "reasoning": args.reasoning}}
    specs = system(args.robot, model=args.model, seed=seed, speed=args.speed, parameters=waits, state=logs.absolute())
    for which in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(which, _terminate)

    with ClaimedDomain(), Processes(make_log_directory(logs), copies=True) as processes:
        with starting.imports():
            from wall_oss_ros.nodes.shared import prepare

            prepare()  # once for all: they begin as copies
        out = sys.stderr if args.json else sys.stdout
        print(f"WALL-OSS · {args.robot}, simulated, scene {seed} · logs in {logs}", file=out, flush=True)
        if args.record:
            print(f"recorded in {args.record}", file=out, flush=True)
        if not args.headless:
            print(f"page: http://127.0.0.1:{args.port}", file=out, flush=True)
        one_by_one = cores() < len(specs)
        for spec in specs:
            processes.start(spec.name, spec.module, spec.arguments())
            if one_by_one and spec.name != "model":  # which takes longest, and has a core for itself meanwhile
                processes.wait(spec.name, START_LIMIT / len(specs))
        if recorder:
            processes.start("record", "wall_oss_ros.commands.main", recorder)
        if not args.headless:
            processes.start("viewer", "wall_oss_ros.page.node", viewer_arguments(args.port, args.robot, instruction))
        # Only now what they do not need: they start meanwhile.
        with starting.imports():
            from rich.console import Console

            from wall_oss_ros.commands.display import Display
            from wall_oss_ros.commands.monitor import Monitor

        console = Console(highlight=False, stderr=args.json)
        about = {"robot": args.robot, "scene": seed, "logs": str(logs)} if args.json else None
        with Monitor(recorder=recorder is not None) as monitor, Display(console, started) as display:
            session = Session(monitor, display, processes, task, args.timeout, started, args.speed, about)
            session.wait_until_ready()
            display.say(f"ready after {time.monotonic() - started:.1f} s")
            status = session.follow(instruction)
            if args.stay or (not args.headless and console.is_terminal):
                session.stay()
    return status


@dataclass
class Session:
    """A running system and what is shown of it.

    Attributes:
        about: what stands in each verdict as JSON; None where nobody wants JSON.
    """

    monitor: Monitor
    display: Display
    processes: Processes
    task: Task
    timeout: float
    started: float
    speed: float
    about: dict | None = None

    def wait_until_ready(self) -> None:
        """Returns when every node works.

        Raises:
            WallOSSError: one died, takes too long, or another robot is simulated on this domain.
        """
        begun = time.monotonic()
        while missing := self.monitor.waiting_for():
            self.display.starting(missing)
            self._spin(until=lambda: not self.monitor.waiting_for())
            if time.monotonic() - begun > START_LIMIT:
                raise WallOSSError(
                    f"No word from {', '.join(missing)} after {START_LIMIT:.0f} s.", f"See {self.processes.logs}."
                )
        # A simulator that is older than this run is not ours, whether ours is there yet or not.
        if (
            self.monitor.simulators() > 1
            or self.monitor.simulated_time > self.speed * (time.monotonic() - self.started) + 1.0
        ):
            raise WallOSSError(
                f"Another simulated robot runs on ROS domain {os.environ['ROS_DOMAIN_ID']}.",
                "Stop it, or choose another with --domain N.",
            )

    def follow(self, instruction: str) -> int:
        """Gives the instruction, waits for its end, and says the verdict.

        Returns:
            0 when it was carried out, else 1.
        """
        before = self.monitor.plan.plan_id if self.monitor.plan else 0
        self.monitor.mark("begin")
        self.monitor.instruct(instruction)
        asked = time.monotonic()
        while self.monitor.plan is None or self.monitor.plan.plan_id == before:
            self._spin()
            if time.monotonic() - asked > PLAN_LIMIT:
                raise WallOSSError(
                    f"The planner gave no plan within {PLAN_LIMIT:.0f} s.", f"See {self.processes.logs}."
                )
        return self._judge_when_over()

    def stay(self) -> None:
        """Shows the system, and the verdict on any further instruction, until Ctrl-C."""
        self.display.say("The system stays up: instruct it on the page or from a second shell; Ctrl-C ends it.", "dim")
        judged = self.monitor.plan.plan_id
        try:
            while True:
                self._spin()
                if self.monitor.plan.plan_id != judged:
                    self.monitor.mark("begin")
                    self._judge_when_over()
                    judged = self.monitor.plan.plan_id
        except KeyboardInterrupt:
            self.display.say("stopping", "dim")

    def _judge_when_over(self) -> int:
        """Watches the newest plan to its end; an instruction that replaces another takes its place here too."""
        from wall_oss_ros.commands.instruction import Judge

        judge, followed, begun, ended = None, None, 0.0, None
        while True:
            plan = self.monitor.plan
            if (plan.plan_id, plan.instruction) != followed:  # the first, one that replaced it, or was corrected
                followed, begun = (plan.plan_id, plan.instruction), self.monitor.simulated_time
                judge = Judge(self.task, plan.instruction)
            self._spin()
            now = self.monitor.simulated_time
            held = judge.held_for(self.monitor.truth)
            if not self._plan_is_over():
                ended = None
            elif ended is None:
                ended = now
            settled = ended is not None and now - ended >= SETTLE
            if settled or held >= UNNOTICED or now - begun > self.timeout:
                self._say_verdict(held > 0, judge.describe(self.monitor.truth), now - begun)
                return 0 if held > 0 else 1

    def _plan_is_over(self) -> bool:
        from wall_oss_msgs.msg import SubtaskPlan

        return self.monitor.plan.status not in (SubtaskPlan.AWAITING_APPROVAL, SubtaskPlan.RUNNING)

    def _say_verdict(self, reached: bool, where: str, took: float) -> None:
        from wall_oss_ros.page.status_text import printable
        from wall_oss_ros.uni_cot.plan import PlanStatus

        from wall_oss_msgs.msg import SubtaskPlan

        plan = self.monitor.plan
        note = ""
        if not self._plan_is_over():
            note = " The model has not noticed." if reached else f" Time is up after {self.timeout:g} s."
        elif plan.status == SubtaskPlan.SUCCEEDED and not reached:
            note = " The model thought otherwise."
        elif plan.status != SubtaskPlan.SUCCEEDED and plan.message:
            note = f" Planner: {printable(plan.message)}"
        word, style = ("success", "bold green") if reached else ("not reached", "bold red")
        self.display.finish(self.monitor)
        self.monitor.mark("success" if reached else "failure")
        self.display.say(f"{word}: {where} ({took:.1f} s simulated).{note}", style)
        if self.about is not None:
            verdict = {
                "success": reached,
                "instruction": plan.instruction,
                "truth": where,
                "seconds": round(took, 2),
                "plan": PlanStatus(plan.status).name.lower(),
                "message": plan.message,
                "subtasks": [one.text for one in plan.subtasks],
                **self.about,
            }
            print(json.dumps(verdict), flush=True)

    def _spin(self, until: Callable[[], bool] = lambda: False) -> None:
        self.monitor.spin(0.1, until)
        if self.monitor.plan is not None and self.monitor.plan.plan_id:
            self.display.show(self.monitor)
        if (ended := self.processes.ended()) is not None:
            name, status = ended
            raise WallOSSError(
                f"{name} ended (status {status}): {self.processes.complaint(name)}",
                f"Everything was stopped; its log is {self.processes.logs / name}.log",
            )
        if self.monitor.silence() > STALL_LIMIT:
            raise WallOSSError(
                f"The simulator has said nothing for {STALL_LIMIT:.0f} s.",
                f"See {self.processes.logs}/simulated_robot.log.",
            )


def viewer_arguments(port: int, robot: str, instruction: str) -> list[str]:
    """The viewer's arguments, in rclpy's syntax."""
    values = {"port": port, "robot": robot, "use_sim_time": True, "example": instruction}
    return ["--ros-args", *(word for name, value in values.items() for word in ("-p", f"{name}:={json.dumps(value)}"))]


def recorder_arguments(path: Path, robot: str) -> list[str]:
    """What ``wall-oss record`` is told, so that it records this run.

    Raises:
        WallOSSError: it cannot be written there, or is there already.
    """
    alone = path.suffix == ".mcap"
    if alone and path.exists():
        raise WallOSSError(f"There is a {path} already.", "Name another file, or remove it.")
    require_writable(path.parent if alone else path)
    return ["record", "--robot", robot, "--file" if alone else "--output", str(path)]


def check_port(port: int) -> None:
    """Raises WallOSSError when the page cannot have this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise WallOSSError(
                f"Port {port} cannot be used for the page: {error.strerror}.",
                f"Choose another, such as --port {port + 1 if port < 65535 else 8080}, or leave the page out: "
                "--headless.",
            ) from None


def free_log_directory() -> Path:
    """Where this run's logs go, ``runs/<time>``; it is not there yet."""
    path = Path("runs") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    while path.exists():  # another run in the same second
        path = path.with_name(path.name + "+")
    return path


def make_log_directory(path: Path) -> Path:
    """Makes the directory, and gives it back.

    Raises:
        WallOSSError: it cannot be made here.
    """
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise WallOSSError(
            f"{path.absolute()} cannot be made: {error.strerror}.", "Start in a directory you may write to."
        ) from error
    return path


def _terminate(number: int, _frame) -> None:
    sys.exit(128 + number)
