# SPDX-License-Identifier: Apache-2.0
"""Questions about pictures beside recordings: what a row computes, by which weight, and that no motion is in it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from recipe_support import ONE, OTHER, STAGE, lay_out, recipe

from wall_oss_ros.data.questions.source import PictureQuestions
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.images import image_patches
from wall_oss_ros.training import dry_run
from wall_oss_ros.training.losses import compute
from wall_oss_ros.training.packing import IGNORED
from wall_oss_ros.training.pipeline import prepare, train
from wall_oss_ros.training.question_batches import QuestionBatches
from wall_oss_ros.training.recipe import Stage
from wall_oss_ros.training.sources import open_sources

ENTRIES = [
    {"image": "a.png", "conversations": [
        {"from": "human", "value": "<image>\nWhere is the cup?"}, {"from": "gpt", "value": "[40, 20]"},
        {"from": "human", "value": "What is beside it?"}, {"from": "gpt", "value": "A plate."},
    ]},
    {"image": ["a.png", "b.png"], "conversations": [
        {"from": "human", "value": "What differs between <image> and <image>?"}, {"from": "gpt", "value": "The light."},
    ]},
    {"image": "b.png", "conversations": [
        {"from": "human", "value": "<image>\nWhere is the plate?"}, {"from": "gpt", "value": "[0, 59]"},
    ]},
]  # fmt: skip
ASKED = {"file": "vqa/questions.jsonl", "images": "vqa", "coordinates": "pixels", "held_out": 0.4}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "vqa").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(rng.integers(256, size=(60, 80, 3), dtype=np.uint8)).save(tmp_path / "vqa" / f"{name}.png")
    (tmp_path / "vqa" / "questions.jsonl").write_text("\n".join(map(json.dumps, ENTRIES)))
    return lay_out(tmp_path, monkeypatch)


def stage(**changes) -> Stage:
    return Stage.model_validate(STAGE | changes)


@torch.no_grad()
@pytest.mark.parametrize("size", [56, None])
def test_a_row_computes_what_its_chat_would_alone(folder, size):
    """Rows of one and of two pictures, which need not be squares; a later question comes with what was said before."""
    made = recipe(folder)
    model, tokenizer, _ = prepare(made, open_sources(made, 56), folder / "run")
    data = PictureQuestions(folder / "vqa" / "questions.jsonl", None, "pixels", size, held_out=0.0)
    batches = QuestionBatches(data, tokenizer, model, 3)
    batch = batches.draw(np.arange(3), stage(language_branches=2), 0)
    assert batch.pictures.tolist() == [1, 2, 1] and batch.entries == 0 and batch.actions.shape[1] == 0
    assert not batch.state_mask.any() and not batch.dof_mask.any()
    assert batch.packed.kinds == [["question", "question"], ["question"], ["question"]]
    side = (56, 56) if size else (252, 196)
    point = f"<point>[{40 * side[0] // 80}, {20 * side[1] // 60}]</point>"
    view = "<|vision_start|><|image_pad|><|vision_end|>"
    alone = {
        (0, 0): (f"{view}\nWhere is the cup?", point, "a"),
        (0, 1): (f"{view}\nWhere is the cup?{prompts.ASSISTANT}{point}<|im_end|>\n<|im_start|>user\nWhat is beside it?",
                 "A plate.", "a"),
        (1, 0): (f"What differs between {view} and {view}?", "The light.", "ab"),
        (2, 0): (f"{view}\nWhere is the plate?", f"<point>[0, {59 * side[1] // 60}]</point>", "b"),
    }  # fmt: skip
    losses = compute(model.eval(), batch, 2, torch.Generator().manual_seed(0))
    rows, places = (batch.packed.labels != IGNORED).nonzero(as_tuple=True)
    branch = batch.packed.label_kinds[rows, places]
    for (row, number), (question, answer, shown) in alone.items():
        images = [data.shown(data[1])["ab".index(name)] for name in shown]
        grids = torch.tensor([[1, image.shape[0] // 14, image.shape[1] // 14] for image in images])
        ids = batches.processor.expand(f"{prompts.SYSTEM}<|im_start|>user\n{question}{prompts.ASSISTANT}", grids)
        said = tokenizer.encode(answer + prompts.END, add_special_tokens=False).ids
        output = model({
            "input_ids": torch.tensor([ids + said]), "labels": torch.tensor([[-100] * len(ids) + said]),
            "pixel_values": torch.from_numpy(np.concatenate([image_patches(image[None]) for image in images])),
            "image_grid_thw": grids,
        })  # fmt: skip
        mine = losses.each[(rows == row) & (branch == number)]
        assert len(mine) == len(said)
        assert float(mine.mean()) == pytest.approx(float(output.cross_entropy_loss), rel=1e-4)
    part = batch.rows(1, 3)
    assert len(part.image_grid_thw) == 3 and len(part.pixel_values) == int(part.image_grid_thw.prod(-1).sum())
    some = compute(model, part, 2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(some.each, losses.each[rows > 0])


def test_one_question_to_fifteen_of_motion(folder):
    """As in the paper's mix; a step that asks nothing draws none."""
    one, other = ONE | {"weight": 10.0}, OTHER | {"weight": 5.0}
    made = recipe(folder, datasets=[one, other], questions=[ASKED | {"weight": 1.0}])
    mixture = open_sources(made, 56)
    assert mixture.shares.tolist() == pytest.approx([10 / 16, 5 / 16, 1 / 16])
    _, _, trainer = prepare(made, mixture, folder / "run")
    counts = np.zeros(3)
    for drawn in trainer.batches.chosen(stage(batch=8000), 1):
        counts[drawn.number] = len(drawn.indices)
    assert counts[2] / counts.sum() == pytest.approx(1 / 16, abs=0.01)
    silent = stage(batch=400, language_branches=0)
    assert {drawn.number for drawn in trainer.batches.chosen(silent, 1)} == {0, 1}
    assert {part.source for part in trainer.batches.held_out(silent, 0)} == {"talking", "silent"}
    with pytest.raises(WallOSSError, match="Some datasets have a weight, and questions none"):
        open_sources(recipe(folder, datasets=[one, other], questions=[ASKED]), 56)


