# SPDX-License-Identifier: Apache-2.0
"""A training recipe: everything that decides a checkpoint, as data (config/training/*.yaml)."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path, is_there
from wall_oss_ros.robots.checked import checked, explain
from wall_oss_ros.training.augmentation import Augment
from wall_oss_ros.training.recipe_sources import Data, Questions, Recorded, Strict

_log = logging.getLogger(__name__)


class Fast(Strict):
    """FAST action tokens (arXiv 2501.09747), for stages with ``fast_branches``; see docs/fast.md."""

    tokenizer: str | None = Field(
        default=None,
        description="folder of a FAST tokenizer, or owner/name on the hub; else that of start, which is fine-tuned, or "
        "one that is made of the data's chunks",
    )
    vocab_size: int = Field(default=1024, ge=256, description="of one that is made")
    scale: float = Field(
        default=10.0, gt=0, allow_inf_nan=False, description="of one that is made; more is exacter, with more tokens"
    )


class Lora(Strict):
    """Low-rank adapters (arXiv 2106.09685), in peft's format; all else is frozen, but for ``also_train``."""

    rank: int = Field(default=8, gt=0)
    alpha: float = Field(default=32.0, gt=0, allow_inf_nan=False, description="updates are scaled by alpha / rank")
    dropout: float = Field(default=0.1, ge=0, lt=1)
    targets: str | None = Field(
        default=None,
        description="regular expression of the adapted modules; else the decoder's matrices",
    )
    also_train: tuple[str, ...] = Field(
        default=("action_preprocessor",), description="modules that are trained in full"
    )


class Stage(Strict):
    """One stage of training.

    ``trains`` names the parameters: all, language (no action expert), or action_expert; of these, the vision tower
    learns at ``vision_rate`` times the learning rate.
    """

    name: str
    steps: int = Field(gt=0)
    trains: Literal["all", "language", "action_expert"]
    learning_rate: float = Field(gt=0)
    vision_rate: float = Field(default=0.0, ge=0, le=1, description="0 leaves the vision tower as it is")
    warmup: int = Field(default=50, ge=0)
    decay: int = Field(default=0, ge=0, description="last steps, over which the learning rate falls to a tenth")
    schedule: Literal["linear", "cosine"] = Field(
        default="linear", description="how it falls; a cosine without decay falls from the end of the warm-up on"
    )
    batch: int = Field(gt=0)
    accumulate: int = Field(
        default=1,
        gt=0,
        description="parts that a batch is computed in, one by one: less memory, the same step",
    )
    language_branches: int = Field(ge=0, description="language samples for each observation")
    kinds: dict[str, float] | None = Field(default=None, description="shares of kinds of language, else the task's")
    acting_branches: int = Field(ge=0, description="instructions for each observation")
    paths: dict[Literal["subtask", "instruction", "spoken", "thought"], Annotated[float, Field(ge=0)]] | None = Field(
        default=None,
        description="shares of the ways from instruction to motion: the subtask is given in its place; it is left out; "
        "the model says it first; it says a thought and the subtask first. By default as task or mapping have it",
    )
    draws: int = Field(default=2, gt=0, description="noise draws for each acting branch")
    fast_branches: int = Field(
        default=0, ge=0, description="instructions for each observation whose motion is to be said in FAST tokens"
    )
    dagger_episodes: int = Field(
        default=0, ge=0, description="instructions that the model follows first, to learn from"
    )
    dagger_share: float = Field(default=0.0, ge=0, le=1, description="of samples from this and earlier DAgger episodes")
    language_weight: float = Field(default=1.0, ge=0)
    fast_weight: float = Field(default=1.0, ge=0)
    flow_weight: float = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _require_a_path(self) -> Stage:
        if self.paths is not None and not 0 < sum(self.paths.values()) < math.inf:
            raise ValueError("paths are shares, one of them above 0")
        return self

    @model_validator(mode="before")
    @classmethod
    def _accept_old_names(cls, values: Any) -> Any:
        """Takes ``practice`` and ``practice_share``, as DAgger's keys were called before."""
        if isinstance(values, dict):
            for old, new in (("practice", "dagger_episodes"), ("practice_share", "dagger_share")):
                if old in values and new not in values:
                    _log.warning("The recipe's key %s is now called %s; rename it.", old, new)
                    values = {new if key == old else key: value for key, value in values.items()}
        return values


class Vision(Strict):
    """Pretraining of a fresh vision tower, see ``training/vision.py``."""

    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    learning_rate: float = Field(gt=0)


