# SPDX-License-Identifier: Apache-2.0
"""WALL-OSS: a vision-language model and an action expert that share one attention (arXiv 2509.11766).

A batch is a dictionary of tensors: input_ids, attention_mask, moe_token_types and labels (B, L); pixel_values
(patches, 3*2*14*14) and image_grid_thw (images, 3), the same as pixel_values_videos and video_grid_thw, with
second_per_grid_ts (videos,); proprioception and agent_pos_mask (B, 1, A); dof_mask, action_chunk and noise
(B, horizon, A); time (B,). What a method does not need may be left out. An attention_mask of (B, L, L) says itself who
sees whom.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import checkpoint
from wall_oss_ros.model.arguments import MOST_TOKENS, NOISE, check_batch, check_shape, flow_steps, whole_number
from wall_oss_ros.model.decoder import ACTION, LANGUAGE
from wall_oss_ros.model.flow import flow_loss, sample_time
from wall_oss_ros.model.inputs import Prepared, attention_mask, fill, prepare
from wall_oss_ros.model.network import Network
from wall_oss_ros.model.sampling import TokenChoice, check_limit, generate_tokens, integrate

Batch = Mapping[str, Tensor]


@dataclass
class WallOSSOutput:
    """What :meth:`WallOSS.forward` computes; a loss is None where the batch has no target for it."""

    logits: Tensor  # (B, L, V)
    cross_entropy_loss: Tensor | None
    flow_loss: Tensor | None


class WallOSS(Network):
    """The network with whole batches and files."""

    @classmethod
    def from_pretrained(
        cls, path: str | os.PathLike, device="cpu", dtype: torch.dtype | None = None, strict: bool = True
    ) -> WallOSS:
        """Reads a folder, or a repository on the Hugging Face hub; see :func:`wall_oss_ros.model.checkpoint.load`."""
        return checkpoint.load(cls, path, device, dtype, strict)[0]

    def save_pretrained(self, path: str | os.PathLike) -> None:
        """Writes config.json and model.safetensors into a folder."""
        checkpoint.save(self, path)

    def forward(self, batch: Batch, noise: Tensor | None = None, time: Tensor | None = None) -> WallOSSOutput:
        """Logits and both losses.

        Args:
            batch: see the module; ``labels`` gives the language loss, ``action_chunk`` the flow loss.
            noise: (B, horizon, A), standard normal; the batch's own, or fresh, when None.
            time: (B,) in [0, 1), 0 is noise; the batch's own, or sampled, when None.

        Returns:
            The flow loss is that of :func:`~wall_oss_ros.model.flow.flow_loss`.

        Raises:
            WallOSSError: what the batch, the noise or the time has is missing or of another shape.
        """
        prepared = prepare(self, batch)
        embeds, action = prepared.embeds, prepared.types == ACTION
        chunk, cross_entropy, flow = batch.get("action_chunk"), None, None
        if chunk is not None:
            if noise is None:
                noise = batch["noise"] if "noise" in batch else torch.randn_like(chunk)
            if time is None:
                time = batch.get("time")
            if time is None:
                time = sample_time(len(chunk), self.config.noise_scheduler, chunk.device)
            check_shape("The noise", noise, tuple(chunk.shape), NOISE)
            t = check_shape("time", time, (len(chunk),)).view(-1, 1, 1)
            check_shape("dof_mask", batch["dof_mask"], tuple(chunk.shape))
            tokens = self.action_preprocessor.embed_actions(
                (1 - t) * noise + t * chunk, batch["dof_mask"], time.view(-1, 1)
            )
            embeds = fill(embeds, action, tokens.flatten(0, 1), "action")
        mask = attention_mask(prepared, self.config.causal_action_attention_mask)
        hidden = self.model(embeds, prepared.positions, mask, prepared.types)
        logits = self.lm_head(hidden)
        if batch.get("labels") is not None:
            labels = batch["labels"][:, 1:].flatten()
            total = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels, ignore_index=-100, reduction="sum")
            cross_entropy = total / (labels != -100).sum().clamp(min=1)  # 0, not NaN, where nothing is to be said
        if chunk is not None:
            velocity = self.action_preprocessor.velocity(hidden[action]).view_as(chunk)
            flow = flow_loss(velocity, noise, chunk, batch["dof_mask"], t, self.config)
        return WallOSSOutput(logits, cross_entropy, flow)

    @torch.inference_mode()
    def sample_actions(
        self, batch: Batch, noise: Tensor | None = None, steps: int | None = None, use_cache: bool = True
    ) -> Tensor:
        """Action chunks for whole prompts.

        The prefix runs once, and its keys and values are reused. That is exact: it is causal, so that no token of it
        ever sees an action.

        Args:
            noise: (B, horizon, A); the batch's own, or fresh, when None.
            steps: how many; the checkpoint's own number when None.
            use_cache: False runs the whole sequence at every step, as the public implementation does.

        Returns:
            (B, horizon, A), normalised, on the batch's device.

        Raises:
            WallOSSError: a tensor is missing or of another shape, there are no action tokens, it is no number of
                steps, or the result is not finite.
        """
        check_batch(batch, self.config, "dof_mask")
        mask, head, steps = batch["dof_mask"], self.action_preprocessor, flow_steps(steps, self.config)
        if noise is None:
            noise = batch["noise"] if "noise" in batch else torch.randn(mask.shape, device=mask.device)
        check_shape("The noise", noise, tuple(mask.shape), NOISE)
        prepared = prepare(self, batch)
        horizon, action = noise.shape[1], prepared.types == ACTION
        if not bool(action.sum(1).eq(horizon).all()):
            raise WallOSSError(
                f"Every prompt must hold {horizon} action tokens, one for each step of the noise.",
                "Expand <|action|> to the horizon.",
            )
        trailing = bool(action[:, -horizon:].all())
        decode = (self._behind_prefix if use_cache and trailing else self._in_whole)(prepared, horizon)
        actions = noise.float() if not noise.is_floating_point() else noise.clone()

        def advance(index: int) -> None:
            t = torch.full((len(noise), 1), index / steps, device=noise.device)
            velocity = head.velocity(decode(head.embed_actions(actions, mask, t)))
            actions.add_(velocity.to(actions.dtype) / steps)

        integrate(actions, steps, advance)
        return actions

    def _behind_prefix(self, prepared: Prepared, horizon: int) -> Callable[[Tensor], Tensor]:
        """Runs action tokens (B, horizon, H) alone, on top of the prefix's keys and values."""
        batch, length = prepared.types.shape
        start, positions = length - horizon, prepared.positions
        cache = self.new_cache(batch, length)
        mask = attention_mask(prepared, self.config.causal_action_attention_mask) if prepared.masked else None
        prefix_mask, suffix_mask = (None, None) if mask is None else (mask[:, :, :start, :start], mask[:, :, start:])
        self.model(prepared.embeds[:, :start], positions[:, :, :start], prefix_mask, start, cache, causal=mask is None)

        def decode(tokens: Tensor) -> Tensor:
            cache.truncate(start)
            return self.model(tokens, positions[:, :, start:], suffix_mask, 0, cache)

        return decode

    def _in_whole(self, prepared: Prepared, horizon: int) -> Callable[[Tensor], Tensor]:
        """Runs action tokens (B, horizon, H) in the whole sequence: slower, wherever in it they are."""
        action = prepared.types == ACTION
        mask = attention_mask(prepared, self.config.causal_action_attention_mask)

        def decode(tokens: Tensor) -> Tensor:
            embeds = prepared.embeds.masked_scatter(action.unsqueeze(-1), tokens.flatten(0, 1))
            return self.model(embeds, prepared.positions, mask, prepared.types)[action].view(len(tokens), horizon, -1)

        return decode

    @torch.inference_mode()
    def generate(
        self,
        batch: Batch,
        max_new_tokens: int = 64,
        eos: int | None = None,
        use_cache: bool = True,
        choose: TokenChoice | None = None,
    ) -> Tensor:
        """What follows each prompt: ids (B, at most max_new_tokens). Prompts may be padded on either side.

        Args:
            eos: ends a row; the checkpoint's own when None.
            use_cache: False runs the whole sequence for every token, for comparison.
            choose: the likeliest token when None; sampling by temperature and top-p, or a restricted set of tokens, by
                :class:`~wall_oss_ros.model.sampling.TokenChoice`.

        Raises:
            WallOSSError: no token was asked for, a logit is not finite, or the attention_mask is (B, L, L).
        """
        whole_number("eos", 0 if eos is None else eos, -1, MOST_TOKENS * 64, "Give a token's id, or -1 for none.")
        check_limit(max_new_tokens)
        prepared, config = prepare(self, batch), self.config
        if prepared.visible is not None:
            raise WallOSSError(
                "generate does not know what new words would see by an attention_mask of (B, L, L).",
                "Give a mask of (B, L).",
            )
        count, length = prepared.types.shape
        embeds, types, valid, positions = prepared.embeds, prepared.types, prepared.valid, prepared.positions
        last = (torch.arange(length, device=valid.device) * valid).argmax(1)  # (B,) the last real token of each row
        position = (positions.masked_fill(~valid, -1).amax((0, 2)) + 1).expand(3, -1).unsqueeze(-1)
        cache = self.new_cache(count, length + max_new_tokens)
        mask = attention_mask(prepared, config.causal_action_attention_mask) if prepared.masked else None
        hidden = self.model(embeds, positions, mask, types, cache, causal=mask is None)

        def advance(token: Tensor, done: Tensor) -> Tensor:
            nonlocal embeds, types, valid, positions, position
            embed = self.model.embed_tokens(token[:, None])
            valid, here, position = torch.cat((valid, ~done[:, None]), dim=1), position, position + 1
            if use_cache:
                seen = valid[:, None, None, :] if prepared.masked else None
                return self.lm_head(self.model(embed, here, seen, 1, cache)[:, -1])
            embeds, positions = torch.cat((embeds, embed), 1), torch.cat((positions, here), 2)
            types = torch.cat((types, torch.full_like(token[:, None], LANGUAGE)), 1)
            whole = Prepared(embeds, positions, types, valid, True)
            mask = attention_mask(whole, config.causal_action_attention_mask)
            return self.lm_head(self.model(embeds, positions, mask, types)[:, -1])

        first = self.lm_head(hidden[torch.arange(count, device=hidden.device), last])
        eos = config.eos_token_id if eos is None else eos
        return generate_tokens(first, advance, choose or TokenChoice(), max_new_tokens, eos, config.pad_token_id)
