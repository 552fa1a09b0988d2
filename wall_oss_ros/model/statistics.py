# SPDX-License-Identifier: Apache-2.0
"""What a robot's numbers are normalised by.

Statistics are kept with the weights, as ``normalizer_action.min.franka`` and so on. Other code bases write them to
files beside the weights, which are read where the weights have none:

- ``norm_stats.json`` of the public WALL-OSS code: 1 % and 99 % quantiles, which it uses as least and greatest value.
- ``policy_preprocessor.json`` and a safetensors file of LeRobot: tensors such as ``observation.state.mean``, and a map
  that says which of them normalise states and which actions. Its port of WALL-OSS uses mean and standard deviation.

These files name neither a robot nor the order of the numbers: they are taken in the order of the checkpoint's
dof_config, and must be checked against the robot's profile.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.weights import read_file

KINDS = {"min_max": ("min", "delta"), "mean_std": ("mean", "std")}
"""The two vectors of each kind. Released WALL-OSS checkpoints have ranges; LeRobot's port has mean and deviation."""

STATES, ACTIONS = ("observation.state", "state"), ("action", "actions")
LEROBOT_MODES = {  # normalisation mode: kind, names of the two tensors, and whether the second is a greatest value
    "MEAN_STD": ("mean_std", "mean", "std", False),
    "MIN_MAX": ("min_max", "min", "max", True),
    "QUANTILES": ("min_max", "q01", "q99", True),
    "QUANTILE10": ("min_max", "q10", "q90", True),
}


class RobotTensors(nn.Module):
    """One float32 vector for each robot, saved with the weights under the robot's name."""

    def __setitem__(self, robot: str, value: Tensor) -> None:
        if not robot or "." in robot or (robot not in self._buffers and hasattr(self, robot)):
            raise WallOSSError(
                f"{robot!r} cannot name a robot in a checkpoint.", "Use letters, digits and underscores."
            )
        self.register_buffer(robot, value.detach().float().clone())

    def __getitem__(self, robot: str) -> Tensor:
        return self._buffers[robot]

    def remove(self, robot: str) -> None:
        """Forgets a robot, if it is known."""
        self._buffers.pop(robot, None)

    def names(self) -> list[str]:
        return sorted(self._buffers)


class Statistics(nn.Module):
    """Statistics of states or actions, for each robot that the checkpoint knows: one kind of :data:`KINDS` each."""

    def __init__(self) -> None:
        super().__init__()
        self.min, self.delta = RobotTensors(), RobotTensors()
        self.mean, self.std = RobotTensors(), RobotTensors()

    def set(self, robot: str, first: Tensor, second: Tensor, kind: str = "min_max") -> None:
        """Replaces what is known of a robot.

        Args:
            first, second: (A,) in physical units; min and delta, or mean and std. The second is 0 where a degree of
                freedom never moved.
            kind: of :data:`KINDS`.

        Raises:
            WallOSSError: they are not two finite vectors of one length, or one of the second is negative.
        """
        names = KINDS[kind]
        if first.shape != second.shape or first.ndim != 1:
            raise WallOSSError(
                f"Statistics of {robot}: {names[0]} {tuple(first.shape)} and {names[1]} {tuple(second.shape)} must be "
                "two vectors of one length.",
                "Compute both over the same dataset.",
            )
        if not (torch.isfinite(first).all() and torch.isfinite(second).all() and (second >= 0).all()):
            raise WallOSSError(
                f"Statistics of {robot}: {names[0]} and {names[1]} must be finite, and {names[1]} not negative.",
                "Compute them over the dataset again.",
            )
        for table in (self.min, self.delta, self.mean, self.std):
            table.remove(robot)
        for name, values in zip(names, (first, second)):
            getattr(self, name)[robot] = values

    def names(self) -> list[str]:
        """The robots that are known."""
        return sorted({*self.min.names(), *self.mean.names()})

    def kind(self, robot: str) -> str:
        """Which of :data:`KINDS` the robot has.

        Raises:
            WallOSSError: the checkpoint has none for this robot; the message lists those it has.
        """
        for kind, (first, _) in KINDS.items():
            if robot in getattr(self, first).names():
                return kind
        known = ", ".join(self.names()) or "none"
        raise WallOSSError(
            f"This checkpoint has no statistics for the robot {robot!r}; it has: {known}.",
            "Name one of these, or fine-tune on this robot's data first.",
        )

    def get(self, robot: str) -> tuple[Tensor, Tensor]:
        """The two vectors (A,) of the robot's kind.

        Raises:
            WallOSSError: the checkpoint has none for this robot.
        """
        first, second = KINDS[self.kind(robot)]
        return getattr(self, first)[robot], getattr(self, second)[robot]


class Found(NamedTuple):
    """Statistics of states or actions, as :meth:`Statistics.set` takes them."""

    first: Tensor
    second: Tensor
    kind: str

    def padded(self, size: int) -> Found:
        """With entries that do not vary at the end, up to ``size``.

        Raises:
            WallOSSError: there are more already.
        """
        spare = size - len(self.first)
        if spare < 0:
            raise WallOSSError(
                f"Statistics beside the weights have {len(self.first)} numbers, the checkpoint takes {size}.",
                "Use the files that were saved with these weights.",
            )
        return Found(F.pad(self.first, (0, spare)), F.pad(self.second, (0, spare)), self.kind)


def find_statistics(folder: Path) -> tuple[str, Found, Found] | None:
    """Where they come from (``norm_stats`` or ``lerobot``), those of states, those of actions; None without a file.

    Raises:
        WallOSSError: there is a file, but it cannot be used.
    """
    for file, source, read in (
        ("norm_stats.json", "norm_stats", _norm_stats),
        ("policy_preprocessor.json", "lerobot", _lerobot),
    ):
        if (folder / file).exists():
            try:
                states, actions = read(json.loads((folder / file).read_text(encoding="utf-8")), folder)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise WallOSSError(
                    f"{folder / file} holds no statistics that can be used: {error!r}.",
                    "Fetch the checkpoint again, or leave the file out if the weights have their own statistics.",
                ) from None
            return source, states, actions
    return None


def _one_of(table: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if name in table:
            return table[name]
    raise KeyError(" or ".join(names))


def _norm_stats(content: dict, _folder: Path) -> tuple[Found, Found]:
    table = content["norm_stats"]
    states, actions = (_one_of(table, names) for names in (STATES, ACTIONS))
    return _between(states["q01"], states["q99"]), _between(actions["q01"], actions["q99"])


def _between(low, high) -> Found:
    low, high = (torch.as_tensor(values, dtype=torch.float32).flatten() for values in (low, high))
    return Found(low, high - low, "min_max")


def _lerobot(content: dict, folder: Path) -> tuple[Found, Found]:
    steps = [step for step in content["steps"] if step.get("registry_name") == "normalizer_processor"]
    if len(steps) != 1:
        raise KeyError(f"one normalizer_processor expected, {len(steps)} found")
    modes = {str(kind).upper(): str(mode).upper() for kind, mode in steps[0]["config"]["norm_map"].items()}
    tensors = read_file(folder / Path(steps[0]["state_file"]).name)
    found = []
    for kind, names in (("STATE", STATES), ("ACTION", ACTIONS)):
        how, first, second, greatest = LEROBOT_MODES[modes[kind]]
        low, high = (_one_of(tensors, tuple(f"{name}.{part}" for name in names)).flatten() for part in (first, second))
        found.append(_between(low, high) if greatest else Found(low.float(), high.float(), how))
    return found[0], found[1]
