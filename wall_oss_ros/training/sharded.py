# SPDX-License-Identifier: Apache-2.0
"""Training with the weights, gradients and moments spread over several processes (FSDP2, arXiv 2304.11277).

Each process reads and computes its share of a step's rows. Losses and gradients are those that one process would have,
whatever the number of processes: the order of data, noise and what a loss is a mean of do not depend on it. Dropout of
adapters does.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from wall_oss_ros.model import WallOSS
from wall_oss_ros.training import checkpointing, shards
from wall_oss_ros.training.distributed import Processes, share
from wall_oss_ros.training.losses import Batch, Losses, Noise, compute
from wall_oss_ros.training.optimization import belongs_to_action_expert
from wall_oss_ros.training.packing import IGNORED
from wall_oss_ros.training.recipe import Recipe, Stage
from wall_oss_ros.training.sources import Drawn, MixedBatches, Part
from wall_oss_ros.training.steps import held_out_step
from wall_oss_ros.training.tally import Totals
from wall_oss_ros.training.trainer import Trainer, rows_at_once


class ShardedTrainer(Trainer):
    """A trainer in each of several processes.

    Args:
        model: complete, and the same in all processes; on the CPU, from where each takes its shards.
    """

    batches: MixedBatches

    def __init__(
        self,
        processes: Processes,
        model: WallOSS,
        batches: MixedBatches,
        recipe: Recipe,
        folder: Path,
        resume: bool = False,
        only: Collection[str] | None = None,
    ):
        self.processes, self.leads, self.process_count = processes, processes.leads, processes.size
        self._own = (processes.rank,) if processes.rank else ()
        for one in batches.of:
            one.least_branches = 1  # all processes use the same parts of the network
        self._plain = _skeleton(model)
        self._network = shard(model, processes.mesh(), recipe.precision)
        super().__init__(model, batches, recipe, folder, resume, only)
        self._saved = self.step if resume else None

    def save(self) -> None:
        if self._saved == self.step:  # what a run would go on from is never written over
            return
        progress = {"step": self.step, "seconds": round(self.seconds, 1)}
        tensors = checkpointing.tensors_of(self.model, self.optimizer, self.mean, self.only)
        shards.save(self.folder, tensors, progress, self.processes)
        self._saved = self.step

    def _load(self) -> dict:
        return checkpointing.load(self.folder, self.model, self.optimizer, self.mean, self.only, shards.read_own, True)

    @contextmanager
    def whole(self) -> Iterator[WallOSS | None]:
        with self.as_kept():
            tensors = _gathered(self.model, self.leads)
            if not self.leads:
                yield None
                return
            plain = self._plain
            plain.load_state_dict(tensors, assign=True)
            if plain.config.tie_word_embeddings:
                plain.lm_head.weight = plain.model.embed_tokens.weight
            yield plain.to(self.device).eval()

    def draw(self, stage: Stage, step: int) -> list[Part]:
        return self._shared(self.batches.chosen(stage, step), stage, step, rows_at_once(stage))

    def _held_out(self, stage: Stage, part: int) -> list[Part]:
        chosen = self.batches.chosen_held_out(stage, part)
        return self._shared(chosen, stage, held_out_step(part), math.inf) if chosen else []

    def _shared(self, chosen: list[Drawn], stage: Stage, step: int, at_once: float) -> list[Part]:
        parts = []
        for one, idle in share(chosen, self.processes.rank, self.processes.size, at_once):
            part = self.batches.pack(one, stage, step)
            parts.append(part._replace(batch=_silent(part.batch), idle=True) if idle else part)
        return parts

    def _begin(self, stage: Stage) -> None:
        super()._begin(stage)
        for module in self._network.modules():
            if isinstance(module, FSDPModule):  # has each group look again at which of its weights are trained
                module.unshard()
                module.reshard()

    def _goes_on(self, deadline: float) -> bool:
        return not self.processes.largest(float(not super()._goes_on(deadline)))

    def _losses(self, batch: Batch, draws: int, drawn: Noise) -> Losses:
        return Losses(*self._network(batch, draws, drawn))

    def _precision(self) -> torch.autocast:
        lower = self.recipe.precision == "bfloat16"  # without a cache, which would keep all weights of a forward pass
        return torch.autocast(self.device.type, torch.bfloat16, enabled=lower, cache_enabled=False)

    def _summed(self, numbers: np.ndarray) -> np.ndarray:
        return self.processes.summed(numbers)

    def _from_all(self, found: object) -> list:
        return self.processes.from_all(found)

    def _asked(self) -> dict:
        return {}  # answers are generated token by token, which takes whole weights; the end of a run has them

    def _memory(self) -> int:
        return int(self.processes.largest(super()._memory()))

    def _settle(self, totals: Totals) -> None:
        """One process leaves weights alone that a step has nothing for; here they have gradients of zero."""
        language = totals.tokens + totals.fast_tokens
        for name, parameter in self.model.named_parameters():
            if name.startswith("lm_head.") and not self.model.config.tie_word_embeddings:
                used = language
            elif ".propri_proj." in name:
                used = totals.entries + totals.fast_tokens
            else:
                used = totals.entries if belongs_to_action_expert(name) else 1
            if not used:
                parameter.grad = None


class _Network(nn.Module):
    """Network and losses as one module, around whose pass weights are gathered: :class:`Losses`, as a tuple.

    Every part has a gradient, of zero where the rows have nothing for it, since processes add theirs up.
    """

    def __init__(self, model: WallOSS):
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, draws: int, drawn: Noise) -> tuple[Tensor, ...]:
        nothing = self._nothing(batch)  # in front, since all processes gather weights in one order
        losses = compute(self.model, batch, draws, drawn=drawn)
        if not len(losses.targets):
            nothing = nothing + losses.logits.float().sum()
        losses = replace(losses, cross_entropy=losses.cross_entropy + nothing)
        return tuple(getattr(losses, field.name) for field in fields(losses))

    def _nothing(self, batch: Batch) -> Tensor:
        """Zero, by way of what rows without pictures or states would leave out."""
        model, vision = self.model, self.model.config.vision
        nothing = batch.state.new_zeros(())
        if not len(batch.image_grid_thw):
            side = vision.spatial_merge_size
            blank = batch.pixel_values.new_zeros(side * side, vision.patch_dim)
            nothing = nothing + 0 * model.visual(blank, torch.tensor([[1, side, side]])).float().sum()
        if not (batch.packed.input_ids == model.config.propri_token_id).any():
            state = model.action_preprocessor.embed_state(batch.state, batch.state_mask)
            nothing = nothing + 0 * state.float().sum()
        return nothing


def shard(model: WallOSS, mesh: DeviceMesh, precision: str) -> _Network:
    """Spreads a network's weights, in place, over a mesh: each layer's, the vision tower's, and what is left.

    The tower is one, since it runs once for each size of pictures, and processes may have pictures of different sizes.
    With bfloat16, layers are gathered in it, half as much to send, and gradients are added up in float32.
    """
    policy = MixedPrecisionPolicy()
    if precision == "bfloat16":
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    for part in (model.visual, *model.model.layers):
        fully_shard(part, mesh=mesh, mp_policy=policy)
    network = _Network(model)
    fully_shard(network, mesh=mesh, reshard_after_forward=True)  # weights outside of a pass are always shards
    return network


def _skeleton(model: WallOSS) -> WallOSS:
    """The same network without memory for its weights."""
    memo = {id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, memo)


def _gathered(model: WallOSS, keep: bool) -> dict[str, Tensor]:
    """All weights, complete, on the CPU; none of them where they are not to be kept."""
    found = {}
    for name, value in model.state_dict().items():
        whole = value.full_tensor() if isinstance(value, DTensor) else value
        if keep:
            found[name] = whole.detach().cpu()
    return found


def _silent(batch: Batch) -> Batch:
    """The same, with nothing that a loss would count."""
    packed = batch.packed
    quiet = replace(
        packed,
        labels=torch.full_like(packed.labels, IGNORED),
        label_kinds=torch.full_like(packed.label_kinds, IGNORED),
        kinds=[[] for _ in packed.kinds],
        motion=torch.zeros_like(packed.motion),
    )
    return replace(batch, packed=quiet, dof_mask=torch.zeros_like(batch.dof_mask), step_mask=None)
