# SPDX-License-Identifier: Apache-2.0
"""A recipe's recordings and questions about pictures: opened, checked, and drawn from by weight."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.data.mapping.spec import load_mapping
from wall_oss_ros.data.mixture import Mixture, Source
from wall_oss_ros.data.questions.source import PictureQuestions
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.action_vocabulary import ActionVocabulary
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.policy.robot_statistics import for_checkpoint
from wall_oss_ros.robots.policy_robot import load_embodiment
from wall_oss_ros.training.augmentation import Augment
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.losses import Batch
from wall_oss_ros.training.question_batches import QuestionBatches
from wall_oss_ros.training.recipe import Recipe, Stage
from wall_oss_ros.training.steps import held_out_step


class Part(NamedTuple):
    """What a step draws from one dataset, or some rows of that."""

    source: str
    batch: Batch
    number: int = 0  # of the dataset
    first: int = 0  # place of its first row among the step's of this dataset
    idle: bool = False  # it counts for nothing, and keeps a process in step with the others


class Drawn(NamedTuple):
    """Samples of one dataset that are to be packed."""

    number: int  # of the dataset
    indices: np.ndarray
    first: int = 0


class MixedBatches:
    """Batches of a mixture, each a function of (seed, step) alone. A step's samples are packed dataset by dataset, as
    views, robots and lengths of prompts differ; the trainer adds their losses up as if they were one batch.

    What is drawn is known before any of it is read, so that several processes can share it.

    Args:
        augment: how training pictures of each source are changed; not at all where there is none.
    """

    def __init__(
        self,
        mixture: Mixture,
        tokenizer: Tokenizer,
        model: WallOSS,
        seed: int,
        words: ActionVocabulary | None = None,
        augment: Sequence[Augment | None] = (),
    ):
        self.mixture, self._seed, self.words = mixture, seed, words
        self.of: list[Batches | QuestionBatches] = [
            QuestionBatches(source.data, tokenizer, model, (seed, 11, number), changed)
            if isinstance(source.data, PictureQuestions)
            else Batches(source.data, tokenizer, model, (seed, 11, number), by_row=True, words=words, augment=changed)
            for number, (source, changed) in enumerate(zip_longest(mixture.sources, augment))
        ]
        self.of_robots = [one for one in self.of if isinstance(one, Batches)]

    def __len__(self) -> int:
        return sum(len(source.data) for source in self.mixture.sources)

    def draw(self, stage: Stage, step: int) -> list[Part]:
        """What a step trains on."""
        return [self.pack(one, stage, step) for one in self.chosen(stage, step)]

    def chosen(self, stage: Stage, step: int) -> list[Drawn]:
        """The samples of a step. Questions about pictures are only in steps that ask something."""
        rng, silent = np.random.default_rng([self._seed, step]), not stage.language_branches
        return [Drawn(*one) for one in self.mixture.draw(rng, stage.batch, silent)]

    def pack(self, drawn: Drawn, stage: Stage, step: int) -> Part:
        """Reads them."""
        batch = self.of[drawn.number].draw(drawn.indices, stage, step, drawn.first)
        return Part(self.mixture.sources[drawn.number].name, batch, drawn.number, drawn.first)

    def held_out(self, stage: Stage, part: int) -> list[Part]:
        """Held-out samples of every dataset that has some, spread over their episodes; as ``part`` goes up, others."""
        return [self.pack(one, stage, held_out_step(part)) for one in self.chosen_held_out(stage, part)]

    def chosen_held_out(self, stage: Stage, part: int) -> list[Drawn]:
        """The samples of :meth:`held_out`."""
        found = []
        for number, source in enumerate(self.mixture.sources):
            data = source.data
            if isinstance(data, PictureQuestions) and not stage.language_branches:
                continue
            rng = np.random.default_rng([self._seed, 13, number, part])
            count = min(stage.batch, data.held_out)
            if count:
                chosen = len(data) - data.held_out + rng.choice(data.held_out, size=count, replace=False)
                found.append(Drawn(number, np.sort(chosen)))
        return found


def open_sources(recipe: Recipe, image_size: int | None, pictures: Path | None = None) -> Mixture:
    """The recipe's datasets and questions.

    Args:
        image_size: side of the views that the model takes; None for the released resizing.
        pictures: folder to keep decoded pictures in, as far as ``cache_gb`` reaches; None keeps none.

    Raises:
        WallOSSError: one cannot be read, mapping, dataset and profile do not fit together, or the robots cannot share a
            model.
    """
    sources: list[Source] = []
    for one in recipe.datasets:
        profile = load_embodiment(one.robot)
        mapping, file = load_mapping(one.mapping)
        if one.stored_as is not None:
            profile = profile.model_copy(update={"statistics": one.stored_as})
        data = RecordedDataset(
            open_dataset(one.source), mapping, file, profile, image_size, one.episodes, one.held_out, one.failed,
            one.statistics, one.least_range, recipe.seed,
        )  # fmt: skip
        name = _free(one.name or Path(one.source).name, sources)
        if pictures is not None:
            data.keep_pictures(pictures / name, recipe.cache_gb * 1e9)
        sources.append(Source(name, data, one.weight))
    _require_one_model([source.data for source in sources])
    for asked in recipe.questions:
        about = PictureQuestions(
            Path(asked.file), asked.images and Path(asked.images), asked.coordinates, image_size, asked.held_out,
            asked.bad_lines, recipe.seed,
        )  # fmt: skip
        sources.append(Source(_free(asked.name or Path(asked.file).stem, sources), about, asked.weight))
    return Mixture(sources)


def _free(name: str, sources: Sequence[Source]) -> str:
    return name if name not in [source.name for source in sources] else f"{name}_{len(sources)}"


def _require_one_model(datas: Sequence[RecordedDataset]) -> None:
    first = datas[0].profile
    for data in datas[1:]:
        profile = data.profile
        for what, a, b in (
            ("dof_config", list(first.dof_config.items()), list(profile.dof_config.items())),
            ("horizon", first.horizon, profile.horizon),
            ("rate_hz", first.rate_hz, profile.rate_hz),
        ):
            if a != b:
                raise WallOSSError(
                    f"The robots {first.name} and {profile.name} differ in {what}: {a} and {b}; one model has one.",
                    "Give their profiles the same: rates are resampled, and what a robot does not have is masked.",
                )


def statistics(mixture: Mixture) -> dict[str, tuple[Normalizer, Normalizer]]:
    """Of states and actions, by the name that a checkpoint stores them under; datasets of one name share theirs.

    Raises:
        WallOSSError: datasets of one name want different kinds.
    """
    groups: dict[str, list[RecordedDataset]] = {}
    for source in mixture.recordings:
        groups.setdefault(source.data.robots[0], []).append(source.data)
    found = {}
    for name, datas in groups.items():
        settings = {(data.kind, data.least_range) for data in datas}
        if len(settings) > 1:
            raise WallOSSError(
                f"Datasets that store their statistics as {name} want different ones: {sorted(settings)}.",
                "Give them the same statistics and least_range, or a name of their own by stored_as.",
            )
        states, actions = (for_checkpoint(one, datas[0].profile) for one in datas[0].statistics(datas[1:]))
        found[name] = states, actions
    return found
