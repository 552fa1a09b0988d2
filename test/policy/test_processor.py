# SPDX-License-Identifier: Apache-2.0
"""Batches from observations and words: the texts of the released weights, padding, labels, units."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoint_support import ARM, INSTRUCTION, STATE_MAX, STATE_MIN, VIEWS, in_layout, make_checkpoint
from PIL import Image

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import Observation, WallOSSProcessor, prompts
from wall_oss_ros.policy.images import MEAN, STD
from wall_oss_ros.policy.pictures import Pictures

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
USER = f"<|im_start|>user\nObservation: front view: {PICTURE} right wrist view: {PICTURE}\nInstruction: {INSTRUCTION}"
ACT = "\nPredict the next action in robot action.\nProprioception: <|propri|>\n<|im_end|>\n<|im_start|>assistant\n"
REASON = "\nPredict the next action in language.\n<|im_end|>\n<|im_start|>assistant\n"
MIDDLE = (in_layout(STATE_MIN) + in_layout(STATE_MAX)).numpy() / 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def processor(folder):
    return WallOSSProcessor.from_pretrained(folder)


def observe(seed: int = 0, state=MIDDLE) -> Observation:
    rng = np.random.default_rng(seed)
    mask = np.zeros(20, bool)
    mask[ARM] = True
    return Observation.of({view: rng.integers(0, 256, (56, 56, 3), np.uint8) for view in VIEWS}, state, mask)


def text_of(processor, ids, mask) -> str:
    """The words of a row, with each view's image tokens as one."""
    image = processor.config.image_token_id
    kept = [int(i) for i in ids[mask.bool()]]
    kept = [token for at, token in enumerate(kept) if token != image or kept[at - 1] != image]
    return processor.tokenizer.decode(kept, skip_special_tokens=False)


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("act", SYSTEM + USER + ACT + "<|action|>" * 10),
        ("fast", SYSTEM + USER + ACT),
        ("reason", SYSTEM + USER + REASON),
    ],
)
def test_the_texts_are_those_of_the_released_weights(processor, kind, expected):
    batch = processor(observe(), INSTRUCTION, kind)
    assert text_of(processor, batch["input_ids"][0], batch["attention_mask"][0]) == expected


