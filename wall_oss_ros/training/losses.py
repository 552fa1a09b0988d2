# SPDX-License-Identifier: Apache-2.0
"""The two losses of one packed batch: cross-entropy on language, flow matching on action chunks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.flow import flow_loss, sample_time
from wall_oss_ros.training.packing import IGNORED, Packed


@dataclass(frozen=True)
class Batch:
    """Everything that one step needs. V views, A action dimensions; M, K, H as in :class:`Packed`."""

    packed: Packed
    pixel_values: torch.Tensor  # (patches, 3*2*14*14)
    image_grid_thw: torch.Tensor  # (B*V, 3)
    image_positions: torch.Tensor  # (image tokens,) in a row; the same for every row
    state: torch.Tensor  # (B, A) normalised
    state_mask: torch.Tensor  # (B, A)
    actions: torch.Tensor  # (B, M, H, A) normalised
    dof_mask: torch.Tensor  # (A,)


@dataclass(frozen=True)
class Losses:
    cross_entropy: torch.Tensor  # mean over answer tokens
    flow: torch.Tensor  # mean over the action entries that the robot has
    logits: torch.Tensor  # (answer tokens, vocabulary)
    targets: torch.Tensor  # (answer tokens,)


def compute(model: WallOSS, batch: Batch, draws: int, generator: torch.Generator) -> Losses:
    """Runs the network once over the packed rows. Either loss is zero where the batch has nothing for it."""
    packed = batch.packed
    rows, text = packed.input_ids.shape
    features = model.visual(batch.pixel_values, batch.image_grid_thw).view(rows, -1, model.config.hidden_size)
    head = model.action_preprocessor
    embeds = model.model.embed_tokens(packed.input_ids)
    embeds = embeds.index_copy(1, batch.image_positions, features.to(embeds.dtype))
    branches = packed.state_positions.shape[1]
    zero = embeds.new_zeros(())
    if branches:
        state = head.embed_state(batch.state, batch.state_mask)[:, None].expand(-1, branches, -1)
        at = packed.state_positions[..., None].expand_as(state)
        embeds = embeds.scatter(1, at, state.to(embeds.dtype))
        actions = batch.actions[:, :, None].expand(-1, -1, draws, -1, -1)  # (B, M, K, H, A)
        time = sample_time(actions.shape[:3], model.config.noise_scheduler, generator=generator)
        noise = torch.randn(actions.shape, generator=generator)
        t = time[..., None, None]
        noisy = (1 - t) * noise + t * actions
        steps = noisy.shape[3]
        tokens = head.embed_actions(noisy, batch.dof_mask.expand_as(noisy), time[..., None].expand(*time.shape, steps))
        embeds = torch.cat([embeds, tokens.reshape(rows, -1, embeds.shape[-1])], dim=1)
    mask = packed.attention_mask
    if model.config.causal_action_attention_mask:
        mask = mask.tril()  # in the order of a row, nothing but a chunk sees what follows
    hidden = model.model(embeds, packed.position_ids, mask, token_types=text)

    speaks = packed.labels != IGNORED
    targets = packed.labels[speaks]
    logits = model.lm_head(hidden[:, :text][speaks])
    cross_entropy = F.cross_entropy(logits.float(), targets) if len(targets) else zero
    flow = zero
    if branches:
        velocity = head.velocity(hidden[:, text:]).view_as(noisy)
        every = flow_loss(velocity, noise, actions, batch.dof_mask, t, model.config)
        flow = every / batch.dof_mask.mean()  # a recipe's weight means the same however few entries the robot has
    return Losses(cross_entropy, flow, logits, targets)
