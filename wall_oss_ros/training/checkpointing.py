# SPDX-License-Identifier: Apache-2.0
"""Saves and resumes a run: weights, optimiser moments and position, as safetensors and JSON only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from wall_oss_ros.errors import WallOSSError


def save(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: dict) -> None:
    """Writes ``training.safetensors`` and ``progress.json``; the latter last and atomically, so that a run that is
    killed while it saves resumes from the save before.

    Raises:
        WallOSSError: they cannot be written; the save before is still there.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    tensors = {f"model.{name}": p.detach().contiguous() for name, p in model.state_dict().items()}
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            tensors[f"optimizer.{key}.{names[id(parameter)]}"] = torch.as_tensor(value).detach().contiguous()
    file = f"training-{progress['step']}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / file)
        partial = folder / "progress.json.part"
        partial.write_text(json.dumps({**progress, "file": file}, indent=1))
        os.replace(partial, folder / "progress.json")
    except (OSError, SafetensorError) as error:
        raise WallOSSError(
            f"{folder} cannot be written: {error}.", "Make room; --resume then goes on from the save before."
        ) from None
    for old in folder.glob("training-*.safetensors"):
        if old.name != file:
            old.unlink()


def load(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
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
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise WallOSSError(
            f"The save in {folder} is of another model.", "Use the recipe that it was started with."
        ) from error
    parameters = dict(model.named_parameters())
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, moment, name = key.split(".", 2)
            optimizer.state[parameters[name]][moment] = value
    return progress
