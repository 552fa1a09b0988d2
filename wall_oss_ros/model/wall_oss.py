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
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import checkpoint, inputs, sampling
from wall_oss_ros.model.decoder import ACTION
from wall_oss_ros.model.flow import flow_loss, sample_time
from wall_oss_ros.model.network import Network
from wall_oss_ros.model.token_choice import TokenChoice

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
        return checkpoint.load(cls, path, device, dtype, strict)

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
        """
        prepared = inputs.prepare(self, batch)
        embeds, action = prepared.embeds, prepared.types == ACTION
        chunk, cross_entropy, flow = batch.get("action_chunk"), None, None
        if chunk is not None:
            if noise is None:
                noise = batch["noise"] if "noise" in batch else torch.randn_like(chunk)
            if time is None:
                time = batch.get("time")
            if time is None:
                time = sample_time(len(chunk), self.config.noise_scheduler, chunk.device)
            t = time.view(-1, 1, 1)
            tokens = self.embed_actions((1 - t) * noise + t * chunk, batch["dof_mask"], time.view(-1, 1))
            embeds = inputs.fill(embeds, action, tokens.flatten(0, 1), "action")
        mask = inputs.attention_mask(prepared, self.config.causal_action_attention_mask)
        hidden = self.decode(embeds, prepared.positions, mask, prepared.types)
        logits = self.logits(hidden)
        if batch.get("labels") is not None:
            cross_entropy = F.cross_entropy(
                logits[:, :-1].flatten(0, 1).float(), batch["labels"][:, 1:].flatten(), ignore_index=-100
            )
        if chunk is not None:
            velocity = self.velocity(hidden[action]).view_as(chunk)
            flow = flow_loss(velocity, noise, chunk, batch["dof_mask"], t, self.config)
        return WallOSSOutput(logits, cross_entropy, flow)

    @torch.inference_mode()
    def sample_actions(
        self, batch: Batch, noise: Tensor | None = None, steps: int | None = None, use_cache: bool = True
    ) -> Tensor:
        """Normalised action chunks (B, horizon, A); see :func:`wall_oss_ros.model.sampling.sample_actions`."""
        return sampling.sample_actions(
            self, batch, noise, steps or self.config.noise_scheduler.num_inference_timesteps, use_cache
        )

    @torch.inference_mode()
    def generate(
        self,
        batch: Batch,
        max_new_tokens: int = 64,
        eos: int | None = None,
        use_cache: bool = True,
        choose: TokenChoice | None = None,
    ) -> Tensor:
        """Tokens, one by one: ids (B, at most max_new_tokens); see :mod:`wall_oss_ros.model.sampling`.

        Args:
            choose: the likeliest token when None; sampling by temperature and top-p, or a restricted set of tokens, by
                :class:`~wall_oss_ros.model.token_choice.TokenChoice`.
        """
        mask = batch.get("attention_mask")
        if mask is not None and mask.ndim > 2:
            raise WallOSSError(
                "generate does not know what new words would see by an attention_mask of (B, L, L).",
                "Give a mask of (B, L).",
            )
        eos = self.config.eos_token_id if eos is None else eos
        return sampling.generate(self, batch, max_new_tokens, eos, use_cache, choose or TokenChoice())
