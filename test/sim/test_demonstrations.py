# SPDX-License-Identifier: Apache-2.0
"""Demonstrations in simulation as a LeRobot dataset: training gets from it what it gets from the simulation."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from training_support import small_recipe

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.dataset import ActingSample, LanguageSample
from wall_oss_ros.data.frames import FrameSet
from wall_oss_ros.data.lerobot import EpisodeData, Feature, LeRobotWriter, open_dataset
from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.data.mapping.spec import load_mapping
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import prompts
from wall_oss_ros.robots.policy_robot import load_embodiment
from wall_oss_ros.sim.cubes import demonstrations as cube_demonstrations
from wall_oss_ros.sim.datasets import SimulatedDataset
from wall_oss_ros.sim.demonstrate import failed_folder, make_demonstrations
from wall_oss_ros.sim.episodes import demonstrations
from wall_oss_ros.sim.goals import INSTRUCTED
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.pipeline import make_config, make_tokenizer, set_statistics

SEED = 5
VERB = ["data", "demonstrate", "--seed", str(SEED), "--processes", "1"]


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstrations") / "cubes"
    make_demonstrations("franka", 2, SEED, folder, 1)
    return folder


def recorded(folder, robot, **settings) -> RecordedDataset:
    mapping, file = load_mapping(folder / "mapping.yaml")
    return RecordedDataset(open_dataset(folder), mapping, file, load_embodiment(robot), 112, **settings)


class Asked(SimulatedDataset):
    """Frames straight from the simulation, of which is asked what is asked of the same frames of ``like``: the answers
    and the motion are the simulation's own."""

    def __init__(self, like: RecordedDataset, *arguments):
        super().__init__(*arguments)
        self.like = like

    def language(self, rng, index, kinds=None):
        asked, frame, own = self.like.language(rng, index, kinds), self.frames.frames[index], self.task.language
        suffixes = {"reason": prompts.reason_suffix, "plan": prompts.plan_suffix}
        if asked.kind in suffixes:
            before, after = suffixes[asked.kind]("\0").split("\0")
            goals = own.parse(asked.prompt.removeprefix(before).removesuffix(after), own.look(frame))
            answer = own.active_subtask if asked.kind == "reason" else own.plan_text
            return LanguageSample(asked.kind, asked.prompt, answer(frame, goals))
        drawn, kinds = np.random.default_rng(0), {name: 1.0 for name in own.material if name not in INSTRUCTED}
        for _ in range(3000):
            _, prompt, answer = own.sample(drawn, frame, kinds)
            if prompt == asked.prompt:
                return LanguageSample(asked.kind, prompt, answer)
        raise AssertionError(f"the simulation never asks {asked.prompt!r}")

    def acting(self, rng, index, count, paths=None):
        names, _ = self.task.subtasks(self.frames.frames[index])
        chunks = self.task.actions(self.frames.frames[index]["chunks"])
        mask = np.broadcast_to(self._mask, chunks.shape[1:])
        texts = [one.text for one in self.like.acting(rng, index, count)]
        return [ActingSample(text, chunks[names.index(text)], mask) for text in texts]


def check_batches(folder, robot, tmp_path):
    shown = next(demonstrations(task_of(robot), np.random.default_rng([SEED, 3, 0])))
    recordings = recorded(folder, robot, episodes=[0], held_out=0.0)
    assert len(recordings) == len(shown.records)
    simulated = Asked(recordings, FrameSet(shown.images, shown.records, {}), task_of(robot), [robot])
    recipe = small_recipe()
    tokenizer = make_tokenizer(recipe, simulated, tmp_path)
    model = WallOSS(make_config(recipe, simulated, tokenizer))
    set_statistics(model, simulated)
    subtasks = int((task_of(robot).subtasks(shown.records[0])[1] > 0).sum())  # those that the scene has things for
    stage = recipe.stages[0].model_copy(update={"acting_branches": subtasks, "language_branches": 6, "kinds": None})
    frames = np.linspace(0, len(recordings) - 1, 8).astype(int)
    found, expected = (Batches(data, tokenizer, model, 0).draw(frames, stage, 0) for data in (recordings, simulated))
    for name in ("input_ids", "labels", "position_ids", "attention_mask", "label_kinds"):
        assert torch.equal(getattr(found.packed, name), getattr(expected.packed, name)), f"{name}: words differ"
    assert found.actions.shape[1] == subtasks, "what every subtask calls for is in it"
    assert torch.equal(found.dof_mask, expected.dof_mask) and found.step_mask is expected.step_mask is None
    assert torch.equal(found.state_mask, expected.state_mask)
    torch.testing.assert_close(found.state, expected.state, rtol=0, atol=2e-5)
    torch.testing.assert_close(found.actions, expected.actions, rtol=0, atol=2e-5)
    seen, shown = recordings.images(frames).astype(int), shown.images[frames].astype(int)
    off = np.abs(seen[:, None] - shown).mean((3, 4, 5))  # (8 recorded, 8 simulated, views), of 255
    own = off[np.arange(8), np.arange(8)]
    assert own.max() < 5, "more than video takes away"
    # Of neighbours in time the own frame is the nearest, in each view that changes at all.
    assert (off.sum(-1).argmin(1) == np.arange(8)).all(), "pictures are those of other frames"
    assert (found.pixel_values - expected.pixel_values).abs().mean() < 0.08


