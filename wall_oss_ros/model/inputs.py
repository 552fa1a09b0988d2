# SPDX-License-Identifier: Apache-2.0
"""From a batch to what the decoder takes: embeddings, positions, token types, and who sees whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.arguments import check_batch
from wall_oss_ros.model.decoder import ACTION
from wall_oss_ros.model.network import Network
from wall_oss_ros.model.positions import multimodal_positions


@dataclass
class Prepared:
    """A batch as the decoder takes it."""

    embeds: Tensor  # (B, L, H), action tokens not filled in yet
    positions: Tensor  # (3, B, L)
    types: Tensor  # (B, L)
    valid: Tensor  # (B, L) bool, False for padding
    masked: bool  # whether causal sight and the island of actions do not say it all
    visible: Tensor | None = None  # (B, L, L) bool, who sees whom where the batch says so itself


def _read_mask(mask: Tensor | None, ids: Tensor) -> tuple[Tensor, Tensor | None]:
    """A batch's attention mask -> who is no padding (B, L), and who sees whom (B, L, L) if the mask says so."""
    if mask is None:
        return torch.ones_like(ids, dtype=torch.bool), None
    batch, length = ids.shape
    if mask.shape == (batch, length):
        return mask.bool(), None
    if mask.shape == (batch, 1, length, length):
        mask = mask[:, 0]
    if mask.shape != (batch, length, length):
        raise WallOSSError(
            f"attention_mask is {tuple(mask.shape)} for input_ids of {(batch, length)}.",
            "Give (B, L), nonzero for real tokens, or (B, L, L), nonzero where a token sees another.",
        )
    visible = mask.bool()
    return visible.diagonal(dim1=1, dim2=2), visible  # a token that does not even see itself is padding


def prepare(model: Network, batch: Mapping[str, Tensor]) -> Prepared:
    """Embeds a batch: words, images, videos, proprioception.

    Raises:
        WallOSSError: a tensor is missing or does not fit, or the tokens for images, videos or states in the text do not
            match what the batch brings.
    """
    config = model.config
    check_batch(batch, config)
    ids = batch["input_ids"]
    valid, visible = _read_mask(batch.get("attention_mask"), ids)
    types = batch.get("moe_token_types")
    types = (ids == config.action_token_id).long() if types is None else types.long()
    embeds = model.model.embed_tokens(ids)
    grids, videos = batch.get("image_grid_thw"), batch.get("video_grid_thw")
    for kind, token, patches, sizes in (
        ("image", config.image_token_id, "pixel_values", grids),
        ("video", config.video_token_id, "pixel_values_videos", videos),
    ):
        if sizes is not None and len(sizes):
            embeds = fill(embeds, ids == token, model.visual(batch[patches], sizes), kind)
    if batch.get("proprioception") is not None:
        states = model.action_preprocessor.embed_state(batch["proprioception"], batch["agent_pos_mask"]).flatten(0, 1)
        embeds = fill(embeds, ids == config.propri_token_id, states, "proprioception")
    positions = multimodal_positions(config, ids, grids, valid, videos, batch.get("second_per_grid_ts"))
    return Prepared(embeds, positions, types, valid, visible is not None or not bool(valid.all()), visible)


def attention_mask(prepared: Prepared, causal_actions: bool = False) -> Tensor:
    """(B, 1, L, L) bool: causal, action tokens also see each other, nobody sees padding but itself.

    Args:
        causal_actions: action tokens see only the actions before them.
    """
    length = prepared.types.shape[1]
    itself = torch.eye(length, dtype=torch.bool, device=prepared.types.device)
    if prepared.visible is not None:
        return (prepared.visible | itself)[:, None]
    sees = torch.ones_like(itself).tril()[None]
    if not causal_actions:
        action = prepared.types == ACTION
        sees = sees | (action[:, :, None] & action[:, None, :])
    return ((sees & prepared.valid[:, None, :]) | itself)[:, None]


def fill(embeds: Tensor, where: Tensor, values: Tensor, kind: str) -> Tensor:
    """Puts values (n, H), in order, at the n True places of where (B, L).

    Raises:
        WallOSSError: there are more or fewer values than places.
    """
    room = int(where.sum())
    if room != len(values):
        raise WallOSSError(
            f"The text has {room} {kind} tokens, the batch brings {len(values)}.",
            f"Check the {kind} token's id in config.json and how the prompt was expanded.",
        )
    return embeds.masked_scatter(where.unsqueeze(-1), values.to(embeds.dtype))
