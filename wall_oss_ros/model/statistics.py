# SPDX-License-Identifier: Apache-2.0
"""What a robot's numbers are normalised by.

Statistics are kept with the weights, as ``normalizer_action.min.franka`` and so on. Other code bases write them to
files beside the weights, which are read where the weights have none:

- ``norm_stats.json`` of the public WALL-OSS code: 1 % and 99 % quantiles, which it uses as least and greatest value.
- ``policy_preprocessor.json`` and a safetensors file of LeRobot: tensors such as ``observation.state.mean``, and a map
  that says which of them normalise states and which actions. Its port of WALL-OSS uses mean and standard deviation.
- ``normalizer_action.pth`` and ``normalizer_propri.pth`` of the released 0.5: tensors ``min.<dataset>`` and
  ``delta.<dataset>``. They are opened by torch's loader that makes tensors and nothing else (``weights_only``).

The former two name neither a robot nor the order of the numbers: they are taken in the order of the checkpoint's
dof_config, and must be checked against the robot's profile.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
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

STATISTICS_FILES = ("norm_stats.json", "policy_preprocessor.json", "normalizer_action.pth", "normalizer_propri.pth")
_PICKLED = {"propri": "normalizer_propri.pth", "action": "normalizer_action.pth"}
_LARGEST = 64 * 2**20  # bytes of a file of statistics; the released ones have some thousands
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


def find_statistics(folder: Path) -> list[tuple[str, Found, Found]]:
    """Statistics beside the weights: where they come from (``norm_stats``, ``lerobot``) or the dataset's name, those of
    states, those of actions. Fine-tunes leave the files of the model that they began from: those of 0.5 count only
    where there are no others.

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
    if found:
        return [next(iter(found.values()))]
    if any((folder / name).exists() for name in _PICKLED.values()):
        return list(_released(folder))
    return []


def _released(folder: Path) -> Iterator[tuple[str, Found, Found]]:
    """Those of every dataset that both of 0.5's files have."""
    states, actions = (_tensors(folder / name) for name in _PICKLED.values())
    names = [name.removeprefix("min.") for name in actions if name.startswith("min.")]
    shared = [name for name in names if f"min.{name}" in states]
    if not shared:
        raise WallOSSError(
            f"{folder}: normalizer_action.pth and normalizer_propri.pth have no dataset in common.", "Fetch them again."
        )
    for name in shared:
        pairs = []
        for tensors in (states, actions):
            low, delta = tensors[f"min.{name}"], tensors.get(f"delta.{name}")
            if delta is None or low.shape != delta.shape or low.ndim != 1 or not (low.dtype.is_floating_point):
                raise WallOSSError(
                    f"{folder}: the statistics of {name} are no two vectors min and delta of one length.",
                    "Fetch normalizer_action.pth and normalizer_propri.pth again.",
                )
            pairs.append(Found(low.float(), delta.float(), "min_max"))
        yield name, *pairs


def _tensors(file: Path) -> dict[str, Tensor]:
    """A flat dictionary of tensors by torch's loader of nothing but such."""
    hint = "Fetch the checkpoint again, or leave both files out if the weights have their own statistics."
    if not file.exists():
        raise WallOSSError(f"There is no {file}, which belongs to the one beside it.", hint)
    if file.stat().st_size > _LARGEST:
        raise WallOSSError(f"{file} has {file.stat().st_size} bytes, which are no statistics.", hint)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of older ways to write such files
            found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the loader's own, those of zip files, and pickle's
        reason = "it holds more than tensors" if "nsupported" in str(error) else type(error).__name__
        raise WallOSSError(f"{file} cannot be read without running what is in it: {reason}.", hint) from None
    if not isinstance(found, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()):
        raise WallOSSError(f"{file} is no dictionary of tensors by name.", hint)
    return dict(found)


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
