# SPDX-License-Identifier: Apache-2.0
"""Pictures that training changes: what a row then holds, and all that must not change with it."""

import re
from pathlib import Path
from types import MethodType

import numpy as np
import pytest
import torch
import yaml
from PIL import Image, ImageEnhance
from recipe_support import ONE, OTHER, lay_out, recipe

from wall_oss_ros.data.dataset import ActingSample, LanguageSample
from wall_oss_ros.data.questions.source import PictureQuestions
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.images import MEAN, STD
from wall_oss_ros.training import dry_run
from wall_oss_ros.training.augmentation import Augment, Change, change_of_row
from wall_oss_ros.training.pipeline import prepare
from wall_oss_ros.training.question_batches import QuestionBatches
from wall_oss_ros.training.sources import Drawn, open_sources
from wall_oss_ros.uni_cot.spots import SPOT

ALL = {
    "brightness": [0.6, 1.4], "contrast": [0.6, 1.4], "saturation": [0.5, 1.5], "hue": [-0.1, 0.1],
    "sharpness": [0.0, 2.0], "noise": [0.0, 8.0], "shift": 0.15, "scale": [0.85, 1.2],
}  # fmt: skip
MOVES = {"shift": 0.15, "scale": [0.85, 1.2]}
RED, RADIUS = np.array([250, 10, 10]), 5


def settings(**fields) -> Augment:
    return Augment.model_validate({key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()})