def test_a_batch_is_the_one_that_the_simulation_gives(cubes, tmp_path):
    check_batches(cubes, "franka", tmp_path)


@pytest.mark.slow
def test_a_batch_of_two_arms_is_the_one_that_the_simulation_gives(tmp_path):
    make_demonstrations("dual_arm", 1, SEED, tmp_path / "trays", 1)
    check_batches(tmp_path / "trays", "dual_arm", tmp_path)
    assert main(["data", "check", str(tmp_path / "trays")]) == 0


def test_the_set_is_sound_and_says_what_was_done(cubes, capsys):
    assert main(["data", "check", str(cubes)]) == 0
    assert "Nothing was found." in capsys.readouterr().out
    dataset = open_dataset(cubes)
    dataset.verify()
    assert dataset.version == "v3.0" and [episode.extra["success"] for episode in dataset.episodes] == [True, True]
    for episode in dataset.episodes:
        table, words = dataset.columns(episode.index), dataset.language(episode.index)
        assert words.subtasks[0].startswith("pick up the ") and words.subtasks[-1] == "done"
        assert (table["branches.task_index"][:, 0] == table["task_index"]).all()
        assert (table["branches.subtask_index"][:, 0] == table["subtask_index"]).all()
        assert (table["branches.action"][:, 0, 0] == table["action"]).all() and table["branches.known"][:, 0].all()
        assert {entry.style for _, entry in words.events} == {"vqa"}
        plan = words.active("plan", 0.0).content.split("\n")
        assert plan == [one for one in dict.fromkeys(words.subtasks) if one != "done"]


def test_a_recipe_trains_on_it_by_its_branches(cubes, tmp_path):
    data = recorded(cubes, "franka", held_out=[1])
    frame = int(data.samples(0)[3])
    texts = {one.text for one in data.acting(np.random.default_rng(0), frame, 9)}
    assert len(texts) > 5 and {"place it in the left tray", "place it in the right tray"} < texts
    asked = {data.language(np.random.default_rng(seed), frame, {"reason": 1.0}).prompt for seed in range(40)}
    assert len(asked) > 3, "only the episode's own instruction is asked about"
    content = small_recipe().model_dump(mode="json", exclude={"data", "robots"})
    stages = [{**stage, "dagger_episodes": 0, "dagger_share": 0.0, "kinds": None} for stage in content["stages"][:1]]
    source = {"source": str(cubes), "mapping": str(cubes / "mapping.yaml"), "robot": "franka", "held_out": [1]}
    content |= {"vision": None, "stages": stages, "datasets": [source], "open_loop_episodes": 1}
    content["model"] |= {"image_size": 112}
    for given in ("action_horizon", "action_rate_hz"):
        content["model"].pop(given)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    assert main(["train", "--recipe", str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "open_loop" / "cubes.png").exists()


def test_branches_of_no_table_are_found(cubes, tmp_path, capsys):
    shutil.copytree(cubes, tmp_path / "broken")
    (file,) = (tmp_path / "broken" / "data").rglob("*.parquet")
    rows = pq.read_table(file)
    numbers = np.array(rows["branches.task_index"].to_pylist())
    numbers[7, 3] = 999
    at = rows.schema.get_field_index("branches.task_index")
    pq.write_table(
        rows.set_column(at, rows.schema.field(at), pa.array(list(numbers), rows.schema.field(at).type)), file
    )
    assert main(["data", "check", str(tmp_path / "broken"), "--json"]) == 1
    (found,) = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["level"] == "error"]
    assert "branches.task_index 999 is not in the table of tasks" in found["what"]
    assert (found["episode"], found["frame"], found["column"]) == (0, 7, "branches.task_index")


