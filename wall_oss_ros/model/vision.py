# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL's vision tower: patches to image tokens, with attention inside windows in most blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.attention import scaled_product
from wall_oss_ros.model.config import VisionConfig
from wall_oss_ros.model.layers import Kernels, LinearMap, RMSNorm, SwiGLU, gated
from wall_oss_ros.model.positions import rotate, vision_rotation

Windows = tuple[tuple[int, int], ...]
"""How many windows, and how many patches in each."""


@dataclass(frozen=True)
class FrameLayout:
    """How the patches of one frame are ordered and which of them attend to each other.

    Windows are sorted by size, so that all windows of one size are one slice and one attention call.
    """

    order: Tensor | None  # (M,) merged cells in window order; None when that is the order they come in
    inverse: Tensor | None
    windows: Windows
    cos: Tensor  # (P, 1, D), in window order
    sin: Tensor


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # a table made while sampling must serve training too
def frame_layout(rows: int, columns: int, merge: int, window: int, head_dim: int, device: torch.device) -> FrameLayout:
    """Args: rows, columns: patches of the frame; merge: side of a merged cell; window: side of a window in cells."""
    height, width = rows // merge, columns // merge
    cells = torch.arange(height * width).view(height, width)
    blocks = [
        cells[top : top + window, left : left + window].flatten()
        for top in range(0, height, window)
        for left in range(0, width, window)
    ]
    blocks.sort(key=len)  # stable: equal windows keep their places
    sizes = [len(block) for block in blocks]
    order = torch.cat(blocks)
    # Patches come cell by cell: (cell row, cell column, row in the cell, column in the cell).
    grid_row = torch.arange(rows)[:, None].expand(rows, columns)
    grid_column = torch.arange(columns)[None, :].expand(rows, columns)

    def by_cell(grid: Tensor) -> Tensor:
        grid = grid.reshape(height, merge, width, merge).permute(0, 2, 1, 3).reshape(-1, merge * merge)
        return grid[order].flatten().float()

    cos, sin = vision_rotation(by_cell(grid_row), by_cell(grid_column), head_dim)
    same = bool((order == cells.flatten()).all())
    return FrameLayout(
        order=None if same else order.to(device),
        inverse=None if same else order.argsort().to(device),
        windows=tuple((sizes.count(size), size * merge * merge) for size in sorted(set(sizes))),
        cos=cos.to(device),
        sin=sin.to(device),
    )


@dataclass(frozen=True)
class BlockWeights:
    """What patches meet in one block. W: their width."""

    heads: int
    attention_norm: Callable[[Tensor], Tensor]
    qkv: LinearMap  # W -> 3 * W
    out: LinearMap
    feed_forward_norm: Callable[[Tensor], Tensor]
    gate: LinearMap
    up: LinearMap
    down: LinearMap


def vision_block(x: Tensor, weights: BlockWeights, cos: Tensor, sin: Tensor, windows: Windows) -> Tensor:
    """One block. x: (N, P, W) patches of N frames, window by window; cos, sin: (P, 1, D) -> (N, P, W)."""
    n, patches, width = x.shape
    qkv = weights.qkv(weights.attention_norm(x)).view(n, patches, 3 * weights.heads, -1)
    turned, v = qkv.split_with_sizes([2 * weights.heads, weights.heads], 2)  # queries with keys, values
    q, k = rotate(turned, cos, sin).chunk(2, 2)  # (N, P, heads, D) each
    outputs, start = [], 0
    for count, size in windows:
        stop = start + count * size
        part = [t[:, start:stop].reshape(n * count, size, weights.heads, -1).transpose(1, 2) for t in (q, k, v)]
        out = scaled_product(*part)
        outputs.append(out.transpose(1, 2).reshape(n, count * size, width))
        start = stop
    x = weights.out.plus(outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1), x)
    return weights.down.plus(gated(weights.feed_forward_norm(x), weights.gate, weights.up), x)


class VisionAttention(nn.Module):
    """The parameters of attention in one block."""

    def __init__(self, config: VisionConfig):
        super().__init__()
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)


class VisionBlock(nn.Module):
    """The parameters of one block."""

    def __init__(self, config: VisionConfig):
        super().__init__()
        self.heads = config.num_heads
        self.norm1 = RMSNorm(config.hidden_size, 1e-6)
        self.attn = VisionAttention(config)
        self.norm2 = RMSNorm(config.hidden_size, 1e-6)
        self.mlp = SwiGLU(config.hidden_size, config.intermediate_size, bias=True)

    def weights(self, kernels: Kernels | None = None) -> BlockWeights:
        """What patches meet; computed by the modules themselves where no ``kernels`` are given."""
        kernels = kernels or Kernels()
        linear = partial(kernels.linear, role="vision", kind=0)
        return BlockWeights(
            heads=self.heads,
            attention_norm=kernels.norm(self.norm1),
            qkv=linear([self.attn.qkv]),
            out=linear([self.attn.proj]),
            feed_forward_norm=kernels.norm(self.norm2),
            gate=linear([self.mlp.gate_proj]),
            up=linear([self.mlp.up_proj]),
            down=linear([self.mlp.down_proj]),
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, windows: Windows) -> Tensor:
        """See :func:`vision_block`."""
        return vision_block(x, self.weights(), cos, sin, windows)


