# SPDX-License-Identifier: Apache-2.0
"""Actions by integrating the flow, words one by one. Both run the prefix once and reuse its keys and values.

That is exact: the prefix is causal, so no token of it ever sees an action or a later word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError

if TYPE_CHECKING:
    from wall_oss_ros.model.token_choice import TokenChoice
    from wall_oss_ros.model.wall_oss import Prepared, WallOSS


def sample_actions(
    model: WallOSS, batch: Mapping[str, Tensor], noise: Tensor | None, steps: int, use_cache: bool
) -> Tensor:
    """Euler steps from noise (t = 0) to actions (t = 1).

    Args:
        noise: (B, horizon, A); the batch's own, or fresh, when None.
        steps: how many; 10 is the released setting.
        use_cache: False runs the whole sequence at every step, as the public implementation does.

    Returns:
        (B, horizon, A), normalised, on the batch's device.

    Raises:
        WallOSSError: there are no action tokens, or the result is not finite.
    """
    mask = batch["dof_mask"]
    if noise is None:
        noise = batch.get("noise")
    if noise is None:
        noise = torch.randn(mask.shape, device=mask.device)
    prepared = model.prepare(batch)
    horizon = noise.shape[1]
    if not bool((prepared.types == 1).sum(1).eq(horizon).all()):
        raise WallOSSError(
            f"Every prompt must hold {horizon} action tokens, one for each row of the noise.",
            "Expand <|action|> to the horizon.",
        )
    length = prepared.types.shape[1]
    trailing = bool((prepared.types[:, length - horizon :] == 1).all())
    velocity = _suffix_velocity if use_cache and trailing else _whole_velocity
    step = velocity(model, prepared, mask, horizon)
    actions = noise
    for index in range(steps):
        t = torch.full((len(noise), 1), index / steps, device=noise.device)
        actions = actions + step(actions, t).to(actions.dtype) / steps
    if not torch.isfinite(actions).all():
        raise WallOSSError(
            "The model computed actions that are not finite.", "Check the checkpoint and the observation."
        )
    return actions


def _suffix_velocity(model: WallOSS, prepared: Prepared, dof_mask: Tensor, horizon: int):
    """Velocities from the action tokens alone, on top of the prefix's keys and values."""
    batch, length = prepared.types.shape
    start = length - horizon
    cache = model.new_cache(batch, length)
    mask = model.attention_mask(prepared) if prepared.padded else None
    prefix_mask = mask[:, :, :start, :start] if prepared.padded else None
    model.decode(
        prepared.embeds[:, :start],
        prepared.positions[:, :, :start],
        prefix_mask,
        start,
        cache,
        causal=not prepared.padded,
    )
    suffix_mask = mask[:, :, start:] if prepared.padded else None
    positions = prepared.positions[:, :, start:]

    def step(actions: Tensor, t: Tensor) -> Tensor:
        cache.truncate(start)
        tokens = model.embed_actions(actions, dof_mask, t)
        return model.velocity(model.decode(tokens, positions, suffix_mask, 0, cache))

    return step


def _whole_velocity(model: WallOSS, prepared: Prepared, dof_mask: Tensor, horizon: int):
    """Velocities from the whole sequence: slower, for action tokens anywhere."""
    action = prepared.types == 1
    mask = model.attention_mask(prepared)

    def step(actions: Tensor, t: Tensor) -> Tensor:
        tokens = model.embed_actions(actions, dof_mask, t).flatten(0, 1)
        embeds = prepared.embeds.masked_scatter(action.unsqueeze(-1), tokens)
        hidden = model.decode(embeds, prepared.positions, mask, prepared.types)
        return model.velocity(hidden[action]).view(actions.shape)

    return step


def generate(
    model: WallOSS, batch: Mapping[str, Tensor], max_new_tokens: int, eos: int, use_cache: bool, choose: TokenChoice
) -> Tensor:
    """Words behind each prompt, until each has ended.

    Prompts may be padded on either side. A row that has ended is filled with the pad token; the end token itself is
    part of the result.

    Args:
        eos: the end token.
        use_cache: False runs the whole sequence for every word, for comparison.
        choose: which token comes next.

    Returns:
        (B, n) ids with n <= max_new_tokens.

    Raises:
        WallOSSError: no word was asked for, or a logit is not finite.
    """
    if max_new_tokens < 1:
        raise WallOSSError(f"{max_new_tokens} new tokens were asked for; at least 1 was expected.", "Ask for more.")
    prepared = model.prepare(batch)
    batch_size, length = prepared.types.shape
    alive, positions = prepared.alive, prepared.positions
    order = torch.arange(length, device=alive.device)
    last = (order * alive).argmax(1)  # (B,) the last real token of each row
    next_position = positions.masked_fill(~alive, -1).amax((0, 2)) + 1
    cache = model.new_cache(batch_size, length + max_new_tokens)
    mask = model.attention_mask(prepared) if prepared.padded else None
    hidden = model.decode(prepared.embeds, positions, mask, prepared.types, cache, causal=mask is None)
    hidden = hidden[torch.arange(batch_size, device=hidden.device), last]
    done = torch.zeros(batch_size, dtype=torch.bool, device=hidden.device)
    words: list[Tensor] = []
    embeds, types = prepared.embeds, prepared.types
    for index in range(max_new_tokens):
        word = choose(model.logits(hidden)).masked_fill(done, model.config.pad_token_id)
        words.append(word)
        done = done | (word == eos)
        if bool(done.all()) or index + 1 == max_new_tokens:
            break
        embed = model.embed_tokens(word[:, None])
        position = (next_position + index).expand(3, -1).unsqueeze(-1)
        alive = torch.cat((alive, ~done[:, None]), dim=1)
        if use_cache:
            key_mask = alive[:, None, None, :] if prepared.padded else None
            hidden = model.decode(embed, position, key_mask, 1, cache)[:, -1]
            continue
        embeds, types = torch.cat((embeds, embed), 1), torch.cat((types, torch.zeros_like(word)[:, None]), 1)
        positions = torch.cat((positions, position), 2)
        grown = type(prepared)(embeds, positions, types, alive, True)
        hidden = model.decode(embeds, positions, model.attention_mask(grown), types)[:, -1]
    return torch.stack(words, dim=1)
