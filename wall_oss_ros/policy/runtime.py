# SPDX-License-Identifier: Apache-2.0
"""The decoder for one observation, on buffers that are allocated once: everything about token i lies at index i.

It computes what ``model/decoder.py`` computes, for a batch of one without padding, where all tokens are vision and
language up to some index and actions behind it. That allows: one matmul for query, key and value; no gathering by token
type; no attention beyond the keys that count; work of fixed shape that can be recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.flow import ActionPreprocessor, sinusoidal_embedding
from wall_oss_ros.model.rope import decoder_rotation, rotate
from wall_oss_ros.policy.linear import Linear, fused, linear, packed, plain


@dataclass(frozen=True)
class Maps:
    """What the tokens of one type meet in one layer."""

    attention_norm: Tensor  # (H,)
    qkv: Linear  # H -> (heads + 2 * key-value heads) * D
    out: Linear
    norm: Tensor  # (H,)
    gate: Linear
    up: Linear
    down: Linear


class FlowHead:
    """The flow head with everything that does not depend on the noisy actions taken out of the denoising step.

    ``w2`` acts on ``w1`` of the actions beside an embedding of time, with nothing in between: so half of w2 times w1 is
    one small matrix, and the half for time, and the mask's part, are one vector for each step.
    """

    def __init__(self, flow: ActionPreprocessor, actions: int, rows: int, dtype: torch.dtype):
        w1, w2 = (plain(module).weight.detach().float() for module in (flow.w1, flow.w2))
        self._width = w1.shape[0]
        joined = w2[:, : self._width] @ w1  # (H, 2A)
        self._noisy = joined[:, :actions].to(dtype).contiguous()
        self._mask, self._time = joined[:, actions:].contiguous(), w2[:, self._width :]
        self._w3 = packed(plain(flow.w3).weight.detach().to(dtype), None, rows)
        self._back = linear(flow.action_proj_back)
        self._dtype = dtype
        self._times: dict[int, Tensor] = {}

    def biases(self, mask: Tensor, steps: int) -> Tensor:
        """(A,) DoF mask -> what time and mask add at each step, (steps, W)."""
        if steps not in self._times:
            times = torch.arange(steps, device=mask.device) / steps
            self._times[steps] = F.linear(sinusoidal_embedding(times, self._width), self._time)
        return (self._times[steps] + F.linear(mask.float(), self._mask)).to(self._dtype)

    def embed(self, actions: Tensor, bias: Tensor) -> Tensor:
        """Noisy actions (horizon, A) and one step's bias (W,) -> action tokens (horizon, W)."""
        return self._w3(F.silu(F.linear(actions.to(self._dtype), self._noisy, bias)))

    def velocity(self, hidden: Tensor) -> Tensor:
        """(horizon, W) after the final norm -> (horizon, A)."""
        return self._back(hidden)