def test_a_run_trains_on_them_and_says_so(folder):
    made = recipe(folder, {"steps": 3, "batch": 12}, questions=[ASKED], open_loop_episodes=1, subtask_frames=0)
    output = train(made, folder / "out", open_sources(made, 56))
    lines = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "sources" in line]
    asked = [line["sources"]["questions"] for line in steps if "questions" in line["sources"]]
    assert asked and all(one["cross_entropy"] > 1 and one["flow"] == one["fast"] == 0 for one in asked)
    assert any("question" in line["kinds"] for line in steps)
    held = next(line for line in lines if "held_out" in line)
    assert held["held_out"]["questions"][0] > 1 and set(held["held_out"]) == {"talking", "silent", "questions"}
    report = json.loads((output / "open_loop" / "open_loop.json").read_text())
    assert set(report) == {"talking", "silent"} and {path.stem for path in (output / "robots").iterdir()} == {
        "one",
        "other",
    }
    words = json.loads((output / "config.json").read_text())["known_words"]
    assert "cup" in words and "differs" not in words, "words of pictures are none that the robot can act on"


def test_processes_that_share_a_step_use_the_same_parts_of_the_network(folder):
    made = recipe(folder, questions=[ASKED])
    model, _, trainer = prepare(made, open_sources(made, 56), folder / "run")
    asked = trainer.batches.of[2]
    asked.least_branches = 1
    batch = asked.draw(np.arange(2), stage(), 0)
    assert batch.actions.shape[1] == 1 and batch.entries == 0
    losses = compute(model, batch, 2, torch.Generator().manual_seed(0))
    assert losses.flow.item() == 0 and torch.isfinite(losses.cross_entropy)
    quiet = replace(batch.packed, labels=torch.full_like(batch.packed.labels, IGNORED))
    losses = compute(model, replace(batch, packed=quiet), 2, torch.Generator().manual_seed(0))
    assert [one.item() for one in losses.all] == [0, 0, 0]


def test_a_dry_run_shows_them(folder):
    made = recipe(folder, questions=[ASKED | {"name": "vqa"}])
    said = dry_run.run(made, open_sources(made, 56), folder / "dry_run")
    assert ("questions vqa: " in said and "4 in 3 conversations, of which 1 are held out" in said) or (
        "4 in 3 conversations, of which 2 are held out" in said
    )
    assert "<image> Where is the cup? | <point>[28, 18]</point>" in said
    assert (folder / "dry_run" / "vqa.png").stat().st_size > 3000


@pytest.mark.parametrize("changes, words", [
    ({"questions": [ASKED], "datasets": None, "data": {"episodes": 1, "posed_frames": 1}}, "drawn beside datasets"),
    ({"questions": [ASKED | {"coordinates": "inches"}]}, "questions.0.coordinates"),
    ({"questions": [ASKED | {"weight": 0}]}, "questions.0.weight"),
    ({"questions": [ASKED | {"held_out": 1.0}]}, "questions.0.held_out"),
    ({"questions": [ASKED], "stages": [STAGE | {"language_branches": 0}]}, "language_branches, of which there is none"),
])  # fmt: skip
def test_recipes_that_cannot_be_are_refused(folder, changes, words):
    with pytest.raises(WallOSSError, match=words):
        recipe(folder, **changes)
