# SPDX-License-Identifier: Apache-2.0
"""One fault, injected while the robot works; what came of it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field

import numpy as np

from fault_campaign.kinds import Kind
from fault_campaign.stage import READY, Goal, Stage

from wall_oss_msgs.msg import ControlStatus

MOTION = 25.0  # s from an instruction to motion
ENDS = 15.0  # s in which a plan that was cancelled must have ended
AFTER = 2.5  # s that are looked at when a fault is over
_FIGURES = re.compile(r"[0-9.]+")
WATCH = 3.0  # s in which nothing may move where only a person may let it go on


@dataclass
class Outcome:
    """What came of one fault.

    Attributes:
        kind, robot, seed: which, of whom, and the generator's seed.
        injected: whether the robot moved, so that the fault could be tried.
        lasted: s.
        worst: the largest share of each limit.
        unsafe: what was wrong with commands: s since the fault began (negative: before it) and why.
        fast: (s since the fault began, share) where real joints were faster than servos overshoot.
        rest: s from the fault's beginning until the robot rested; None where it went on, or had no time to rest.
        missed: whether the robot should have come to rest and did not.
        named: what control gave as reasons since.
        lost: whether the plan did not end.
        resumed: whether it moved without having been let.
        broken: whether the system did not work again afterwards, and had to be started anew.
        note: what else went wrong.
    """

    kind: str
    robot: str
    seed: int
    injected: bool = False
    lasted: float = 0.0
    worst: dict[str, float] = field(default_factory=dict)
    unsafe: list[tuple[float, str]] = field(default_factory=list)
    fast: list[tuple[float, float]] = field(default_factory=list)
    rest: float | None = None
    missed: bool = False
    named: list[str] = field(default_factory=list)
    lost: bool = False
    resumed: bool = False
    broken: bool = False
    note: str = ""

    def as_dict(self) -> dict:
        return asdict(self)


def prepare(stage: Stage) -> None:
    """Brings the system back to where an instruction can be given: everything runs, the robot at home, no stop."""
    stage.quiet()
    for name in stage.specs:
        if not stage.crew.alive(name):
            stage.start(name)
    stage.ready()
    stage.emergency(False)
    stage.until(lambda: not stage.plan_runs, ENDS)
    stage.until(lambda: not stage.recorder.moving, 5.0)
    stage.call("/simulation/reset")
    stage.wait(0.7)
    let_go(stage)


def let_go(stage: Stage) -> None:
    """Resumes where a person must."""
    if stage.state == ControlStatus.STOPPED or getattr(stage.recorder.status, "needs_resume", False):
        stage.call("resume")


def run_trial(stage: Stage, kind: Kind, outcome: Outcome, to_the_end: bool = False) -> None:
    """Gives an instruction, lets the fault in while the robot moves, and looks at what comes of it.

    Args:
        stage: the system, running.
        kind: of fault.
        outcome: gets what came of it; its seed is that of all that is random about it.
        to_the_end: whether the plan is waited for; else it is cancelled after the fault.

    Raises:
        WallOSSError: the system does not work, or does not again.
    """
    rng = np.random.default_rng(outcome.seed)
    prepare(stage)
    record = stage.recorder.begin()
    goal = _set_off(stage)
    if goal is None:
        outcome.note = f"the robot did not set off: {_reason(stage)}"
        return
    stage.wait(float(rng.uniform(0.1, 1.5)))
    stage.until(lambda: stage.recorder.moving, 10.0)
    lasts = float(rng.uniform(*kind.lasts))
    outcome.injected, begun = True, stage.now()
    with kind.act(stage, rng):
        stage.wait(max(0.0, begun + lasts - stage.now()))
        lifted = stage.now()
    outcome.lasted = lifted - begun
    over = stage.now()  # nodes that were killed work again
    stage.wait(WATCH if kind.waits else AFTER)
    watched = stage.now()
    if kind.waits:
        rested = record.rest_after(begun, watched)
        since = begun + (2.0 if rested is None else rested + 0.3)
        outcome.resumed = record.moves_after(since, watched)
    stage.quiet()
    stage.emergency(False)
    let_go(stage)
    _end(stage, goal, kind, to_the_end, outcome)
    outcome.worst = {what: round(share, 3) for what, share in record.worst.items()}
    outcome.unsafe = [(round(record.begun + at - begun, 2), why) for at, why in record.unsafe]
    outcome.fast = [(round(record.begun + at - begun, 2), round(share, 2)) for at, share in record.fast]
    outcome.rest = record.rest_after(begun, lifted) if kind.holds else None
    outcome.missed = kind.holds and outcome.rest is None
    reasons = [reason for at, _, reason, _ in record.states if begun < at < over + 1 and reason]
    outcome.named = list({_FIGURES.sub("#", reason): reason for reason in reversed(reasons)}.values())[::-1]


def _set_off(stage: Stage) -> Goal | None:
    """Gives the instruction; the goal, once the robot moves."""
    for _ in range(2):
        goal = stage.instruct()
        if goal is not None:
            if stage.until(lambda goal=goal: stage.recorder.moving or goal.over, MOTION) and not goal.over:
                return goal
            goal.cancel()
            stage.wait(1.0)
        let_go(stage)
    return None


def _end(stage: Stage, goal: Goal, kind: Kind, to_the_end: bool, outcome: Outcome) -> None:
    planner_died = "model" in kind.kills
    if to_the_end:
        stage.until(lambda: not stage.plan_runs, READY / 2)
    else:
        goal.cancel()
    over = lambda: not stage.plan_runs and (goal.over or planner_died)  # noqa: E731
    if not stage.until(over, ENDS):
        outcome.lost = True
        outcome.note = f"the plan goes on: {stage.plan_runs}; the action ended: {goal.over}"


def _reason(stage: Stage) -> str:
    return "" if stage.recorder.status is None else stage.recorder.status.reason