class Runtime:
    """Buffers, and the two passes over them.

    Attributes:
        capacity: tokens that fit.
        embeds: (capacity, H) tokens before the first layer.
        cos, sin: (capacity, 1, D/2) their rotations.
        actions: (horizon, A) float32, integrated in place by :meth:`step`.
        bias: (W,) of the step, W the width of an action token; see :meth:`FlowHead.biases`.
        stride: () float32, the length of a step in flow time.
    """

    def __init__(self, model: WallOSS, capacity: int, dtype: torch.dtype, compiler=None):
        """
        Args:
            capacity: tokens.
            dtype: in which to compute.
            compiler: applied to the function of one layer, such as torch.compile; None leaves it.
        """
        config = self._config = model.config
        self.capacity, self.dtype, self.device = capacity, dtype, model.device
        self._model = model
        self._heads, self._groups, self._size = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        rows = config.action_horizon
        layers = list(model.model.layers)
        self._words = [_maps(layer, 0, rows, dtype, None) for layer in layers]
        self._motion = [_maps(layer, 1, rows, dtype, words) for layer, words in zip(layers, self._words)]
        self.flow = FlowHead(model.action_preprocessor, config.action_dim, rows, dtype)
        self._layer = _layer if compiler is None else compiler(_layer)
        self._allocate(capacity)
        self.actions = torch.zeros(rows, config.action_dim, device=self.device)
        self.bias = torch.zeros(config.action_width, device=self.device, dtype=dtype)
        self.stride = torch.zeros((), device=self.device)

    def _allocate(self, capacity: int) -> None:
        config, options = self._config, {"device": self.device, "dtype": self.dtype}
        self.capacity = capacity
        self.embeds = torch.zeros(capacity, config.hidden_size, **options)
        self.cos = torch.zeros(capacity, 1, self._size // 2, **options)
        self.sin = torch.zeros_like(self.cos)
        shape = (config.num_hidden_layers, self._groups, capacity, self._size)
        self._keys, self._values = torch.zeros(shape, **options), torch.zeros(shape, **options)
        self._index = torch.arange(capacity, device=self.device)

    def grow(self, capacity: int) -> None:
        """Larger buffers with the same contents."""
        old = (self.embeds, self.cos, self.sin, self._keys, self._values)
        self._allocate(capacity)
        for new, former in zip((self.embeds, self.cos, self.sin), old):
            new[: len(former)] = former
        for new, former in zip((self._keys, self._values), old[3:]):
            new[:, :, : former.shape[2]] = former

    def place(self, start: int, positions: Tensor) -> None:
        """Sets the rotations of the tokens from ``start`` on. positions: (3, n)."""
        config = self._config
        cos, sin = decoder_rotation(
            positions[:, None].to(self.device), self._size, config.rope_theta, config.mrope_section, self.dtype
        )
        self.cos[start : start + cos.shape[1]] = cos[0]
        self.sin[start : start + sin.shape[1]] = sin[0]

    def prefill(self, start: int, stop: int, hidden: bool) -> Tensor | None:
        """Runs words and images from ``start`` to ``stop`` behind those before them.

        Args:
            hidden: whether the last token's hidden state is wanted; without it the last layer only leaves its keys and
                values.

        Returns:
            (1, H) after the final norm, or None.
        """
        x = self.embeds[start:stop]
        mask = self._later(start, stop) if len(x) > 1 else None  # made once for all layers
        for index, maps in enumerate(self._words):
            only_keys = not hidden and index + 1 == len(self._words)
            x = self._run_layer(index, x, maps, start, stop, mask, only_keys)
        return F.rms_norm(x[-1:], x.shape[-1:], *self._final_norm(0)) if hidden else None

    def step(self, seen: int) -> None:
        """One Euler step of ``actions`` behind the first ``seen`` tokens, which they and all actions see."""
        x = self.flow.embed(self.actions, self.bias)
        stop = seen + len(x)
        mask = self._later(seen, stop) if self._config.causal_action_attention_mask else None
        for index, maps in enumerate(self._motion):
            x = self._run_layer(index, x, maps, seen, stop, mask, False)
        x = F.rms_norm(x, x.shape[-1:], *self._final_norm(1))
        self.actions.add_(self.flow.velocity(x).float() * self.stride)

    def _later(self, start: int, stop: int) -> Tensor:
        """The mask that hides from tokens ``start`` to ``stop`` those behind each: (heads / groups * L, stop)."""
        later = self._index[:stop] > self._index[start:stop, None]
        mask = torch.zeros(later.shape, device=self.device, dtype=self.dtype).masked_fill_(later, float("-inf"))
        return mask.repeat(self._heads // self._groups, 1)

    def _run_layer(self, index: int, x: Tensor, maps: Maps, start: int, stop: int, mask, only_keys: bool) -> Tensor:
        return self._layer(
            x, maps, self.cos[start:stop], self.sin[start:stop], self._keys[index], self._values[index],
            start, stop, mask, self._config.rms_norm_eps, only_keys,
        )  # fmt: skip

    def _final_norm(self, kind: int) -> tuple[Tensor, float]:
        norm, _ = _part(self._model.model, "norm", kind)
        return norm.weight.to(self.dtype), self._config.rms_norm_eps


def _layer(
    x: Tensor, maps: Maps, cos: Tensor, sin: Tensor, keys: Tensor, values: Tensor, start: int, stop: int,
    mask: Tensor | None, eps: float, only_keys: bool,
) -> Tensor:  # fmt: skip
    """One layer for tokens ``start`` to ``stop``.

    Args:
        x: (L, H).
        cos, sin: (L, 1, D/2).
        keys, values: (groups, capacity, D), written at the tokens' places and read up to ``stop``.
        mask: (heads / groups * L, stop), added to the scores; None where all see all.
        only_keys: stop once the keys and values are written.
    """
    count, groups, size = len(x), keys.shape[0], keys.shape[2]
    qkv = maps.qkv(F.rms_norm(x, x.shape[-1:], maps.attention_norm, eps)).view(count, -1, size)
    turned = rotate(qkv[:, :-groups], cos, sin)  # queries and keys
    keys[:, start:stop] = turned[:, -groups:].transpose(0, 1)
    values[:, start:stop] = qkv[:, -groups:].transpose(0, 1)
    if only_keys:
        return x
    # Heads that share keys stand in one long row of queries: no copies of keys and values, and larger products.
    query = turned[:, :-groups].reshape(count, groups, -1, size).permute(1, 2, 0, 3).reshape(1, groups, -1, size)
    seen = F.scaled_dot_product_attention(query, keys[None, :, :stop], values[None, :, :stop], attn_mask=mask)
    seen = seen.view(groups, -1, count, size).permute(2, 0, 1, 3).reshape(count, -1)
    x = maps.out.plus(seen, x)
    normed = F.rms_norm(x, x.shape[-1:], maps.norm, eps)
    return maps.down.plus(maps.up.times(normed, maps.gate.silu(normed)), x)


def _part(owner: nn.Module, name: str, expert: int):
    """The part for one type of token, and whether it is shared by all types (``attention_moe``, ``norm_moe``)."""
    if hasattr(owner, name):
        return getattr(owner, name), True
    split = f"{name}_experts" if name.endswith("_proj") else f"{name}s"
    return getattr(owner, split)[expert], False


def _maps(layer: nn.Module, expert: int, rows: int, dtype: torch.dtype, words: Maps | None) -> Maps:
    """The maps of one expert in a layer; what it shares with ``words`` is not copied again.

    Attention's maps and the action expert's run at every step and are packed; the large expert of words and images
    stays on the model's own weights.
    """
    attention, feed = layer.self_attn, layer.moe.experts[expert]
    projections = [_part(attention, f"{name}_proj", expert) for name in "qkv"]
    out, shared = _part(attention, "o_proj", expert)
    return Maps(
        _part(layer, "input_layernorm", expert)[0].weight.to(dtype),
        words.qkv if shared and words else fused([projection for projection, _ in projections], rows, dtype),
        words.out if shared and words else packed(plain(out).weight.detach().to(dtype), None, rows),
        _part(layer, "post_attention_layernorm", expert)[0].weight.to(dtype),
        *(
            packed(plain(module).weight.detach().to(dtype), None, rows) if expert else linear(module)
            for module in (feed.gate_proj, feed.up_proj, feed.down_proj)
        ),
    )
