# SPDX-License-Identifier: Apache-2.0
"""The network's parts and how they are joined: what training, sampling and the inference engine are made of.

It knows nothing of files or batches; :class:`~wall_oss_ros.model.WallOSS`, which users see, adds these.
"""

from __future__ import annotations

import math
import re

import torch
from torch import nn

from wall_oss_ros.model.attention import KVCache, check_backend
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.model.decoder import Decoder
from wall_oss_ros.model.flow import ActionPreprocessor
from wall_oss_ros.model.vision import VisionTower

_RESIDUAL = re.compile(r"(o_proj|attn\.proj|down_proj)(_experts\.\d+)?$")  # what adds to the residual stream


class Network(nn.Module):
    """Parameter names are those of the released checkpoints.

    ``visual`` turns patches into tokens, ``model`` embeds words and is the decoder, ``lm_head`` gives the logits of
    what comes out of it (..., H), ``action_preprocessor`` is the flow head.
    """

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

    def new_cache(self, batch: int, capacity: int, dtype: torch.dtype | None = None) -> KVCache:
        """Buffers for ``capacity`` tokens, of the weights' type where none is given."""
        c, dtype = self.config, dtype or self.dtype
        return KVCache(c.num_hidden_layers, batch, c.num_key_value_heads, capacity, c.head_dim, self.device, dtype)
