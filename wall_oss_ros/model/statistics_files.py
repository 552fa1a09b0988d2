# SPDX-License-Identifier: Apache-2.0
"""Statistics that lie beside the weights instead of among them, as other code bases write them.

- ``norm_stats.json`` of the public WALL-OSS code: 1 % and 99 % quantiles, which it uses as least and greatest value.
- ``policy_preprocessor.json`` and a safetensors file of LeRobot: tensors such as ``observation.state.mean``, and a map
  that says which of them normalise states and which actions. Its port of WALL-OSS uses mean and standard deviation.

Neither names a robot nor the order of the numbers: they are taken in the order of the checkpoint's dof_config, and
must be checked against the robot's profile.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.weights import read_file

STATES, ACTIONS = ("observation.state", "state"), ("action", "actions")
LEROBOT_MODES = {  # normalisation mode: kind, names of the two tensors, and whether the second is a greatest value
    "MEAN_STD": ("mean_std", "mean", "std", False),
    "MIN_MAX": ("min_max", "min", "max", True),
    "QUANTILES": ("min_max", "q01", "q99", True),
    "QUANTILE10": ("min_max", "q10", "q90", True),
}


@dataclass(frozen=True)
class Found:
    """Statistics of states or actions, as :class:`~wall_oss_ros.model.statistics.Statistics` takes them."""

    kind: str
    first: Tensor
    second: Tensor

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
        zeros = torch.zeros(spare)
        return Found(self.kind, torch.cat((self.first, zeros)), torch.cat((self.second, zeros)))


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
    return Found("min_max", low, high - low)


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
        found.append(_between(low, high) if greatest else Found(how, low.float(), high.float()))
    return found[0], found[1]
