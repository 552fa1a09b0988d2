# SPDX-License-Identifier: Apache-2.0
"""The network against what the public implementation computes, in float32 on a CPU."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.positions import multimodal_positions

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture(params=["tiny_a", "tiny_b"], scope="module")
def case(request):
    folder = REFERENCE / request.param
    return (
        WallOSS.from_pretrained(folder),
        load_file(folder / "inputs.safetensors"),
        load_file(folder / "outputs.safetensors"),
    )


def close(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    assert actual.shape == expected.shape
    return float((actual - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


def prompt(inputs: dict) -> dict:
    """The text prompt with the first sample's images and state."""
    merged = int((inputs["text_prompt_ids"] == 600).sum())
    grids, images, patches = inputs["image_grid_thw"], 0, 0
    while patches < 4 * merged:
        patches += int(grids[images].prod())
        images += 1
    return {
        "input_ids": inputs["text_prompt_ids"],
        "pixel_values": inputs["pixel_values"][:patches],
        "image_grid_thw": grids[:images],
        "proprioception": inputs["proprioception"][:1],
        "agent_pos_mask": inputs["agent_pos_mask"][:1],
    }


def test_positions_are_equal(case):
    model, inputs, outputs = case
    positions = multimodal_positions(
        model.config, inputs["input_ids"], inputs["image_grid_thw"], inputs["attention_mask"]
    )
    assert torch.equal(positions, outputs["position_ids"])


def test_vision_features_match(case):
    model, inputs, outputs = case
    with torch.no_grad():
        assert close(model.visual(inputs["pixel_values"], inputs["image_grid_thw"]), outputs["vision_features"])


def test_logits_and_losses_match(case):
    model, inputs, outputs = case
    with torch.no_grad():
        out = model(inputs, noise=inputs["noise"], time=inputs["time"])
    alive = inputs["attention_mask"].bool()
    assert close(out.logits[alive], outputs["logits"][alive])
    assert close(out.cross_entropy_loss.view(1), outputs["cross_entropy_loss"])
    assert close(out.flow_loss.view(1), outputs["flow_loss"])


@pytest.mark.parametrize("use_cache", [True, False])
def test_sampled_actions_match(case, use_cache):
    model, inputs, outputs = case
    actions = model.sample_actions(inputs, noise=inputs["noise"], steps=10, use_cache=use_cache)
    assert close(actions, outputs["flow_actions_10_steps"])


@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_tokens_are_equal(case, use_cache):
    model, inputs, outputs = case
    ids = model.generate(prompt(inputs), max_new_tokens=12, use_cache=use_cache)
    assert ids[0].tolist() == outputs["greedy_token_ids"].tolist()
