# SPDX-License-Identifier: Apache-2.0
"""A packed row computes what its prompts would compute one by one."""

import numpy as np
import pytest
import torch

from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.training.packing import FAST, IGNORED, SAID, pack

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
    return pack([(PREFIX, positions)] * len(acting), language, acting, draws, HORIZON, PAD)


@torch.no_grad()
def test_branches_do_not_see_each_other(model):
    talk = [("a", [10, 11], [12, 13]), ("b", [14, 15, 16], [17])]
    acts = [([20, STATE, 21], []), ([22, 23, STATE], [24, 25])]  # the second says something before it acts
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
    assert packed.kinds == [["a", "b", SAID]] and packed.labels[0][packed.label_kinds[0] == 2].tolist() == [24, 25]
    for branch, act in enumerate(acts):
        for draw in range(2):
            first = (branch * 2 + draw) * HORIZON
            chunk = chunks[:, first : first + HORIZON]
            alone = layout([[]], [[act]], draws=1)
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


@torch.no_grad()
def test_rows_with_prefixes_of_their_own_compute_what_each_would_alone(model):
    """As pictures of different sizes have them: positions go on behind each row's own."""
    prefixes = [(PREFIX, np.tile(np.arange(5), (3, 1))), ([6, 5], np.array([[0, 3], [0, 1], [0, 2]]))]
    talk = [("a", [10, 11], [12, 13]), ("b", [14], [15])]
    packed = pack(prefixes, [talk, talk], [[], []], 0, HORIZON, PAD)
    together = run(model, packed, torch.zeros(2, 0, 32))
    for row, prefix in enumerate(prefixes):
        alone = pack([prefix], [talk], [[]], 0, HORIZON, PAD)
        expected = run(model, alone, torch.zeros(1, 0, 32))[0][alone.labels[0] != IGNORED]
        torch.testing.assert_close(together[row][packed.labels[row] != IGNORED], expected)
    assert packed.position_ids[:, 1, 2].tolist() == [4, 4, 4], "behind the largest of its prefix"


def test_labels_of_fast_tokens_are_marked():
    packed = layout([[("ask", [10], [11, 12]), (FAST, [13, STATE], [14])]], [[]], draws=0)
    assert packed.labels[0][packed.motion[0]].tolist() == [14]
    assert packed.labels[0][~packed.motion[0] & (packed.labels[0] != IGNORED)].tolist() == [11, 12]


@torch.no_grad()
def test_motion_follows_from_what_is_said_before_it(model):
    """And what is said is learnt as an answer to the acting prompt, whatever comes after it."""
    chunk = torch.randn(1, HORIZON, 32, generator=torch.Generator().manual_seed(2))
    prompt = [20, STATE, 21]
    rows = [layout([[]], [[(prompt, said)]], draws=1) for said in ([24, 25], [24, 26], [])]
    moved = [run(model, packed, chunk)[:, -HORIZON:] for packed in rows]
    assert not torch.allclose(moved[0], moved[1]) and not torch.allclose(moved[0], moved[2])
    asked = layout([[("a", prompt, [24, 25])]], [[]], draws=0)
    expected = run(model, asked, chunk[:, :0])[0][asked.labels[0] != IGNORED]
    found = run(model, rows[0], chunk)[0][: rows[0].input_ids.shape[1]][rows[0].labels[0] != IGNORED]
    torch.testing.assert_close(found, expected)
    assert rows[2].labels[0].eq(IGNORED).all() and rows[2].kinds == [[]]
