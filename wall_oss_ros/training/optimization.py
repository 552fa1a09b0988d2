# SPDX-License-Identifier: Apache-2.0
"""What a stage trains, by which optimiser, how fast, and in which numbers."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import nn

from wall_oss_ros.training.recipe import Recipe, Stage


def belongs_to_action_expert(name: str) -> bool:
    """Whether a parameter serves action tokens alone: the second expert of each split part, and the flow head."""
    return "experts.1." in name or "norms.1." in name or name.startswith("action_preprocessor.")


def trainable(model: nn.Module, stage: Stage, only: Collection[str] | None = None) -> None:
    """Freezes what the stage does not train, and all but ``only`` where these are given, as with adapters."""
    for name, parameter in model.named_parameters():
        if name.startswith("visual."):
            wanted = stage.trains != "action_expert" and stage.vision_rate > 0
        else:
            wanted = stage.trains == "all" or (stage.trains == "action_expert") == belongs_to_action_expert(name)
            wanted |= stage.fast_branches > 0 and ".propri_proj." in name  # FAST tokens follow from the state, too
        parameter.requires_grad_(wanted and (only is None or name in only))


def learning_rate(stage: Stage, step: int) -> float:
    """Linear warm-up, constant, then a fall to a tenth over the stage's last ``decay`` steps: linear, or a cosine's
    half, which without ``decay`` takes all steps behind the warm-up."""
    rate = stage.learning_rate * min(1.0, (step + 1) / max(1, stage.warmup))
    left, decay = stage.steps - step, stage.decay
    if stage.schedule == "cosine" and not decay:
        decay = max(stage.steps - stage.warmup, 0)
    if left <= decay:
        share = left / decay
        rate *= 0.1 + 0.9 * (share if stage.schedule == "linear" else (1 - math.cos(math.pi * share)) / 2)
    return rate


def precision(device: torch.device, recipe: Recipe) -> torch.autocast:
    """What a recipe's passes run under: products in bfloat16 where it says so, and weights in float32 all the same."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")


def make_optimizer(model: nn.Module, recipe: Recipe, only: Collection[str] | None = None) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices only, the vision tower in groups of its own; of ``only`` where it is given."""
    groups = []
    for vision in (True, False):
        for matrix in (True, False):
            chosen = [
                p
                for n, p in model.named_parameters()
                if n.startswith("visual.") == vision and (p.ndim > 1) == matrix and (only is None or n in only)
            ]
            groups.append({"params": chosen, "weight_decay": recipe.weight_decay if matrix else 0.0, "vision": vision})
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)
