# SPDX-License-Identifier: Apache-2.0
"""From a recipe to a checkpoint: data, tokenizer, statistics, training, export."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.normalizer import from_values
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.cubes.frames import FrameSet
from wall_oss_ros.sim.dagger import practise
from wall_oss_ros.sim.generate import generate
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.task import DOF, Task
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.curves import draw_curves
from wall_oss_ros.training.recipe import Recipe
from wall_oss_ros.training.start import start_from
from wall_oss_ros.training.tokenizer import train_tokenizer
from wall_oss_ros.training.trainer import Trainer
from wall_oss_ros.training.vision import pretrain_vision

TOKENIZER_SAMPLES = 6000


def make_data(recipe: Recipe, folder: Path, workers: int = 0) -> FrameSet:
    """The recipe's dataset, made in ``folder`` if it is not there."""
    d, task = recipe.data, recipe_task(recipe)
    made = generate(folder, d.episodes, d.posed_frames, d.keep_every, d.seed, workers, recipe.robots)
    return FrameSet.open(made, task.frame)


def recipe_task(recipe: Recipe) -> Task:
    """What the recipe's robots are to learn.

    Raises:
        WallOSSError: their scenes, or their views, differ.
    """
    profiles = [load_profile(robot) for robot in recipe.robots]
    tasks = [task_of(profile) for profile in profiles]
    for what, values in (
        ("views", [[view.name for view in profile.views] for profile in profiles]),
        ("tasks", [type(task).__name__ for task in tasks]),
    ):
        if any(value != values[0] for value in values):
            raise WallOSSError(
                f"The recipe {recipe.name} trains on {', '.join(recipe.robots)}, whose {what} differ: {values}.",
                f"Train robots with different {what} each by a recipe of its own.",
            )
    return tasks[0]


def make_tokenizer(recipe: Recipe, data: FrameSet, task: Task, run: Path) -> Tokenizer:
    """A tokenizer for everything that is said about this data; the run's own where it has one.

    A run keeps its tokenizer: other data would give other numbers to the same words.
    """
    file = run / "tokenizer.json"
    if file.exists():
        return Tokenizer.from_file(str(file))
    rng = np.random.default_rng(recipe.seed)
    texts = []
    for index in rng.integers(len(data), size=TOKENIZER_SAMPLES):
        _, prompt, answer = task.language.sample(rng, data.frames[index])
        texts += [prompt.replace(prompts.ASSISTANT, ""), answer]
    tokenizer = train_tokenizer(texts, recipe.vocab_size)
    run.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(file))
    return tokenizer


def make_config(recipe: Recipe, task: Task, tokenizer: Tokenizer) -> WallOSSConfig:
    """The recipe's sizes with this tokenizer's ids."""
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
        "pad_token_id": "<|endoftext|>",
        "bos_token_id": "<|im_start|>",
        "eos_token_id": "<|im_end|>",
        "propri_token_id": prompts.PROPRIOCEPTION,
        "action_token_id": prompts.ACTION,
    }
    ids = {key: tokenizer.token_to_id(token) for key, token in names.items()}
    views = [view.name for view in load_profile(recipe.robots[0]).views]
    return WallOSSConfig.from_dict(
        {
            **recipe.model,
            **ids,
            "vocab_size": tokenizer.get_vocab_size(),
            "views": views,
            "known_words": task.language.vocabulary(),
        }
    )


def set_statistics(model: WallOSS, data: FrameSet, task: Task, robots: Sequence[str]) -> None:
    """Least value and range of states and action chunks, over the dataset, for all its robots alike.

    A position or angle that never moves more than 0.1 (m or rad) gets that range around its middle, so that noise in it
    is not blown up.
    """
    chunks = data.frames["chunks"]
    grippers = [layout.gripper for layout in Layout(load_profile(robots[0])).arms]
    least = np.where(np.isin(np.arange(DOF), grippers), 0.0, 0.1)[task.slots]
    head = model.action_preprocessor
    for values, statistics in (
        (task.states(data.frames), head.normalizer_propri),
        (chunks.reshape(-1, chunks.shape[-1]), head.normalizer_action),
    ):
        known = from_values(values, least=least, dof_mask=np.ones(len(least), bool)).placed(DOF, task.slots)
        for robot in robots:
            known.store(statistics, load_profile(robot).trained_as)


def train(
    recipe: Recipe,
    output: Path,
    data_folder: Path,
    minutes: float | None = None,
    resume: bool = False,
    workers: int = 0,
) -> Path:
    """Trains by the recipe and writes a checkpoint that ``Policy.from_pretrained`` loads.

    Args:
        recipe: what to train.
        output: folder for the checkpoint; the run's saves and log are in its subfolder ``run``.
        data_folder: where the demonstrations are, or go.
        minutes: stop (and export) after about this long; otherwise at the recipe's end.
        resume: go on from the last save in ``output/run``.
        workers: processes that make data; 0 for one a core.
    """
    output, run = Path(output), Path(output) / "run"
    task = recipe_task(recipe)
    data = make_data(recipe, data_folder, workers)
    torch.manual_seed(recipe.seed)
    tokenizer = make_tokenizer(recipe, data, task, run)
    model = WallOSS(make_config(recipe, task, tokenizer))
    if recipe.start is not None:
        start_from(model, tokenizer, recipe.start)
    set_statistics(model, data, task, recipe.robots)
    pretrain_vision(model, data, task, recipe, run)
    batches = Batches(data, task, tokenizer, model, load_profile(recipe.robots[0]).trained_as, recipe.seed)
    trainer = Trainer(model, batches, recipe, run, resume and (run / "progress.json").exists())
    deadline = time.monotonic() + 60 * minutes if minutes else math.inf
    practice: list[FrameSet] = []
    end = 0
    for number, stage in enumerate(recipe.stages):
        end += stage.steps
        if stage.dagger_episodes and time.monotonic() < deadline:
            export(model, tokenizer, recipe, trainer, output)
            seed = recipe.data.seed + number
            folder = practise(output, run / f"practice-{number}", stage.dagger_episodes, seed, recipe.robots, workers)
            practice.append(FrameSet.open(folder, task.frame))
            trainer.learn_from(practice)
        if trainer.step < end:
            trainer.run(end, deadline)
    export(model, tokenizer, recipe, trainer, output)
    return output


def export(model: WallOSS, tokenizer: Tokenizer, recipe: Recipe, trainer: Trainer, output: Path) -> None:
    """Writes weights, config, tokenizer, recipe, log and curves."""
    model.save_pretrained(output)
    tokenizer.save(str(output / "tokenizer.json"))
    (output / "training.json").write_text(
        json.dumps(
            {
                "recipe": recipe.model_dump(),
                "steps": trainer.step,
                "minutes": round(trainer.seconds / 60, 1),
                "parameters": sum(p.numel() for p in model.parameters()),
                "frames": len(trainer.batches.data),
            },
            indent=1,
        )
    )
    shutil.copy(trainer.folder / "log.csv", output / "log.csv")
    draw_curves(output / "log.csv", output / "curves.png")
