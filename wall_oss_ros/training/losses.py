# SPDX-License-Identifier: Apache-2.0
"""The losses of one packed batch: cross-entropy on language and on FAST action tokens, flow matching on chunks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.flow import flow_loss, sample_time
from wall_oss_ros.model.inputs import fill
from wall_oss_ros.training.packing import IGNORED, Packed
from wall_oss_ros.training.recipe import Stage


@dataclass(frozen=True)
class Batch:
    """Everything that one step needs. V views, A action dimensions; M, K, H as in :class:`Packed`."""

    packed: Packed
    pixel_values: torch.Tensor  # (patches, 3*2*14*14)
    image_grid_thw: torch.Tensor  # (pictures, 3), row by row
    pictures: torch.Tensor  # (B,) how many of them each row has
    state: torch.Tensor  # (B, A) normalised
    state_mask: torch.Tensor  # (B, A)
    actions: torch.Tensor  # (B, M, H, A) normalised
    dof_mask: torch.Tensor  # what the model is told that it moves: (A,), or (B, M, 1, A) where chunks differ
    step_mask: torch.Tensor | None = None  # (B, M, H, A), what the loss counts; dof_mask when None

    @property
    def counted(self) -> torch.Tensor:
        """What the loss counts, broadcastable to (B, M, H, A)."""
        return self.dof_mask if self.step_mask is None else self.step_mask

    @property
    def answer_tokens(self) -> int:
        """How many tokens of language have a label."""
        return int(((self.packed.labels != IGNORED) & ~self.packed.motion).sum())

    @property
    def fast_tokens(self) -> int:
        """How many FAST action tokens have a label."""
        return int(((self.packed.labels != IGNORED) & self.packed.motion).sum())

    @property
    def entries(self) -> float:
        """How many entries of chunks the loss counts."""
        return float(self.counted.expand(self.actions.shape).sum())

    @property
    def tokens(self) -> int:
        """How many tokens the decoder computes, padding included."""
        return int(self.packed.position_ids[0].numel())

    def rows(self, start: int, stop: int) -> Batch:
        """A part of it, with all that belongs to these rows."""
        grids = slice(int(self.pictures[:start].sum()), int(self.pictures[:stop].sum()))
        sizes = self.image_grid_thw.prod(-1)
        patches = slice(int(sizes[: grids.start].sum()), int(sizes[: grids.stop].sum()))

        def cut(mask: torch.Tensor | None) -> torch.Tensor | None:
            return mask[start:stop] if mask is not None and mask.ndim > 1 else mask

        return replace(
            self,
            packed=self.packed.rows(start, stop),
            pixel_values=self.pixel_values[patches],
            image_grid_thw=self.image_grid_thw[grids],
            pictures=self.pictures[start:stop],
            state=self.state[start:stop],
            state_mask=self.state_mask[start:stop],
            actions=self.actions[start:stop],
            dof_mask=cut(self.dof_mask),
            step_mask=cut(self.step_mask),
        )

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        moved = {
            field.name: value.to(device, non_blocking=True)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), torch.Tensor)
        }
        return replace(self, packed=self.packed.to(device), **moved)


class Noise(NamedTuple):
    """What the flow of a batch starts from."""

    time: torch.Tensor  # (B, M, K)
    noise: torch.Tensor  # (B, M, K, H, A)


def draw_noise(model: WallOSS, batch: Batch, draws: int, generator: torch.Generator) -> Noise:
    """Times and noise for K = ``draws`` of each chunk, on the CPU: the same whatever computes."""
    rows, branches, horizon, size = batch.actions.shape
    time = sample_time((rows, branches, draws), model.config.noise_scheduler, generator=generator)
    return Noise(time, torch.randn((rows, branches, draws, horizon, size), generator=generator))


def draw_noise_by_row(model: WallOSS, batch: Batch, stage: Stage, seed: Sequence[int], first: int = 0) -> Noise:
    """The same, each row's from a generator of its own: what a row gets does not depend on those beside it.

    Args:
        seed: of all rows.
        first: place of the first row.
    """
    branches = batch.actions.shape[1]
    whole = (1, max(branches, stage.acting_branches), *batch.actions.shape[2:])
    rows = []
    for place in range(first, first + len(batch.actions)):
        generator = torch.Generator().manual_seed(int(np.random.default_rng([*seed, place]).integers(2**62)))
        drawn = draw_noise(model, replace(batch, actions=torch.empty(whole)), stage.draws, generator)
        rows.append([one[:, :branches] for one in drawn])
    return Noise(*map(torch.cat, zip(*rows)))


@dataclass(frozen=True)
class Losses:
    cross_entropy: torch.Tensor  # mean over answer tokens of language
    fast: torch.Tensor  # mean over FAST action tokens
    flow: torch.Tensor  # mean over the action entries that the robot has
    logits: torch.Tensor  # (labels, vocabulary)
    targets: torch.Tensor  # (labels,)
    each: torch.Tensor  # (labels,) their cross-entropy

    @property
    def all(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Language, flow and FAST."""
        return self.cross_entropy, self.flow, self.fast