class PatchEmbed(nn.Module):
    """A 3-D convolution whose stride is its kernel: one linear map of each flattened patch."""

    def __init__(self, config: VisionConfig):
        super().__init__()
        kernel = (config.temporal_patch_size, config.patch_size, config.patch_size)
        self.proj = nn.Conv3d(config.in_channels, config.hidden_size, kernel, stride=kernel, bias=False)

    def forward(self, patches: Tensor) -> Tensor:
        return F.linear(patches, self.proj.weight.flatten(1))


class PatchMerger(nn.Module):
    """Joins merge x merge neighbouring patches into one token of the decoder's width."""

    def __init__(self, config: VisionConfig):
        super().__init__()
        self.width = config.hidden_size * config.spatial_merge_size**2
        self.ln_q = RMSNorm(config.hidden_size, 1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(self.width, self.width), nn.GELU(), nn.Linear(self.width, config.out_hidden_size)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(self.ln_q(x).reshape(x.shape[0], -1, self.width))


class VisionTower(nn.Module):
    def __init__(self, config: VisionConfig):
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        self.blocks = nn.ModuleList(VisionBlock(config) for _ in range(config.depth))
        self.merger = PatchMerger(config)
        self.full = set(config.fullatt_block_indexes)
        self.gradient_checkpointing = False

    def encode_frames(
        self, x: Tensor, rows: int, columns: int, weights: Sequence[BlockWeights] | None = None
    ) -> Tensor:
        """Frames of one size together. x: (N, rows * columns, width), embedded patches -> (N, merged cells, H).

        Args:
            weights: of the blocks, instead of their modules.
        """
        config = self.config
        merge = config.spatial_merge_size
        window = config.window_size // (merge * config.patch_size)
        layout = frame_layout(rows, columns, merge, window, config.hidden_size // config.num_heads, x.device)
        n, count, width = x.shape
        if layout.order is not None:
            x = x.view(n, -1, merge * merge, width)[:, layout.order].view(n, count, width)
        cos, sin = layout.cos.to(x.dtype), layout.sin.to(x.dtype)
        for index, block in enumerate(self.blocks):
            windows = ((1, count),) if index in self.full else layout.windows
            if weights is not None:
                x = vision_block(x, weights[index], cos, sin, windows)
            elif self.gradient_checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, cos, sin, windows, use_reentrant=False)
            else:
                x = block(x, cos, sin, windows)
        x = self.merger(x)
        return x if layout.inverse is None else x[:, layout.inverse]

    def forward(self, pixel_values: Tensor, image_grid_thw: Tensor) -> Tensor:
        """Tokens of all images or videos, one behind the other. Frames do not see each other.

        Args:
            pixel_values: (patches of all images, 3*2*14*14), cell by cell, as Qwen2.5-VL's image processor gives them.
            image_grid_thw: (images, 3), frames (each made of two pictures), rows and columns of patches.

        Returns:
            (merged cells of all images, H).

        Raises:
            WallOSSError: the grids do not add up to the patches, or a grid cannot be merged.
        """
        grids, merge = image_grid_thw.tolist(), self.config.spatial_merge_size
        for grid in grids:
            if grid[1] % merge or grid[2] % merge:
                raise WallOSSError(
                    f"A grid of {grid[1]} x {grid[2]} patches cannot be merged {merge} x {merge}.",
                    f"Resize images to multiples of {merge * self.config.patch_size} pixels.",
                )
        counts = [t * h * w for t, h, w in grids]
        if sum(counts) != pixel_values.shape[0] or pixel_values.shape[-1] != self.config.patch_dim:
            raise WallOSSError(
                f"pixel_values is {tuple(pixel_values.shape)}; "
                f"the grids ask for {(sum(counts), self.config.patch_dim)}.",
                "Give pixel_values and image_grid_thw of the same images.",
            )
        kept = self.patch_embed.proj.weight.dtype  # also where products are computed in a lower one: layers add to it
        return self.encode(self.patch_embed(pixel_values.to(kept)).to(kept), image_grid_thw)

    def encode(self, x: Tensor, image_grid_thw: Tensor, weights: Sequence[BlockWeights] | None = None) -> Tensor:
        """The same behind the first map. x: (patches of all images, width); weights: see :meth:`encode_frames`."""
        grids = [tuple(grid) for grid in image_grid_thw.tolist()]
        if len({grid[1:] for grid in grids}) == 1:  # one size, the usual case: no copies
            _, rows, columns = grids[0]
            return self.encode_frames(x.view(-1, rows * columns, x.shape[-1]), rows, columns, weights).flatten(0, 1)
        pieces = x.split([t * h * w for t, h, w in grids])
        features: list[Tensor] = [x] * len(grids)
        for size in sorted({grid[1:] for grid in grids}):
            members = [i for i, grid in enumerate(grids) if grid[1:] == size]
            frames = torch.cat([pieces[i] for i in members]).view(-1, size[0] * size[1], x.shape[-1])
            encoded = self.encode_frames(frames, *size, weights).split([grids[i][0] for i in members])
            for i, tokens in zip(members, encoded):
                features[i] = tokens.flatten(0, 1)
        return torch.cat(features)
