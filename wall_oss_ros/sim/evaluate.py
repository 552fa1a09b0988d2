# SPDX-License-Identifier: Apache-2.0
"""Closed-loop evaluation on scenes that training never saw: success, subtask accuracy, steering by words."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import Policy
from wall_oss_ros.sim.appearance import PLAIN, Appearance
from wall_oss_ros.sim.closed_loop import ClosedLoop, Episode
from wall_oss_ros.sim.datasets import in_processes
from wall_oss_ros.sim.goals import Goal
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.task import Task

SEED_SPACE = 990_000
"""Added to the seed of evaluation scenes, so that they never coincide with those of training data."""


@dataclass(frozen=True)
class Case:
    """One episode to run: its scene, with the scene's number, and what is asked for."""

    number: int
    scene: Any  # as ``Task.scene`` makes it
    goals: tuple[Goal, ...]
    instruction: str
    form: str = ""  # of the instruction, where the task has several
    look: Appearance = PLAIN


def random_cases(task: Task, episodes: int, seed: int) -> list[Case]:
    """One unseen scene each, with one of the goals that it allows."""
    cases = []
    for number in range(episodes):
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
) -> list[Case]:
    """One unseen scene each, with an instruction that training could have drawn.

    Args:
        forms: of these forms, in turn; of any, by their shares, where there are none.
        unseen: in words that training does not show.
        varied: how scenes look otherwise than the plain one, of ``appearance.KINDS``.

    Raises:
        WallOSSError: the task has no such forms, or no words that training does not show.
    """
    if unknown := sorted({*forms} - {*task.forms}):
        known = ", ".join(task.forms) or "none"
        raise WallOSSError(f"There is no form of instruction {unknown[0]!r}.", f"Known ones: {known}.")
    if unseen and not task.forms:
        raise WallOSSError("Training shows all words of this task.", "Leave --unseen-words out.")
    cases = []
    for number in range(episodes):
        rng = np.random.default_rng([SEED_SPACE + seed, number, 2])
        wanted = [forms[number % len(forms)]] if forms else []
        scene, form, text, goals = task.instructed(rng, wanted, unseen)
        look = Appearance.random(rng, [task.profile.views[0].name], varied) if varied else PLAIN
        cases.append(Case(number, scene, tuple(goals), text, form, look))
    return cases


