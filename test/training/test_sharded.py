# SPDX-License-Identifier: Apache-2.0
"""Two processes train as one does: the same curves, the same checkpoint, and saves that either goes on from."""

import csv
import json
import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from network_support import IMAGE, PAD, small_model
from PIL import Image
from recipe_support import ONE, OTHER, lay_out, recipe
from safetensors.torch import load_file
from training_support import HORIZON, PREFIX, packed_batch

from wall_oss_ros.commands import train as command
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import Policy
from wall_oss_ros.training.distributed import join, share
from wall_oss_ros.training.losses import Losses, draw_noise
from wall_oss_ros.training.packing import pack
from wall_oss_ros.training.pipeline import train
from wall_oss_ros.training.recipe import Recipe
from wall_oss_ros.training.sharded import ShardedTrainer, _Network
from wall_oss_ros.training.sources import Drawn, open_sources
from wall_oss_ros.training.trainer import Trainer

TEST = Path(__file__).parents[1]
STAGES = {"trains": "all", "batch": 5, "accumulate": 2}
AUGMENT = {"brightness": [0.7, 1.3], "noise": [0.0, 8.0], "shift": 0.1, "scale": [0.9, 1.1]}
LORA = {
    "lora": {"rank": 2, "dropout": 0.0}, "precision": "bfloat16", "checkpoint_activations": True, "start": "base",
    "model": None, "vocab_size": None,
}  # fmt: skip


class Killed(BaseException):
    pass


def run(made: Recipe, output: Path, **how) -> None:
    train(made, output, open_sources(made, 56), **how)


def log(output: Path) -> np.ndarray:
    """(steps, 4): step, learning rate, both losses."""
    with open(output / "run" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[key]) for key in ("step", "learning_rate", "cross_entropy", "flow")] for row in rows])


def torchrun(folder: Path, jobs: list[dict]) -> subprocess.CompletedProcess:
    (folder / "jobs.json").write_text(json.dumps(jobs))
    path = os.pathsep.join([str(TEST.parent), str(TEST), os.environ.get("PYTHONPATH", "")])
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*program, str(Path(__file__).with_name("torchrun_program.py")), str(folder / "jobs.json")],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def job(recipe_file: Path, output: Path, *more: str, **how) -> dict:
    return {"arguments": ["train", "--recipe", str(recipe_file), "--output", str(output), *more], **how}


def named(folder: Path, name: str, *args, **changes) -> tuple[Recipe, Path]:
    """A recipe and the file of that name that it is in."""
    made = recipe(folder, *args, **changes)
    return made, (folder / "recipe.yaml").rename(folder / f"{name}.yaml")


