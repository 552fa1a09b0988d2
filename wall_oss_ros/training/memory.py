# SPDX-License-Identifier: Apache-2.0
"""What a training takes of memory, from the sizes of the network and of its batches, before it is begun."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.training.losses import Batch
from wall_oss_ros.training.optimization import belongs_to_action_expert
from wall_oss_ros.training.recipe import Recipe, Stage


class Memory(NamedTuple):
    """Bytes that a stage takes at once, by what they are for. Activations are an estimate, to within half of it."""

    weights: int
    gradients: int
    optimizer: int
    mean: int
    activations: int

    @property
    def total(self) -> int:
        return sum(self)


def parts_of(model: nn.Module) -> dict[str, tuple[int, int]]:
    """By part of the network: its parameters, and how many of them are trained as ``requires_grad`` stands."""
    found: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        if name.startswith("visual."):
            part = "vision tower"
        elif ".lora_" in name:
            part = "adapters"
        elif name.startswith("action_preprocessor."):
            part = "flow head"
        elif belongs_to_action_expert(name):
            part = "action expert"
        elif "embed_tokens" in name or name.startswith("lm_head"):
            part = "words"
        else:
            part = "vision-language decoder"
        counts = found.setdefault(part, [0, 0])
        counts[0] += parameter.numel()
        counts[1] += parameter.numel() if parameter.requires_grad else 0
    return {part: (counts[0], counts[1]) for part, counts in found.items()}


def memory_of(model: WallOSS, recipe: Recipe, stage: Stage, batch: Batch, rows: int) -> Memory:
    """Of a stage, whose parameters are thawed already.

    Args:
        batch: as large as they come.
        rows: of the batch that are computed at once.
    """
    parameters = list(model.parameters())
    trained = [one for one in parameters if one.requires_grad]
    gradients = sum(one.numel() * one.element_size() for one in trained)
    share = rows / len(batch.state)
    text, action = batch.packed.input_ids.shape[1], batch.tokens // len(batch.state) - batch.packed.input_ids.shape[1]
    labels = batch.answer_tokens + batch.fast_tokens
    spoken = labels * share * model.config.vocab_size * 4 * 3  # logits, in float32, and what follows them
    return Memory(
        weights=sum(one.numel() * one.element_size() for one in parameters),
        gradients=gradients,
        optimizer=2 * gradients,
        mean=0 if recipe.ema is None else gradients,
        activations=int(
            spoken
            + _decoder(model.config, recipe, rows * text, rows * action, rows * (text + action) ** 2)
            + _vision(model.config, recipe, len(batch.pixel_values) * share, stage.vision_rate > 0)
        ),
    )


def _decoder(config: WallOSSConfig, recipe: Recipe, text: float, action: float, pairs: float) -> float:
    """Bytes that the backward pass through the decoder needs: by layer, what goes into each product and each norm."""
    size = 2 if recipe.precision == "bfloat16" else 4
    kept = 2 * config.hidden_size * 4  # the residual stream stays in float32
    keys = 2 * config.num_key_value_heads * config.head_dim
    inside = (6 * config.hidden_size + keys) * 4
    layer = (text + action) * (kept + inside)
    layer += sum(tokens * 4 * expert.intermediate_size * size for tokens, expert in zip((text, action), config.experts))
    if recipe.lora is not None and recipe.lora.dropout:  # what goes into each adapter, dropped, and where
        dropped = 6 * config.hidden_size
        for tokens, expert in zip((text, action), config.experts):
            layer += tokens * (dropped + expert.intermediate_size) * (size + 1)
    mask = pairs * 5  # bool, and as numbers for the kernel
    if recipe.checkpoint_activations:
        return config.num_hidden_layers * (text + action) * config.hidden_size * 4 + layer + mask
    return config.num_hidden_layers * layer + mask


def _vision(config: WallOSSConfig, recipe: Recipe, patches: float, trained: bool) -> float:
    if not trained:
        return 0.0
    tower, size = config.vision, 2 if recipe.precision == "bfloat16" else 4
    block = patches * (8 * tower.hidden_size * 4 + 4 * tower.intermediate_size * size)
    if recipe.checkpoint_activations:
        return tower.depth * patches * tower.hidden_size * 4 + block
    return tower.depth * block
