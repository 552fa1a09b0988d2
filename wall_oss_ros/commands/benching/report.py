# SPDX-License-Identifier: Apache-2.0
"""The file that a run of benchmarks leaves: written whole, and read as what anybody may have put there."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wall_oss_ros.commands.benching.checkout import ROOT, commit
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json
from wall_oss_ros.paths import natural
from wall_oss_ros.policy.machine import cores, processor
from wall_oss_ros.robots.checked import checked, explain

HINT = "Give a file that wall-oss bench has written."
Word = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Figure(BaseModel):
    """A median with its interval, which few runs do not have; see benchmarks/result_form.py."""

    model_config = ConfigDict(extra="forbid")

    median: Number
    low: Number | None
    high: Number | None
    n: Annotated[int, Field(ge=1)]
    unit: Word
    better: Literal["less", "more"]

    @model_validator(mode="after")
    def _in_order(self) -> Figure:
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high go together")
        if self.low is not None and self.high is not None and not self.low <= self.median <= self.high:
            raise ValueError(f"{self.median:g} is not between {self.low:g} and {self.high:g}")
        return self


class Outcome(BaseModel):
    """What came of one benchmark: figures, or why there are none."""

    model_config = ConfigDict(extra="forbid")

    figures: dict[Word, Figure] = {}
    why: str = ""
    seconds: Number = 0.0


class Machine(BaseModel):
    """What it ran on."""

    model_config = ConfigDict(extra="forbid")

    processor: Word
    cores: Annotated[int, Field(ge=1)]
    system: Word
    python: Word
    torch: Word
    load: Number

    def differences(self, other: Machine) -> list[str]:
        """In what another one is another, in words."""
        names = ("processor", "cores", "system", "python", "torch")
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in names)
        return [f"{name} {theirs}, now {own}" for name, own, theirs in pairs if own != theirs]


class Report(BaseModel):
    """One run.

    Attributes:
        quick: whether each benchmark ran fewer times.
        commit: of the code; None where that is unknown.
    """

    model_config = ConfigDict(extra="forbid")

    date: datetime
    machine: Machine
    quick: bool
    commit: str | None
    benchmarks: dict[Word, Outcome]


def this_machine() -> Machine:
    """The one that this runs on."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "none"
    return Machine(
        processor=processor()[:200], cores=cores(), system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(), torch=torch, load=round(os.getloadavg()[0], 1),
    )  # fmt: skip


def this_code(root: Path = ROOT) -> str | None:
    """The commit; None where there is no git."""
    try:
        return commit(root)
    except WallOSSError:
        return None


def write(report: Report, file: Path) -> None:
    """Nobody meets half of it."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(report.model_dump(mode="json"), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(part, file)


def read(file: Path) -> Report:
    """A run's file.

    Raises:
        WallOSSError: it is none.
    """
    if not file.is_file():
        raise WallOSSError(f"{file} is no file.", HINT)
    try:
        return checked(Report, read_json(file, HINT))
    except ValidationError as error:
        problems = "; ".join(explain(one) for one in error.errors()[:3])
        raise WallOSSError(f"{file} is no file of benchmarks: {problems}.", HINT) from None


def last(folder: Path, names: Iterable[str]) -> tuple[Path, Report] | None:
    """The newest run in a folder that has a figure of one of these benchmarks; what cannot be read is passed over."""
    names = set(names)
    for file in sorted(folder.glob("*.json"), key=natural, reverse=True):
        try:
            report = read(file)
        except WallOSSError:
            continue
        if any(name in names and outcome.figures for name, outcome in report.benchmarks.items()):
            return file, report
    return None