def test_an_edit_keeps_what_branches_say(cubes, tmp_path):
    assert main(["data", "filter", str(cubes), "--episodes", "1", "--output", str(tmp_path / "one")]) == 0
    before, after = open_dataset(cubes), open_dataset(tmp_path / "one")
    assert len(after.tasks) < len(before.tasks)
    for name, kind in (("branches.task_index", "tasks"), ("branches.subtask_index", "subtasks")):
        old, new = before.columns(1, [name])[name], after.columns(0, [name])[name]
        said = [[getattr(before, kind).get(int(n)) for n in row] for row in old]
        assert said == [[getattr(after, kind).get(int(n)) for n in row] for row in new] and (new < 0).any()
    assert main(["data", "check", str(tmp_path / "one")]) == 0
    assert (tmp_path / "one" / "mapping.yaml").read_text() == (cubes / "mapping.yaml").read_text()
    recorded(tmp_path / "one", "franka", held_out=0.0).statistics()


def test_failures_are_kept_apart_and_marked(tmp_path, monkeypatch):
    monkeypatch.setattr(cube_demonstrations, "MOST_STEPS", 64)  # too few for some
    folder, said = tmp_path / "cubes", []
    made = make_demonstrations("franka", 1, 1, folder, 1, said.append)
    assert made.episodes == 1 and made.failed >= 1 and sum("failed" in line for line in said) == made.failed
    good, bad = open_dataset(folder), open_dataset(failed_folder(folder))
    assert [one.extra["success"] for one in good.episodes] == [True]
    assert [one.extra["success"] for one in bad.episodes] == [False] * made.failed
    with pytest.raises(WallOSSError, match="no episode is left to train on"):
        recorded(failed_folder(folder), "franka")
    again = make_demonstrations("franka", 1, 1, folder, 1, said.append)
    assert again == made._replace(new=0)


def test_an_expert_that_never_succeeds_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(cube_demonstrations, "MOST_STEPS", 1)
    monkeypatch.setattr("wall_oss_ros.sim.demonstrate._PATIENCE", 3)
    with pytest.raises(WallOSSError, match="3 demonstrations in a row failed"):
        make_demonstrations("franka", 2, 0, tmp_path / "cubes", 1, print)


def test_what_is_no_place_for_it_is_refused(cubes, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(cubes, copy)
    assert main([*VERB[:3], "6", "--episodes", "3", "--output", str(copy)]) == 2
    assert "was made with the seed 5, not 6" in capsys.readouterr().err
    assert main([*VERB, "--robot", "ur", "--episodes", "3", "--output", str(copy)]) == 2
    assert "is of the robot franka, not ur" in capsys.readouterr().err
    assert main([*VERB, "--robot", "dual_arm:tiago_dual", "--output", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists() and "simulation" in capsys.readouterr().err
    with LeRobotWriter(tmp_path / "other", 10, {"action": Feature("float32", (2,), None)}) as writer:
        writer.add(EpisodeData({"action": np.zeros((5, 2))}, task="wait"))
    assert main([*VERB, "--output", str(tmp_path / "other")]) == 2
    assert "no dataset of demonstrations in simulation" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    assert main([*VERB, "--output", str(tmp_path / "full")]) == 2 and "in the way" in capsys.readouterr().err
    assert main([*VERB, "--episodes", "0", "--output", str(tmp_path / "none")]) == 2


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_set(cubes, tmp_path):
    folder = tmp_path / "cubes"
    command = [sys.executable, "-m", "wall_oss_ros.commands.main", *VERB, "--episodes", "2", "--output", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline().startswith("attempt 0.0: episode 0")
        running.send_signal(signal.SIGKILL)
    assert 1 <= len(open_dataset(folder).episodes) < 2
    assert main([*VERB, "--episodes", "2", "--output", str(folder)]) == 0
    found, expected = open_dataset(folder), open_dataset(cubes)
    assert [one[:4] for one in found.episodes] == [one[:4] for one in expected.episodes]
    assert (found.tasks, found.subtasks) == (expected.tasks, expected.subtasks)
    for episode in range(2):
        one, other = found.columns(episode), expected.columns(episode)
        assert one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)
        assert found.language(episode) == expected.language(episode)
        for view in found.views:
            off = np.abs(found.pictures(view, episode).astype(int) - expected.pictures(view, episode))
            assert off.max() <= 8 and off.mean() < 0.05  # x264 does not give the same pixels each time