class Recipe(Strict):
    name: str
    seed: int = Field(ge=0, lt=1 << 62)
    robots: tuple[str, ...] = Field(
        default=("franka",), min_length=1, description="profiles of simulated robots; they share data and statistics"
    )
    vocab_size: int | None = Field(
        default=None, gt=300, description="of a tokenizer made for the data; needed unless a checkpoint is fine-tuned"
    )
    data: Data | None = Field(default=None, description="demonstrations in simulation, or else datasets")
    datasets: tuple[Recorded, ...] = Field(default=(), description="recordings, drawn by weight; or else data")
    questions: tuple[Questions, ...] = Field(
        default=(), description="questions about pictures, drawn by weight beside datasets"
    )
    model: dict[str, Any] = Field(
        default_factory=dict,
        description="the network's sizes; without hidden_size, those of start, which is fine-tuned with its tokenizer, "
        "and what else is said here replaces what its config.json says",
    )
    start: str | None = Field(
        default=None,
        description="checkpoint to take weights from: a path, one of the project's, or owner/name on the hub",
    )
    augment: Augment | None = Field(
        default=None, description="how pictures are changed in training; not at all when left out"
    )
    fast: Fast = Field(default=Fast(), description="FAST action tokens, for stages that train them")
    lora: Lora | None = Field(default=None, description="train adapters instead of the whole network")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of matrix products; weights that are trained stay in float32"
    )
    compile: bool = Field(
        default=False,
        description="let torch.compile join what lies between matrix products: needs a C++ compiler and takes a minute "
        "or two to begin with",
    )
    checkpoint_activations: bool = Field(
        default=False,
        description="compute each layer again in the backward pass: less memory, more time",
    )
    ema: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="decay of a mean of the weights over steps, which is validated and kept",
    )
    vision: Vision | None = Field(default=None, description="none where the tower is pretrained already")
    stages: list[Stage] = Field(min_length=1)
    weight_decay: float = 0.01
    clip: float = 1.0
    validate_every: int = Field(default=100, gt=0)
    save_every: int = Field(default=100, gt=0)
    cache_gb: float = Field(
        default=8.0, ge=0, allow_inf_nan=False,
        description="disk in the run's folder for each dataset's decoded pictures; more than that is decoded each time",
    )  # fmt: skip
    subtask_frames: int = Field(
        default=32,
        ge=0,
        description="held-out frames of each dataset that are asked for their subtask at each validation",
    )
    open_loop_episodes: int = Field(
        default=4, ge=0, description="held-out episodes of each dataset that chunks are compared with at the end"
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self):
        if (self.data is None) == (not self.datasets):
            raise ValueError("give data (demonstrations in simulation) or datasets (recordings), one of both")
        if self.fine_tunes and self.start is None:
            raise ValueError("model has no hidden_size; give the network's sizes, or start: a checkpoint to fine-tune")
        if not self.fine_tunes and self.vocab_size is None:
            raise ValueError("vocab_size is missing; the network is new, and so is its tokenizer")
        if self.fine_tunes and self.vision is not None:
            raise ValueError("vision teaches a new tower to see; the tower of start can see already")
        if self.lora is not None and self.start is None:
            raise ValueError("lora adapts a trained network; name it in start")
        if self.questions and not self.datasets:
            raise ValueError("questions are drawn beside datasets, of which there is none")
        if self.questions and not any(stage.language_branches for stage in self.stages):
            raise ValueError("questions are asked by stages with language_branches, of which there is none")
        for stage in self.stages:
            if stage.fast_branches and stage.trains == "action_expert":
                raise ValueError(f"stage {stage.name} trains the action_expert; FAST tokens train the language head")
        if self.datasets and any(stage.dagger_episodes or stage.dagger_share for stage in self.stages):
            raise ValueError(
                "dagger_episodes and dagger_share need a simulator, in which the model acts; recordings have none"
            )
        return self

    @property
    def augments(self) -> tuple[Augment | None, ...]:
        """How training pictures are changed, for each of the datasets and then the questions."""
        return tuple(self.augment if one.augment is None else one.augment for one in (*self.datasets, *self.questions))

    @property
    def fine_tunes(self) -> bool:
        """Whether the checkpoint ``start`` is trained on, with its sizes and its tokenizer."""
        return "hidden_size" not in self.model


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A recipe by its name in config/training or by path.

    Raises:
        WallOSSError: there is none of that name, or it is not valid; the message names the field.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        folder = data_path("config/training")
        path = folder / f"{name_or_path}.yaml"
        if not is_there(path):
            known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
            raise WallOSSError(f'There is no recipe "{name_or_path}".', f"Known ones: {known}; or give a file's path.")
    text = strict_yaml.read_text(path, "The recipe")
    content = strict_yaml.load(text, f"The recipe {path}")
    try:
        recipe = checked(Recipe, content)
    except ValidationError as error:
        problems = "; ".join(explain(one, text) for one in error.errors())
        raise WallOSSError(f"The recipe {path} is not valid: {problems}.", "Correct these fields.") from error
    return _beside(recipe, path.parent)


def _beside(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the paths of what lies beside its file."""

    def found(name: str) -> str:
        file, colon, variant = (name, "", "") if (folder / name).exists() else name.partition(":")
        there = file and not Path(file).is_absolute() and ("/" in file or "." in file) and (folder / file).exists()
        return f"{(folder / file).resolve()}{colon}{variant}" if there else name

    def path(name: str) -> str:
        return str((folder / name).resolve()) if (folder / name).exists() else name

    fast = recipe.fast.model_copy(update={"tokenizer": recipe.fast.tokenizer and found(recipe.fast.tokenizer)})
    datasets = tuple(
        one.model_copy(update={key: found(getattr(one, key)) for key in ("source", "mapping", "robot")})
        for one in recipe.datasets
    )
    questions = tuple(
        one.model_copy(update={"file": path(one.file), "images": one.images and path(one.images)})
        for one in recipe.questions
    )
    changes = {
        "datasets": datasets,
        "questions": questions,
        "fast": fast,
        "start": recipe.start and found(recipe.start),
    }
    return recipe.model_copy(update=changes)
