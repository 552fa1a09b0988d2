# SPDX-License-Identifier: Apache-2.0
"""Batches are a function of data, seed and step alone; what the two tasks draw must not change unnoticed."""

import hashlib

import numpy as np
import pytest
import torch
from training_support import SMALL

from wall_oss_ros.data.frames import FrameSet
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.sim.cubes.task import CubeTask
from wall_oss_ros.sim.datasets import SimulatedDataset
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.training.augmentation import Augment
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.pipeline import make_config, make_tokenizer, set_statistics
from wall_oss_ros.training.recipe import Recipe, load_recipe
from wall_oss_ros.training.steps import held_out_step
from wall_oss_ros.training.vision import cell_labels

COUNT = 64
TASKS = {"cubes": (task_of("franka"), "tiny"), "lifting": (task_of("dual_arm"), "dual_arm")}


def random_frames(task) -> np.ndarray:
    """Records that make no sense, but have every kind of answer among them."""
    rng = np.random.default_rng(0)
    frames = np.zeros(COUNT, task.frame)
    for name in task.frame.names:
        if task.frame[name].base == np.float32:
            frames[name] = rng.uniform(0, 0.5, frames[name].shape)
        if "pixel" in name:
            frames[name] *= 224
    if isinstance(task, CubeTask):
        frames["cube_wrist_pixels"][rng.random(COUNT) < 0.3] = np.nan
        frames["colours"] = [rng.permutation(4)[:3] for _ in range(COUNT)]
        frames["where"] = [[rng.integers(4), *rng.integers(3, size=2)] for _ in range(COUNT)]
    else:
        frames["tray_pixels"][rng.random((COUNT, 3, 2)) < 0.3] = np.nan
        frames["colours"] = [rng.permutation(4)[:2] for _ in range(COUNT)]
        frames["near"] = rng.integers(2, size=COUNT)
        frames["gripped"][:, 0] = rng.random((COUNT, 2)) < (0.5, 0.6)
    return frames


class Made:
    """A network and batches of one task."""

    def __init__(self, name: str, folder):
        self.task, recipe = TASKS[name]
        values = load_recipe(recipe).model_dump()
        self.recipe = Recipe.model_validate(values | {"model": values["model"] | SMALL, "start": None})
        self.robot = self.recipe.robots[0]
        self.frames = random_frames(self.task)
        views = 2 if name == "cubes" else 3
        images = np.random.default_rng(1).integers(256, size=(COUNT, views, 56, 56, 3), dtype=np.uint8)
        self.stored = FrameSet(images, self.frames, {})
        self.data = SimulatedDataset(self.stored, self.task, self.recipe.robots)
        tokenizer = make_tokenizer(self.recipe, self.data, folder)
        self.model = WallOSS(make_config(self.recipe, self.data, tokenizer))
        set_statistics(self.model, self.data)
        self.batches = Batches(self.data, tokenizer, self.model, seed=3)
        self.tokenizer = tokenizer


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return {name: Made(name, tmp_path_factory.mktemp(name)) for name in TASKS}


def test_statistics_go_by_the_name_that_a_robots_profile_says(made):
    cubes = made["cubes"]
    set_statistics(cubes.model, SimulatedDataset(cubes.stored, cubes.task, ["franka", "ur:ur10e"]))
    head = cubes.model.action_preprocessor
    for statistics in (head.normalizer_action, head.normalizer_propri):
        assert {"franka", "ur"} <= set(statistics.names()) and "ur:ur10e" not in statistics.names()


def digest(*arrays) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


def contents(batch, propri: int) -> str:
    packed = batch.packed
    return digest(
        packed.input_ids,
        packed.labels,
        packed.position_ids,
        felt_at(packed.input_ids, propri),
        batch.state,
        batch.actions,
    )


def felt_at(ids: torch.Tensor, propri: int) -> torch.Tensor:
    """(B, M): where the proprioception tokens are."""
    felt = [[place for place, token in enumerate(row) if token == propri] for row in ids.tolist()]
    return torch.tensor(felt)


