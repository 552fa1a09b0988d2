# SPDX-License-Identifier: Apache-2.0
"""The decoder for one observation, on buffers that are allocated once: everything about token i lies at index i.

The network's own layers (``model/decoder.py``), for a batch of one without padding, where all tokens are vision and
language up to some index and actions behind it. That allows: one matmul for query, key and value; packed weights; no
gathering by token type; no attention beyond the keys that count; work of fixed shape that can be recorded. For a layer
is twenty small kernels, and launching them one by one takes a GPU's driver longer than running them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.attention import AttentionSpec, LayerCache, PlacedCache, attention_spec
from wall_oss_ros.model.decoder import ACTION, LANGUAGE, decoder_layer
from wall_oss_ros.model.flow import FoldedActions
from wall_oss_ros.model.positions import decoder_rotation
from wall_oss_ros.policy.linear import PackedKernels
from wall_oss_ros.policy.pictures import StillEmbed


class Runtime:
    """Buffers, and the two passes over them.

    Attributes:
        capacity: tokens that fit.
        embeds: (1, capacity, H) tokens before the first layer.
        cos, sin: (1, capacity, 1, D) their rotations.
        cache: their keys and values.
        at: (1,) int64, the place of a token or of the first action, where the work itself must not depend on it.
        actions: (1, horizon, A) float32, integrated in place by :meth:`step`.
        bias: (W,) of the step, W the width of an action token; see :meth:`FoldedActions.biases`.
        stride: () float32, the length of a step in flow time.
    """

    def __init__(
        self,
        model: WallOSS,
        capacity: int,
        dtype: torch.dtype,
        compiler=None,
        twin: Runtime | None = None,
        pack: bool = True,
        whole: bool = False,
    ):
        """
        Args:
            capacity: tokens.
            dtype: in which to compute attention and the action expert.
            compiler: applied to the function of one layer, such as torch.compile; None leaves it.
            twin: one on the same model, whose copies of weights are used instead of further ones.
            pack, whole: see :class:`~wall_oss_ros.policy.linear.PackedKernels`.
        """
        config = self._config = model.config
        self.dtype, self.device = dtype, model.device
        self._model, decoder = model, model.model
        horizon, flow = config.action_horizon, model.action_preprocessor
        if twin is None:
            kernels = PackedKernels(horizon, dtype, pack, whole)
            self._layers = [[layer.weights(kind, kernels) for layer in decoder.layers] for kind in (LANGUAGE, ACTION)]
            self._norms = [kernels.norm(decoder.final_norm(kind)) for kind in (LANGUAGE, ACTION)]
            self.flow = FoldedActions(flow, kernels.linear([flow.w3], "flow", ACTION), dtype)
            self._layer = decoder_layer if compiler is None else compiler(decoder_layer)
            self._still = StillEmbed(model.visual.patch_embed)
            self._blocks = [block.weights(kernels) for block in model.visual.blocks]
        else:
            self._layers, self._norms, self.flow, self._layer = twin._layers, twin._norms, twin.flow, twin._layer
            self._still, self._blocks = twin._still, twin._blocks
        self._allocate(capacity)
        self.at = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.actions = torch.zeros(1, horizon, config.action_dim, device=self.device)
        self.bias = torch.zeros(config.action_width, device=self.device, dtype=dtype)
        self.stride = torch.zeros((), device=self.device)

    def _allocate(self, capacity: int) -> None:
        config, options = self._config, {"device": self.device, "dtype": self.dtype}
        self.capacity = capacity
        self.embeds = torch.zeros(1, capacity, config.hidden_size, **options)
        self.cos = torch.zeros(1, capacity, 1, config.head_dim, **options)
        self.sin = torch.zeros_like(self.cos)
        self.cache = self._model.new_cache(1, capacity, self.dtype)

    def grow(self, capacity: int) -> None:
        """Larger buffers with the same contents."""
        old, cache = (self.embeds, self.cos, self.sin), self.cache
        self._allocate(capacity)
        for new, former in zip((self.embeds, self.cos, self.sin), old):
            new[:, : former.shape[1]] = former
        for new, former in zip(self.cache.layers, cache.layers):
            new.extend(0, *former)

    def place(self, start: int, positions: Tensor) -> None:
        """Sets the rotations of the tokens from ``start`` on. positions: (3, n)."""
        stop = start + positions.shape[1]
        cos, sin = decoder_rotation(self._config, positions[:, None].to(self.device), self.dtype)
        self.cos[:, start:stop], self.sin[:, start:stop] = cos, sin

    def see(self, patches: Tensor, grids: Tensor) -> Tensor:
        """Still pictures through the vision tower.

        Args:
            patches: (patches of all, 3 * patch * patch) uint8; see :class:`~wall_oss_ros.policy.pictures.Picture`.
            grids: (pictures, 3), frames, rows and columns.

        Returns:
            (merged cells of all, H).
        """
        return self._model.visual.encode(self._still(patches).to(self._model.dtype), grids, self._blocks)

    def prefill(self, start: int, stop: int, hidden: bool, padded: bool = False) -> Tensor | None:
        """Runs words and images from ``start`` to ``stop`` behind those before them.

        Args:
            hidden: whether the last token's hidden state is wanted; without it the last layer only leaves its keys and
                values.
            padded: the last token stands at ``at``; what follows it is of no account, and nothing before it sees it.

        Returns:
            (1, H) after the final norm, or None.
        """
        x = self.embeds[:, start:stop]
        places = slice(start, stop)
        x = self._run(x, LANGUAGE, self.cos[:, places], self.sin[:, places], self.cache.layers, start,
                      self._spec(x, start, True), only_keys=not hidden)  # fmt: skip
        if not hidden:
            return None
        return self._norms[LANGUAGE](x.index_select(1, self.at - start)[:, 0] if padded else x[:, -1])

    def step(self, start: int) -> None:
        """One Euler step of ``actions`` behind the first ``start`` tokens, which they and all actions see."""
        x = self.flow(self.actions, self.bias)
        places = slice(start, start + x.shape[1])
        spec = self._spec(x, start, self._config.causal_action_attention_mask)
        self._euler(self._run(x, ACTION, self.cos[:, places], self.sin[:, places], self.cache.layers, start, spec))

    def placed_token(self, room: int) -> Tensor:
        """Runs one word at ``at`` behind those before it, which is one work for all places below ``room``.

        Returns:
            (1, H) after the final norm.
        """
        x = self._run_placed(self.embeds.index_select(1, self.at), LANGUAGE, room, True)
        return self._norms[LANGUAGE](x[:, 0])

    def placed_step(self, room: int) -> None:
        """As :meth:`step` behind the first ``at`` tokens: one work, wherever that leaves the actions below ``room``."""
        x = self.flow(self.actions, self.bias)
        self._euler(self._run_placed(x, ACTION, room, self._config.causal_action_attention_mask))

    def _run_placed(self, x: Tensor, kind: int, room: int, causal: bool) -> Tensor:
        """New tokens (1, L, W) from ``at`` on through all layers; causal: whether they see only those before them."""
        own = torch.arange(x.shape[1], device=self.device)
        places = self.at + own
        ends = places + 1 if causal else (self.at + x.shape[1]).expand(x.shape[1])
        seen = torch.arange(room, device=self.device) < ends[:, None]  # (L, room)
        stacked = self._config.num_attention_heads // self._config.num_key_value_heads
        spec = attention_spec(self._model.model.attention_backend, x, seen, False, 0, stacked)
        caches = [PlacedCache(keys[:, :, :room], values[:, :, :room], places) for keys, values in self.cache.layers]
        cos, sin = self.cos.index_select(1, places), self.sin.index_select(1, places)
        return self._run(x, kind, cos, sin, caches, 0, spec)

    def _euler(self, x: Tensor) -> None:
        velocity = self._model.action_preprocessor.velocity(self._norms[ACTION](x))
        self.actions.add_(velocity.float() * self.stride)

    def _spec(self, x: Tensor, start: int, causal: bool) -> AttentionSpec:
        heads, groups = self._config.num_attention_heads, self._config.num_key_value_heads
        return attention_spec(self._model.model.attention_backend, x, None, causal, start, stacked=heads // groups)

    def _run(
        self,
        x: Tensor,
        kind: int,
        cos: Tensor,
        sin: Tensor,
        caches: Sequence[LayerCache | PlacedCache],
        start: int,
        spec: AttentionSpec,
        only_keys: bool = False,
    ) -> Tensor:
        """All layers; ``only_keys`` is about the last one."""
        layers, groups = self._layers[kind], self._config.num_key_value_heads
        for index, (weights, cache) in enumerate(zip(layers, caches)):
            last = only_keys and index + 1 == len(layers)
            x = self._layer(x, weights, cos, sin, groups, spec, cache, start, last)
        return x


Work = Callable[[], "Tensor | None"]


class GraphCache:
    """Remembers work by its key.

    Work takes nothing and reads buffers that stay where they are, so doing the first work of a key again, with new
    contents in the buffers, is the same as doing the next. On a GPU the second time records a graph (the first has set
    libraries up), and from then on only the graph runs. Elsewhere the first work is simply called again: whatever it
    wrongly holds on to shows on any machine.
    """

    def __init__(self, capture: Callable[[Work], Work] | None):
        """Args: capture: turns work into something that repeats it; None to call the work itself."""
        self.capture = capture
        self._known: dict[Hashable, tuple[Work, bool]] = {}  # work, and whether it was captured

    def run(self, key: Hashable, work: Work) -> Tensor | None:
        """Does the work of this key. What it returns stays valid until the next run of the same key."""
        if key not in self._known:
            if len(self._known) >= 256:  # the oldest makes room
                self._known.pop(next(iter(self._known)))
            self._known[key] = (work, False)
            return work()
        known, captured = self._known[key]
        if self.capture is not None and not captured:
            known = self.capture(known)
            self._known[key] = (known, True)
        return known()

    def clear(self) -> None:
        """Forgets everything: the buffers have moved."""
        self._known.clear()


class CudaCapture:
    """Records CUDA graphs that share one pool of memory. Written for, but not yet tried on, a GPU."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        try:
            # Other threads' work, such as a twin's, may go on meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                result = work()
        except RuntimeError as error:
            raise WallOSSError(
                f"A CUDA graph could not be recorded: {error}.", "Build the policy with accelerate=False."
            ) from error

        def replay() -> Tensor | None:
            graph.replay()
            return result

        return replay
