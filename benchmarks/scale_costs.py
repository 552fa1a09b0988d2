# SPDX-License-Identifier: Apache-2.0
"""What a training step takes: bytes and operations, from the network's shapes and those of a row of a batch.

Weights are counted on the built network, without memory for them. Operations are those of the matrix products, two for
a multiplication and its addition; a backward pass is two products for each, or one where the weight is frozen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from chunk_costs import Setting, vision_cost

from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.training.fine_tuning import adapt
from wall_oss_ros.training.losses import Batch
from wall_oss_ros.training.memory import memory_of
from wall_oss_ros.training.optimization import trainable
from wall_oss_ros.training.packing import pack
from wall_oss_ros.training.recipe import Recipe

WORD = 9  # any token that is no picture and no state


@dataclass(frozen=True)
class Row:
    """One sample: an observation with what is said about it and what is to be done.

    Attributes:
        views, pixels: square views, and pixels a side.
        words: of the shared prefix, without images.
        asked, answered: tokens of a question and its answer, one of each.
        told: tokens of an acting prompt; acting: how many there are; draws: noisy chunks for each.
    """

    views: int = 3
    pixels: int = 252
    words: int = 40
    asked: int = 28
    answered: int = 12
    told: int = 28
    acting: int = 2
    draws: int = 2

    def batch(self, config: WallOSSConfig, rows: int, device: str = "meta") -> Batch:
        """Rows of these sizes, packed as training packs them. On meta, their pictures take no memory."""
        vision, action = config.vision, config.action_dim
        side = self.pixels // vision.patch_size
        cells = self.views * (side // vision.spatial_merge_size) ** 2
        prefix = [config.image_token_id] * cells + [WORD] * self.words
        told = [config.propri_token_id, *[WORD] * (self.told - 1)]
        positions = np.tile(np.arange(len(prefix)), (3, 1))
        packed = pack(
            [(prefix, positions)] * rows, [[("plan", [WORD] * self.asked, [WORD] * self.answered)]] * rows,
            [[(told, [])] * self.acting] * rows, self.draws, config.action_horizon, WORD,
        )  # fmt: skip
        return Batch(
            packed=packed,
            pixel_values=torch.empty(rows * self.views * side * side, vision.patch_dim, device=device),
            image_grid_thw=torch.tensor([[1, side, side]]).repeat(rows * self.views, 1),
            pictures=torch.full((rows,), self.views),
            state=torch.zeros(rows, config.propri_dim),
            state_mask=torch.ones(rows, config.propri_dim),
            actions=torch.zeros(rows, self.acting, config.action_horizon, action),
            dof_mask=torch.ones(action),
        )


@dataclass(frozen=True)
class Training:
    """A network as a recipe's last stage trains it, without memory for its weights."""

    model: WallOSS
    recipe: Recipe
    only: frozenset[str] | None

    @classmethod
    def of(cls, config: WallOSSConfig, recipe: Recipe, device: str = "meta") -> Training:
        with torch.device(device):
            model = WallOSS(config, initialise=device != "meta")
            only = None if recipe.lora is None else frozenset(adapt(model, recipe))
        model.set_gradient_checkpointing(recipe.checkpoint_activations)
        trainable(model, recipe.stages[-1], only)
        return cls(model, recipe, only)

    @property
    def trained(self) -> int:
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    @property
    def saved(self) -> int:
        """Bytes of a save that a run goes on from: what it trains, its moments, its mean."""
        return self.trained * 4 * (3 + (self.recipe.ema is not None))


def memory(training: Training, row: Row, rows: int, shards: int) -> dict[str, float]:
    """Bytes on one GPU, by what they are for.

    Args:
        rows: that are computed at once.
        shards: processes that weights, gradients and moments are spread over; 1 for a process alone.
    """
    model = training.model
    found = memory_of(model, training.recipe, training.recipe.stages[-1], row.batch(model.config, rows), rows)
    if shards > 1:  # in bfloat16, two layers' weights and the gradients of one, or the tower's; and what is in neither
        rest = _bytes(model) - sum(_bytes(part) for part in (model.visual, *model.model.layers))
        sees = any(p.requires_grad for p in model.visual.parameters())
        layers = (2 + 1) * max(_numbers(part) for part in model.model.layers)
        copies = 2 * max(layers, (1 + sees) * _numbers(model.visual)) + rest
    else:  # float32 weights, as bfloat16, for the products of a forward pass
        copies = sum(2 * p.numel() for p in model.parameters() if p.requires_grad)
    parts = {
        "weights": found.weights / shards,
        "gradients": found.gradients / shards,
        "moments": found.optimizer / shards,
        "mean": found.mean / shards,
        "copies": float(copies),
        "activations": float(found.activations),
    }
    return parts | {"all": sum(parts.values())}


def _numbers(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _bytes(module: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


@dataclass(frozen=True)
class Operations:
    """Of one row: a forward pass, and a whole step with its backward pass and what is computed again."""

    forward: float
    step: float


def operations(training: Training, row: Row) -> Operations:
    """Of one row."""
    config, recipe, stage = training.model.config, training.recipe, training.recipe.stages[-1]
    batch = row.batch(config, 1)
    text, total = batch.packed.input_ids.shape[1], batch.tokens
    action = total - text
    heads, keys = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
    decoder = 0.0
    for tokens, expert in zip((text, action), config.experts):
        width = expert.hidden_size
        attention = width * (heads + 2 * keys) + heads * config.hidden_size
        decoder += 2 * config.num_hidden_layers * tokens * (attention + 3 * width * expert.intermediate_size)
    decoder += config.num_hidden_layers * 4 * total**2 * heads
    setting = Setting(row.views, row.pixels, 0, 0, 0, config.action_horizon, 1)
    vision = vision_cost(config, setting, 2).operations
    width = config.action_width
    flow = 2 * action * (3 * width * config.action_dim + 3 * width**2)
    words = 2 * row.answered * config.hidden_size * config.vocab_size
    sees = vision if stage.vision_rate > 0 and recipe.lora is None else 0.0
    forward = decoder + vision + flow + words
    again = (decoder + sees) * recipe.checkpoint_activations
    if recipe.lora is None:
        return Operations(forward, forward + 2 * (decoder + flow + words + sees) + again)
    counts = {"experts.0.": text, "experts.1.": action}
    adapters = sum(
        3 * 2 * p.numel() * next((count for part, count in counts.items() if part in name), total)
        for name, p in training.model.named_parameters()
        if ".lora_" in name
    )
    return Operations(forward, forward + decoder + 2 * flow + words + adapters + again)


def sent(training: Training, gpus: int, on_machine: int) -> tuple[float, float]:
    """Bytes that one GPU sends for one pass: within its machine, and to other machines at the end of a step.

    Weights are gathered for the forward pass and again for the backward pass, gradients are added up in float32.
    """
    shards, machines = min(gpus, on_machine), max(1, gpus // on_machine)
    model = training.model
    parts = (model.visual, *model.model.layers)
    layers = sum(2 * _numbers(part) for part in parts)
    rest = _bytes(model) - sum(_bytes(part) for part in parts)
    gradients = 4 * training.trained
    inside = (2 * (layers + rest) + gradients) * (shards - 1) / shards
    return inside, 2 * (machines - 1) / machines * gradients / shards
