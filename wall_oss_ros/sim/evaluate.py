# SPDX-License-Identifier: Apache-2.0
"""Closed-loop evaluation on scenes that training never saw: what is run, and the runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import Policy
from wall_oss_ros.policy.number_types import named
from wall_oss_ros.sim.appearance import PLAIN, Appearance
from wall_oss_ros.sim.closed_loop import ClosedLoop, Episode
from wall_oss_ros.sim.datasets import in_processes
from wall_oss_ros.sim.directing import Reasoning
from wall_oss_ros.sim.goals import Goal
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.task import Task

SEED_SPACE = 990_000
"""Added to the seed of evaluation scenes, so that they never coincide with those of training data."""


DONE, REFUSED, ASKED_BACK = "done", "refused", "asked back"


@dataclass(frozen=True)
class Case:
    """One episode to run: its scene, with the scene's number, and what is asked for.

    Attributes:
        scene: as ``Task.scene`` makes it.
        goals: none where the instruction cannot be followed.
        form: of the instruction, where the task has several.
        unseen: whether it is in words that training does not show.
        expected: what is right to do about it: it is ``done``, ``refused`` or ``asked back``. Where it is to be
            refused, to ask back is right, too.
    """

    number: int
    scene: Any
    goals: tuple[Goal, ...]
    instruction: str
    form: str = ""
    look: Appearance = PLAIN
    unseen: bool = False
    expected: str = DONE

    @property
    def key(self) -> str:
        """Which one it is in its series."""
        return f"{self.number}/{self.instruction}"


def random_cases(task: Task, episodes: int, seed: int, first: int = 0) -> list[Case]:
    """One unseen scene each, from the ``first`` on, with one of the goals that it allows."""
    cases = []
    for number in range(first, first + episodes):
        scene = task.scene([SEED_SPACE + seed, number])
        rng = np.random.default_rng([SEED_SPACE + seed, number, 1])
        goal = task.language.random_goal(rng, scene.colours)
        cases.append(Case(number, scene, (goal,), goal.text()))
    return cases


def instructed_cases(
    task: Task,
    episodes: int,
    seed: int,
    forms: Sequence[str] = (),
    unseen: bool = False,
    varied: Collection[str] = (),
    first: int = 0,
) -> list[Case]:
    """One unseen scene each, from the ``first`` on, with an instruction that training could have drawn.

    Args:
        forms: of these forms, in turn; of any that can be followed, by their shares, where there are none.
        unseen: in words that training does not show.
        varied: how scenes look otherwise than the plain one, of ``appearance.KINDS``.

    Raises:
        WallOSSError: the task has no such forms, or no words that training does not show.
    """
    if unknown := sorted({*forms} - {*task.forms, *task.unfollowable}):
        known = ", ".join((*task.forms, *task.unfollowable)) or "none"
        raise WallOSSError(f"There is no form of instruction {unknown[0]!r}.", f"Known ones: {known}.")
    if unseen and not task.forms:
        raise WallOSSError("Training shows all words of this task.", "Leave --unseen-words out.")
    cases = []
    for number in range(first, first + episodes):
        rng = np.random.default_rng([SEED_SPACE + seed, number, 2])
        wanted = [forms[number % len(forms)]] if forms else []
        goals: Sequence[Goal] = ()
        expected = DONE
        if wanted and wanted[0] in task.unfollowable:
            form, (scene, text, expected) = wanted[0], task.not_followed(rng, wanted[0])
        else:
            scene, form, text, goals = task.instructed(rng, wanted, unseen)
        look = Appearance.random(rng, [task.profile.views[0].name], task.spec.free, varied) if varied else PLAIN
        cases.append(Case(number, scene, tuple(goals), text, form, look, unseen and expected == DONE, expected))
    return cases


def steering_cases(task: Task, scenes: int, seed: int, first: int = 0) -> list[Case]:
    """Every goal on the same scene, from the ``first`` on: only the words differ."""
    cases = []
    for number in range(first, first + scenes):
        scene = task.scene([SEED_SPACE + seed, number])
        cases += [Case(number, scene, (goal,), goal.text()) for goal in task.language.goals(scene.colours)]
    return cases


_loop: ClosedLoop | None = None
_reasoning = "subtask"


def _start_worker(model: str, robot: str, unlisted: bool, reasoning: str, dtype: str) -> None:
    global _loop, _reasoning
    task = task_of(robot)
    policy = Policy.from_pretrained(model, dtype=named(dtype), threads=1, profile=task.profile)
    if unlisted:
        policy.unlist()
    _loop, _reasoning = ClosedLoop(policy, task.environment(np.random.default_rng(0))), reasoning


def _run_case(case: Case) -> Episode:
    _loop.environment.simulator.dress(case.look)
    director = Reasoning(_loop.policy, _loop.settings.judge_every_s, mode=_reasoning)
    return _loop.run(case.scene, case.instruction, list(case.goals), 1000 * case.number, director)


def evaluate(
    model: str | Path,
    cases: Sequence[Case],
    robot: str,
    workers: int,
    unlisted: bool = False,
    reasoning: str = "subtask",
    dtype: str = "auto",
) -> Iterator[Episode]:
    """Runs all cases, and gives each episode as it ends, in the order of the cases.

    Args:
        model: checkpoint folder.
        cases: what to run.
        robot: profile name.
        workers: processes, each with one torch thread; the result does not depend on how many there are.
        unlisted: whether the model is asked for what its checkpoint does not list as understood, too.
        reasoning: one of ``uni_cot.plan.REASONING``.
        dtype: one of ``policy.number_types.NAMES``.
    """
    workers = max(1, min(workers, len(cases)))
    return in_processes(_run_case, cases, workers, _start_worker, (str(model), robot, unlisted, reasoning, dtype))


def result(case: Case, episode: Episode) -> dict:
    """What came of a case, for JSON: all of the episode, and what is told apart in reports.

    ``outcome`` is in a word what was made of the instruction: ``done``; ``something else`` where the model said that it
    was done; ``given up`` on the way; ``refused`` or ``asked back`` before anything moved; ``not ended`` in time.
    """
    found = episode.summary()
    outcome = outcome_of(found, bool(case.goals))
    if not case.goals:
        found["success"] = outcome == case.expected or (outcome == ASKED_BACK and case.expected == REFUSED)
    return {
        "key": case.key, "number": case.number, "form": case.form, "unseen": case.unseen, "expected": case.expected,
        "asked": [goal.text() for goal in case.goals], "outcome": outcome,
        "subtasks": sum(len(goal.subtasks()) for goal in case.goals), **found,
    }  # fmt: skip


def outcome_of(episode: Mapping, followable: bool) -> str:
    """See :func:`result`, of an episode's summary."""
    if episode["status"] == "failed" and not episode["chunks"]:
        return ASKED_BACK if episode["message"].rstrip().endswith("?") else REFUSED
    if episode["success"] and followable:
        return DONE
    return {"succeeded": "something else", "failed": "given up"}.get(episode["status"], "not ended")
