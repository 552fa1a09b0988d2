"""The decoder: every token shares one attention; a token's type chooses its feed-forward expert."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.model.cache import KVCache
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.model.layers import RMSNorm, SwiGLU
from wall_oss_ros.model.rope import decoder_rotation, rotate

# Which tokens go to which expert: (expert, slice of the sequence) or (expert, indices into the flattened tokens).
Route = Sequence[tuple[int, "slice | Tensor"]]


def make_route(token_types: Tensor | int, length: int, experts: int) -> Route:
    """Decided once for all layers.

    Args:
        token_types: (B, L) expert of each token, or an int n: the first n positions to expert 0, the rest to expert 1.
    """
    if isinstance(token_types, int):
        pieces = [(0, slice(0, min(token_types, length))), (1, slice(token_types, length))]
        return [(expert, part) for expert, part in pieces if part.start < part.stop]
    flat = token_types.reshape(-1)
    chosen = [(expert, (flat == expert).nonzero().squeeze(1)) for expert in range(experts)]
    chosen = [(expert, index) for expert, index in chosen if len(index)]
    if len(chosen) == 1 and len(chosen[0][1]) == len(flat):
        return [(chosen[0][0], slice(0, length))]
    return chosen


class Experts(nn.Module):
    """The routed feed-forward network."""

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.experts = nn.ModuleList(SwiGLU(e.hidden_size, e.intermediate_size) for e in config.experts)

    def forward(self, x: Tensor, route: Route) -> Tensor:
        if isinstance(route[0][1], slice):
            outputs = [self.experts[expert](x[:, part]) for expert, part in route]
            return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
        flat = x.reshape(-1, x.shape[-1])
        out = torch.zeros_like(flat)
        for expert, index in route:
            out = out.index_copy(0, index, self.experts[expert](flat[index]))
        return out.view_as(x)


class Attention(nn.Module):
    """Grouped-query attention, the same weights for every type of token."""

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.head_dim = config.head_dim
        self.grouped = config.num_key_value_heads != config.num_attention_heads
        key_width = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, key_width)
        self.v_proj = nn.Linear(config.hidden_size, key_width)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, causal: bool, cache: KVCache | None, layer: int
    ):
        batch, length, width = x.shape
        q = rotate(self.q_proj(x).view(batch, length, -1, self.head_dim), cos, sin).transpose(1, 2)  # (B, heads, L, D)
        k = rotate(self.k_proj(x).view(batch, length, -1, self.head_dim), cos, sin).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, -1, self.head_dim).transpose(1, 2)
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=self.grouped)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, width))


class DecoderLayer(nn.Module):
    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.moe = Experts(config)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask, causal: bool, route: Route, cache, layer: int
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask, causal, cache, layer)
        return x + self.moe(self.post_attention_layernorm(x), route)


class Decoder(nn.Module):
    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

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
        seen = 0 if cache is None else cache.length
        if causal and seen and length > 1:  # new tokens see all cached ones, and each other backwards
            attention_mask = torch.ones(length, seen + length, dtype=torch.bool, device=inputs_embeds.device).tril(seen)
        plain_causal = causal and not seen and length > 1
        cos, sin = decoder_rotation(
            position_ids, config.head_dim, config.rope_theta, config.mrope_section, inputs_embeds.dtype
        )
        route = make_route(token_types, length, len(config.experts))
        x = inputs_embeds
        for index, layer in enumerate(self.layers):
            x = layer(x, cos, sin, attention_mask, plain_causal, route, cache, index)
        if cache is not None:
            cache.length += length
        return self.norm(x)
