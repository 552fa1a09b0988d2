# SPDX-License-Identifier: Apache-2.0
"""Saves and resumes a run: weights, optimiser moments and position, as safetensors and JSON only."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.training.ema import MeanWeights

Like = Callable[[str], torch.Tensor]
"""The tensor, of the right shape and spread, that one of a save is to be read into, by its name."""
Read = Callable[[Path, dict, Like], dict[str, torch.Tensor]]
"""From a save's file or folder, and its progress.json, to its tensors."""


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
    tensors = _apart(tensors_of(model, optimizer, mean, only))
    file = f"training-{progress['step']}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / f"{file}.part")
        os.replace(folder / f"{file}.part", folder / file)
        finish(folder, progress, file)
    except (OSError, SafetensorError) as error:
        raise unwritable(folder, error) from None


def tensors_of(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    mean: MeanWeights | None = None,
    only: Collection[str] | None = None,
) -> dict[str, torch.Tensor]:
    """What a save consists of, by name; see :func:`save`."""
    names = {id(p): name for name, p in model.named_parameters()}
    frozen = set() if only is None else {*names.values()} - {*only}
    tensors = {f"model.{n}": p.detach().contiguous() for n, p in model.state_dict().items() if n not in frozen}
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            tensors[f"optimizer.{key}.{names[id(parameter)]}"] = torch.as_tensor(value).detach().contiguous()
    return tensors | {f"mean.{name}": value.contiguous() for name, value in (mean.values if mean else {}).items()}


def finish(folder: Path, progress: dict, file: str) -> None:
    """Has a run go on from ``file`` of its folder, and removes earlier saves."""
    partial = folder / "progress.json.part"
    partial.write_text(json.dumps({**progress, "file": file}, indent=1))
    os.replace(partial, folder / "progress.json")
    for old in folder.glob("training-*"):
        if old.is_dir() and old.name != file:
            shutil.rmtree(old, ignore_errors=True)
        elif old.name != file:
            old.unlink()


def unwritable(folder: Path, error: Exception) -> WallOSSError:
    why = str(error).strip().splitlines()[-1]
    return WallOSSError(f"{folder} cannot be written: {why}.", "Make room; --resume then goes on from the save before.")


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
    read: Read | None = None,
    placed: bool = False,
) -> dict:
    """Restores what :func:`save` or several processes wrote and returns the progress.

    Args:
        read: reads the file or folder; one file when None.
        placed: whether what it gives are the model's own tensors, read into.

    Raises:
        WallOSSError: there is no complete save in the folder, or it is of another model.
    """
    weights, parameters = model.state_dict(), dict(model.named_parameters())

    def like(name: str) -> torch.Tensor:
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            moment, rest = rest.split(".", 1)
            return torch.zeros(()) if moment == "step" else torch.zeros_like(parameters[rest].detach())
        return (mean.values if kind == "mean" and mean else weights)[rest].detach()

    try:
        progress = json.loads((folder / "progress.json").read_text())
        file = folder / progress["file"]
        tensors = load_file(file) if read is None else read(file, progress, like)
    except (KeyError, RuntimeError) as error:
        raise _another_model(folder) from error
    except Exception as error:  # safetensors has its own exception types for damaged files
        raise WallOSSError(
            f"{folder} has no save to resume from ({error}).", "Start the training without --resume."
        ) from error
    saved = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    if mean is not None and not any(name.startswith("mean.") for name in tensors):  # a run of before there was one
        tensors |= {f"mean.{name}": saved[name] for name in mean.values if name in saved}
    try:
        missing, unknown = {*weights} - {*saved}, {*saved} - {*weights}
        if unknown or missing & (set(weights) if only is None else {*only}):
            raise RuntimeError
        if not placed:
            model.load_state_dict(saved, strict=False)
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, moment, name = key.split(".", 2)
                moments = value if moment == "step" else value.to(parameters[name].device)
                optimizer.state[parameters[name]][moment] = moments
            elif key.startswith("mean.") and mean is not None:
                mean.values[key.removeprefix("mean.")].copy_(value)
    except (RuntimeError, KeyError) as error:
        raise _another_model(folder) from error
    return progress


def _another_model(folder: Path) -> WallOSSError:
    return WallOSSError(f"The save in {folder} is of another model.", "Use the recipe that it was started with.")
