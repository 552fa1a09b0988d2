# SPDX-License-Identifier: Apache-2.0
"""How well the scripted expert of a simulated task does what may be asked for, and how hard it pushes, by form.

What training shows is the expert's: where it fails, a model cannot learn to succeed. It acts in the model's place,
from the simulator's truth, through the same chunks, chunk joining and limits, with the same latency; nobody plans.
Scenes are those of ``wall-oss eval --forms`` with the same seed. Forces are what touches an arm and its gripper, 50
times a second.

    python benchmarks/expert.py --robot dual_arm --scenes 30
    python benchmarks/expert.py --robot franka --scenes 30 --forms stack,swap --output runs/expert.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import published

from wall_oss_ros.commands.arguments import SEED_LIMIT, whole
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.closed_loop import ClosedLoop, Episode
from wall_oss_ros.sim.datasets import in_processes
from wall_oss_ros.sim.directing import Director
from wall_oss_ros.sim.environment import Environment
from wall_oss_ros.sim.evaluate import Case, instructed_cases
from wall_oss_ros.sim.evaluation_summary import forces
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.shares import in_words, share

LOOK_S, CONFIRMED = 0.1, 5
"""Time between two looks, and how many of them in a row have to show that all is done: the planner waits, too."""
_BLANK = np.zeros((8, 8, 3), np.uint8)


class Called(Director):
    """Has done what the truth calls for; once nothing is, the last subtask is gone on with for a while."""

    plans = False

    def begin(self, obs, instruction: str) -> None:
        self._text, self._done, self.next_look = "", 0, LOOK_S

    def look(self, obs, called: str) -> None:
        self.next_look = obs.stamp + LOOK_S
        if called == prompts.DONE:
            self._done += 1
        else:
            self._text, self._done = called, 0

    @property
    def text(self) -> str:
        return "" if self.over else self._text

    @property
    def over(self) -> bool:
        return self._done >= CONFIRMED

    @property
    def status(self) -> str:
        return "over" if self.over else "running"


class Scripted:
    """The expert as a policy that acts; it sees the truth, and no pictures."""

    def __init__(self, environment: Environment):
        self._environment, self._task = environment, task_of(environment.profile)

    def act(self, obs, subtask: str, steps, seed: int, previous) -> np.ndarray:
        names, _ = self._task.subtasks(self._environment.truth()[()])
        return self._task.actions(self._environment.chunks()[names.index(subtask)])


def blind_loop(robot: str) -> ClosedLoop:
    """A loop in which the expert acts, and no picture is drawn, which takes time."""
    environment = task_of(robot).environment(np.random.default_rng(0))
    environment.simulator.render = lambda view: _BLANK
    return ClosedLoop(Scripted(environment), environment)


def summary(cases: Sequence[Case], episodes: Sequence[Episode]) -> dict:
    """By form: successes with their interval, forces, and the runs that failed."""
    told: dict[str, dict] = {}
    for form in dict.fromkeys(case.form for case in cases):
        runs = [(case, episode) for case, episode in zip(cases, episodes) if case.form == form]
        done = [episode.success and episode.status == "over" for _, episode in runs]
        told[form] = {
            "success": share(sum(done), len(done)),
            "force_N": forces([episode.greatest_force for _, episode in runs]),
            "seconds": round(float(np.median([episode.seconds for _, episode in runs])), 1),
            "failed": [
                {"number": case.number, "instruction": case.instruction, "last": episode.events[-1][2]}
                for right, (case, episode) in zip(done, runs)
                if not right
            ],
        }
    return told


_loop: ClosedLoop | None = None


def _start_worker(robot: str) -> None:
    global _loop
    _loop = blind_loop(robot)


def _run(case: Case) -> Episode:
    return _loop.run(case.scene, case.instruction, list(case.goals), case.number, Called())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robot", default="franka", help="profile in config/robots (default: %(default)s)")
    parser.add_argument("--scenes", type=whole(1, 10_000), default=30, metavar="N", help="of each form (default: 30)")
    parser.add_argument("--forms", metavar="NAME,...", help="of instructions (default: all)")
    parser.add_argument("--seed", type=whole(0, SEED_LIMIT), default=0, metavar="S", help="which scenes (default: 0)")
    parser.add_argument(
        "--workers", type=whole(1, 1024), default=os.cpu_count(), metavar="N", help="default: one a core"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="for the figures as JSON (default: printed)")
    args = parser.parse_args()
    try:
        task = task_of(args.robot)
        forms = [name.strip() for name in args.forms.split(",")] if args.forms else list(task.forms)
        cases = instructed_cases(task, args.scenes * len(forms), args.seed, forms)
        if any(not case.goals for case in cases):
            raise WallOSSError("The expert refuses nothing.", f"Name some of {', '.join(task.forms)}.")
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    episodes = []
    for case, episode in zip(cases, in_processes(_run, cases, args.workers, _start_worker, (args.robot,))):
        episodes.append(episode)
        print(f"{len(episodes)} of {len(cases)}: {case.instruction}: {episode.success}", file=sys.stderr)
    forms_told = summary(cases, episodes)
    for form, found in forms_told.items():
        felt = found["force_N"]
        said = f"{form:>14} | {in_words(found['success'])} | {felt['median']} N, at most {felt['most']} N"
        print(said, file=sys.stderr)
    command = f"python benchmarks/expert.py --robot {args.robot} --scenes {args.scenes} --seed {args.seed}"
    command += f" --forms {args.forms!r}" if args.forms else ""
    about = {"n": len(cases), "robot": args.robot, "scenes": args.scenes, "seed": args.seed}
    told = published.head("success and contact forces of the scripted expert in simulation", command, **about)
    text = json.dumps({**told, "forms": forms_told}, indent=1, allow_nan=False)
    print(text) if args.output is None else args.output.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
