# SPDX-License-Identifier: Apache-2.0
"""From a recipe and a dataset to a checkpoint: tokenizer, statistics, training, export."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.data.mixture import Mixture
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.model.arguments import as_device
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.checkpoints import model_directory
from wall_oss_ros.policy.fast_actions import FOLDER
from wall_oss_ros.policy.tokens import PROMPT_TOKENS, read_tokenizer
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.card import write_card
from wall_oss_ros.training.compiling import compile_layers
from wall_oss_ros.training.curves import draw_curves
from wall_oss_ros.training.events import require_tensorboard
from wall_oss_ros.training.fast_head import fast_words, head_of, require_sayable
from wall_oss_ros.training.fine_tuning import adapt, mixture_model, write_robots
from wall_oss_ros.training.lora import merge_lora, save_adapter
from wall_oss_ros.training.open_loop import open_loop
from wall_oss_ros.training.recipe import Recipe
from wall_oss_ros.training.record import record
from wall_oss_ros.training.sources import MixedBatches, statistics
from wall_oss_ros.training.start import start_from
from wall_oss_ros.training.tokenizer import train_tokenizer
from wall_oss_ros.training.trainer import Trainer
from wall_oss_ros.training.vision import pretrain_vision

if TYPE_CHECKING:
    from wall_oss_ros.training.distributed import Processes

TOKENIZER_SAMPLES = 6000
_BESIDE = ("*.json", "*.txt", "*.jinja", "*.model")
_NOT_BESIDE = ("config.json", "tokenizer.json", "norm_stats.json", "training.json", "progress.json")


def make_tokenizer(recipe: Recipe, data: Dataset | Mixture, run: Path) -> Tokenizer:
    """A tokenizer for everything that is said about this data, or the one of the checkpoint that is fine-tuned; the
    run's own where it has one.

    A run keeps its tokenizer: other data would give other numbers to the same words.
    """
    file = run / "tokenizer.json"
    if file.exists():
        return Tokenizer.from_file(str(file))
    if recipe.fine_tunes:
        tokenizer = read_tokenizer(model_directory(recipe.start))
    else:
        tokenizer = train_tokenizer(_texts(recipe, data), recipe.vocab_size)
    run.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(file))
    return tokenizer


def _texts(recipe: Recipe, data: Dataset | Mixture) -> list[str]:
    rng = np.random.default_rng(recipe.seed)
    datas = [source.data for source in data.sources] if isinstance(data, Mixture) else [data]
    texts = []
    for one in datas:
        for index in rng.integers(len(one), size=TOKENIZER_SAMPLES // len(datas)):
            texts += [text.replace(prompts.ASSISTANT, "") for text in one.texts(rng, index)]
    return texts


def make_config(recipe: Recipe, data: Dataset, tokenizer: Tokenizer) -> WallOSSConfig:
    """The recipe's sizes with this tokenizer's ids, and the data's views and words."""
    names = {key: token for token, key in PROMPT_TOKENS.items() if key}
    names |= {"video_token_id": "<|video_pad|>", "pad_token_id": "<|endoftext|>", "bos_token_id": "<|im_start|>"}
    return WallOSSConfig.from_dict(
        {
            **recipe.model,
            **{key: tokenizer.token_to_id(token) for key, token in names.items()},
            "vocab_size": tokenizer.get_vocab_size(),
            "views": list(data.views),
            "known_words": data.vocabulary(),
            "known_sentences": data.sentences(),
        }
    )


def make_model(recipe: Recipe, data: Dataset | Mixture, tokenizer: Tokenizer) -> WallOSS:
    """The network that the recipe trains: with fresh weights, or with those of the checkpoint that it starts from."""
    if isinstance(data, Mixture):
        return mixture_model(recipe, data, tokenizer, make_config)
    said = recipe.model_copy(update={"model": {**recipe.model, **head_of(recipe, {})}})
    model = WallOSS(make_config(said, data, tokenizer))
    if recipe.start is not None:
        start_from(model, tokenizer, recipe.start)
    return model


def set_statistics(model: WallOSS, data: Dataset | Mixture, processes: Processes | None = None) -> None:
    """Stores the data's statistics of states and actions under the names of all its robots."""
    head = model.action_preprocessor
    if isinstance(data, Mixture):
        found = statistics(data) if processes is None else processes.from_leader(lambda: statistics(data))
    else:
        found = dict.fromkeys(data.robots, data.statistics())
    for robot, known in found.items():
        for one, table in zip(known, (head.normalizer_propri, head.normalizer_action)):
            one.store(table, robot)


class DaggerCollector(Protocol):
    """Collects samples where the model's own mistakes lead, labelled by an expert (DAgger, arXiv 1011.0686)."""

    def __call__(self, model: Path, folder: Path, episodes: int, stage: int) -> Dataset:
        """What the checkpoint ``model`` meets in these episodes, kept in ``folder``; each stage meets other scenes."""


class Prepared(NamedTuple):
    """A run before its first step."""

    model: WallOSS
    tokenizer: Tokenizer
    trainer: Trainer


