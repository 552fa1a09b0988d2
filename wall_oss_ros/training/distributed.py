# SPDX-License-Identifier: Apache-2.0
"""Several processes in one run, as torchrun starts them: one for each GPU, or on CPUs for trying it out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.training.recipe import Recipe
from wall_oss_ros.training.sources import Drawn

T = TypeVar("T")
_PATIENCE = timedelta(hours=6)  # reading statistics of many recordings takes one process long; torchrun sees who died


@dataclass(frozen=True)
class Processes:
    """This process among all of a run.

    Attributes:
        rank, size: its number, and how many there are on all machines.
        local, on_machine: the same on this machine.
        device: that it computes on.
    """

    rank: int
    size: int
    local: int
    on_machine: int
    device: torch.device

    @property
    def machine(self) -> int:
        """The number of its machine."""
        return self.rank // self.on_machine

    @property
    def leads(self) -> bool:
        """Whether it writes and speaks for all."""
        return self.rank == 0

    def mesh(self) -> DeviceMesh:
        """Weights are sharded within a machine, whose links are fast, and replicated between machines."""
        machines = self.size // self.on_machine
        if machines == 1:
            return init_device_mesh(self.device.type, (self.size,), mesh_dim_names=("shard",))
        shape = (machines, self.on_machine)
        return init_device_mesh(self.device.type, shape, mesh_dim_names=("replicate", "shard"))

    def summed(self, numbers: np.ndarray) -> np.ndarray:
        """Over all processes; float64."""
        total = torch.from_numpy(np.array(numbers, np.float64))
        dist.all_reduce(total)
        return total.numpy()

    def largest(self, number: float) -> float:
        """Over all processes."""
        found = torch.tensor(number, dtype=torch.float64)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return float(found)

    def from_all(self, found: T) -> list[T]:
        """What each process found, by rank."""
        everything: list = [None] * self.size
        dist.all_gather_object(everything, found)
        return everything

    def from_leader(self, make: Callable[[], T]) -> T:
        """Made once, by the process that leads, for all."""
        made = [make() if self.leads else None]
        dist.broadcast_object_list(made)
        return made[0]

    @contextmanager
    def in_turn(self, by_machine: bool = False) -> Iterator[None]:
        """The process that leads goes first, or the first of each machine, and leaves on disk what the others find."""
        first = self.local == 0 if by_machine else self.leads
        if not first:
            dist.barrier()
        try:
            yield
        finally:
            if first:
                dist.barrier()

    def wait(self) -> None:
        """Until all are here."""
        dist.barrier()


def join(device: str) -> Processes:
    """Joins the processes that torchrun has started.

    Args:
        device: its kind, cpu or cuda: each process on a machine takes a device of its own.

    Raises:
        WallOSSError: PyTorch is too old, or the machine has not as many devices.
    """
    rank, size, local, on_machine = (
        int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    )
    if not hasattr(dcp, "HuggingFaceStorageWriter"):
        raise WallOSSError(
            f"Several processes need PyTorch 2.9 or newer; this is {torch.__version__}.",
            "Update it, or train with one process.",
        )
    if device not in ("cpu", "cuda"):
        raise WallOSSError(
            f"--device {device} names one device, and torchrun starts a process for each.", "Use --device cuda."
        )
    if size % on_machine:
        raise WallOSSError(
            f"{size} processes, of which {on_machine} are on this machine, are not spread evenly.",
            "Give torchrun the same --nproc-per-node everywhere.",
        )
    if device == "cuda":
        if local >= torch.cuda.device_count():
            raise WallOSSError(
                f"torchrun started {on_machine} processes here, and PyTorch can use {torch.cuda.device_count()} GPUs.",
                "Give --nproc-per-node as many as there are.",
            )
        torch.cuda.set_device(local)
    # Sums and words go by gloo in any case: they are a few numbers on the CPU.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=_PATIENCE)
    own = torch.device("cuda", local) if device == "cuda" else torch.device("cpu")
    return Processes(rank, size, local, on_machine, own)


def leave() -> None:
    """Ends what :func:`join` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


def require_shareable(recipe: Recipe, size: int) -> None:
    """
    Raises:
        WallOSSError: so many processes cannot train by this recipe.
    """
    if not recipe.datasets:
        raise WallOSSError(
            f"The recipe {recipe.name} makes its data in simulation, which one process does.",
            "Train on it without torchrun; several processes train on recordings (datasets).",
        )
    if recipe.compile:
        raise WallOSSError(
            f"The recipe {recipe.name} compiles layers, which is not tried where several processes share them.",
            "Leave out compile, or train without torchrun.",
        )
    for stage in recipe.stages:
        if stage.batch < size:
            raise WallOSSError(
                f"The stage {stage.name} has a batch of {stage.batch}, and there are {size} processes to share it.",
                "Start at most as many processes as there are samples in a batch, or raise batch.",
            )


def share(chosen: Sequence[Drawn], rank: int, size: int, at_once: float) -> list[tuple[Drawn, bool]]:
    """The rows of a step that a process computes: as many as the others, or one less, one behind the other.

    Each pass over the network is one that all processes make together. Where a process has fewer, since its rows are of
    fewer datasets, it makes up for them with a row that counts for nothing.

    Args:
        chosen: the step's samples, the same in all processes.
        at_once: rows of a pass, at most.

    Returns:
        What is to be packed, and whether it counts for nothing.
    """
    total = sum(len(one.indices) for one in chosen)
    shares = [_rows(chosen, total * one // size, total * (one + 1) // size) for one in range(size)]
    passes = [sum(int(-(-len(one.indices) // at_once)) for one in own) for own in shares]
    own = shares[rank]
    spare = (own or chosen)[0]
    idle = Drawn(spare.number, spare.indices[:1], spare.first)
    return [(one, False) for one in own] + [(idle, True)] * (max(passes) - passes[rank])


def _rows(chosen: Sequence[Drawn], start: int, stop: int) -> list[Drawn]:
    """Those from ``start`` to before ``stop``, counted over all datasets."""
    found, before = [], 0
    for one in chosen:
        first, last = max(start - before, 0), min(stop - before, len(one.indices))
        if first < last:
            found.append(Drawn(one.number, one.indices[first:last], one.first + first))
        before += len(one.indices)
    return found
