# SPDX-License-Identifier: Apache-2.0
"""Saves of several processes, each of its own part, by torch.distributed.checkpoint: safetensors and JSON only.

Any number of processes reads what any number wrote.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.tensor import DTensor, distribute_tensor

from wall_oss_ros.training import checkpointing
from wall_oss_ros.training.checkpointing import Like

if TYPE_CHECKING:
    from wall_oss_ros.training.distributed import Processes


def save(folder: Path, tensors: dict[str, Tensor], progress: dict, processes: Processes) -> None:
    """Writes ``training-<step>``, a file of each process, and then ``progress.json``.

    Raises:
        WallOSSError: they cannot be written; the save before is still there.
    """
    target = folder / f"training-{progress['step']}"
    if processes.leads:
        shutil.rmtree(target, ignore_errors=True)  # left by a run that was killed
    processes.wait()
    try:
        dcp.save(tensors, storage_writer=HuggingFaceStorageWriter(str(target), save_distributed=True))
        if processes.leads:
            sizes = {file.name: file.stat().st_size for file in sorted(target.iterdir())}
            checkpointing.finish(folder, {**progress, "shards": sizes}, target.name)
    except (OSError, CheckpointException) as error:
        raise checkpointing.unwritable(folder, error) from None
    processes.wait()


def _require_complete(target: Path, progress: dict) -> None:
    for name, size in progress["shards"].items():
        if not (target / name).is_file() or (target / name).stat().st_size != size:
            raise OSError(f"{target.name}/{name} is missing or cut off")


def read_all(target: Path, progress: dict, like: Like) -> dict[str, Tensor]:
    """All tensors of a save, complete, whoever wrote it.

    Raises:
        OSError: a part of it is missing.
    """
    if target.is_file():
        return load_file(target)
    _require_complete(target, progress)
    known = HuggingFaceStorageReader(str(target)).read_metadata().state_dict_metadata
    found = {name: torch.empty(one.size, dtype=one.properties.dtype) for name, one in known.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # one process is what is meant
        dcp.load(found, storage_reader=HuggingFaceStorageReader(str(target)), no_dist=True)
    return found


def read_own(target: Path, progress: dict, like: Like) -> dict[str, Tensor]:
    """This process's parts of the tensors of a save, whoever wrote it.

    Raises:
        OSError: a part of it is missing.
        KeyError, RuntimeError: it has other tensors than ``like``.
    """
    if target.is_file():
        return dict(_from_file(target, like))
    _require_complete(target, progress)
    known = HuggingFaceStorageReader(str(target)).read_metadata().state_dict_metadata
    found = {name: like(name) for name in known}
    for name, tensor in found.items():
        _require_shape(name, tensor, known[name].size)
    dcp.load(found, storage_reader=HuggingFaceStorageReader(str(target)), no_dist=not dist.is_initialized())
    return found


def _from_file(file: Path, like: Like) -> Iterator[tuple[str, Tensor]]:
    with safe_open(file, framework="pt") as content:
        for name in content.keys():  # noqa: SIM118 - no dictionary
            own, value = like(name), content.get_tensor(name)
            _require_shape(name, own, value.shape)
            if isinstance(own, DTensor):
                value = distribute_tensor(value.to(own.device), own.device_mesh, own.placements, src_data_rank=None)
            with torch.no_grad():
                own.copy_(value)
            yield name, own


def _require_shape(name: str, tensor: Tensor, shape: torch.Size) -> None:
    if tensor.shape != shape:
        raise RuntimeError(f"{name} is {tuple(shape)}, not {tuple(tensor.shape)}")
