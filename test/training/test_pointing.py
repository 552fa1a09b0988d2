# SPDX-License-Identifier: Apache-2.0
"""A vision tower learns from questions that are answered by a point: what counts, where it is, and that it helps."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from recipe_support import ONE, lay_out, recipe

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.data.mixture import Mixture, Source
from wall_oss_ros.data.questions.source import PictureQuestions
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.training import dry_run
from wall_oss_ros.training.augmentation import Augment
from wall_oss_ros.training.pipeline import prepare
from wall_oss_ros.training.pointing import OfQuestions
from wall_oss_ros.training.sources import open_sources

SIDE = 56


def spotted(x: int, y: int) -> np.ndarray:
    """A grey picture with one white pixel."""
    picture = np.full((SIDE, SIDE, 3), 90, np.uint8)
    picture[y, x] = 255
    return picture


class Asked(Dataset):
    """Two views; in each the white pixel is somewhere else. The last sample is held out."""

    views, held_out = ("face_view", "left_wrist_view"), 1
    states = language = acting = statistics = vocabulary = after = None

    def __init__(self, said):
        self.said = said

    def __len__(self):
        return len(self.said)

    def images(self, indices):
        return np.stack([[spotted(10 + i, 20), spotted(30, 40 + i)] for i in indices])

    def asked(self, index):
        return self.said[index]


Asked.__abstractmethods__ = frozenset()

SAID = [
    [
        ("Point to the cup.", "<point>[10, 20]</point>"),
        ("Point to the cup in the left wrist view.", "<point>[30, 40]</point>"),
        ("Where is the cup?", "at <point>[1, 1]</point>"),  # more than a point
        ("Point to the lid.", "it is not in view"),
    ],
    [("Point to the cup.", "<point>[11,20]</point>"), ("What is it?", "a cup")],
    [],
    [("Point to the spoon.", "<point>[2, 2]</point>")],
]


def questions(folder, count=5, size=SIDE):
    """Pictures with a white pixel, each asked for it."""
    folder.mkdir(exist_ok=True)
    rng, lines = np.random.default_rng(4), []
    for number, (x, y) in enumerate(rng.integers(4, SIDE - 4, (count, 2)).tolist()):
        Image.fromarray(spotted(x, y)).save(folder / f"{number}.png")
        talk = [("Find the light.", f"[{x}, {y}]"), ("What is it?", "a light")]
        turns = [{"from": who, "value": text} for pair in talk for who, text in zip(("human", "gpt"), pair)]
        lines.append(json.dumps({"image": f"{number}.png", "conversations": turns}))
    (folder / "questions.jsonl").write_text("\n".join(lines))
    return PictureQuestions(folder / "questions.jsonl", None, "pixels", size, held_out=0.2)


def white(image: np.ndarray) -> tuple[int, int]:
    y, x = np.unravel_index(image.sum(-1, dtype=int).argmax(), image.shape[:2])
    return int(x), int(y)


@pytest.mark.parametrize("augment", [None, Augment(shift=0.1, brightness=(0.8, 1.0))])
def test_points_are_where_the_pictures_show_them(tmp_path, augment):
    """Whatever the view, the source, and however training changes the picture."""
    mixture = Mixture([Source("robot", Asked(SAID), 1.0), Source("asked", questions(tmp_path / "vqa"), 1.0)])
    places = OfQuestions(mixture, [augment, augment])
    assert set(places.things) == {"Point to the cup.", "Point to the cup in the left wrist view.", "Find the light."}
    drawn = places.draw(np.random.default_rng(0), 80)
    assert drawn.images.shape == (80, 1, SIDE, SIDE, 3) and drawn.pixels.shape == (80, 1, 3, 2)
    assert (drawn.known.sum(-1) == 1).all()  # the two views of a sample are two pictures
    assert (np.isfinite(drawn.pixels).all(-1) == drawn.known).all()
    for image, pixels, known in zip(drawn.images[:, 0], drawn.pixels[:, 0], drawn.known[:, 0]):
        assert tuple(np.floor(pixels[known][0]).astype(int).tolist()) == white(image)
    asked = {places.things[at] for at in np.flatnonzero(drawn.known.any((0, 1)))}
    assert asked == set(places.things)
    share = drawn.known[:, 0, places.things.index("Find the light.")].mean()
    assert 0.3 < share < 0.7


def test_what_is_held_out_is_never_drawn(tmp_path):
    data = questions(tmp_path / "vqa", 10)
    out = {white(data.shown(data[index])[0]) for index in range(len(data) - data.held_out, len(data))}
    assert len(out) == 2
    drawn = OfQuestions(Mixture([Source("asked", data)])).draw(np.random.default_rng(1), 60)
    seen = {white(image) for image in drawn.images[:, 0]}
    assert len(seen) == 8 and not seen & out


def test_data_that_point_to_nothing_or_in_pictures_of_several_sizes_are_refused(tmp_path):
    silent = Asked([[("What is it?", "a cup")], [], []])
    with pytest.raises(WallOSSError, match="no question of these data is answered by a point"):
        OfQuestions(Mixture([Source("robot", silent)]))
    with pytest.raises(WallOSSError, match="no question"):  # the released resizing has no one size
        OfQuestions(Mixture([Source("asked", questions(tmp_path / "free", size=None))]))
    mixture = Mixture([Source("robot", Asked(SAID), 1.0), Source("asked", questions(tmp_path / "vqa", size=84), 1.0)])
    with pytest.raises(WallOSSError, match="56 x 56 and 84 x 84 pixels"):
        OfQuestions(mixture)


def test_a_recipe_teaches_the_tower_what_its_questions_point_to(tmp_path, monkeypatch, capsys):
    """It finds them in pictures that it has not seen; the run keeps the tower, and a dry run says what it learns."""
    folder = lay_out(tmp_path, monkeypatch)
    questions(folder / "vqa", 60)
    asked = {"file": "vqa/questions.jsonl", "coordinates": "pixels", "held_out": 0.2, "weight": 1.0}
    vision = {"steps": 50, "batch": 16, "learning_rate": 3e-3}
    made = recipe(folder, datasets=[ONE | {"weight": 1.0}], questions=[asked], vision=vision)
    sources = open_sources(made, SIDE)
    before = prepare(made.model_copy(update={"vision": None}), sources, folder / "blind").model
    first = prepare(made, sources, folder / "run")
    model, spent = first.model, first.trainer.seconds
    found = capsys.readouterr().out
    assert float(found.split("cells found")[1].split()[0]) > 0.5  # of four cells, over all steps
    name = "patch_embed.proj.weight"
    assert not torch.equal(dict(before.visual.named_parameters())[name], dict(model.visual.named_parameters())[name])
    later = prepare(made, sources, folder / "run")
    again = later.model
    assert later.trainer.seconds == pytest.approx(spent, abs=0.1) and spent > 0, "it counts as training, once"
    assert torch.equal(dict(again.visual.named_parameters())[name], dict(model.visual.named_parameters())[name])
    assert "cells found" not in capsys.readouterr().out
    said = dry_run.run(made, sources, folder / "shown")
    assert "alone first: 50 steps of 16 samples, from 1 different questions answered by a point" in said