def picture(height=56, width=84) -> np.ndarray:
    """Smooth colours without black or white, so that nothing is cut off."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([80 + rows % 60, 100 + columns % 50, 90 + (rows + columns) % 40], -1).astype(np.uint8)


def changed(image: np.ndarray, seed=0, texts=(), **fields) -> np.ndarray:
    return change_of_row(settings(**fields), [seed], 1, 2, [image.shape[1::-1]], texts).picture(image)


def test_settings_that_change_nothing_change_nothing():
    image = picture()
    for change in (Change(None), change_of_row(None, [0], 1, 2, [(84, 56)], ["<point>[1,2]</point>"])):
        assert change.picture(image) is image and change.text("<point>[1,2]</point>") == "<point>[1,2]</point>"
    np.testing.assert_array_equal(changed(image), image)
    same = {key: [1.0, 1.0] for key in ("brightness", "contrast", "saturation", "sharpness", "scale")}
    np.testing.assert_array_equal(changed(image, **same, hue=[0.0, 0.0], noise=[0.0, 0.0], shift=0.0), image)


@pytest.mark.parametrize("name, pillows", [
    ("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast), ("saturation", ImageEnhance.Color),
    ("sharpness", ImageEnhance.Sharpness),
])  # fmt: skip
@pytest.mark.parametrize("factor", [0.0, 0.7, 1.3])
def test_factors_mean_what_they_mean_elsewhere(name, pillows, factor):
    image = picture()
    theirs = np.asarray(pillows(Image.fromarray(image)).enhance(factor))
    ours = changed(image, **{name: [factor, factor]})
    assert np.abs(ours.astype(int) - theirs).max() <= 2 and not np.array_equal(ours, image)


def test_hue_keeps_grey_grey_and_brightness():
    grey = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(16, 16, 3)
    for hue in (-0.5, -0.1, 0.03, 0.25, 0.5):
        np.testing.assert_array_equal(changed(grey, hue=[hue, hue]), grey)
        coloured = changed(picture(), hue=[hue, hue])
        luma = [np.asarray(Image.fromarray(one).convert("L"), int) for one in (picture(), coloured)]
        assert np.abs(luma[0] - luma[1]).max() <= 2 and np.ptp(coloured.astype(int) - picture()) > 3
    reds = np.full((4, 4, 3), [180, 90, 90], np.uint8)
    third = changed(reds, hue=[1 / 3, 1 / 3])[0, 0]
    assert third.argmax() == 1, "a third of the circle further is green"


def test_noise_has_the_deviation_that_was_drawn_and_stays_within_bytes():
    image = np.full((100, 100, 3), 128, np.uint8)
    found = changed(image, noise=[6.0, 6.0]).astype(float) - 128
    assert abs(found.std() - 6) < 0.2 and abs(found.mean()) < 0.2
    assert len(np.unique(changed(np.zeros_like(image), noise=[20.0, 20.0]))) > 20
    white = changed(np.full_like(image, 255), noise=[20.0, 20.0], brightness=[4.0, 4.0])
    assert white.min() > 100 and white.dtype == np.uint8


def test_views_differ_in_colour_and_are_moved_alike():
    view, made = picture(56, 56), settings(**ALL)
    change = change_of_row(made, [3], 4, 5, [(56, 56)] * 2, ["<point>[3, 4]</point>"])
    assert not np.array_equal(change.picture(view), change.picture(view))
    change = change_of_row(settings(**MOVES), [3], 4, 5, [(56, 56)] * 2, ["<point>[3, 4]</point>"])
    np.testing.assert_array_equal(change.picture(view), change.picture(view))
    assert not np.array_equal(change.picture(view), view)


def test_views_of_several_sizes_are_moved_only_where_nothing_is_pointed_to():
    views, made = [picture(56, 56), picture(28, 84)], settings(**MOVES)
    sizes = [view.shape[1::-1] for view in views]
    change = change_of_row(made, [3], 4, 5, sizes, ["pick up the cup"])
    for view in views:
        assert change.picture(view).shape == view.shape and not change.kept
    assert not np.array_equal(change_of_row(made, [3], 4, 5, sizes, []).picture(views[0]), views[0])
    for said in ("<point>[3, 4]</point>", "at 3, 4"):
        change = change_of_row(made, [3], 4, 5, sizes, ["pick up the cup", said])
        assert change.kept and change.text(said) == said
        for view in views:
            np.testing.assert_array_equal(change.picture(view), view)
    recoloured = change_of_row(settings(**ALL), [3], 4, 5, sizes, ["at 3, 4"])
    assert not np.array_equal(recoloured.picture(views[0]), views[0]), "its colours change all the same"


# What rows hold


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return lay_out(tmp_path, monkeypatch)


def spot(index: int) -> tuple[int, int]:
    return (7 * index + 3) % 56, (11 * index + 20) % 56


def dotted(index: int) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(56), np.arange(56))
    x, y = spot(index)
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= RADIUS**2
    return np.where(inside[..., None], RED, 100).astype(np.uint8)


def redness(image: np.ndarray, x: int, y: int) -> float:
    """Around a pixel; 0 beside a dot, and 240 on one whose colours are as they were."""
    around = image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].astype(float)
    return float(around[..., 0].mean() - around[..., 1:].mean())


def point_to_dots(data, way="<point>[{}, {}]</point>") -> None:
    """Makes pictures of a dataset dots, of which all texts speak."""
    views = len(data.views)

    def images(self, indices):
        return np.stack([np.stack([dotted(int(index))] * views) for index in indices])

    def language(self, rng, index, kinds=None):
        said = way.format(*spot(int(index)))
        return LanguageSample("ask", prompts.ask_suffix(f"Is it at {said}?"), f"it is at {said}")

    def acting(self, rng, index, count, paths=None):
        said = way.format(*spot(int(index)))
        chunk, known = self.chunks(np.array([index]))
        return [ActingSample(f"go to {said}", chunk[0], known[0], f"from {said}")]

    for made in (images, language, acting):
        setattr(data, made.__name__, MethodType(made, data))


def drawn_pictures(batch) -> list[np.ndarray]:
    """The pictures that a batch is of, back from their patches."""
    found, at = [], 0
    for _, rows, columns in batch.image_grid_thw.tolist():
        patches = batch.pixel_values[at : at + rows * columns].numpy()
        at += len(patches)
        cells = patches.reshape(rows // 2, columns // 2, 2, 2, 3, 2, 14, 14)[:, :, :, :, :, 0]
        image = cells.transpose(0, 2, 5, 1, 3, 6, 4).reshape(rows * 14, columns * 14, 3)
        found.append(np.rint((image * STD + MEAN) * 255).astype(int))
    return found


def prepared(folder, augment=None, datasets=(ONE, OTHER), **changes):
    made = recipe(folder, datasets=list(datasets), augment=augment, **changes)
    return made.stages[0], prepare(made, open_sources(made, 56), folder / "run")


def texts_of(tokenizer, batch) -> list[str]:
    return [
        tokenizer.decode(ids, skip_special_tokens=False).replace("<|endoftext|>", "")
        for ids in batch.packed.input_ids.tolist()
    ]


@pytest.mark.parametrize("number, augment", [(0, MOVES), (1, MOVES), (0, {"shift": 0.2}), (0, ALL)])
def test_all_that_a_row_says_points_to_the_same_thing(folder, number, augment):
    """In questions, answers, instructions and what is said before the motion; with one view and with two."""
    stage, (_, tokenizer, trainer) = prepared(folder, augment)
    batches = trainer.batches.of[number]
    point_to_dots(batches.data)
    indices = np.arange(24)
    batch = batches.draw(indices, stage, 3)
    images, views = drawn_pictures(batch), len(batches.data.views)
    moved = 0
    for row, said in enumerate(texts_of(tokenizer, batch)):
        points = [tuple(map(int, match.groups()[:2])) for match in SPOT.finditer(said)]
        assert len(points) == 6 and len(set(points)) == 1, said
        x, y = points[0]
        for image in images[row * views : (row + 1) * views]:
            assert redness(image, x, y) > (20 if augment is ALL else 100), "the dot"
        moved += points[0] != spot(row)
    assert moved > 16


def test_a_row_that_speaks_of_places_in_another_way_is_not_moved(folder):
    stage, (_, tokenizer, trainer) = prepared(folder, ALL)
    batches = trainer.batches.of[0]
    point_to_dots(batches.data, "[{}, {}]")
    batch = batches.draw(np.arange(6), stage, 3)
    for row, said in enumerate(texts_of(tokenizer, batch)):
        x, y = spot(row)
        assert said.replace(" ", "").count(f"[{x},{y}]") == 6
        image = drawn_pictures(batch)[row]
        assert redness(image, x, y) > 20 and not np.array_equal(image, dotted(row))


def same(one, other) -> bool:
    return (
        torch.equal(one.pixel_values, other.pixel_values)
        and torch.equal(one.packed.input_ids, other.packed.input_ids)
        and torch.equal(one.actions, other.actions)
    )


def test_only_training_pictures_change_and_nothing_else_of_a_row(folder):
    stage, (_, _, plain) = prepared(folder)
    _, (_, _, trainer) = prepared(folder, ALL)
    for part in range(2):
        for one, other in zip(plain._held_out(stage, part), trainer._held_out(stage, part), strict=True):
            assert same(one.batch, other.batch), "validation"
    for one, other in zip(plain.draw(stage, 1), trainer.draw(stage, 1), strict=True):
        assert not torch.equal(one.batch.pixel_values, other.batch.pixel_values)
        for name in ("actions", "state", "image_grid_thw"):
            assert torch.equal(getattr(one.batch, name), getattr(other.batch, name))
        assert torch.equal(one.batch.packed.input_ids, other.batch.packed.input_ids), "nothing points to anything"
    indices = np.arange(3)
    for ours, theirs in zip(trainer.batches.of, plain.batches.of):
        for one, other in (
            (ours.prompt(indices, ["lift"] * 3), theirs.prompt(indices, ["lift"] * 3)),
            (
                ours.asked(indices, [prompts.ask_suffix("what?")] * 3),
                theirs.asked(indices, [prompts.ask_suffix("what?")] * 3),
            ),
        ):
            assert torch.equal(one["pixel_values"], other["pixel_values"]), "open loop and subtask accuracy"


def test_a_row_is_a_function_of_seed_step_and_place_whoever_draws_it(folder):
    stage, (_, _, trainer) = prepared(folder, ALL)
    _, (_, _, again) = prepared(folder, ALL)
    batches, names = trainer.batches, set()
    for drawn in batches.chosen(stage.model_copy(update={"batch": 12}), 4):
        point_to_dots(batches.of[drawn.number].data)
        point_to_dots(again.batches.of[drawn.number].data)
        whole = batches.pack(drawn, stage, 4).batch
        assert same(whole, again.batches.pack(drawn, stage, 4).batch), "a resumed run"
        assert not torch.equal(whole.pixel_values, batches.pack(drawn, stage, 5).batch.pixel_values)
        part = batches.pack(Drawn(drawn.number, drawn.indices[-2:], len(drawn.indices) - 2), stage, 4)
        own = whole.rows(len(drawn.indices) - 2, len(drawn.indices))
        torch.testing.assert_close(own.pixel_values, part.batch.pixel_values, rtol=0, atol=0)
        assert torch.equal(own.packed.input_ids, part.batch.packed.input_ids)
        names.add(drawn.number)
    assert names == {0, 1}
    twice = batches.of[0].draw(np.array([4, 4]), stage, 3)
    first, second = drawn_pictures(twice)
    assert not np.array_equal(first, second), "the same sample differs from row to row"


def test_a_dataset_may_have_an_augmentation_of_its_own_or_none(folder):
    datasets = [ONE | {"augment": {}}, OTHER | {"augment": {"noise": [9.0, 9.0]}}]
    _, (_, _, trainer) = prepared(folder, ALL, datasets)
    first, second = (one.augment for one in trainer.batches.of)
    assert first == Augment() and second == Augment(noise=(9.0, 9.0))
    _, (_, _, trainer) = prepared(folder, ALL, [ONE, OTHER])
    assert all(one.augment.shift == ALL["shift"] for one in trainer.batches.of)


@pytest.mark.parametrize("size", [56, None])
def test_questions_about_pictures_of_any_size_point_to_the_same_thing(folder, size):
    columns, rows = np.meshgrid(np.arange(400), np.arange(300))
    lines = []
    for number, (x, y, width, height) in enumerate(((100, 40, 400, 300), (30, 250, 300, 300), (0, 0, 200, 100))):
        inside = (columns - x) ** 2 + (rows - y) ** 2 <= 40**2
        image = np.where(inside[..., None], RED, 100).astype(np.uint8)[:height, :width]
        Image.fromarray(image).save(folder / f"{number}.png")
        talk = [f"<image>\\nIs it at [{x}, {y}]?", f"At [{x}, {y}].", "Again?", f"[{x}, {y}]"]
        said = ", ".join(f'{{"from": "{("human", "gpt")[n % 2]}", "value": "{one}"}}' for n, one in enumerate(talk))
        lines.append(f'{{"image": "{number}.png", "conversations": [{said}]}}')
    (folder / "asked.jsonl").write_text("\n".join(lines))
    stage, (model, tokenizer, _) = prepared(folder)
    data = PictureQuestions(folder / "asked.jsonl", None, "pixels", size, held_out=0.0)
    moved = set()
    for step in range(6):
        plain = QuestionBatches(data, tokenizer, model, 3).draw(np.arange(3), stage, step)
        batch = QuestionBatches(data, tokenizer, model, 3, settings(**MOVES)).draw(np.arange(3), stage, step)
        assert torch.equal(plain.image_grid_thw, batch.image_grid_thw)
        images = drawn_pictures(batch)
        for row, (said, before) in enumerate(zip(texts_of(tokenizer, batch), texts_of(tokenizer, plain))):
            points = {tuple(map(int, match.groups()[:2])) for match in SPOT.finditer(said)}
            assert len(points) == 1, said
            ((x, y),) = points
            assert redness(images[row], x, y) > 100
            if said != before:
                moved.add(row)
    assert moved == {0, 1, 2}


def test_a_dry_run_shows_changed_pictures_beside(folder):
    made = recipe(folder, augment=ALL)
    data = open_sources(made, 56)
    point_to_dots(data.sources[0].data, "{}, {}")
    said = dry_run.run(made, data, folder / "changed")
    assert "augment moves 0 of 64 rows; the others speak of places" in said and "augment moves 64 of 64 rows\n" in said
    plain = recipe(folder)
    assert "augment" not in dry_run.run(plain, open_sources(plain, 56), folder / "plain")
    for name in ("talking", "silent"):
        sizes = [Image.open(folder / where / f"{name}.png").size for where in ("plain", "changed")]
        assert sizes[0][0] < sizes[1][0] and sizes[0][1] == sizes[1][1]


@pytest.mark.parametrize("augment, words", [
    ({"brightness": 0.2}, r"augment\.brightness: Input should be a valid array, not 0.2 \(line"),
    ({"brightness": [1.2, 0.8]}, "a range has its least number first, both from 0 to 4"),
    ({"contrast": [-0.1, 1.0]}, "augment.contrast"),
    ({"hue": [-0.6, 0.1]}, "both from -0.5 to 0.5"),
    ({"scale": [0.9]}, "augment.scale"),
    ({"scale": [0.1, 1.0]}, "both from 0.5 to 2"),
    ({"noise": [0.0, float("nan")]}, "augment.noise"),
    ({"sharpness": ["0.5", "1.5"]}, "augment.sharpness"),
    ({"shift": 0.3}, "augment.shift"),
    ({"shift": -0.1}, "augment.shift"),
    ({"shift": True}, "augment.shift"),
    ({"rotate": [0, 90]}, "augment.rotate"),
    ([0.8, 1.2], "augment"),
])  # fmt: skip
def test_a_recipe_that_cannot_be_is_refused(folder, augment, words):
    for changes in ({"augment": augment}, {"datasets": [ONE | {"augment": augment}]}):
        with pytest.raises(WallOSSError, match=words) as caught:
            recipe(folder, **changes)
        assert "\n" not in str(caught.value)


def test_the_example_of_the_docs_is_a_recipe(folder):
    text = (Path(__file__).parents[2] / "docs/how-to/own_data.md").read_text()
    (block,) = re.findall(r"```yaml\n(augment:.*?)```", text, re.DOTALL)
    example = yaml.safe_load(block)
    assert set(example["augment"]) == set(Augment.model_fields)
    made = recipe(
        folder, augment=example["augment"], datasets=[ONE, OTHER | {"augment": example["datasets"][1]["augment"]}]
    )
    assert made.augments == (made.augment, Augment()) and made.augment.shift == 0.04