def test_a_batch_is_drawn_as_ever(made):
    """A run that is resumed by later code goes on as it would have; when that is given up, it is said in CHANGELOG."""
    cubes = made["cubes"]
    stages = {stage.name: stage for stage in cubes.recipe.stages}
    drawn = cubes.batches.draw(np.arange(8), stages["integration 6"], 5)
    propri = cubes.model.config.propri_token_id
    assert contents(drawn, propri) == "c2cbe93b0a82fd9b"
    presence, offsets = cell_labels(cubes.task.pixels(cubes.frames), 112, 4)
    assert digest(presence, offsets) == "84f81dc102a09652"
    again = cubes.batches.draw(np.arange(8), stages["integration 6"], 5)
    other = cubes.batches.draw(np.arange(8), stages["integration 6"], 6)
    assert contents(again, propri) == contents(drawn, propri) != contents(other, propri)


def test_pictures_of_demonstrations_change_in_training_alone(made):
    cubes = made["cubes"]
    stage = next(stage for stage in cubes.recipe.stages if stage.acting_branches)
    augment = Augment(brightness=(0.5, 0.9), shift=0.1)
    plain, changed = (Batches(cubes.data, cubes.tokenizer, cubes.model, 3, augment=one) for one in (None, augment))
    for step, same in ((5, False), (held_out_step(0), True)):
        one, other = (batches.draw(np.arange(8), stage, step) for batches in (plain, changed))
        assert torch.equal(one.pixel_values, other.pixel_values) is same
        assert torch.equal(one.actions, other.actions) and torch.equal(one.state, other.state)
    assert torch.equal(
        changed.draw(np.arange(8), stage, 5).pixel_values, changed.draw(np.arange(8), stage, 5).pixel_values
    )


def test_a_batch_of_two_arms_holds_what_its_frames_say(made):
    lifting = made["lifting"]
    stage = next(stage for stage in lifting.recipe.stages if stage.acting_branches)
    indices = np.arange(6)
    batch = lifting.batches.draw(indices, stage, 0)
    frames = lifting.frames[indices]
    head = lifting.model.action_preprocessor
    states = Normalizer.from_statistics(head.normalizer_propri, lifting.robot)
    moves = Normalizer.from_statistics(head.normalizer_action, lifting.robot)
    assert states.varies.tolist() == moves.varies.tolist() == [True] * 14 + [False] * 6
    state = states.denormalize(batch.state.numpy())
    left, right = np.array([0, 1, 2]), np.array([7, 8, 9])
    for entries, arm in ((left, 1), (right, 0)):
        np.testing.assert_allclose(state[:, entries], frames["tcps"][:, arm], atol=1e-5)
        np.testing.assert_allclose(state[:, entries + 3], frames["rotations"][:, arm], atol=1e-5)
        np.testing.assert_allclose(state[:, entries[0] + 6], frames["openings"][:, arm], atol=1e-5)
    actions = moves.denormalize(batch.actions.numpy())[..., :14]
    for row in range(len(indices)):
        for chunk in actions[row]:
            assert np.abs(frames["chunks"][row] - chunk).max((1, 2)).min() < 1e-5
    assert batch.dof_mask.tolist() == [1.0] * 14 + [0.0] * 6
    assert batch.image_grid_thw.shape == (18, 3) and np.isfinite(batch.pixel_values.numpy()).all()


@pytest.mark.parametrize("name", TASKS)
def test_words_and_chunk_belong_together(made, name):
    """The acting branch that names a thing comes with the chunk of that thing, whatever was drawn."""
    task, rng = made[name].task, np.random.default_rng(7)
    for frame in made[name].frames[:20]:
        names, weights = task.subtasks(frame)
        assert len(names) == len(weights) == frame["chunks"].shape[0] and weights.sum() == pytest.approx(1)
        assert len(set(names)) == len(names)
        assert all(names[i] == text for text, i in task.acting(rng, frame, 3))


@pytest.mark.parametrize("name", TASKS)
def test_cells_say_where_things_are(made, name):
    task, frames = made[name].task, made[name].frames
    pixels = task.pixels(frames)
    presence, offsets = cell_labels(pixels, 112, 4)
    seen = np.isfinite(pixels).all(-1)
    np.testing.assert_array_equal(presence.sum(2), seen)
    b, v, cell, thing = np.argwhere(presence > 0)[5]
    x, y = (np.array([cell % 4, cell // 4]) + 0.5 + offsets[b, v, cell, thing] / 2) * 28
    np.testing.assert_allclose((x, y), pixels[b, v, thing], atol=1e-3)
    assert ("hand" in " ".join(task.things)) and len(task.things) == pixels.shape[2]
