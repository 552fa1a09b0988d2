# SPDX-License-Identifier: Apache-2.0
"""Whatever has a dataset's face can be trained on: here one that no simulator has made, and that lacks much."""

import json
import logging

import numpy as np
import pytest
from training_support import small_recipe

from wall_oss_ros.data.dataset import ActingSample, Dataset, LanguageSample
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import Policy, prompts
from wall_oss_ros.policy.normalizer import from_values
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.pipeline import make_config, make_tokenizer, set_statistics, train
from wall_oss_ros.training.recipe import Recipe

COUNT, SIZE = 24, 20
ARM = np.isin(np.arange(SIZE), np.arange(7, 14))


class Recorded(Dataset):
    """Noise for pictures; the right arm's entries are known, but that of ``unknown``, and the last steps of each chunk
    are beyond the recording's end."""

    robots, views, horizon, held_out = ("franka",), ("face_view", "right_wrist_view"), 10, 8

    def __init__(self, unknown: int | None = None):
        rng = np.random.default_rng(0)
        self.pictures = rng.integers(256, size=(COUNT, 2, 56, 56, 3), dtype=np.uint8)
        self.values = rng.normal(size=(COUNT, SIZE)).astype(np.float32) * ARM
        self.mask = ARM.copy()
        if unknown is not None:
            self.mask[unknown] = False

    def __len__(self):
        return COUNT

    def images(self, indices):
        return self.pictures[indices]

    def states(self, indices):
        return self.values[indices], np.broadcast_to(self.mask, (len(indices), SIZE))

    def language(self, rng, index, kinds=None):
        return LanguageSample("number", prompts.ask_suffix("Which number is this?"), str(index))

    def acting(self, rng, index, count, paths=None):
        chunk = np.repeat(self.values[None, index], self.horizon, 0)
        return [ActingSample(f"do {n}", chunk, np.broadcast_to(self.mask, chunk.shape)) for n in range(count)]

    def statistics(self):
        return (from_values(self.values),) * 2

    def vocabulary(self):
        return ["do", "which", "number", "is", "this"]

    def after(self, earlier):
        raise NotImplementedError


def recipe(**changes) -> Recipe:
    return Recipe.model_validate(small_recipe().model_dump() | {"vision": None} | changes)


@pytest.mark.slow
def test_what_a_simulator_has_not_made_becomes_a_checkpoint(tmp_path):
    train(recipe(), tmp_path, Recorded())
    report = json.loads((tmp_path / "training.json").read_text())
    assert (report["steps"], report["frames"]) == (4, COUNT)
    policy = Policy.from_pretrained(tmp_path)
    assert policy.unknown_words("which number is this") == [] and policy.horizon == 10


def test_what_the_data_do_not_know_is_masked(tmp_path):
    data = Recorded(unknown=9)
    tokenizer = make_tokenizer(recipe(), data, tmp_path)
    model = WallOSS(make_config(recipe(), data, tokenizer))
    set_statistics(model, data)
    stage = recipe().stages[0].model_copy(update={"acting_branches": 2})
    batch = Batches(data, tokenizer, model, seed=0).draw(np.arange(3), stage, 0)
    expected = ARM & (np.arange(SIZE) != 9)
    assert (batch.dof_mask.numpy() == expected).all() and (batch.state_mask.numpy() == expected).all()


def test_what_the_data_cannot_give_is_refused(tmp_path):
    with pytest.raises(WallOSSError, match="wants DAgger"):
        train(small_recipe(dagger_episodes=1), tmp_path, Recorded())
    with pytest.raises(WallOSSError, match="what is where"):
        train(small_recipe(), tmp_path, Recorded())


def test_a_recipe_may_still_say_practice(caplog):
    values = recipe().model_dump()
    stage = {k: v for k, v in values["stages"][1].items() if not k.startswith("dagger")}
    values["stages"][1] = stage | {"practice": 3, "practice_share": 0.4}
    with caplog.at_level(logging.WARNING):
        read = Recipe.model_validate(values).stages[1]
    assert (read.dagger_episodes, read.dagger_share) == (3, 0.4)
    assert "dagger_episodes" in caplog.text and "dagger_share" in caplog.text
