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

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json
from wall_oss_ros.model.weights import read_file

KINDS = {"min_max": ("min", "delta"), "mean_std": ("mean", "std")}
"""The two vectors of each kind. Released WALL-OSS checkpoints have ranges; LeRobot's port has mean and deviation."""

STATISTICS_FILES = ("norm_stats.json", "policy_preprocessor.json")
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
        if kind not in KINDS:
            raise WallOSSError(f"Statistics of kind {kind!r} are unknown.", f"The kinds are {', '.join(KINDS)}.")
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

    def brief(self) -> str:
        """The kind, and as many numbers as a sentence has room for."""
        first, second = KINDS[self.kind]
        values = [", ".join(f"{value:.4g}" for value in part[:3].tolist()) for part in (self.first, self.second)]
        return f"says {first} {values[0]}, {second} {values[1]}, ... ({len(self.first)} numbers)"


def find_statistics(folder: Path) -> tuple[str, Found, Found] | None:
    """Where they come from (``norm_stats`` or ``lerobot``), those of states, those of actions; None without a file.

    Raises:
        WallOSSError: there is a file, but it cannot be used; or there are two that say different things.
    """
    found = {
        file: (source, *_read(folder / file, read))
        for file, source, read in zip(
            STATISTICS_FILES,
            ("norm_stats", "lerobot"),
            (_norm_stats, partial(_lerobot, step="normalizer_processor", kinds=_BOTH)),
        )
        if (folder / file).exists()
    }
    if len(found) == 2:
        (first, (_, *one)), (second, (_, *other)) = found.items()
        _same(folder, first, one, second, other)
    unnormaliser = "policy_postprocessor.json"
    if "policy_preprocessor.json" in found and (folder / unnormaliser).exists():
        read = partial(_lerobot, step="unnormalizer_processor", kinds=_BOTH[1:])
        actions = found["policy_preprocessor.json"][2:]
        _same(folder, "policy_preprocessor.json", actions, unnormaliser, _read(folder / unnormaliser, read))
    return next(iter(found.values()), None)


def _read(file: Path, read: Callable[[dict, Path], Sequence[Found]]) -> Sequence[Found]:
    hint = "Fetch the checkpoint again, or leave the file out if the weights have their own statistics."
    try:
        return read(read_json(file, hint), file)
    except (WallOSSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError) as error:
        why = str(error) if type(error) is ValueError else getattr(error, "message", repr(error)).rstrip(".")
        raise WallOSSError(f"{file} holds no statistics that can be used: {why}.", hint) from None


def _same(folder: Path, one: str, found: Sequence[Found], other: str, others: Sequence[Found]) -> None:
    """Raises WallOSSError unless both files normalise alike: a network was trained with one of them."""
    names = ("states", "actions")[-len(found) :]
    for name, a, b in zip(names, found, others):
        size = max(len(a.first), len(b.first))
        pairs = zip(a.padded(size)[:2], b.padded(size)[:2])
        if a.kind != b.kind or not all(torch.allclose(x, y, rtol=1e-4, atol=1e-6) for x, y in pairs):
            raise WallOSSError(
                f"{folder} has two files of statistics that contradict each other on {name}: "
                f"{one} {a.brief()}, {other} {b.brief()}.",
                "Leave only the file that these weights were trained with.",
            )


def _one_of(table: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if name in table:
            return table[name]
    raise KeyError(" or ".join(names))


def _norm_stats(content: dict, _file: Path) -> tuple[Found, Found]:
    table = content["norm_stats"]
    states, actions = (_one_of(table, names) for names in (STATES, ACTIONS))
    return _between(states["q01"], states["q99"]), _between(actions["q01"], actions["q99"])


def _between(low, high) -> Found:
    low, high = (torch.as_tensor(values, dtype=torch.float32).flatten() for values in (low, high))
    if low.shape != high.shape:
        raise ValueError(f"{len(low)} least and {len(high)} greatest values")
    return Found(low, high - low, "min_max")


_BOTH = (("STATE", STATES), ("ACTION", ACTIONS))


def _lerobot(content: dict, file: Path, step: str, kinds: tuple[tuple[str, tuple[str, ...]], ...]) -> list[Found]:
    """Args: step: which of the processor's steps; kinds: what it normalises, and by which names."""
    steps = [one for one in content["steps"] if one.get("registry_name") == step]
    if len(steps) != 1:
        raise ValueError(f"one {step} expected, {len(steps)} found")
    modes = {str(kind).upper(): str(mode).upper() for kind, mode in steps[0]["config"]["norm_map"].items()}
    for kind, _ in kinds:
        if modes.get(kind) not in LEROBOT_MODES:
            raise ValueError(
                f"{kind} is normalised by {modes.get(kind, 'nothing')}, which is unknown; one of "
                f"{', '.join(LEROBOT_MODES)} was expected"
            )
    state_file = file.parent / Path(steps[0]["state_file"]).name
    if not state_file.is_file():
        raise ValueError(f"{state_file.name}, which it names, is missing")
    tensors = read_file(state_file)
    found = []
    for kind, names in kinds:
        how, first, second, greatest = LEROBOT_MODES[modes[kind]]
        low, high = (_one_of(tensors, tuple(f"{name}.{part}" for name in names)).flatten() for part in (first, second))
        found.append(_between(low, high) if greatest else Found(low.float(), high.float(), how))
    return found