def asked(folder: Path) -> dict:
    """Questions about pictures of three sizes, of which a process may have one and another two."""
    (folder / "vqa").mkdir()
    lines = []
    for number, size in enumerate(((60, 80), (30, 90), (90, 30))):
        Image.fromarray(np.full((*size, 3), 60 * number, np.uint8)).save(folder / "vqa" / f"{number}.png")
        said = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": f"Grey, {number}."}]
        lines.append(json.dumps({"image": f"{number}.png", "conversations": said}))
    (folder / "vqa" / "questions.jsonl").write_text("\n".join(lines))
    return {"file": "vqa/questions.jsonl", "images": "vqa", "coordinates": "pixels", "held_out": 0.0, "weight": 3.0}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_processes_train_as_one_and_go_on_from_each_others_saves(tmp_path, monkeypatch):
    lay_out(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    made, file = named(tmp_path, "whole", STAGES, ema=0.9, clip=0.5, open_loop_episodes=0, augment=AUGMENT)
    run(made, tmp_path / "one")
    head = made.stages[0].model_dump() | {"name": "head", "trains": "action_expert", "steps": 2, "vision_rate": 0.0}
    staged = {"stages": [head, {**made.stages[0].model_dump(), "steps": 2}]}
    run(recipe(tmp_path, {"steps": 1}, open_loop_episodes=0), tmp_path / "base")
    adapted, adapted_file = named(tmp_path, "adapted", **staged, **LORA, open_loop_episodes=0)
    run(adapted, tmp_path / "adapted_by_one")
    datasets = [one | {"weight": 1.0} for one in (ONE, OTHER)]
    nodes, nodes_file = named(
        tmp_path, "nodes", **staged, datasets=datasets, questions=[asked(tmp_path)], augment=AUGMENT
    )
    run(nodes, tmp_path / "nodes_of_one")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        step = Trainer._train_step

        def until(trainer, stage, within):
            if trainer.step == 3:
                raise Killed
            return step(trainer, stage, within)

        patched.setattr(Trainer, "_train_step", until)
        run(made, tmp_path / "one_then_two")

    ended = torchrun(tmp_path, [job(file, tmp_path / "two_then_one", kill=[1, 3])])
    assert ended.returncode != 0 and len(log(tmp_path / "two_then_one")) == 3
    shutil.copytree(tmp_path / "two_then_one", tmp_path / "two_then_two")
    saved = tmp_path / "two_then_one" / "run" / "training-2"
    assert len(list(saved.glob("*.safetensors"))) == 2, "each process saves its part"
    ended = torchrun(tmp_path, [
        job(file, tmp_path / "one_then_two", "--resume"),
        job(file, tmp_path / "two_then_two", "--resume"),
        job(adapted_file, tmp_path / "adapted_by_two"),
        job(nodes_file, tmp_path / "nodes_of_two", machines=2),
    ])  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.count("written to") == 4, "one speaks for all"
    part = next(saved.glob("*.safetensors"))
    kept = part.read_bytes()
    part.unlink()
    with pytest.raises(WallOSSError, match="no save to resume from .*is missing or cut off"):
        run(made, tmp_path / "two_then_one", resume=True)
    part.write_bytes(kept)
    run(made, tmp_path / "two_then_one", resume=True)

    whole = load_file(tmp_path / "one" / "model.safetensors")
    for name in ("one_then_two", "two_then_two", "two_then_one"):
        np.testing.assert_allclose(log(tmp_path / name), log(tmp_path / "one"), rtol=2e-4, err_msg=name)
        for key, value in load_file(tmp_path / name / "model.safetensors").items():
            torch.testing.assert_close(value, whole[key], rtol=1e-3, atol=2e-4, msg=f"{name}: {key}")
    np.testing.assert_allclose(log(tmp_path / "nodes_of_two"), log(tmp_path / "nodes_of_one"), rtol=2e-4)
    np.testing.assert_allclose(log(tmp_path / "adapted_by_two"), log(tmp_path / "adapted_by_one"), rtol=2e-2)
    adapter = load_file(tmp_path / "adapted_by_two" / "adapter" / "adapter_model.safetensors")
    for key, value in load_file(tmp_path / "adapted_by_one" / "adapter" / "adapter_model.safetensors").items():
        torch.testing.assert_close(adapter[key], value, rtol=0.05, atol=0.01, msg=key)

    def files(output: Path) -> set[str]:
        return {str(path.relative_to(output)) for path in output.rglob("*") if "run/" not in f"{path}/"}

    written = files(tmp_path / "nodes_of_two")
    assert written == files(tmp_path / "nodes_of_one") >= {"curves.png", "open_loop/open_loop.json"}
    assert Policy.from_pretrained(tmp_path / "nodes_of_two", robot="one").horizon == 4
    both, one = (
        [json.loads(line) for line in (tmp_path / n / "log.jsonl").read_text().splitlines()]
        for n in ("two_then_two", "one")
    )
    assert [line.get("sources", {}).keys() for line in both] == [line.get("sources", {}).keys() for line in one]
    for ours, theirs in zip(both, one):
        assert ours.get("kinds", {}) == pytest.approx(theirs.get("kinds", {}), rel=2e-3)
        for name, losses in ours.get("held_out", {}).items():
            np.testing.assert_allclose(losses, theirs["held_out"][name], rtol=2e-3)
        assert sum(part["samples"] for part in ours.get("sources", {}).values()) in (0, 5)


def test_rows_with_nothing_to_say_see_or_do_have_gradients_of_zero_for_every_part():
    model = small_model()
    batch = packed_batch(model, language=[])
    blind = [i for i in PREFIX if i != IMAGE]
    positions = np.tile(np.arange(len(blind)), (3, 1))
    packed = pack([(blind, positions)] * 2, [[]] * 2, [[([20, 21], [])]] * 2, 2, HORIZON, PAD)
    grids, pictures = batch.image_grid_thw[:0], torch.zeros(2, dtype=torch.long)
    batch = replace(
        batch, packed=packed, pixel_values=batch.pixel_values[:0], image_grid_thw=grids, pictures=pictures,
        actions=batch.actions[:, :1], dof_mask=torch.zeros_like(batch.dof_mask),
    )  # fmt: skip
    losses = Losses(*_Network(model)(batch, 2, draw_noise(model, batch, 2, torch.Generator())))
    (losses.cross_entropy + losses.flow + losses.fast).backward()
    assert [loss.item() for loss in losses.all] == [0, 0, 0]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and not parameter.grad.any(), name


def test_what_several_processes_do_otherwise_is_what_one_process_does():
    assert {name for name in vars(ShardedTrainer) if not name.startswith("__")} - {"_shared"} <= set(dir(Trainer))


@pytest.mark.parametrize("counts, size, at_once", [((5,), 2, 2), ((3, 4, 1), 3, 1), ((2, 9), 4, 2), ((1, 1), 4, 8)])
def test_processes_share_a_step_and_make_as_many_passes(counts, size, at_once):
    chosen = [Drawn(number, np.arange(count) + 100 * number) for number, count in enumerate(counts)]
    found, passes, rows = [], set(), []
    for rank in range(size):
        own = share(chosen, rank, size, at_once)
        for one, idle in own:
            assert chosen[one.number].indices[one.first : one.first + len(one.indices)].tolist() == one.indices.tolist()
            found += [] if idle else one.indices.tolist()
        passes.add(sum(-(-len(one.indices) // at_once) for one, _ in own))
        rows.append(sum(len(one.indices) for one, idle in own if not idle))
    assert found == [index for one in chosen for index in one.indices] and len(passes) == 1
    assert max(rows) - min(rows) <= 1


@pytest.mark.parametrize("how, changes, words", [
    (["--dry-run"], {}, "--dry-run and --open-loop train nothing"),
    (["--open-loop"], {}, "--dry-run and --open-loop train nothing"),
    ([], {}, "has a batch of 4, and there are 8 processes"),
    ([], {"datasets": None, "data": {"episodes": 1, "posed_frames": 1}}, "makes its data in simulation"),
    (None, {}, "Name the folder by --output"),
])  # fmt: skip
def test_what_several_processes_cannot_do_is_refused_before_anything_starts(tmp_path, monkeypatch, how, changes, words):
    lay_out(tmp_path, monkeypatch)
    recipe(tmp_path, **changes)
    for name, value in (("TORCHELASTIC_RUN_ID", "1"), ("RANK", "0"), ("WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    parser = ArgumentParser()
    command.add_arguments(parser)
    output = [] if how is None else ["--output", str(tmp_path / "out"), *how]
    with pytest.raises(WallOSSError) as caught:
        command.main(parser.parse_args(["--recipe", str(tmp_path / "recipe.yaml"), *output]))
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("device, on_machine, local, words", [
    ("cuda:1", 2, 0, "names one device, and torchrun starts a process for each"),
    ("cuda", 1, 4000, "torchrun started 1 processes here"),
    ("cpu", 3, 0, "not spread evenly"),
])  # fmt: skip
def test_devices_that_processes_cannot_have_are_named_before_any_of_them_waits(
    monkeypatch, device, on_machine, local, words
):
    values = {"RANK": 0, "WORLD_SIZE": 4, "LOCAL_RANK": local, "LOCAL_WORLD_SIZE": on_machine}
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(WallOSSError) as caught:
        join(device)
    assert words in str(caught.value) and "\n" not in str(caught.value)
