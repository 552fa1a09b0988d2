# SPDX-License-Identifier: Apache-2.0
"""Saves and resumes a run: weights, optimiser moments and position, as safetensors and JSON only."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.training.ema import MeanWeights


def save(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: dict,
    mean: MeanWeights | None = None,
    only: Collection[str] | None = None,
) -> None:
    """Writes ``training.safetensors`` and ``progress.json``; the latter last and atomically, so that a run that is
    killed while it saves resumes from the save before.

    Args:
        mean: saved as well.
        only: names of the parameters that a run changes; the others are not saved. All when None.

    Raises:
        WallOSSError: they cannot be written; the save before is still there.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    frozen = set() if only is None else {*names.values()} - {*only}
    tensors = {f"model.{n}": p.detach().contiguous() for n, p in model.state_dict().items() if n not in frozen}
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            tensors[f"optimizer.{key}.{names[id(parameter)]}"] = torch.as_tensor(value).detach().contiguous()
    tensors |= {f"mean.{name}": value.contiguous() for name, value in (mean.values if mean else {}).items()}
    file = f"training-{progress['step']}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(_apart(tensors), folder / f"{file}.part")
        os.replace(folder / f"{file}.part", folder / file)
        partial = folder / "progress.json.part"
        partial.write_text(json.dumps({**progress, "file": file}, indent=1))
        os.replace(partial, folder / "progress.json")
    except (OSError, SafetensorError) as error:
        raise WallOSSError(
            f"{folder} cannot be written: {error}.", "Make room; --resume then goes on from the save before."
        ) from None
    for old in folder.glob("training-*.safetensors*"):
        if old.name != file:
            old.unlink()


def _apart(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors that share memory, as tied embeddings do, copied: the format has no other way."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        shared = tensor.data_ptr() in seen and tensor.numel() > 0
        found[name] = tensor.clone() if shared else tensor
        seen.add(tensor.data_ptr())
    return found


def load(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    mean: MeanWeights | None = None,
    only: Collection[str] | None = None,
) -> dict:
    """Restores what :func:`save` wrote and returns the progress.

    Raises:
        WallOSSError: there is no complete save in the folder, or it is of another model.
    """
    try:
        progress = json.loads((folder / "progress.json").read_text())
        tensors = load_file(folder / progress["file"])
    except Exception as error:  # safetensors has its own exception types for damaged files
        raise WallOSSError(
            f"{folder} has no save to resume from ({error}).", "Start the training without --resume."
        ) from error
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    parameters = dict(model.named_parameters())
    if mean is not None and not any(name.startswith("mean.") for name in tensors):  # a run of before there was one
        tensors |= {f"mean.{name}": weights[name] for name in mean.values if name in weights}
    try:
        missing, unknown = model.load_state_dict(weights, strict=only is None)
        if unknown or (only is not None and not {*only}.isdisjoint(missing)):
            raise RuntimeError
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, moment, name = key.split(".", 2)
                moments = value if moment == "step" else value.to(parameters[name].device)
                optimizer.state[parameters[name]][moment] = moments
            elif key.startswith("mean.") and mean is not None:
                mean.values[key.removeprefix("mean.")].copy_(value)
    except (RuntimeError, KeyError) as error:
        raise WallOSSError(
            f"The save in {folder} is of another model.", "Use the recipe that it was started with."
        ) from error
    return progress
