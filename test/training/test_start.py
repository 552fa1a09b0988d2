# SPDX-License-Identifier: Apache-2.0
"""Training that starts from another checkpoint: what fits is taken, token by token, and what does not is named."""

import re

import pytest
import torch
from checkpoint_support import make_checkpoint, small_config
from tokenizers import Tokenizer

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import ExpertConfig, VisionConfig, WallOSS
from wall_oss_ros.training.start import start_from
from wall_oss_ros.training.tokenizer import train_tokenizer

WORDS = ["lift the red tray with both hands", "take the red tray", "done"] * 3
"""Some words of the checkpoint's, in another place of the vocabulary, and some that it does not have."""
ROWS = ("model.embed_tokens.weight", "lm_head.weight")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("source"))


def fresh(**changes) -> tuple[WallOSS, object, dict[str, torch.Tensor]]:
    """A network of other random weights, its tokenizer, and a copy of these weights."""
    tokenizer = train_tokenizer(WORDS, 380)
    torch.manual_seed(5)
    model = WallOSS(small_config(tokenizer, **changes))
    return model, tokenizer, {name: value.detach().clone() for name, value in model.named_parameters()}


def weights(folder) -> dict[str, torch.Tensor]:
    return dict(WallOSS.from_pretrained(folder).named_parameters())


def test_weights_are_those_of_the_checkpoint_and_its_statistics_stay_where_they_are(checkpoint):
    model, tokenizer, before = fresh()
    assert start_from(model, tokenizer, checkpoint) == []
    source = weights(checkpoint)
    for name, value in model.named_parameters():
        if name not in ROWS:
            torch.testing.assert_close(value, source[name])
    assert any(not torch.equal(before[name], source[name]) for name in before if name not in ROWS)
    assert model.action_preprocessor.normalizer_action.names() == []


def test_a_tokens_row_goes_with_its_text_whatever_its_number(checkpoint):
    model, tokenizer, before = fresh()
    start_from(model, tokenizer, checkpoint)
    source, after = weights(checkpoint), dict(model.named_parameters())
    theirs, ours = Tokenizer.from_file(str(checkpoint / "tokenizer.json")).get_vocab(), tokenizer.get_vocab()
    moved = [text for text in ours if text in theirs and theirs[text] != ours[text]]
    new = [text for text in ours if text not in theirs]
    assert {"<|action|>", "Ġred"} <= set(moved) and "Ġhands" in new
    for name in ROWS:
        for text in moved:
            torch.testing.assert_close(after[name][ours[text]], source[name][theirs[text]])
        for text in new:
            torch.testing.assert_close(after[name][ours[text]], before[name][ours[text]])


def test_what_has_another_shape_stays_and_is_named(checkpoint):
    model, tokenizer, before = fresh(experts=[ExpertConfig(32, 48), ExpertConfig(32, 16)])
    left = start_from(model, tokenizer, checkpoint)
    source, after = weights(checkpoint), dict(model.named_parameters())
    assert left and all(".experts.1." in name and source[name].shape != after[name].shape for name in left)
    for name in left:
        torch.testing.assert_close(after[name], before[name])


def test_a_checkpoint_of_another_size_is_refused(checkpoint):
    vision = VisionConfig(
        depth=2,
        hidden_size=24,
        intermediate_size=32,
        num_heads=2,
        out_hidden_size=48,
        window_size=56,
        fullatt_block_indexes=[1],
    )
    experts = [ExpertConfig(48, 48), ExpertConfig(48, 24)]
    model, tokenizer, _ = fresh(hidden_size=48, mrope_section=[2, 2, 2], vision=vision, experts=experts)
    with pytest.raises(WallOSSError, match="do not fit the recipe's model, such as"):
        start_from(model, tokenizer, checkpoint)


def test_a_checkpoint_that_is_not_there_or_has_no_words_is_refused(checkpoint, tmp_path):
    model, tokenizer, _ = fresh()
    with pytest.raises(WallOSSError, match="no checkpoint"):
        start_from(model, tokenizer, tmp_path)
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((checkpoint / file).read_bytes())
    with pytest.raises(WallOSSError, match=r"no tokenizer\.json"):
        start_from(model, tokenizer, tmp_path)


@pytest.mark.slow  # to import transformers takes seconds
@pytest.mark.parametrize("kind", ["flow", "0.5"])
def test_a_plain_qwen_becomes_the_vision_tower_and_the_vision_language_expert(kind, checkpoint, tmp_path):
    transformers = pytest.importorskip("transformers")
    lineage = {} if kind == "flow" else dict(attention_moe=True, norm_moe=True)
    model, tokenizer, before = fresh(**lineage)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    vision = {key: value for key, value in vars(model.config.vision).items() if key != "hidden_act"}
    text = dict(
        vocab_size=model.config.vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6, bos_token_id=0, eos_token_id=0, pad_token_id=0,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 1, 1]},
    )  # fmt: skip
    ids = {key: getattr(model.config, key) for key in ("image_token_id", "video_token_id", "vision_start_token_id")}
    qwen = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False, **ids)
    ).eval()
    qwen.save_pretrained(tmp_path)

    left = start_from(model, tokenizer, tmp_path)
    new = re.compile(r"action_preprocessor\..*|.*(experts|norms)\.1\..*")
    assert left and set(left) == {name for name in before if new.fullmatch(name)}

    image, start, end = (tokenizer.token_to_id(t) for t in ("<|image_pad|>", "<|vision_start|>", "<|vision_end|>"))
    inputs = {
        "input_ids": torch.tensor([[7, start, *[image] * 4, end, 9, 12, 30]]),
        "pixel_values": torch.randn(16, 1176, generator=torch.Generator().manual_seed(1)),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
    }
    with torch.no_grad():
        kinds = (inputs["input_ids"] == image).int()
        expected = qwen(**inputs, mm_token_type_ids=kinds).logits
        found = model.eval()({**inputs, "attention_mask": torch.ones_like(inputs["input_ids"])}).logits
    assert float(expected.std()) > 0.01
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
