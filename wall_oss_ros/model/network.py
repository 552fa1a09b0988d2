# SPDX-License-Identifier: Apache-2.0
"""The network's parts and how they are joined: what training, sampling and the inference engine are made of.

It knows nothing of files or batches; :class:`~wall_oss_ros.model.WallOSS`, which users see, adds these.
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn

from wall_oss_ros.model.attention import KVCache, check_backend
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.model.decoder import Decoder
from wall_oss_ros.model.flow import ActionPreprocessor
from wall_oss_ros.model.positions import multimodal_positions
from wall_oss_ros.model.vision import VisionTower

_RESIDUAL = re.compile(r"(o_proj|attn\.proj|down_proj)(_experts\.\d+)?$")  # what adds to the residual stream


class Network(nn.Module):
    """Parameter names are those of the released checkpoints."""

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
