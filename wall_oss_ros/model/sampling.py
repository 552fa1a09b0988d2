# SPDX-License-Identifier: Apache-2.0
"""Actions by integrating the flow, words token by token: the two loops, and what they run over for whole batches.

For a batch, both run the prefix once and reuse its keys and values. That is exact: the prefix is causal, so no token of
it ever sees an action or a later word. The inference engine takes the same loops over its own buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.decoder import ACTION, LANGUAGE
from wall_oss_ros.model.inputs import Prepared, attention_mask, prepare
from wall_oss_ros.model.network import Network
from wall_oss_ros.model.token_choice import TokenChoice

Guide = Callable[[Tensor, float, float, Callable[[], None]], None]
"""Takes an Euler step of the actions, in place: (actions, flow time, length of the step, the step without guidance)."""


def integrate(actions: Tensor, steps: int, advance: Callable[[int], None], guide: Guide | None = None) -> None:
    """Euler steps from noise (t = 0) to actions (t = 1), in place.

    Args:
        actions: (..., horizon, A); the noise to begin with.
        advance: takes step number i, from t = i / steps on, in place.
        guide: takes the steps instead, where the actions are to go on from others.

    Raises:
        WallOSSError: the result is not finite.
    """
    for index in range(steps):
        if guide is None:
            advance(index)
        else:
            guide(actions, index / steps, 1 / steps, partial(advance, index))
    if not torch.isfinite(actions).all():
        raise WallOSSError(
            "The model computed actions that are not finite.", "Check the checkpoint and the observation."
        )


def generate_tokens(
    logits: Tensor, advance: Callable[[Tensor, Tensor], Tensor], choose: TokenChoice, limit: int, eos: int, pad: int
) -> Tensor:
    """Tokens, one by one, until each row has ended.

    Args:
        logits: (B, V) for the first one.
        advance: runs the chosen tokens (B,); of the rows that have ended (B,) nothing is to be seen. Gives the next
            logits (B, V).
        choose: which token comes next.
        limit: how many at most.
        eos: ends a row, and is part of it.
        pad: fills a row that has ended.

    Returns:
        (B, n) ids with n <= limit.

    Raises:
        WallOSSError: no token was asked for, or a logit is not finite.
    """
    if limit < 1:
        raise WallOSSError(f"{limit} new tokens were asked for; at least 1 was expected.", "Ask for more.")
    done = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    tokens: list[Tensor] = []
    while True:
        token = choose(logits).masked_fill(done, pad)
        tokens.append(token)
        done = done | (token == eos)
        if len(tokens) == limit or bool(done.all()):
            return torch.stack(tokens, dim=1)
        logits = advance(token, done)


def sample_actions(
    model: Network, batch: Mapping[str, Tensor], noise: Tensor | None, steps: int, use_cache: bool
) -> Tensor:
    """Action chunks for a batch of whole prompts.

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
    prepared = prepare(model, batch)
    length, horizon = prepared.types.shape[1], noise.shape[1]
    if not bool((prepared.types == ACTION).sum(1).eq(horizon).all()):
        raise WallOSSError(
            f"Every prompt must hold {horizon} action tokens, one for each step of the noise.",
            "Expand <|action|> to the horizon.",
        )
    trailing = bool((prepared.types[:, length - horizon :] == ACTION).all())
    velocity = (_suffix_velocity if use_cache and trailing else _whole_velocity)(model, prepared, horizon)
    actions = noise.clone()

    def advance(index: int) -> None:
        t = torch.full((len(noise), 1), index / steps, device=noise.device)
        actions.add_(velocity(model.embed_actions(actions, mask, t)).to(actions.dtype) / steps)

    integrate(actions, steps, advance)
    return actions


def _suffix_velocity(model: Network, prepared: Prepared, horizon: int) -> Callable[[Tensor], Tensor]:
    """Velocities from the action tokens alone, on top of the prefix's keys and values."""
    batch, length = prepared.types.shape
    start, positions = length - horizon, prepared.positions
    cache = model.new_cache(batch, length)
    mask = attention_mask(prepared, model.config.causal_action_attention_mask) if prepared.masked else None
    prefix_mask, suffix_mask = (None, None) if mask is None else (mask[:, :, :start, :start], mask[:, :, start:])
    model.decode(prepared.embeds[:, :start], positions[:, :, :start], prefix_mask, start, cache, causal=mask is None)

    def velocity(tokens: Tensor) -> Tensor:
        cache.truncate(start)
        return model.velocity(model.decode(tokens, positions[:, :, start:], suffix_mask, 0, cache))

    return velocity


def _whole_velocity(model: Network, prepared: Prepared, horizon: int) -> Callable[[Tensor], Tensor]:
    """Velocities from the whole sequence: slower, for action tokens anywhere."""
    action = prepared.types == ACTION
    mask = attention_mask(prepared, model.config.causal_action_attention_mask)

    def velocity(tokens: Tensor) -> Tensor:
        embeds = prepared.embeds.masked_scatter(action.unsqueeze(-1), tokens.flatten(0, 1))
        hidden = model.decode(embeds, prepared.positions, mask, prepared.types)
        return model.velocity(hidden[action]).view(len(tokens), horizon, -1)

    return velocity


def generate(
    model: Network, batch: Mapping[str, Tensor], limit: int, eos: int, use_cache: bool, choose: TokenChoice
) -> Tensor:
    """What follows each prompt of a batch; see :func:`generate_tokens`. Prompts may be padded on either side.

    Args:
        use_cache: False runs the whole sequence for every token, for comparison.

    Raises:
        WallOSSError: as :func:`generate_tokens`.
    """
    prepared, causal_actions = prepare(model, batch), model.config.causal_action_attention_mask
    count, length = prepared.types.shape
    embeds, types, valid, positions = prepared.embeds, prepared.types, prepared.valid, prepared.positions
    last = (torch.arange(length, device=valid.device) * valid).argmax(1)  # (B,) the last real token of each row
    position = (positions.masked_fill(~valid, -1).amax((0, 2)) + 1).expand(3, -1).unsqueeze(-1)
    cache = model.new_cache(count, length + max(limit, 0))
    mask = attention_mask(prepared, causal_actions) if prepared.masked else None
    hidden = model.decode(embeds, positions, mask, types, cache, causal=mask is None)

    def advance(token: Tensor, done: Tensor) -> Tensor:
        nonlocal embeds, types, valid, positions, position
        embed = model.embed_tokens(token[:, None])
        valid, here, position = torch.cat((valid, ~done[:, None]), dim=1), position, position + 1
        if use_cache:
            seen = valid[:, None, None, :] if prepared.masked else None
            return model.logits(model.decode(embed, here, seen, 1, cache)[:, -1])
        embeds, positions = torch.cat((embeds, embed), 1), torch.cat((positions, here), 2)
        types = torch.cat((types, torch.full_like(token[:, None], LANGUAGE)), 1)
        mask = attention_mask(Prepared(embeds, positions, types, valid, True), causal_actions)
        return model.logits(model.decode(embeds, positions, mask, types)[:, -1])

    first = model.logits(hidden[torch.arange(count, device=hidden.device), last])
    return generate_tokens(first, advance, choose, limit, eos, model.config.pad_token_id)
