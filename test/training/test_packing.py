# SPDX-License-Identifier: Apache-2.0
"""A packed row computes what its prompts would compute one by one."""

import numpy as np
import pytest
import torch

from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.training.packing import IGNORED, pack

HORIZON, STATE, PAD = 4, 7, 0
PREFIX = [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def model() -> WallOSS:
    torch.manual_seed(0)
    expert = {"hidden_size": 32, "hidden_act": "silu"}
    return WallOSS(
        WallOSSConfig.from_dict(
            {
                "vocab_size": 40,
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "mrope_section": [2, 3, 3],
                "rope_theta": 100.0,
                "experts": [{**expert, "intermediate_size": 48}, {**expert, "intermediate_size": 24}],
                "vision_config": {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2},
                "image_token_id": 30,
                "video_token_id": 31,
                "vision_start_token_id": 32,
                "vision_end_token_id": 33,
                "pad_token_id": PAD,
                "propri_token_id": STATE,
                "action_token_id": 34,
            }
        )
    ).eval()


def run(model, packed, tokens):
    embeds = model.model.embed_tokens(packed.input_ids)
    text = embeds.shape[1]
    embeds = torch.cat([embeds, tokens], dim=1)
    return model.model(embeds, packed.position_ids, packed.attention_mask, token_types=text)


def layout(language, acting, draws):
    positions = np.tile(np.arange(len(PREFIX)), (3, 1))
    return pack(PREFIX, positions, language, acting, draws, HORIZON, STATE, PAD)


@torch.no_grad()
def test_branches_do_not_see_each_other(model):
    talk = [("a", [10, 11], [12, 13]), ("b", [14, 15, 16], [17])]
    acts = [[20, STATE, 21], [22, 23, STATE]]
    torch.manual_seed(1)
    chunks = torch.randn(1, 2 * 2 * HORIZON, 32)
    packed = layout([talk], [acts], draws=2)
    together = run(model, packed, chunks)
    text = packed.input_ids.shape[1]
    for number, (_, _, answer) in enumerate(talk):
        alone = layout([[talk[number]]], [[]], draws=0)
        expected = run(model, alone, chunks[:, :0])
        at = packed.label_kinds[0] == number
        torch.testing.assert_close(together[0, :text][at], expected[0][alone.labels[0] != IGNORED])
        assert packed.labels[0][at].tolist() == answer
    for branch, prompt in enumerate(acts):
        for draw in range(2):
            first = (branch * 2 + draw) * HORIZON
            chunk = chunks[:, first : first + HORIZON]
            alone = layout([[]], [[prompt]], draws=1)
            expected = run(model, alone, chunk)[:, -HORIZON:]
            torch.testing.assert_close(together[:, text + first : text + first + HORIZON], expected)


@torch.no_grad()
def test_padding_changes_nothing(model):
    short, long = [("a", [10, 11], [12])], [("a", [10, 11, 12, 13, 14, 15], [16, 17])]
    alone = layout([short], [[]], draws=0)
    padded = layout([short, long], [[], []], draws=0)
    none = torch.zeros(1, 0, 32)
    expected = run(model, alone, none)[0][alone.labels[0] != IGNORED]
    found = run(model, padded, none.expand(2, 0, 32))[0][padded.labels[0] != IGNORED]
    torch.testing.assert_close(found, expected)


def test_state_tokens_are_found():
    packed = layout([[]], [[[20, STATE, 21], [22, 23, STATE]]], draws=1)
    ids = packed.input_ids[0]
    assert ids[packed.state_positions[0]].tolist() == [STATE, STATE]
