# SPDX-License-Identifier: Apache-2.0
"""The decoder: every token attends to every other one; a token's type chooses its feed-forward expert.

With ``attention_moe`` the type also chooses the projections around attention, with ``norm_moe`` the norms. Attention
itself is one for all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wall_oss_ros.model.attention import Sight, attend, make_sight
from wall_oss_ros.model.cache import KVCache
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.model.layers import RMSNorm, SwiGLU
from wall_oss_ros.model.rope import decoder_rotation, rotate
from wall_oss_ros.model.routing import Route, make_route, routed


class Experts(nn.Module):
    """The routed feed-forward network."""

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.widths = config.expert_widths
        self.experts = nn.ModuleList(SwiGLU(e.hidden_size, e.intermediate_size) for e in config.experts)

    def forward(self, x: Tensor, route: Route) -> Tensor:
        return routed(self.experts, x, route, self.widths)


class Attention(nn.Module):
    """Grouped-query attention; its projections are shared, or one for each type of token."""

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.head_dim = config.head_dim
        self.widths = config.expert_widths if config.attention_moe else None
        key_width = config.num_key_value_heads * config.head_dim
        for name, size in (("q", config.hidden_size), ("k", key_width), ("v", key_width)):
            if self.widths is None:
                self.add_module(f"{name}_proj", nn.Linear(config.hidden_size, size))
            else:
                parts = nn.ModuleList(nn.Linear(width, size) for width in self.widths)
                self.add_module(f"{name}_proj_experts", parts)
        if self.widths is None:
            self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        else:
            self.o_proj_experts = nn.ModuleList(
                nn.Linear(config.hidden_size, width, bias=False) for width in self.widths
            )

    def _heads(self, name: str, x: Tensor, route: Route) -> Tensor:
        """(B, L, W) -> (B, L, heads, D)."""
        if self.widths is None:
            out = getattr(self, f"{name}_proj")(x)
        else:
            out = routed(getattr(self, f"{name}_proj_experts"), x, route, self.widths)
        return out.view(*x.shape[:2], -1, self.head_dim)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, sight: Sight, route: Route, cache: KVCache | None, layer: int
    ) -> Tensor:
        q = rotate(self._heads("q", x, route), cos, sin).transpose(1, 2)  # (B, heads, L, D)
        k = rotate(self._heads("k", x, route), cos, sin).transpose(1, 2)
        v = self._heads("v", x, route).transpose(1, 2)
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        out = attend(q, k, v, sight).flatten(2)
        return self.o_proj(out) if self.widths is None else routed(self.o_proj_experts, out, route)


def add_norm(owner: nn.Module, name: str, config: WallOSSConfig) -> None:
    """Gives ``owner`` the norm ``name``, or one for each type of token as ``names``."""
    eps = config.rms_norm_eps
    if config.norm_moe:
        owner.add_module(f"{name}s", nn.ModuleList(RMSNorm(width, eps) for width in config.expert_widths))
    else:
        owner.add_module(name, RMSNorm(config.hidden_size, eps))


def apply_norm(owner: nn.Module, name: str, config: WallOSSConfig, x: Tensor, route: Route) -> Tensor:
    """Applies what :func:`add_norm` gave. (B, L, W) -> (B, L, W)."""
    if config.norm_moe:
        return routed(getattr(owner, f"{name}s"), x, route, config.expert_widths)
    return getattr(owner, name)(x)


class DecoderLayer(nn.Module):
    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.config = config
        add_norm(self, "input_layernorm", config)
        self.self_attn = Attention(config)
        add_norm(self, "post_attention_layernorm", config)
        self.moe = Experts(config)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, sight: Sight, route: Route, cache: KVCache | None, layer: int
    ) -> Tensor:
        normed = apply_norm(self, "input_layernorm", self.config, x, route)
        x = x + self.self_attn(normed, cos, sin, sight, route, cache, layer)
        return x + self.moe(apply_norm(self, "post_attention_layernorm", self.config, x, route), route)


class Decoder(nn.Module):
    """``attention_backend`` and ``gradient_checkpointing`` are settings, see :class:`~wall_oss_ros.model.WallOSS`."""

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.config = config
        self.attention_backend = "auto"
        self.gradient_checkpointing = False
        # Without torch's own initial values: drawn for a model without memory, they cost two seconds of imports.
        words = torch.empty(config.vocab_size, config.hidden_size)
        self.embed_tokens = nn.Embedding.from_pretrained(words, freeze=False)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        add_norm(self, "norm", config)

    def forward(
        self,
        inputs_embeds: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor | None,
        token_types: Tensor | int,
        cache: KVCache | None = None,
        causal: bool = False,
    ) -> Tensor:
        """See :meth:`wall_oss_ros.model.wall_oss.WallOSS.decode`."""
        config, length = self.config, inputs_embeds.shape[1]
        if config.causal_action_attention_mask and isinstance(token_types, int) and token_types == 0:
            causal = True  # actions alone: what follows an action is hidden from it, unless a mask says otherwise
        seen = 0 if cache is None else cache.length
        sight = make_sight(self.attention_backend, inputs_embeds, attention_mask, causal, seen)
        cos, sin = decoder_rotation(
            position_ids, config.head_dim, config.rope_theta, config.mrope_section, inputs_embeds.dtype
        )
        route = make_route(token_types, length, len(config.experts))
        width = max(config.expert_widths[expert] for expert, _ in route)  # less than W where narrow experts are alone
        x = inputs_embeds if width == inputs_embeds.shape[-1] else inputs_embeds[..., :width]
        recompute = self.gradient_checkpointing and cache is None and torch.is_grad_enabled()
        for index, layer in enumerate(self.layers):
            if recompute:
                x = checkpoint(layer, x, cos, sin, sight, route, None, index, use_reentrant=False)
            else:
                x = layer(x, cos, sin, sight, route, cache, index)
        if cache is not None:
            cache.length += length
        x = apply_norm(self, "norm", config, x, route)
        return x if width == config.hidden_size else F.pad(x, (0, config.hidden_size - width))
