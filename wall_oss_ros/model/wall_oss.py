# SPDX-License-Identifier: Apache-2.0
"""WALL-OSS: a vision-language model and an action expert that share one attention (arXiv 2509.11766).

A batch is a dictionary of tensors: input_ids, attention_mask, moe_token_types and labels (B, L); pixel_values
(patches, 3*2*14*14) and image_grid_thw (images, 3), the same as pixel_values_videos and video_grid_thw, with
second_per_grid_ts (videos,); proprioception and agent_pos_mask (B, 1, A); dof_mask, action_chunk and noise
(B, horizon, A); time (B,). What a method does not need may be left out. An attention_mask of (B, L, L) says itself who
sees whom.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.attention import check_backend
from wall_oss_ros.model.cache import KVCache
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.model.decoder import Decoder
from wall_oss_ros.model.flow import ActionPreprocessor, sample_time
from wall_oss_ros.model.inputs import Prepared, attention_mask, fill, prepare
from wall_oss_ros.model.positions import multimodal_positions
from wall_oss_ros.model.sampling import generate, sample_actions
from wall_oss_ros.model.token_choice import TokenChoice
from wall_oss_ros.model.vision import VisionTower

Batch = Mapping[str, Tensor]
_RESIDUAL = re.compile(r"(o_proj|attn\.proj|down_proj)(_experts\.\d+)?$")  # what adds to the residual stream


@dataclass
class WallOSSOutput:
    """What :meth:`WallOSS.forward` computes; a loss is None where the batch has no target for it."""

    logits: Tensor  # (B, L, V)
    cross_entropy_loss: Tensor | None
    flow_loss: Tensor | None


class WallOSS(nn.Module):
    """The network. Parameter names are those of the released checkpoints."""

    def __init__(self, config: WallOSSConfig, initialise: bool = True):
        super().__init__()
        self.config = config
        self.visual = VisionTower(config.vision)
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.action_preprocessor = ActionPreprocessor(config)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        if initialise:
            self.initialise()

    @classmethod
    def from_pretrained(cls, path, device="cpu", dtype: torch.dtype | None = None, strict: bool = True) -> WallOSS:
        """Reads a folder, or a repository on the Hugging Face hub; see :func:`wall_oss_ros.model.checkpoint.load`."""
        from wall_oss_ros.model.checkpoint import load

        return load(cls, path, device, dtype, strict)

    def save_pretrained(self, path) -> None:
        """Writes config.json and model.safetensors into a folder."""
        from wall_oss_ros.model.checkpoint import save

        save(self, path)

    @torch.no_grad()
    def initialise(self) -> None:
        """Fresh weights: normal with variance 1 / inputs; a constant deviation fails at small widths.

        What adds to the residual stream starts smaller, so that depth does not grow it; embeddings start about as
        large as the vision tower's tokens.
        """
        for name, module in self.named_modules():
            if isinstance(module, (nn.Linear, nn.Conv3d)):
                std = module.weight[0].numel() ** -0.5
                if _RESIDUAL.search(name):
                    depth = self.config.vision.depth if name.startswith("visual") else self.config.num_hidden_layers
                    std /= math.sqrt(2 * depth)
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        tied = self.config.tie_word_embeddings
        nn.init.normal_(self.model.embed_tokens.weight, std=self.config.hidden_size**-0.5 if tied else 0.5)

    def set_attention_backend(self, backend: str) -> None:
        """Chooses the decoder's attention kernel: auto (the default), sdpa or flash; see ``model/attention.py``.

        Raises:
            WallOSSError: the name is unknown, or flash-attn is not installed.
        """
        self.model.attention_backend = check_backend(backend)

    def set_gradient_checkpointing(self, enabled: bool = True) -> None:
        """Whether a backward pass computes each layer's inside again, instead of keeping it from the forward pass.

        Saves memory, costs about a forward pass of time, and changes no result.
        """
        self.model.gradient_checkpointing = self.visual.gradient_checkpointing = enabled

    @property
    def device(self) -> torch.device:
        return self.lm_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.lm_head.weight.dtype

    # Parts, for training and for the inference engine

    def encode_images(self, pixel_values: Tensor, image_grid_thw: Tensor) -> Tensor:
        """(patches, 3*2*14*14) and (images or videos, 3) -> their tokens (image tokens, H)."""
        return self.visual(pixel_values, image_grid_thw)

    def position_ids(
        self,
        input_ids: Tensor,
        image_grid_thw: Tensor | None,
        attention_mask: Tensor | None = None,
        video_grid_thw: Tensor | None = None,
        second_per_grid_ts: Tensor | list[float] | None = None,
    ) -> Tensor:
        """(B, L), (images, 3), (B, L), (videos, 3), (videos,) -> positions in time, height and width (3, B, L)."""
        c = self.config
        return multimodal_positions(
            input_ids, attention_mask, c.vision.spatial_merge_size, c.image_token_id, image_grid_thw,
            c.video_token_id, video_grid_thw, second_per_grid_ts, c.vision.tokens_per_second,
        )  # fmt: skip

    def embed_tokens(self, input_ids: Tensor) -> Tensor:
        """(B, L) -> (B, L, H)."""
        return self.model.embed_tokens(input_ids)

    def embed_state(self, state: Tensor, mask: Tensor) -> Tensor:
        """Normalised state and its mask (..., A) -> proprioception tokens (..., H)."""
        return self.action_preprocessor.embed_state(state, mask)

    def embed_actions(self, noisy: Tensor, dof_mask: Tensor, t: Tensor) -> Tensor:
        """Noisy actions and mask (..., A) at flow time t, broadcastable to (...) -> action tokens (..., H)."""
        return self.action_preprocessor.embed_actions(noisy, dof_mask, t)

    def velocity(self, hidden: Tensor) -> Tensor:
        """(..., H) after the final norm -> velocities (..., A)."""
        return self.action_preprocessor.velocity(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., H) after the final norm -> (..., V)."""
        return self.lm_head(hidden)

    def decode(
        self,
        inputs_embeds: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_types: Tensor | int = 0,
        cache: KVCache | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Runs the decoder.

        Args:
            inputs_embeds: (B, L, H).
            position_ids: (3, B, L).
            attention_mask: bool, broadcastable to (B, 1, L, cached + L), True where a query sees a key; None for all.
            token_types: (B, L) the expert of each token, or an int n: the first n positions are vision and language,
                the rest actions, which needs no gathering.
            cache: keys and values of earlier tokens, seen by the new ones, which are appended.
            causal: instead of a mask: each token sees the cached ones, itself and those before it.

        Returns:
            (B, L, H) after the final norm.
        """
        return self.model(inputs_embeds, position_ids, attention_mask, token_types, cache, causal)

    def new_cache(self, batch: int, capacity: int) -> KVCache:
        """Buffers for ``capacity`` tokens."""
        c = self.config
        return KVCache(c.num_hidden_layers, batch, c.num_key_value_heads, capacity, c.head_dim, self.device, self.dtype)

    def prepare(self, batch: Batch) -> Prepared:
        """Embeds a batch: words, images, videos, proprioception; see :func:`wall_oss_ros.model.inputs.prepare`."""
        return prepare(self, batch)

    def attention_mask(self, prepared: Prepared) -> Tensor:
        """(B, 1, L, L) bool, True where a token sees another; see :func:`wall_oss_ros.model.inputs.attention_mask`."""
        return attention_mask(prepared, self.config.causal_action_attention_mask)

    # Whole batches

    def forward(self, batch: Batch, noise: Tensor | None = None, time: Tensor | None = None) -> WallOSSOutput:
        """Logits and both losses.

        Args:
            batch: see the module; ``labels`` gives the language loss, ``action_chunk`` the flow loss.
            noise: (B, horizon, A), standard normal; the batch's own, or fresh, when None.
            time: (B,) in [0, 1), 0 is noise; the batch's own, or sampled, when None.

        Returns:
            The flow loss is the mean of squared error times DoF mask, over every element.
        """
        prepared = self.prepare(batch)
        embeds, action = prepared.embeds, prepared.types == 1
        chunk, target = batch.get("action_chunk"), None
        if chunk is not None:
            if noise is None:
                noise = batch["noise"] if "noise" in batch else torch.randn_like(chunk)
            if time is None:
                time = (
                    batch["time"]
                    if "time" in batch
                    else sample_time(len(chunk), self.config.noise_scheduler, chunk.device)
                )
            t = time.view(-1, 1, 1)
            target = chunk - noise
            tokens = self.embed_actions((1 - t) * noise + t * chunk, batch["dof_mask"], time.view(-1, 1))
            embeds = fill(embeds, action, tokens.flatten(0, 1), "action")
        hidden = self.decode(embeds, prepared.positions, self.attention_mask(prepared), prepared.types)
        logits = self.logits(hidden)
        cross_entropy = flow = None
        if batch.get("labels") is not None:
            cross_entropy = F.cross_entropy(
                logits[:, :-1].flatten(0, 1).float(), batch["labels"][:, 1:].flatten(), ignore_index=-100
            )
        if target is not None:
            error = self.velocity(hidden[action]).view_as(target).float() - target
            if self.config.use_x_loss:  # the action that the velocity leads to is off by (1 - t) times the velocity
                error = (1 - t) * error
            flow = (error**2 * batch["dof_mask"]).mean()
        return WallOSSOutput(logits, cross_entropy, flow)

    @torch.inference_mode()
    def sample_actions(
        self, batch: Batch, noise: Tensor | None = None, steps: int | None = None, use_cache: bool = True
    ) -> Tensor:
        """Normalised action chunks (B, horizon, A); see :func:`wall_oss_ros.model.sampling.sample_actions`."""
        return sample_actions(
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
        """Words, one by one: ids (B, at most max_new_tokens); see :mod:`wall_oss_ros.model.sampling`.

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
        return generate(self, batch, max_new_tokens, eos, use_cache, choose or TokenChoice())