def steering_cases(task: Task, scenes: int, seed: int) -> list[Case]:
    """Every goal on the same scene: only the words differ."""
    cases = []
    for number in range(scenes):
        scene = task.scene([SEED_SPACE + seed, number])
        cases += [Case(number, scene, (goal,), goal.text()) for goal in task.language.goals(scene.colours)]
    return cases


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (E. B. Wilson, 1927); (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    p, n = successes / trials, trials
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


_loop: ClosedLoop | None = None


def _start_worker(model: str, robot: str) -> None:
    global _loop
    task = task_of(robot)
    policy = Policy.from_pretrained(model, threads=1, profile=task.profile)
    _loop = ClosedLoop(policy, task.environment(np.random.default_rng(0)))


def _run_case(case: Case) -> Episode:
    _loop.environment.simulator.dress(case.look)
    return _loop.run(case.scene, case.instruction, list(case.goals), seed=1000 * case.number)


def evaluate(model: str | Path, cases: Sequence[Case], robot: str, workers: int) -> Iterator[Episode]:
    """Runs all cases, and gives each episode as it ends, in the order of the cases.

    Args:
        model: checkpoint folder.
        cases: what to run.
        robot: profile name.
        workers: processes, each with one torch thread; the result does not depend on how many there are.
    """
    workers = max(1, min(workers, len(cases)))
    return in_processes(_run_case, cases, workers, _start_worker, (str(model), robot))


def share(hits: int, total: int) -> dict:
    """A share with its 95 % interval, for JSON; None where there are no cases."""
    low, high = wilson(hits, total)
    value = round(hits / total, 4) if total else None
    return {"hits": hits, "of": total, "share": value, "low": round(low, 4), "high": round(high, 4)}


def summarise(task: Task, episodes: Sequence[Episode]) -> dict:
    """Shares with intervals, and the tables of named against taken.

    ``subtask_accuracy`` counts the model's judgements of what is called for now, against the simulator's truth;
    ``plan_accuracy`` whole decompositions; ``right_cube`` (or what else the task is about) first things lifted, of
    episodes that lifted one.
    """
    goals = [episode.goals[0] for episode in episodes]
    lifted = [(g, e) for g, e in zip(goals, episodes) if e.taken]
    succeeded = [e for e in episodes if e.status == "succeeded"]
    summary = {
        "episodes": len(episodes),
        "success": share(sum(e.success for e in episodes), len(episodes)),
        "plan_accuracy": share(sum(e.plan_right for e in episodes), len(episodes)),
        "subtask_accuracy": share(sum(e.judgements_right for e in episodes), sum(e.judgements for e in episodes)),
        "judged_done_and_is": share(sum(e.success for e in succeeded), len(succeeded)),
        "lifted": share(len(lifted), len(episodes)),
        f"right_{task.thing}": share(sum(g.colour == e.taken for g, e in lifted), len(lifted)),
        "seconds_of_successes": _median([e.seconds for e in episodes if e.success]),
        f"{task.thing}_table": _table([(g.colour, e.taken or "none") for g, e in zip(goals, episodes)]),
    }
    if task.place is not None:
        placed = [(g, e) for g, e in lifted if e.placed]
        summary[f"right_{task.place}"] = share(sum(g.tray == e.placed for g, e in placed), len(placed))
        summary[f"{task.place}_table"] = _table([(g.tray, e.placed or "none") for g, e in zip(goals, episodes)])
    return summary


def _median(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 2) if values else None


def _table(pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """named -> taken -> count"""
    counts = Counter(pairs)
    return {n: {t: c for (m, t), c in sorted(counts.items()) if m == n} for n in sorted({n for n, _ in pairs})}


def contact_sheet(episodes: Sequence[Episode], path: Path, most: int = 8, columns: int = 6) -> None:
    """One row an episode: all views at times spread over it, with the instruction and how it ended."""
    from PIL import Image, ImageDraw

    rows = list(episodes[:most])
    height, width = rows[0].pictures[0].shape[:2]
    sheet = Image.new("RGB", (columns * (width + 4), len(rows) * (height + 18)), "white")
    draw = ImageDraw.Draw(sheet)
    for r, episode in enumerate(rows):
        top = r * (height + 18)
        verdict = "success" if episode.success else "not reached"
        draw.text((4, top + 3), f"{episode.instruction}: {verdict} ({episode.seconds:.1f} s)", fill="black")
        chosen = np.linspace(0, len(episode.pictures) - 1, min(columns, len(episode.pictures))).round().astype(int)
        for c, index in enumerate(chosen):
            sheet.paste(Image.fromarray(episode.pictures[index]), (c * (width + 4), top + 18))
    sheet.save(path)


def write_report(folder: Path, task: Task, cases: Sequence[Case], episodes: Sequence[Episode], about: dict) -> dict:
    """Writes ``evaluation.json`` and ``contact_sheet.png``; returns the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarise(task, episodes)
    for form in sorted({case.form for case in cases if case.form}):
        of = [episode for case, episode in zip(cases, episodes) if case.form == form]
        summary.setdefault("forms", {})[form] = share(sum(e.success for e in of), len(of))
    details = [{"scene": case.number, "form": case.form, **episode.summary()} for case, episode in zip(cases, episodes)]
    (folder / "evaluation.json").write_text(json.dumps({**about, **summary, "details": details}, indent=1))
    contact_sheet(episodes, folder / "contact_sheet.png")
    return summary
