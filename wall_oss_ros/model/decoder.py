# SPDX-License-Identifier: Apache-2.0
"""The decoder: every token attends to every other one; a token's type chooses its feed-forward expert.

With ``attention_moe`` the type also chooses the projections around attention, with ``norm_moe`` the norms. Attention
itself is one for all.

What a layer computes is written once, in :func:`decoder_layer`, as a function of its :class:`LayerWeights`: the modules
themselves in training, packed copies of them in the inference engine (:class:`Kernels`). Where tokens of several types
are mixed in one run, :class:`RoutedWeights` sends each through those of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.attention import AttentionSpec, KVCache, LayerCache, PlacedCache, attend, attention_spec
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.model.layers import Kernels, LinearMap, RMSNorm, SwiGLU, gated
from wall_oss_ros.model.positions import decoder_rotation, rotate

LANGUAGE, ACTION = 0, 1
"""Types of tokens: words, images and states; actions."""


@dataclass(frozen=True)
class LayerWeights:
    """What the tokens of one type meet in one layer. H: their width."""

    attention_norm: Callable[[Tensor], Tensor]
    qkv: LinearMap  # H -> (heads + 2 * groups) * D
    out: LinearMap
    feed_forward_norm: Callable[[Tensor], Tensor]
    gate: LinearMap
    up: LinearMap
    down: LinearMap

    def attended(self, x: Tensor, residual: Tensor) -> Tensor:
        """What attention gave (B, L, heads * D), and what it is added to (B, L, H) -> (B, L, H)."""
        return self.out.plus(x, residual)

    def feed_forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """(..., H), normalised, and what it is added to -> (..., H)."""
        inner = gated(x, self.gate, self.up)
        return self.down(inner) if residual is None else self.down.plus(inner, residual)


def decoder_layer(
    x: Tensor,
    weights: LayerWeights | RoutedWeights,
    cos: Tensor,
    sin: Tensor,
    groups: int,
    spec: AttentionSpec,
    cache: LayerCache | PlacedCache | None = None,
    start: int = 0,
    only_keys: bool = False,
) -> Tensor:
    """One layer.

    Args:
        x: (B, L, H).
        cos, sin: (B or 1, L, 1, D), see :func:`~wall_oss_ros.model.positions.rotate`.
        groups: key-value heads.
        cache: of the tokens before ``start``; the new ones' keys and values are written behind them.
        only_keys: stop once the keys and values are written.

    Returns:
        (B, L, H); x itself where only keys were asked for.
    """
    qkv = weights.qkv(weights.attention_norm(x))
    qkv = qkv.view(*x.shape[:2], -1, cos.shape[-1])  # (B, L, heads + 2 * groups, D)
    heads = qkv.shape[2] - 2 * groups
    turned, value = qkv.split_with_sizes([heads + groups, groups], 2)  # queries with keys, values
    query, key = rotate(turned, cos, sin).split_with_sizes([heads, groups], 2)
    key, value = key.transpose(1, 2), value.transpose(1, 2)
    if cache is not None:
        key, value = cache.extend(start, key, value)
    if only_keys:
        return x
    x = weights.attended(attend(query, key, value, spec), x)
    return weights.feed_forward(weights.feed_forward_norm(x), x)


# Routing: each token through the part of the network that serves its type

Route = Sequence[tuple[int, "slice | Tensor"]]
"""Which tokens are of which type: (type, slice of the sequence) or (type, indices into the flattened tokens)."""


def make_route(token_types: Tensor | int, length: int, experts: int) -> Route:
    """Decided once for all layers. A route of one type covers the whole sequence.

    Args:
        token_types: (B, L) type of each token, or an int n: the first n positions are of type 0, the rest of type 1.

    Raises:
        WallOSSError: a type has no expert.
    """
    if isinstance(token_types, int):
        pieces = [(LANGUAGE, slice(0, min(token_types, length))), (ACTION, slice(token_types, length))]
        return [(kind, part) for kind, part in pieces if part.start < part.stop]
    flat = token_types.reshape(-1)
    chosen = [(kind, (flat == kind).nonzero().squeeze(1)) for kind in range(experts)]
    chosen = [(kind, index) for kind, index in chosen if len(index)]
    if sum(len(index) for _, index in chosen) != len(flat):
        raise WallOSSError(
            f"moe_token_types holds types other than 0 to {experts - 1}.", "Give 0 for words and images, 1 for actions."
        )
    return [(chosen[0][0], slice(0, length))] if len(chosen) == 1 else chosen


def routed(apply: Callable[[int, Tensor], Tensor], x: Tensor, route: Route) -> Tensor:
    """Each token through what serves its type.

    Args:
        apply: a type and its tokens (..., W) -> (..., any width).
        x: (B, L, W).

    Returns:
        (B, L, widest result); a narrower result has zeros behind it.
    """
    if len(route) == 1:
        return apply(route[0][0], x)
    sliced = isinstance(route[0][1], slice)
    tokens = x if sliced else x.reshape(-1, x.shape[-1])
    outputs = [apply(kind, tokens[:, part] if sliced else tokens[part]) for kind, part in route]
    widest = max(out.shape[-1] for out in outputs)
    outputs = [out if out.shape[-1] == widest else F.pad(out, (0, widest - out.shape[-1])) for out in outputs]
    if sliced:
        return torch.cat(outputs, dim=1)
    result = outputs[0].new_zeros(len(tokens), widest)
    for (_, index), out in zip(route, outputs):
        result = result.index_copy(0, index, out)
    return result.view(*x.shape[:2], widest)


class RoutedWeights:
    """The weights of several types of tokens that are mixed in one run, with the methods of :class:`LayerWeights`."""

    def __init__(self, types: dict[int, LayerWeights], config: WallOSSConfig, route: Route):
        self._types, self._widths, self._route = types, config.expert_widths, route
        shared = [(route[0][0], slice(None))]  # one for all
        self._norm_route = route if config.norm_moe else shared
        self._attention_route = route if config.attention_moe else shared

    def _apply(self, name: str, x: Tensor, route: Route) -> Tensor:
        """Each type reads as many numbers of a token as it is wide."""
        return routed(lambda kind, x: getattr(self._types[kind], name)(x[..., : self._widths[kind]]), x, route)

    def attention_norm(self, x: Tensor) -> Tensor:
        return self._apply("attention_norm", x, self._norm_route)

    def qkv(self, x: Tensor) -> Tensor:
        return self._apply("qkv", x, self._attention_route)

    def attended(self, x: Tensor, residual: Tensor) -> Tensor:
        return residual + routed(lambda kind, x: self._types[kind].out(x), x, self._attention_route)

    def feed_forward_norm(self, x: Tensor) -> Tensor:
        return self._apply("feed_forward_norm", x, self._norm_route)

    def feed_forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return residual + self._apply("feed_forward", x, self._route)


# The modules, under the released names


def _split_name(name: str) -> str:
    return f"{name}_experts" if name.endswith("_proj") else f"{name}s"


def _add_parts(owner: nn.Module, name: str, split: bool, widths: Sequence[int], make: Callable[[int], nn.Module]):
    """Gives ``owner`` the part ``name``, or one for each type of token: ``q_proj_experts.1``, ``norms.1``."""
    if split:
        owner.add_module(_split_name(name), nn.ModuleList(make(width) for width in widths))
    else:
        owner.add_module(name, make(widths[0]))


def _part(owner: nn.Module, name: str, kind: int) -> nn.Module:
    """The part that serves tokens of this type; see :func:`_add_parts`."""
    return getattr(owner, name) if hasattr(owner, name) else getattr(owner, _split_name(name))[kind]


class DecoderLayer(nn.Module):
    """The parameters of one layer, for all types of tokens."""

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.config = config
        hidden, keys, widths = config.hidden_size, config.num_key_value_heads * config.head_dim, config.expert_widths
        norm = partial(RMSNorm, eps=config.rms_norm_eps)
        _add_parts(self, "input_layernorm", config.norm_moe, widths, norm)
        self.self_attn = nn.Module()
        for name, size in (("q_proj", hidden), ("k_proj", keys), ("v_proj", keys)):
            _add_parts(self.self_attn, name, config.attention_moe, widths, partial(nn.Linear, out_features=size))
        out = partial(nn.Linear, hidden, bias=False)
        _add_parts(self.self_attn, "o_proj", config.attention_moe, widths, out)
        _add_parts(self, "post_attention_layernorm", config.norm_moe, widths, norm)
        self.moe = nn.Module()
        self.moe.experts = nn.ModuleList(SwiGLU(e.hidden_size, e.intermediate_size) for e in config.experts)

    def weights(self, kind: int, kernels: Kernels | None = None) -> LayerWeights:
        """What tokens of one type meet; computed by the modules themselves where no ``kernels`` are given."""
        kernels, attention, expert = kernels or Kernels(), self.self_attn, self.moe.experts[kind]
        return LayerWeights(
            attention_norm=kernels.norm(_part(self, "input_layernorm", kind)),
            qkv=kernels.linear([_part(attention, f"{name}_proj", kind) for name in "qkv"], "attention", kind),
            out=kernels.linear([_part(attention, "o_proj", kind)], "attention", kind),
            feed_forward_norm=kernels.norm(_part(self, "post_attention_layernorm", kind)),
            gate=kernels.linear([expert.gate_proj], "feed_forward", kind),
            up=kernels.linear([expert.up_proj], "feed_forward", kind),
            down=kernels.linear([expert.down_proj], "feed_forward", kind),
        )

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        spec: AttentionSpec,
        route: Route,
        cache: LayerCache | None = None,
        start: int = 0,
    ) -> Tensor:
        """See :func:`decoder_layer`."""
        types = {kind: self.weights(kind) for kind, _ in route}
        weights = types[route[0][0]] if len(route) == 1 else RoutedWeights(types, self.config, route)
        return decoder_layer(x, weights, cos, sin, self.config.num_key_value_heads, spec, cache, start)


class Decoder(nn.Module):
    """``attention_backend`` and ``gradient_checkpointing`` are settings, see :class:`~wall_oss_ros.model.WallOSS`."""

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        self.config = config
        self.attention_backend = "auto"
        self.gradient_checkpointing = False
        # Without torch's own initial values: drawn for a model without memory, they cost two seconds of imports.
        tokens = torch.empty(config.vocab_size, config.hidden_size)
        self.embed_tokens = nn.Embedding.from_pretrained(tokens, freeze=False)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        norm = partial(RMSNorm, eps=config.rms_norm_eps)
        _add_parts(self, "norm", config.norm_moe, config.expert_widths, norm)

    def final_norm(self, kind: int) -> RMSNorm:
        """The norm behind the last layer, for tokens of one type."""
        return _part(self, "norm", kind)

    def forward(
        self,
        inputs_embeds: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_types: Tensor | int = 0,
        cache: KVCache | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Runs all layers.

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
        config, length = self.config, inputs_embeds.shape[1]
        if config.causal_action_attention_mask and isinstance(token_types, int) and token_types == 0:
            causal = True  # actions alone: what follows an action is hidden from it, unless a mask says otherwise
        start = 0 if cache is None else cache.length
        spec = attention_spec(self.attention_backend, inputs_embeds, attention_mask, causal, start)
        cos, sin = decoder_rotation(config, position_ids, inputs_embeds.dtype)
        route = make_route(token_types, length, len(config.experts))
        width = max(config.expert_widths[kind] for kind, _ in route)  # less than H where narrow experts are alone
        x = inputs_embeds if width == inputs_embeds.shape[-1] else inputs_embeds[..., :width]
        if cache is not None:
            cache.reserve(length)
        recompute = self.gradient_checkpointing and cache is None and torch.is_grad_enabled()
        for index, layer in enumerate(self.layers):
            if recompute:
                x = checkpoint(layer, x, cos, sin, spec, route, use_reentrant=False)
            else:
                x = layer(x, cos, sin, spec, route, None if cache is None else cache.layers[index], start)
        if cache is not None:
            cache.length += length
        if config.norm_moe:
            x = routed(lambda kind, x: self.final_norm(kind)(x[..., : config.expert_widths[kind]]), x, route)
        else:
            x = self.norm(x)
        return x if width == config.hidden_size else F.pad(x, (0, config.hidden_size - width))
