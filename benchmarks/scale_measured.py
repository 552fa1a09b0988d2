# SPDX-License-Identifier: Apache-2.0
"""What of a training's costs can be measured on any machine: decoding, and the formulas against a small network."""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from pathlib import Path

import datasets
import torch
from chunk_models import middle_config
from scale_costs import Row, Training, memory, operations
from torch.utils.flop_counter import FlopCounterMode

from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.data.splits import Shuffle
from wall_oss_ros.training.losses import compute
from wall_oss_ros.training.recipe import Recipe, load_recipe

SMALL = Row(views=2, pixels=112, words=10, asked=8, answered=4, told=8)


def small(lora: bool, checkpointed: bool, precision: str) -> Training:
    """Four layers half as wide as the released model's, trained as the recipes train that."""
    config = middle_config()
    config.num_hidden_layers, config.vision.depth, config.vocab_size = 4, 4, 1000
    config.vision.fullatt_block_indexes = [3]
    recipe: Recipe = load_recipe("own_robot")
    stage = recipe.stages[-1].model_copy(update={"vision_rate": 0.0 if lora else 1.0})
    changes = {"checkpoint_activations": checkpointed, "precision": precision, "stages": [stage]}
    changes |= {} if lora else {"lora": None}
    torch.manual_seed(0)
    return Training.of(config, recipe.model_copy(update=changes), "cpu")


def run(one: Training, rows: int) -> None:
    """A forward and a backward pass."""
    batch = SMALL.batch(one.model.config, rows, "cpu")
    with torch.autocast("cpu", torch.bfloat16, enabled=one.recipe.precision == "bfloat16"):
        losses = compute(one.model, batch, SMALL.draws, torch.Generator().manual_seed(0))
    (losses.cross_entropy + losses.flow).backward()


def counted_operations(one: Training) -> tuple[float, float]:
    """(formula, counted) of a step of one row."""
    with FlopCounterMode(display=False) as counter:
        run(one, 1)
    return operations(one, SMALL).step, counter.get_total_flops()


def kept_activations(one: Training, rows: int) -> tuple[float, float]:
    """(formula, counted): bytes that the forward pass keeps for the backward pass."""
    own, kept = {p.untyped_storage().data_ptr() for p in one.model.parameters()}, {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), storage)  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        batch = SMALL.batch(one.model.config, rows, "cpu")
        with torch.autocast("cpu", torch.bfloat16, enabled=one.recipe.precision == "bfloat16"):
            compute(one.model, batch, SMALL.draws, torch.Generator().manual_seed(0))
    return memory(one, SMALL, rows, 1)["activations"], sum(size for size, _ in kept.values())


def decoding(height: int = 480, width: int = 640, count: int = 300) -> tuple[float, float]:
    """Frames that one core decodes in a second of its own time, in order and at random, of H.264 as we write it."""
    length, episodes = 150, 2
    made = [list(datasets.frames(length, height, width, seed)) for seed in range(episodes)]
    rates = []
    with tempfile.TemporaryDirectory() as work:
        args = Namespace(size=(height, width), length=length)
        datasets.write(Path(work) / "set", "video", "h264", args, made)
        for order in (range(count), Shuffle(length * episodes)[:count]):
            dataset = open_dataset(Path(work) / "set")
            began = time.process_time()
            for at in order:
                episode, row = divmod(int(at), length)
                dataset.pictures(datasets.VIEW, episode, [row])
            rates.append(len(order) / (time.process_time() - began))
    return rates[0], rates[1]


def report() -> str:
    """One line for each thing."""
    in_order, at_random = decoding()
    lines = [f"480 x 640 H.264, frames a second of one core's time: {in_order:.0f} in order, {at_random:.0f} at random"]
    for lora in (True, False):
        for checkpointed in (True, False):
            one = small(lora, checkpointed, "float32")
            name = f"{'adapters' if lora else 'in full'}, activations {'again' if checkpointed else 'kept'}"
            formula, counted = counted_operations(one)
            lines.append(f"{name}: operations, formula {formula:.4g}, counted {counted:.4g}")
            for precision in ("float32", "bfloat16"):
                formula, counted = kept_activations(small(lora, checkpointed, precision), 4)
                lines.append(f"{name}, {precision}: activations, formula {formula:.4g} B, kept {counted:.4g} B")
    return "\n".join(lines)
