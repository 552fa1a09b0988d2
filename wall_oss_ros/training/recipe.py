# SPDX-License-Identifier: Apache-2.0
"""A training recipe: everything that decides a checkpoint, as data (config/training/*.yaml)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path, is_there
from wall_oss_ros.robots.checked import checked, explain

_log = logging.getLogger(__name__)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Strict):
    """Scripted demonstrations in simulation."""

    episodes: int = Field(gt=0, description="demonstrated episodes, with disturbances")
    keep_every: int = Field(default=2, gt=0, description="keep each n-th frame of an episode")
    posed_frames: int = Field(ge=0, description="frames of randomly posed hands and cubes, without physics")
    held_out: int = Field(default=512, gt=0, description="frames kept for validation")
    seed: int = Field(default=0, ge=0, lt=1 << 62)


class Stage(_Strict):
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
    batch: int = Field(gt=0)
    language_branches: int = Field(ge=0, description="language samples for each observation")
    kinds: dict[str, float] | None = Field(default=None, description="shares of kinds of language, else the task's")
    acting_branches: int = Field(ge=0, description="instructions for each observation")
    draws: int = Field(default=2, gt=0, description="noise draws for each acting branch")
    dagger_episodes: int = Field(
        default=0, ge=0, description="instructions that the model follows first, to learn from"
    )
    dagger_share: float = Field(default=0.0, ge=0, le=1, description="of samples from this and earlier DAgger episodes")
    language_weight: float = Field(default=1.0, ge=0)
    flow_weight: float = Field(default=1.0, ge=0)

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


class Vision(_Strict):
    """Pretraining of a fresh vision tower, see ``training/vision.py``."""

    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    learning_rate: float = Field(gt=0)


class Recipe(_Strict):
    name: str
    seed: int = Field(ge=0, lt=1 << 62)
    robots: tuple[str, ...] = Field(
        default=("franka",), min_length=1, description="profiles; they share data and statistics"
    )
    vocab_size: int = Field(gt=300)
    data: Data
    model: dict[str, Any]
    start: str | None = Field(
        default=None, description="checkpoint to take weights from; a path, or one of the project's"
    )
    vision: Vision | None = Field(default=None, description="none where the tower is pretrained already")
    stages: list[Stage] = Field(min_length=1)
    weight_decay: float = 0.01
    clip: float = 1.0
    validate_every: int = 100
    save_every: int = 100


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
        return checked(Recipe, content)
    except ValidationError as error:
        problems = "; ".join(explain(one, text) for one in error.errors())
        raise WallOSSError(f"The recipe {path} is not valid: {problems}.", "Correct these fields.") from error
