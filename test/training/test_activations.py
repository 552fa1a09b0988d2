# SPDX-License-Identifier: Apache-2.0
"""Activations that are computed again: the same losses and gradients, and much less to keep until then."""

import torch
from network_support import VisionConfig, small_model
from training_support import packed_batch

from wall_oss_ros.training.losses import compute


def step(again: bool) -> tuple[list[torch.Tensor], int, int]:
    """Losses and gradients; bytes that the forward pass keeps besides the weights, and how many tensors."""
    model = small_model(
        num_hidden_layers=8,
        vision=VisionConfig(
            depth=8, hidden_size=16, intermediate_size=32, num_heads=2, out_hidden_size=32, window_size=56,
            fullatt_block_indexes=[1],
        ),
    )  # fmt: skip
    model.set_gradient_checkpointing(again)
    weights, kept = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses = compute(model, packed_batch(model, rows=4), 2, torch.Generator().manual_seed(0))
    size = sum(storage.nbytes() for storage in kept.values())
    (losses.cross_entropy + losses.flow).backward()
    return [losses.cross_entropy, losses.flow, *(p.grad for p in model.parameters())], size, len(kept)


def test_activations_that_are_computed_again_are_not_kept_and_change_nothing():
    whole, size, count = step(again=False)
    again, less, fewer = step(again=True)
    for one, other in zip(whole, again):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)
    assert less < size / 4 and fewer < count / 4