def prepare(
    recipe: Recipe,
    data: Dataset | Mixture,
    run: Path,
    resume: bool = False,
    device: torch.device | str = "cpu",
    processes: Processes | None = None,
) -> Prepared:
    """All that a run needs, in its folder."""
    torch.manual_seed(recipe.seed)
    with nullcontext() if processes is None else processes.in_turn():
        tokenizer = make_tokenizer(recipe, data, run)
        words = fast_words(recipe, data, tokenizer, run)
    model = make_model(recipe, data, tokenizer)
    set_statistics(model, data, processes)
    only = None if recipe.lora is None else adapt(model, recipe)
    if processes is None:
        model.to(device)
    if recipe.compile:
        compile_layers(model)
    batches: Batches | MixedBatches
    with nullcontext() if processes is None else processes.in_turn():
        before = pretrain_vision(model, data, recipe, run)
    if isinstance(data, Mixture):
        batches = MixedBatches(data, tokenizer, model, recipe.seed, words, recipe.augments)
        if words is not None:
            require_sayable(batches.of_robots, model)
    else:
        batches = Batches(data, tokenizer, model, recipe.seed, words=words, augment=recipe.augment)
        if words is not None:
            require_sayable([batches], model)
    if processes is None:
        trainer = Trainer(model, batches, recipe, run, resume, only)
    else:
        from wall_oss_ros.training.sharded import ShardedTrainer  # PyTorch's distributed parts, for this case alone

        trainer = ShardedTrainer(processes, model, batches, recipe, run, resume, only)
    if not resume:
        trainer.seconds += before
    return Prepared(model, tokenizer, trainer)


def train(
    recipe: Recipe,
    output: Path,
    data: Dataset | Mixture,
    dagger: DaggerCollector | None = None,
    minutes: float | None = None,
    resume: bool = False,
    device: str = "cpu",
    processes: Processes | None = None,
    tensorboard: bool = False,
) -> Path:
    """Trains by the recipe and writes a checkpoint that ``Policy.from_pretrained`` loads.

    Args:
        recipe: what to train.
        output: folder for the checkpoint; the run's saves and log are in its subfolder ``run``.
        data: what to learn from; a mixture of recordings, or one dataset.
        dagger: collects more while training; needed where a stage has ``dagger_episodes``.
        minutes: stop (and export) after about this long; otherwise at the recipe's end.
        resume: go on from the last save in ``output/run``.
        device: that computes.
        processes: this one among several; they have devices of their own.
        tensorboard: whether curves are shown by TensorBoard's files, too, in ``output/tensorboard``.

    Raises:
        WallOSSError: the recipe wants DAgger and nothing collects for it, or tensorboard is not installed.
    """
    if tensorboard:
        require_tensorboard()
    device = as_device(device) if processes is None else processes.device  # before hours are spent
    if dagger is None and any(stage.dagger_episodes for stage in recipe.stages):
        raise WallOSSError(
            f"The recipe {recipe.name} wants DAgger, for which the model has to act: these data have no simulator.",
            "Leave out dagger_episodes and dagger_share.",
        )
    output, run = Path(output), Path(output) / "run"
    resume = resume and (run / "progress.json").exists()
    _, tokenizer, trainer = prepare(recipe, data, run, resume, device, processes)
    if tensorboard:
        trainer.show(output / "tensorboard")
    deadline = time.monotonic() + 60 * minutes if minutes else math.inf
    collected: list[Dataset] = []
    end = 0
    for number, stage in enumerate(recipe.stages):
        end += stage.steps
        if stage.dagger_episodes and time.monotonic() < deadline:
            with trainer.whole() as kept:
                export(kept, tokenizer, recipe, trainer, output, collected)
            collected.append(dagger(output, run / f"dagger-{number}", stage.dagger_episodes, number))
            trainer.learn_from(collected)
        if trainer.step < end:
            trainer.run(end, deadline)
    with trainer.whole() as kept:
        if kept is None:
            return output
        if isinstance(data, Mixture) and recipe.open_loop_episodes:
            words = trainer.batches.words
            report = open_loop(kept, tokenizer, data, recipe.open_loop_episodes, output / "open_loop", words=words)
            print(report, flush=True)
        export(kept, tokenizer, recipe, trainer, output, collected)
    return output


def export(
    model: WallOSS,
    tokenizer: Tokenizer,
    recipe: Recipe,
    trainer: Trainer,
    output: Path,
    collected: Sequence[Dataset] = (),
) -> None:
    """Writes weights, config, tokenizer, recipe, log, curves and model card; of recordings profiles and mappings, too.

    Args:
        model: see :meth:`Trainer.whole`.
        collected: by DAgger, round by round.

    Adapters are written to ``adapter`` in peft's format, and then merged into the weights: nothing can be trained
    afterwards.
    """
    if recipe.lora is not None:
        save_adapter(model, output / "adapter")
        merge_lora(model)
    model.save_pretrained(output)
    tokenizer.save(str(output / "tokenizer.json"))
    if (trainer.folder / FOLDER).is_dir():
        shutil.copytree(trainer.folder / FOLDER, output / FOLDER, dirs_exist_ok=True)
    if recipe.fine_tunes:
        _copy_beside(model_directory(recipe.start), output)
    if isinstance(trainer.batches, MixedBatches):
        write_robots(trainer.batches.mixture, output)
    frames = len(trainer.batches if isinstance(trainer.batches, MixedBatches) else trainer.batches.data)
    found = record(
        recipe, trainer.step, trainer.seconds, sum(p.numel() for p in model.parameters()), frames,
        [len(one) for one in collected], str(trainer.device), trainer.process_count,
    )  # fmt: skip
    (output / "training.json").write_text(json.dumps(found, indent=1))
    for name in ("log.csv", "log.jsonl"):
        shutil.copy(trainer.folder / name, output / name)
    draw_curves(output / "log.csv", output / "curves.png")
    write_card(output)


def _copy_beside(start: Path, output: Path) -> None:
    """Copies what a checkpoint has beside weights, config and tokenizer, such as its processor's settings."""
    for file in sorted({file for pattern in _BESIDE for file in start.glob(pattern)}):
        statistics = file.name in _NOT_BESIDE or file.name.startswith("policy_") or file.name.endswith(".index.json")
        if not statistics and not (output / file.name).exists():
            shutil.copy(file, output / file.name)
