# SPDX-License-Identifier: Apache-2.0
"""What a recipe learns from, as its YAML has it: demonstrations in simulation, recordings, questions about pictures."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from wall_oss_ros.training.augmentation import Augment


class Strict(BaseModel):
    """Fields that are all known, and do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Strict):
    """Scripted demonstrations in simulation."""

    episodes: int = Field(gt=0, description="demonstrated episodes, with disturbances")
    keep_every: int = Field(default=2, gt=0, description="keep each n-th frame of an episode")
    posed_frames: int = Field(ge=0, description="frames of randomly posed hands and cubes, without physics")
    held_out: int = Field(default=512, gt=0, description="frames kept for validation")
    seed: int = Field(default=0, ge=0, lt=1 << 62)


class Recorded(Strict):
    """Recordings of a robot: a LeRobot dataset, read by a mapping.

    Paths are looked for beside the recipe first, then in the working folder.
    """

    source: str = Field(min_length=1, description="folder of a LeRobot dataset, or owner/name on the hub")
    mapping: str = Field(min_length=1, description="a mapping's name in config/mappings, or its file")
    robot: str = Field(min_length=1, description="a profile's name, or its file")
    name: str | None = Field(default=None, description="in logs; the end of source when left out")
    weight: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="share of the samples beside the others'; if none has any: frames",
    )
    episodes: tuple[int, ...] | None = Field(default=None, description="indices of those that are used; else all")
    held_out: float | tuple[int, ...] = Field(
        default=0.05, description="share of the episodes that is kept for validation, or their indices"
    )
    failed: bool = Field(default=False, description="whether episodes that say that they failed are used")
    statistics: Literal["min_max", "quantiles", "mean_std"] = Field(
        default="min_max", description="what numbers are normalised by; quantiles leave out 1 % at each end"
    )
    least_range: float = Field(
        default=0.01, ge=0, allow_inf_nan=False, description="m or rad that an entry which moved less is normalised by"
    )
    stored_as: str | None = Field(
        default=None, description="name of the statistics in the checkpoint; the profile's when left out"
    )
    augment: Augment | None = Field(
        default=None, description="how its training pictures are changed, instead of as the recipe says; {} not at all"
    )


class Questions(Strict):
    """Questions about pictures: conversations in LLaVA's or Qwen's form, beside a folder of pictures.

    Paths are looked for beside the recipe first, then in the working folder.
    """

    file: str = Field(min_length=1, description="JSON or JSON lines, one conversation each")
    images: str | None = Field(default=None, description="folder of the pictures; that of the file when left out")
    coordinates: Literal["pixels", "0 to 1", "0 to 1000"] | None = Field(
        default=None, description="what its points and boxes are in; a file that has some is refused without"
    )
    name: str | None = Field(default=None, description="in logs; the file's when left out")
    weight: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="share of the samples beside the datasets'; if none has any: conversations",
    )
    held_out: float = Field(
        default=0.05, ge=0, lt=1, description="share of the pictures that is kept for validation, with all said of them"
    )
    bad_lines: Literal["refuse", "skip"] = Field(
        default="refuse", description="what is done about lines that cannot be used; the first are named in either case"
    )
    augment: Augment | None = Field(
        default=None, description="how its training pictures are changed, instead of as the recipe says; {} not at all"
    )
