# SPDX-License-Identifier: Apache-2.0
"""Teaches a fresh vision tower to see, before it learns to speak.

The released WALL-OSS starts from Qwen2.5-VL's tower, which has seen billions of pictures. A small tower starts from
nothing, and language alone, a few answer tokens a picture, teaches it too slowly. So each of its image tokens first
learns to tell, through linear heads that are thrown away afterwards, what lies in its cell and where, from data that
know it: a simulator's, or questions that are answered by a point (``pointing.py``).
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.data.mixture import Mixture
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy.images import image_patches
from wall_oss_ros.training.optimization import precision
from wall_oss_ros.training.pointing import KnowsPlaces, OfQuestions, OfScenes
from wall_oss_ros.training.recipe import Recipe


def cell_labels(pixels: np.ndarray, size: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """What lies in each image token's cell.

    Args:
        pixels: (B, V, things, 2) x and y of each thing in each view; NaN where it is not in view.
        size: side of a view in pixels.
        cells: cells along a side.

    Returns:
        presence (B, V, cells * cells, things) 0 or 1, and offsets (B, V, cells * cells, things, 2): x and y of the
        thing from its cell's centre, -1 to 1.
    """
    count, views, things = pixels.shape[:3]
    scaled = pixels / (size / cells)  # in cells
    visible = np.isfinite(scaled).all(-1)
    place = np.floor(np.nan_to_num(scaled)).clip(0, cells - 1)
    index = (place[..., 1] * cells + place[..., 0]).astype(int)
    presence = np.zeros((count, views, cells * cells, things), np.float32)
    offsets = np.zeros((*presence.shape, 2), np.float32)
    b, v, t = np.nonzero(visible)
    presence[b, v, index[b, v, t], t] = 1
    offsets[b, v, index[b, v, t], t] = 2 * (scaled - place)[b, v, t] - 1
    return presence, offsets


class Heads(nn.Module):
    """Linear readings of one image token; only used here."""

    def __init__(self, width: int, cells: int, views: int, things: int):
        super().__init__()
        self.presence = nn.Linear(width, things)
        self.offset = nn.Linear(width, 2 * things)
        self.cell = nn.Linear(width, views * cells * cells)  # which cell of which view this is

    def loss(
        self, tokens: torch.Tensor, presence: torch.Tensor, offsets: torch.Tensor, known: torch.Tensor
    ) -> torch.Tensor:
        """tokens (B, V, cells, H); labels as :func:`cell_labels` gives them; known (B, V, things) bool: which count."""
        rare, counts = presence.new_tensor(5.0), known[:, :, None].expand_as(presence)
        found = F.binary_cross_entropy_with_logits(self.presence(tokens)[counts], presence[counts], pos_weight=rare)
        error = (self.offset(tokens).view_as(offsets) - offsets).abs().sum(-1) * presence
        own = torch.arange(self.cell.out_features, device=tokens.device).expand(len(tokens), -1)
        where = F.cross_entropy(self.cell(tokens).flatten(0, 2), own.flatten())
        return 4 * found + error.sum() / presence.sum().clamp(min=1) + 0.3 * where

    @torch.no_grad()
    def recall(self, tokens: torch.Tensor, presence: torch.Tensor) -> float:
        """Share of things whose cell is the likeliest of its view."""
        best = self.presence(tokens).argmax(2)  # (B, V, things)
        there = presence.amax(2) > 0
        return float((presence.argmax(2) == best)[there].float().mean())


def pretrain_vision(model: WallOSS, data: Dataset | Mixture, recipe: Recipe, folder: Path) -> float:
    """Trains ``model.visual`` by ``recipe.vision``; takes the result from ``folder`` if it is there already.

    Returns:
        What it took, s, now or when it was done.

    Raises:
        WallOSSError: the data do not tell what is where.
    """
    settings, file = recipe.vision, Path(folder) / "vision.safetensors"
    if settings is None:
        return 0.0
    if file.exists():
        model.visual.load_state_dict(load_file(file))
        with safe_open(file, "pt") as opened:
            return float((opened.metadata() or {}).get("seconds", 0.0))
    began = time.monotonic()
    places: KnowsPlaces = OfQuestions(data, recipe.augments) if isinstance(data, Mixture) else OfScenes(data)
    vision = model.config.vision
    views, size = places.draw(np.random.default_rng(0), 1).images.shape[1:3]
    side = size // vision.patch_size
    cells = side // vision.spatial_merge_size
    heads = Heads(model.config.hidden_size, cells, views, len(places.things)).to(model.device)
    parameters = [*model.visual.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, betas=(0.9, 0.95), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )
    recalls = []
    for step in track(range(settings.steps), "vision"):
        rng = np.random.default_rng([recipe.seed, 2, step])
        images, pixels, known = places.draw(rng, settings.batch)
        patches = torch.from_numpy(image_patches(images.reshape(-1, *images.shape[2:]), vision.patch_size))
        grid = torch.tensor([[1, side, side]]).repeat(views * settings.batch, 1)
        with precision(model.device, recipe):
            seen = model.visual(patches.to(model.device), grid)
        tokens = seen.float().view(settings.batch, views, cells * cells, -1)
        labels = (*cell_labels(pixels, size, cells), known)
        presence, offsets, counts = (torch.from_numpy(one).to(model.device) for one in labels)
        loss = heads.loss(tokens, presence, offsets, counts)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, recipe.clip)
        optimizer.step()
        schedule.step()
        recalls.append(heads.recall(tokens, presence))
        if (step + 1) % 50 == 0:
            print(
                f"vision step {step + 1}: loss {loss.item():.3f}, cells found {np.mean(recalls[-50:]):.3f}", flush=True
            )
    file.parent.mkdir(parents=True, exist_ok=True)
    spent = time.monotonic() - began
    weights = {k: v.detach().contiguous() for k, v in model.visual.state_dict().items()}
    save_file(weights, file, metadata={"seconds": f"{spent:.1f}"})
    return spent
