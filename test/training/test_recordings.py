# SPDX-License-Identifier: Apache-2.0
"""From recordings of several robots to a checkpoint: batches, masks, adapters, a run that is killed, what it leaves."""

import csv
import json
import sys
from argparse import ArgumentParser
from dataclasses import replace

import numpy as np
import pytest
import torch
from arm_space_support import content, save
from network_support import small_model
from recipe_support import ONE, OTHER, STAGE, lay_out, recipe
from training_support import packed_batch

from wall_oss_ros.commands import train as command
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import Observation, Policy
from wall_oss_ros.policy.fit import require_fit
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.training.losses import compute, draw_noise_by_row
from wall_oss_ros.training.memory import memory_of
from wall_oss_ros.training.optimization import learning_rate
from wall_oss_ros.training.pipeline import make_model, make_tokenizer, prepare, set_statistics, train
from wall_oss_ros.training.recipe import Recipe, Stage, load_recipe
from wall_oss_ros.training.sources import Drawn, MixedBatches, open_sources
from wall_oss_ros.training.trainer import Trainer


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return lay_out(tmp_path, monkeypatch)


def run(made: Recipe, output, **how):
    return train(made, output, open_sources(made, 56), **how)


def log(output) -> list[dict]:
    with open(output / "run" / "log.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_recordings_of_two_robots_become_a_checkpoint_that_each_can_use(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "wall_oss_ros.sim", None)  # no simulator can be imported
    recipe(folder, ema=0.9)
    output = folder / "out"
    parser = ArgumentParser()
    command.add_arguments(parser)
    assert command.main(parser.parse_args(["--recipe", str(folder / "recipe.yaml"), "--output", str(output)])) == 0
    for name, views in (("one", ["face_view"]), ("other", ["face_view", "right_wrist_view"])):
        profile = load_profile(output / "robots" / f"{name}.yaml")
        assert profile.name == name and load_profile(folder / f"{name}.yaml") == profile
        policy = Policy.from_pretrained(output, robot=name)
        assert policy.views == views and policy.horizon == 4 and policy.unknown_words("wipe the moon") == ["moon"]
        images = dict.fromkeys(views, np.zeros((56, 56, 3), np.uint8))
        chunk = policy.act(Observation.of(images, np.zeros(7, np.float32)), "lift it")
        assert chunk.shape == (4, 7) and np.isfinite(chunk).all()
    assert policy.dof_mask.tolist() == [True] * 6 + [False], "its gripper was never recorded"
    assert require_fit(output, load_profile(folder / "one.yaml")) == "one"
    assert {path.stem for path in (output / "mappings").glob("*.yaml")} == {"talking", "silent"}
    assert json.loads((output / "training.json").read_text())["frames"] == 2 * (16 + 17 + 18 + 19)
    report = json.loads((output / "open_loop" / "open_loop.json").read_text())
    assert set(report) == {"talking", "silent"} and len(report["talking"]["by_step"]) == 7
    assert all(0 < value < 1 for value in report["talking"]["by_step"]["arm_position.0"])
    assert (output / "open_loop" / "silent.png").stat().st_size > 5000
    lines = [json.loads(line) for line in (output / "run" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "sources" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert all(line["samples_s"] > 0 and line["tokens_s"] > 0 and line["memory_mb"] > 0 for line in steps)
    assert sum(part["samples"] for part in steps[0]["sources"].values()) == 4
    held = [line["held_out"] for line in lines if "held_out" in line]
    assert len(held) == 2 and set(held[0]) == {"talking", "silent"} and held[0]["silent"][0] == 0


class Killed(BaseException):
    pass


def killed_at(monkeypatch, step: int) -> None:
    train_step = Trainer._train_step

    def until(trainer, stage, within):
        if trainer.step == step:
            raise Killed
        return train_step(trainer, stage, within)

    monkeypatch.setattr(Trainer, "_train_step", until)


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_run_that_is_killed_at_any_step_goes_on_with_the_same_curve(folder, monkeypatch, step):
    made = recipe(folder, ema=0.9, open_loop_episodes=0, augment={"noise": [0, 9], "shift": 0.1} if step == 3 else None)
    run(made, folder / "whole")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        killed_at(patched, step)
        run(made, folder / "parts")
    saved = step // 2 * 2
    assert len(log(folder / "parts")) == step, "what was trained is said even if it was not saved"
    run(made, folder / "parts", resume=saved > 0)
    assert log(folder / "parts") == log(folder / "whole")
    whole, parts = (WallOSS.from_pretrained(folder / name).state_dict() for name in ("whole", "parts"))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, msg=name)


def test_a_batch_is_a_function_of_seed_and_step_alone(folder):
    made = recipe(folder)
    mixture = open_sources(made, 56)
    tokenizer = make_tokenizer(made, mixture, folder / "run")
    model = make_model(made, mixture, tokenizer)
    set_statistics(model, mixture)
    first, second = (MixedBatches(open_sources(made, 56), tokenizer, model, made.seed) for _ in range(2))
    first.draw(made.stages[0], 1)
    one, other = first.draw(made.stages[0], 4), second.draw(made.stages[0], 4)
    assert [part.source for part in one] == [part.source for part in other] == ["talking", "silent"]
    for a, b in zip((part.batch for part in one), (part.batch for part in other)):
        for name in ("actions", "dof_mask", "state", "pixel_values"):
            assert torch.equal(getattr(a, name), getattr(b, name))
        assert torch.equal(a.packed.input_ids, b.packed.input_ids)
    silent = one[1].batch
    assert silent.answer_tokens == 0 and len(silent.image_grid_thw) == 2 * len(silent.state)
    assert silent.counted.expand(silent.actions.shape)[..., 6].sum() == 0
    again = first.draw(made.stages[0].model_copy(update={"batch": 400}), 9)
    counts = [len(part.batch.state) for part in again]
    assert sum(counts) == 400 and abs(counts[0] - 200) < 60, "by their frames, which are as many"


def test_a_row_does_not_depend_on_those_beside_it(folder):
    made = recipe(folder, {"batch": 8})
    batches, stage, names = prepare(made, open_sources(made, 56), folder / "run").trainer.batches, made.stages[0], set()
    for chosen in batches.chosen(stage, 4):
        whole = batches.pack(chosen, stage, 4)
        last = batches.pack(Drawn(chosen.number, chosen.indices[-2:], first=len(chosen.indices) - 2), stage, 4)
        a, b = whole.batch.rows(len(chosen.indices) - 2, len(chosen.indices)), last.batch
        branches, length = b.actions.shape[1], b.packed.input_ids.shape[1]
        torch.testing.assert_close(a.actions[:, :branches], b.actions)
        torch.testing.assert_close(a.pixel_values, b.pixel_values)
        assert torch.equal(a.packed.input_ids[:, :length], b.packed.input_ids)
        assert torch.equal(a.packed.labels[:, :length], b.packed.labels)
        model = small_model()
        noise, own = (draw_noise_by_row(model, one.batch, stage, [5, 4, 3], one.first) for one in (whole, last))
        for every, some in zip(noise, own):
            assert torch.equal(every[-2:, :branches], some)
        names.add(whole.source)
    assert names == {"talking", "silent"}


def loss(model, batch):
    return compute(model, batch, 2, torch.Generator().manual_seed(0))


def test_neither_text_nor_action_never_gives_nan():
    model = small_model()
    batch = packed_batch(model, language=[])
    nothing = torch.zeros(batch.actions.shape)
    for step_mask in (nothing, None):
        losses = loss(model, replace(batch, step_mask=step_mask, dof_mask=torch.zeros(20)))
        assert losses.cross_entropy.item() == 0 and losses.flow.item() == 0
        losses.flow.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    whole = {"input_ids": torch.tensor([[2, 3, 4, 5]]), "labels": torch.full((1, 4), -100)}
    assert model(whole).cross_entropy_loss.item() == 0, "all labels masked"


@torch.no_grad()
def test_steps_that_are_padded_count_for_nothing():
    model = small_model()
    batch = packed_batch(model)
    mask = batch.dof_mask.expand(batch.actions.shape).clone()
    mask[0, 0, 2:] = 0  # the first chunk ends after two steps
    whole, cut = loss(model, batch), loss(model, replace(batch, step_mask=mask))
    assert float(whole.flow) != float(cut.flow)
    each = [loss(model, replace(batch, step_mask=mask * one)) for one in one_by_one(batch)]
    weights = [float((mask * one).sum()) for one in one_by_one(batch)]
    mean = sum(float(part.flow) * weight for part, weight in zip(each, weights)) / sum(weights)
    assert float(cut.flow) == pytest.approx(mean, rel=1e-5), "a mean over the entries that are known"


def one_by_one(batch):
    for row in range(2):
        for branch in range(2):
            one = torch.zeros(batch.actions.shape)
            one[row, branch] = 1
            yield one


def gradients(folder, name: str, made: Recipe) -> torch.Tensor:
    found = []
    step = torch.optim.AdamW.step

    def look(optimizer, *args, **kwargs):
        groups = optimizer.param_groups
        found.append(torch.cat([p.grad.flatten() for g in groups for p in g["params"] if p.grad is not None]))
        return step(optimizer, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.optim.AdamW, "step", look)
        run(made, folder / name)
    return found[0]


def test_parts_of_a_batch_and_activations_computed_again_are_the_same_step(folder):
    stage = {"steps": 1, "batch": 6}
    whole = gradients(folder, "whole", recipe(folder, stage, clip=1e9, open_loop_episodes=0))
    for name, changes, more in (("parts", {"accumulate": 4}, {}), ("again", {}, {"checkpoint_activations": True})):
        made = recipe(folder, stage | changes, clip=1e9, open_loop_episodes=0, **more)
        torch.testing.assert_close(gradients(folder, name, made), whole, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_adapters_are_trained_saved_in_pefts_format_and_merged(folder, monkeypatch, precision):
    peft = pytest.importorskip("peft")
    run(recipe(folder, {"steps": 2}, open_loop_episodes=0), folder / "base")
    start = {"start": "base", "model": None, "vocab_size": None, "open_loop_episodes": 0}
    (folder / "base" / "preprocessor_config.json").write_text("{}")
    monkeypatch.chdir(folder)
    made = recipe(folder, lora={"rank": 2, "dropout": 0.2}, precision=precision, **start)
    run(made, folder / "whole")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        killed_at(patched, 5)
        run(made, folder / "parts")
    run(made, folder / "parts", resume=True)
    assert log(folder / "parts") == log(folder / "whole"), "dropout included"
    size = max(path.stat().st_size for path in (folder / "whole" / "run").glob("*.safetensors"))
    assert size < (folder / "base" / "model.safetensors").stat().st_size, "what is frozen is not saved again"
    base, tuned = (WallOSS.from_pretrained(folder / name) for name in ("base", "whole"))
    changed = {
        n for (n, a), (_, b) in zip(base.named_parameters(), tuned.named_parameters()) if (a - b).abs().max() > 0.02
    }
    moved = {n for (n, a), (_, b) in zip(base.named_parameters(), tuned.named_parameters()) if not torch.equal(a, b)}
    assert any(name.startswith("action_preprocessor.") for name in moved)
    if precision == "float32":
        assert all(".layers." in name or name.startswith("action_preprocessor.") for name in moved)
    assert not any(name.startswith("visual.") for name in changed)
    assert (folder / "whole" / "preprocessor_config.json").exists() and Policy.from_pretrained(
        folder / "whole", robot="one"
    )
    adapted = peft.PeftModel.from_pretrained(WallOSS.from_pretrained(folder / "base"), folder / "whole" / "adapter")
    name = "model.layers.0.self_attn.q_proj"
    merged = adapted.merge_and_unload().get_submodule(name).weight
    torch.testing.assert_close(
        merged, tuned.get_submodule(name).weight, atol=2e-2 if precision == "bfloat16" else 1e-5, rtol=1e-3
    )


def test_a_cosine_falls_from_the_end_of_the_warm_up_to_a_tenth():
    stage = Stage.model_validate(STAGE | {"steps": 100, "warmup": 10, "schedule": "cosine", "learning_rate": 1.0})
    rates = [learning_rate(stage, step) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10) and rates[10] == pytest.approx(1)
    assert rates[55] == pytest.approx(0.55, abs=0.01) and rates[99] == pytest.approx(0.1, abs=0.01)
    assert all(a > b for a, b in zip(rates[10:], rates[11:]))


@pytest.mark.parametrize("changes, words", [
    ({"datasets": None}, "give data"),
    ({"data": {"episodes": 1, "posed_frames": 1}}, "one of both"),
    ({"vocab_size": None}, "vocab_size is missing"),
    ({"model": None}, "give the network's sizes, or start"),
    ({"lora": {"rank": 2}}, "name it in start"),
    ({"stages": [STAGE | {"dagger_episodes": 2}]}, "need a simulator, in which the model acts; recordings have none"),
    ({"datasets": [ONE | {"weight": 0.0}]}, "datasets.0.weight"),
    ({"datasets": [ONE | {"colour": "red"}]}, "datasets.0.colour"),
    ({"ema": 1.0}, "ema"),
    ({"save_every": 0}, "save_every"),
])  # fmt: skip
def test_a_recipe_that_cannot_be_is_refused(folder, changes, words):
    with pytest.raises(WallOSSError) as caught:
        recipe(folder, **changes)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_robots_that_cannot_share_a_model_and_sizes_that_contradict_a_profile(folder):
    fields = content("columns", "relative") | {"name": "third", "horizon": 4}
    save(folder, fields)
    with pytest.raises(WallOSSError, match=r"The robots one and third differ in dof_config"):
        open_sources(recipe(folder, datasets=[ONE, OTHER | {"robot": "mine.yaml"}]), 56)
    made = recipe(folder)
    made = made.model_copy(update={"model": {**made.model, "action_horizon": 9}})
    with pytest.raises(WallOSSError, match="action_horizon 9, the profile of one 4"):
        run(made, folder / "out")
    with pytest.raises(WallOSSError, match="want different ones"):
        run(recipe(folder, datasets=[ONE, OTHER | {"stored_as": "one", "statistics": "mean_std"}]), folder / "other")


def test_a_dry_run_says_and_draws_what_would_happen_and_does_nothing(folder, capsys):
    recipe(folder, {"accumulate": 2}, ema=0.9)
    parser = ArgumentParser()
    command.add_arguments(parser)
    how = ["--recipe", str(folder / "recipe.yaml"), "--output", str(folder / "out"), "--dry-run"]
    assert command.main(parser.parse_args(how)) == 0
    said = capsys.readouterr().out
    for words in (
        "stage all: 6 steps of 4 samples", "trains vision tower", "flow head", "memory about",
        "dataset talking: 50.0% of the samples; 70 frames", "3 episodes to train on, 1 held out",
        "robot one, statistics as one; views face_view", "action (m, rad): arm_position.0 -",
        "action, never moved or not recorded, masked: hand", "Predict the next action in robot action",
        "reach the cup",
    ):  # fmt: skip
        assert words in said, words
    assert {path.name for path in (folder / "out").rglob("*") if path.is_file()} == {"talking.png", "silent.png"}


@pytest.mark.parametrize("changes", [{}, {"checkpoint_activations": True}])
def test_the_memory_of_activations_is_foreseen(folder, changes):
    made = recipe(folder, {"batch": 8}, datasets=[ONE], **changes)
    model, _, trainer = prepare(made, open_sources(made, 56), folder / "run")
    stage = made.stages[0]
    (part,) = trainer.batches.draw(stage, 0)
    foreseen = memory_of(model, made, stage, part.batch, 8)
    assert foreseen.weights == foreseen.gradients == 4 * sum(p.numel() for p in model.parameters())
    own, kept = {p.data_ptr() for p in model.parameters()}, {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        compute(model, part.batch, stage.draws, torch.Generator().manual_seed(0))
    if changes:  # a layer is computed again while its gradient is: more than what was kept till then
        assert sum(kept.values()) < foreseen.activations < 4 * sum(kept.values())
    else:
        assert foreseen.activations == pytest.approx(sum(kept.values()), rel=0.5)


def test_the_recipe_that_ships_for_ones_own_robot_is_valid():
    made = load_recipe("own_robot")
    assert made.fine_tunes and made.lora.rank == 16 and not made.data and made.datasets[0].mapping == "mapping.yaml"