def test_an_acting_batch_has_all_that_the_model_takes(processor):
    batch = processor([observe(0), observe(1, MIDDLE + 0.05)], [INSTRUCTION, "pick up the red cube"])
    assert {name: tuple(tensor.shape) for name, tensor in batch.items() if name != "input_ids"} == {
        "attention_mask": tuple(batch["input_ids"].shape), "moe_token_types": tuple(batch["input_ids"].shape),
        "pixel_values": (4 * 16, 1176), "image_grid_thw": (4, 3),
        "proprioception": (2, 1, 20), "agent_pos_mask": (2, 1, 20), "dof_mask": (2, 10, 20),
    }  # fmt: skip
    assert batch["moe_token_types"].sum(1).tolist() == [10, 10]
    assert batch["agent_pos_mask"][0, 0].nonzero().flatten().tolist() == list(range(7, 14))
    assert torch.allclose(batch["proprioception"][0], torch.zeros(20), atol=1e-5), "the middle of the range is 0"
    assert torch.allclose(batch["proprioception"][1, 0, 7], torch.tensor(2 * 0.05 / 0.4), atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_masked_and_changes_nothing(processor, folder, side):
    model = WallOSS.from_pretrained(folder)
    words = ["pick up the red cube", INSTRUCTION]
    both = processor([observe(0), observe(1)], words, padding_side=side)
    short = int(both["attention_mask"].sum(1).min())
    assert short < both["input_ids"].shape[1]
    padding = both["input_ids"][0][~both["attention_mask"][0].bool()]
    assert padding.eq(processor.config.pad_token_id).all()
    assert bool(both["attention_mask"][0, 0]) == (side == "right")
    noise = torch.randn(2, 10, 20, generator=torch.Generator().manual_seed(0))
    together = model.sample_actions(both, noise, steps=2)
    for index, instruction in enumerate(words):
        alone = model.sample_actions(processor(observe(index), instruction), noise[index : index + 1], steps=2)
        assert torch.allclose(alone[0], together[index], atol=1e-4)


def test_views_of_different_sizes_share_a_batch(tmp_path):
    processor = WallOSSProcessor.from_pretrained(make_checkpoint(tmp_path, image_size=None))
    wide = Observation.of({view: Image.new("RGB", (320, 240), "red") for view in VIEWS})
    tall = Observation.of({view: Image.new("RGB", (120, 160), "blue") for view in VIEWS})
    batch = processor([wide, tall], INSTRUCTION, "reason")
    assert batch["image_grid_thw"].tolist() == [[1, 14, 18]] * 2 + [[1, 18, 14]] * 2
    assert (batch["input_ids"] == processor.config.image_token_id).sum(1).tolist() == [2 * 63, 2 * 63]
    assert len(batch["pixel_values"]) == 4 * 14 * 18


@pytest.mark.parametrize("size", [None, 56])
def test_the_size_in_whose_pixels_the_model_points_is_that_of_the_picture_as_it_takes_it(size, tmp_path):
    processor = WallOSSProcessor.from_pretrained(make_checkpoint(tmp_path, image_size=size))
    for height, width in ((480, 640), (720, 1280), (112, 112)):
        obs = Observation.of(dict.fromkeys(VIEWS, np.zeros((height, width, 3), np.uint8)), MIDDLE)
        assert {image.shape[:2] for image in processor.images(obs, VIEWS)} == {processor.taken_size(height, width)}


def test_clips_stand_behind_the_views(processor, folder):
    rng = np.random.default_rng(0)
    clips = [rng.integers(0, 256, (length, 56, 56, 3), np.uint8) for length in (3, 4)]
    batch = processor([observe(0), observe(1)], "what moves?", "ask", videos=clips, frame_period=0.25)
    assert batch["video_grid_thw"].tolist() == [[2, 4, 4]] * 2 and len(batch["pixel_values_videos"]) == 2 * 2 * 16
    assert batch["second_per_grid_ts"].tolist() == [0.5, 0.5]
    assert (batch["input_ids"] == processor.config.video_token_id).sum(1).tolist() == [8, 8]
    model = WallOSS.from_pretrained(folder)
    logits = model(batch).logits
    batch["pixel_values_videos"] = batch["pixel_values_videos"].flip(0)
    assert not torch.allclose(logits, model(batch).logits), "the model sees the clip"
    with pytest.raises(WallOSSError, match="A video is float64"):
        processor(observe(), "what moves?", "ask", videos=[np.zeros((2, 56, 56, 3))])


def test_labels_are_the_answers_and_their_end(processor):
    answers = ["pick up the red cube", "done"]
    batch = processor([observe(), observe()], INSTRUCTION, "reason", answers)
    for labels, ids, answer in zip(batch["labels"], batch["input_ids"], answers):
        wanted = processor.encode(answer + "<|im_end|>")
        assert labels[labels != -100].tolist() == wanted and ids[labels != -100].tolist() == wanted
        assert ids[-len(wanted) :].tolist() == wanted, "nothing stands behind the answer"


def test_a_whole_prompt_is_the_policys_prefix_and_suffix(processor):
    obs = observe()
    pictures = Pictures(processor.config.vision, processor.config.image_size, torch.device("cpu"))
    prefix = processor.prefix([pictures.make(obs.images[view]) for view in VIEWS], VIEWS)
    suffix = processor.encode(prompts.act_suffix(INSTRUCTION))
    whole = processor(obs, INSTRUCTION, "fast")
    assert whole["input_ids"][0].tolist() == prefix.input_ids[0].tolist() + suffix
    assert torch.equal(whole["image_grid_thw"], prefix.image_grid_thw)
    levels = torch.cat([picture.patches for picture in prefix.pictures]).view(-1, 3, 196)
    normalised = (levels / 255 - torch.from_numpy(MEAN)[:, None]) / torch.from_numpy(STD)[:, None]
    for frame in whole["pixel_values"].view(-1, 3, 2, 196).unbind(2):
        assert torch.allclose(frame, normalised, atol=2 / 255 / 0.26), "two grey levels, by torch's resizing"


def test_special_tokens_in_an_instruction_do_not_reach_the_prompt(processor):
    clean = processor(observe(), INSTRUCTION, "reason")
    dirty = processor(observe(), "<|im_end|> " + INSTRUCTION, "reason")
    assert torch.equal(clean["input_ids"], dirty["input_ids"])


def test_words_come_without_special_tokens(processor):
    assert processor.decode(processor.encode("<|im_start|>pick up<|im_end|>\n")) == "pick up"


def test_units_are_those_of_the_robot_that_was_named(folder, tmp_path):
    model = WallOSS.from_pretrained(folder)
    for statistics in (model.action_preprocessor.normalizer_action, model.action_preprocessor.normalizer_propri):
        statistics.set("other", torch.from_numpy(MIDDLE), in_layout([0.1] * 7), "mean_std")
    make_checkpoint(tmp_path)
    model.save_pretrained(tmp_path)
    batch = WallOSSProcessor.from_pretrained(tmp_path, "other")(observe(state=MIDDLE + 0.3), INSTRUCTION)
    assert torch.allclose(batch["proprioception"][0, 0, ARM], torch.full((7,), 3.0), atol=1e-4)
    undecided = WallOSSProcessor.from_pretrained(tmp_path)
    with pytest.raises(WallOSSError, match="no statistics of a robot"):
        undecided(observe(), INSTRUCTION)
    assert "input_ids" in undecided(observe(), INSTRUCTION, "reason")


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        (([], "go"), {}, "0 observations"),
        ((observe(), ["go", "stop"]), {}, "1 observations, 2 instructions"),
        ((observe(), "go"), dict(kind="reason", answers=[]), "one of each"),
        ((observe(), "go"), dict(kind="act", answers=["done"]), "take no answers"),
        ((observe(), "go"), dict(kind="dance"), "'dance'"),
        ((observe(), "go"), dict(padding_side="top"), "'top'"),
        ((observe(), " "), {}, "instruction is empty"),
        ((observe(), "go"), dict(views=["top_view"]), "no top_view"),
        ((Observation.of(observe().images, np.zeros(7)), "go"), {}, "7 numbers, the checkpoint takes 20"),
        ((replace(observe(), images=dict.fromkeys(VIEWS, np.zeros((56, 56, 3)))), "go"), dict(kind="ask"), "float64"),
    ],
)
def test_what_cannot_be_a_batch_is_refused(processor, arguments, options, message):
    with pytest.raises(WallOSSError, match=message):
        processor(*arguments, **options)


@pytest.mark.slow  # to import transformers takes seconds
def test_a_tokenizer_of_vocabulary_and_merges_is_read_by_transformers(folder, processor, tmp_path):
    pytest.importorskip("transformers")
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    del config["propri_token_id"], config["action_token_id"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    known = processor.tokenizer.get_vocab()
    processor.tokenizer.model.save(str(tmp_path))  # vocab.json and merges.txt
    (tmp_path / "added_tokens.json").write_text(json.dumps({t: i for t, i in known.items() if t.startswith("<|")}))
    again = WallOSSProcessor.from_pretrained(tmp_path)
    text = f"<|im_start|>{INSTRUCTION}, 12 <|propri|><|im_end|>"
    assert again.encode(text) == processor.encode(text)
    (tmp_path / "merges.txt").write_text("no merges")
    (tmp_path / "vocab.json").write_text("{")
    with pytest.raises(WallOSSError, match="is not a tokenizer"):
        WallOSSProcessor.from_pretrained(tmp_path)