def compute(
    model: WallOSS, batch: Batch, draws: int, generator: torch.Generator | None = None, drawn: Noise | None = None
) -> Losses:
    """Runs the network once over the packed rows. A loss is zero where the batch has nothing for it.

    Args:
        generator: draws times and noise, unless they are ``drawn`` already.
    """
    packed, head = batch.packed, model.action_preprocessor
    # States and actions stay exact where only products are in bfloat16: rounded to it, a metre is known to 4 mm.
    whole = all(one.dtype == torch.float32 for one in head.parameters())
    exact = torch.autocast(batch.state.device.type, enabled=False) if whole else nullcontext()
    ids = packed.input_ids
    rows, text = ids.shape
    embeds = model.model.embed_tokens(ids)
    if len(batch.image_grid_thw):
        features = model.visual(batch.pixel_values, batch.image_grid_thw)
        embeds = fill(embeds, ids == model.config.image_token_id, features, "image")
    felt = (ids == model.config.propri_token_id)[..., None]
    if felt.any():  # not where no motion is asked for, or the state is in words
        with exact:
            state = head.embed_state(batch.state, batch.state_mask)[:, None]
        embeds = torch.where(felt, state.to(embeds.dtype), embeds)
    branches = batch.actions.shape[1]
    zero = embeds.new_zeros(())
    if branches:
        actions = batch.actions[:, :, None].expand(-1, -1, draws, -1, -1)  # (B, M, K, H, A)
        drawn = draw_noise(model, batch, draws, generator) if drawn is None else drawn
        time, noise = (one.to(actions.device) for one in drawn)
        told, counted = (mask if mask.ndim == 1 else mask[:, :, None] for mask in (batch.dof_mask, batch.counted))
        t = time[..., None, None]
        noisy = (1 - t) * noise + t * actions
        steps = noisy.shape[3]
        with exact:
            tokens = head.embed_actions(noisy, told.expand_as(noisy), time[..., None].expand(*time.shape, steps))
        embeds = torch.cat([embeds, tokens.reshape(rows, -1, embeds.shape[-1])], dim=1)
    mask = packed.attention_mask
    if model.config.causal_action_attention_mask:
        mask = mask.tril()  # in the order of a row, nothing but a chunk sees what follows
    hidden = model.model(embeds, packed.position_ids, mask, token_types=text)

    speaks = packed.labels != IGNORED
    targets = packed.labels[speaks]
    logits = model.lm_head(hidden[:, :text][speaks])
    each = F.cross_entropy(logits.float(), targets, reduction="none")
    motion = packed.motion[speaks]
    cross_entropy, fast = (one.mean() if len(one) else zero for one in (each[~motion], each[motion]))
    flow = zero
    if branches:
        with exact:
            moving = hidden[:, text:]
            velocity = head.velocity(moving.float() if whole else moving).view_as(noisy)
        every = flow_loss(velocity, noise, actions, counted, t, model.config)
        share = counted.mean()  # a recipe's weight means the same however few entries the robot has
        flow = every / torch.where(share > 0, share, 1.0)  # nothing known: no loss, rather than none by none
    return Losses(cross_entropy, fast, flow, logits, targets, each.detach())
