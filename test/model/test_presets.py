# SPDX-License-Identifier: Apache-2.0
"""The released models' sizes, built without memory for their weights."""

import pytest
import torch

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.config import load_preset, preset_names

SHARED = {
    "model.embed_tokens.weight",
    "lm_head.weight",
    "visual.merger.mlp.2.bias",
    "action_preprocessor.propri_proj.weight",
}
FLOW = {"model.layers.35.self_attn.q_proj.bias", "model.layers.35.input_layernorm.weight", "model.norm.weight"}
SPLIT = {
    "model.layers.35.self_attn.k_proj_experts.1.bias",
    "model.layers.35.post_attention_layernorms.1.weight",
    "model.norms.0.weight",
}


@pytest.mark.parametrize(
    "name, billions, names, shapes",
    [
        ("wall-oss-flow", 4.220, FLOW, {"w1": (2048, 40), "action_proj_back": (20, 2048)}),
        ("wall-oss-fast", 4.224, FLOW, {"w1": (2048, 40), "w2": (2048, 4096)}),
        ("wall-oss-flow-0.1", 4.560, SPLIT, {"w1": (2048, 40), "w3": (2048, 2048)}),
        ("wall-oss-0.5", 4.154, SPLIT, {"w1": (1024, 52), "w2": (1024, 2048), "action_proj_back": (26, 1024)}),
    ],
)
def test_preset(name, billions, names, shapes):
    config = load_preset(name)
    with torch.device("meta"):
        model = WallOSS(config, initialise=False)
    assert sum(p.numel() for p in model.parameters()) / 1e9 == pytest.approx(billions, abs=5e-4)
    state = model.state_dict()
    assert (SHARED | names) <= state.keys()
    assert {part: tuple(state[f"action_preprocessor.{part}.weight"].shape) for part in shapes} == shapes
    assert state["model.layers.0.moe.experts.0.gate_proj.weight"].shape == (11008, 2048)
    assert len([key for key in state if key.endswith("moe.experts.1.up_proj.weight")]) == 36
    assert type(config).from_dict(config.to_dict()) == config


def test_every_preset_is_tested_and_others_are_refused():
    assert preset_names() == ["wall-oss-0.5", "wall-oss-fast", "wall-oss-flow", "wall-oss-flow-0.1"]
    with pytest.raises(WallOSSError, match="Known ones: wall-oss-0.5"):
        load_preset("wall-oss-9")
