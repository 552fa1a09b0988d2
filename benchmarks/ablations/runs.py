# SPDX-License-Identifier: Apache-2.0
"""Trains and evaluates each variant of a recipe in a folder of its own; whatever is done already is left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from vqa_runs import runs as vqa

from ablations.ablation import BASE, Ablation, Change, derived
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.checkpoints import checkpoint_identity
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.evaluate import evaluate, instructed_cases, result
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.results import Results
from wall_oss_ros.training.recipe import Recipe


@dataclass(frozen=True)
class Budget:
    """The same for all: steps of training in all, or minutes; scenes and questions of the evaluation.

    Attributes:
        episodes: unseen scenes, each with an instruction.
        frames: unseen scenes with questions.
        robot: that is evaluated.
    """

    steps: int | None
    minutes: float | None
    episodes: int
    frames: int
    robot: str
    seed: int = 0
    workers: int = 1


@dataclass(frozen=True)
class Variant:
    """A recipe to train, the ways of reasoning to evaluate it with, or why there is none of it."""

    name: str
    recipe: Recipe | None
    reasonings: tuple[str, ...] = ()
    why_not: str = ""


def variants(base: Recipe, ablations: Mapping[str, Ablation], steps: int | None) -> list[Variant]:
    """The base first, then each ablation; those that do not apply to the recipe have a reason instead of one."""
    made, needed = [], []
    for name, one in ablations.items():
        try:
            if one.reasoning.base == "full" and not base.model.get("thinks"):
                raise WallOSSError(f"{base.name} is not trained to think.")
            recipe = derived(base, one.change, steps)
        except WallOSSError as error:
            made.append(Variant(name, None, why_not=error.message))
            continue
        needed.append(one.reasoning.base)
        made.append(Variant(name, recipe, (one.reasoning.variant,)))
    return [Variant(BASE, derived(base, Change(), steps), tuple(dict.fromkeys(needed or ["subtask"]))), *made]


def train(variant: Variant, folder: Path, data: Path, budget: Budget) -> dict:
    """Trains a variant, or goes on where that was stopped. Returns what its ``training.json`` says of the run.

    Raises:
        WallOSSError: the folder has another recipe, or training failed.
    """
    assert variant.recipe is not None
    told = yaml.safe_dump(json.loads(variant.recipe.model_dump_json()), sort_keys=False)
    recipe, done = folder / "recipe.yaml", folder / "trained"
    if recipe.exists() and recipe.read_text() != told:
        raise WallOSSError(f"{folder} was trained by another recipe or budget.", "Give another --output.")
    folder.mkdir(parents=True, exist_ok=True)
    recipe.write_text(told)
    if not done.exists():
        command = [sys.executable, "-m", "wall_oss_ros.commands.main", "train", "--recipe", str(recipe), "--output"]
        command.append(str(folder / "checkpoint"))
        if variant.recipe.data is not None:
            command += ["--data", str(data / "-".join(variant.recipe.robots))]
        if budget.minutes is not None:
            command += ["--minutes", f"{budget.minutes:g}"]
        if (folder / "checkpoint" / "run" / "progress.json").exists():
            command.append("--resume")
        with (folder / "training.log").open("a") as log:
            status = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode
        if status:
            raise WallOSSError(
                f"Training {variant.name} ended with status {status}.", f"See {folder / 'training.log'}."
            )
        done.write_text("")
    found = json.loads((folder / "checkpoint" / "training.json").read_text())
    return {key: found[key] for key in ("steps", "minutes", "parameters", "frames")}


def run(variant: Variant, folder: Path, budget: Budget, more: bool = True) -> dict[str, list[dict]]:
    """Evaluates a trained variant on what has no result yet: runs by way of reasoning, and answers (``vqa``).

    Args:
        more: whether anything is run, or what is there is all.
    """
    model = folder / "checkpoint"
    task, identity = task_of(budget.robot), checkpoint_identity(model)
    cases = instructed_cases(task, budget.episodes, budget.seed)
    found = {}
    for reasoning in variant.reasonings:
        about = {
            "checkpoint": identity, "robot": budget.robot, "seed": budget.seed, "forms": None, "unlisted": True,
            "reasoning": reasoning,
        }  # fmt: skip
        results = Results(folder / f"episodes-{reasoning}.jsonl", about)
        left = [case for case in cases if case.key not in results.found]
        if left and more:
            for case, episode in zip(left, evaluate(model, left, budget.robot, budget.workers, True, reasoning)):
                results.add(result(case, episode))
        found[reasoning] = [results.found[case.key] for case in cases if case.key in results.found]
    answers = Results(folder / "answers.jsonl", vqa.about(identity, budget.robot, budget.seed))
    if more and asks(budget.robot):
        condition = [vqa.PLAIN_SCENES]
        vqa.run(answers, str(model), budget.robot, budget.seed, budget.frames, condition, budget.workers)
    wanted = [f"{vqa.PLAIN_SCENES}/{number}" for number in range(budget.frames)]
    found["vqa"] = [answers.found[key] for key in wanted if key in answers.found]
    return found


def asks(robot: str) -> bool:
    """Whether there are questions about a robot's scene."""
    return load_profile(robot, simulated=True).simulation.scene == "table"
