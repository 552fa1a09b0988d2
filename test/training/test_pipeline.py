# SPDX-License-Identifier: Apache-2.0
"""A recipe becomes a checkpoint: data, tokenizer, vision, stages, DAgger; and a run goes on where it stopped."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from training_support import Samples, small_recipe

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.frames import FrameSet, JoinedImages, is_made, write_frames
from wall_oss_ros.model.fast import NotAChunk
from wall_oss_ros.policy import Observation, Policy
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.cubes.language import FRAME
from wall_oss_ros.sim.dagger import Dagger
from wall_oss_ros.sim.datasets import make_dataset
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.pipeline import train
from wall_oss_ros.training.recipe import Recipe, load_recipe
from wall_oss_ros.training.trainer import Trainer


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_recipe_with_dagger_becomes_a_checkpoint_and_a_run_resumes(tmp_path):
    output, data = tmp_path / "out", tmp_path / "data"
    recipe = small_recipe()
    train(recipe, output, make_dataset(recipe, data, workers=1), minutes=1e-6)  # stops at once, but leaves a checkpoint
    assert json.loads((output / "training.json").read_text())["steps"] == 0
    words = (output / "tokenizer.json").read_text()
    recipe = small_recipe(dagger_episodes=1)
    train(recipe, output, make_dataset(recipe, data), Dagger(recipe, workers=1), resume=True)
    report = json.loads((output / "training.json").read_text())
    collected = FrameSet.open(output / "run" / "dagger-1", FRAME)
    assert report["steps"] == 4
    assert report["frames"] == len(FrameSet.open(data, FRAME)) + len(collected) and len(collected)
    assert report["dagger_frames"] == [len(collected)] and report["machine"]["device"] == "cpu"
    assert f"frames, {len(collected):,} of them from DAgger" in (output / "README.md").read_text()
    assert (output / "tokenizer.json").read_text() == words, "a run keeps its tokenizer"
    assert Policy.from_pretrained(output).horizon == 10
    rows = (output / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2", "3", "4"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_simulated_motion_can_be_said_in_fast_tokens(tmp_path):
    content = small_recipe().model_dump(mode="json", exclude={"datasets"})
    for stage in content["stages"]:
        stage |= {"trains": "language", "acting_branches": 0, "fast_branches": 2}
    content["fast"] = {"vocab_size": 280}
    recipe = Recipe.model_validate(content)
    data = make_dataset(recipe, tmp_path / "data", workers=1)
    train(recipe, tmp_path / "out", data)
    policy = Policy.from_pretrained(tmp_path / "out", profile=load_profile("franka"))
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert policy.fast is not None and all(row["fast"] > 0 and row["flow"] == 0 for row in rows if "fast" in row)
    batches = Batches(data, policy.processor.tokenizer, policy.model, 0, words=policy.fast.vocabulary)
    moves, rng = batches.normalizers()[1], np.random.default_rng(0)
    for one in data.acting(rng, 0, 3):
        told = moves.normalize(one.chunk)
        ids = policy.fast.vocabulary.encode(told, moves.mask())
        again = policy.fast.vocabulary.decode([*ids, policy.fast.vocabulary.end], data.horizon, moves.mask())
        assert np.abs(again - told)[:, moves.mask()].max() < 0.3, "what the tokens say is the chunk"
    (felt,), (known,) = data.states(np.array([0]))
    views = dict(zip(data.views, data.images(np.array([0]))[0]))
    try:
        assert policy.act(Observation(0.0, views, felt, known), "pick up the red cube").shape == (10, 20)
    except NotAChunk:  # four steps are no training
        pass


@pytest.mark.slow
def test_a_dry_run_shows_some_of_what_a_recipe_would_make_and_makes_nothing(tmp_path, capsys):
    content = small_recipe(dagger_episodes=3).model_dump(mode="json", exclude={"datasets"})
    content["data"] |= {"episodes": 40, "posed_frames": 300}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
    how = ["train", "--recipe", str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "out"), "--dry-run"]
    assert main(how) == 0
    said = capsys.readouterr().out
    for words in (
        "the vision tower alone first: 2 steps of 4 samples", "stage first: 2 steps of 4 samples", "memory about",
        "DAgger: the model follows 3 instructions", "robots franka, ur; views face_view, right_wrist_view",
        "action (m, rad): follow_right_ee_cartesian_pos.0 -", "Instruction: ", f"in {tmp_path / 'out' / 'data'}: ",
    ):  # fmt: skip
        assert words in said, words
    shown, whole = (int(n.replace(",", "")) for n in re.search(r"shown are (\d+) .* about ([\d,]+) in", said).groups())
    made = make_dataset(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "out" / "data")
    assert shown < len(made) and abs(whole - len(made)) < 0.25 * len(made)
    assert {path.name for path in (tmp_path / "out" / "dry_run").iterdir()} == {"demonstrations.png"}
    assert main(how) == 0
    said = capsys.readouterr().out
    assert f"demonstrations: {len(made)} frames" in said and "are in" in said, "what there is already is shown itself"


def test_sets_of_frames_join(tmp_path):
    def made(folder, first, count):
        frames = np.zeros(count, FRAME)
        frames["opening"] = np.arange(first, first + count)
        images = np.broadcast_to(
            np.arange(first, first + count, dtype=np.uint8)[:, None, None, None, None], (count, 2, 4, 4, 3)
        )
        write_frames(folder, [images[:2], images[2:]], [frames[:2], frames[2:]], {"first": first})
        assert is_made(folder, {"first": first}) and not is_made(folder, {"first": first + 1})
        return FrameSet.open(folder, FRAME)

    joined = made(tmp_path / "a", 100, 5).after([made(tmp_path / "b", 10, 3), made(tmp_path / "c", 20, 4)])
    expected = [10, 11, 12, 20, 21, 22, 23, 100, 101, 102, 103, 104]
    assert joined.frames["opening"].tolist() == expected and len(joined) == len(joined.images) == 12
    assert isinstance(joined.images, JoinedImages) and joined.images.shape == (12, 2, 4, 4, 3)
    order = np.random.default_rng(0).permutation(12)
    assert joined.images[order][:, 0, 0, 0, 0].tolist() == [expected[i] for i in order]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_dagger_has_its_share_of_frames_and_held_out_ones_are_left_alone(share):
    trainer = object.__new__(Trainer)
    trainer.recipe = small_recipe(dagger_episodes=2)
    stage = trainer.recipe.stages[1].model_copy(update={"batch": 4000, "dagger_share": share})
    trainer._collected = 30
    trainer.batches = SimpleNamespace(data=Samples(130))
    chosen = trainer._choose(stage, 5)
    assert chosen.max() < 130 - 16
    assert (chosen < 30).mean() == pytest.approx(share, abs=0.03)
    assert (trainer._choose(stage, 5) == chosen).all() and (trainer._choose(stage, 6) != chosen).any()
