# SPDX-License-Identifier: Apache-2.0
"""Schedule, optimiser, saves, tokenizer, language: the parts of training that must not go wrong silently."""

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from wall_oss_ros.data.frames import FrameSet
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.config import NoiseConfig
from wall_oss_ros.model.flow import sample_time
from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.cubes.goals import CubeGoal
from wall_oss_ros.sim.cubes.language import FRAME, LANGUAGE, PLACES
from wall_oss_ros.sim.cubes.scene import TRAYS
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.training import checkpointing
from wall_oss_ros.training.optimization import learning_rate
from wall_oss_ros.training.recipe import Stage, load_recipe
from wall_oss_ros.training.tokenizer import train_tokenizer


def make_frame(where=("table", "table", "table"), heights=(0.02, 0.02, 0.02), tcp=(0.4, 0.0, 0.3)) -> np.void:
    frame = np.zeros(1, FRAME)[0]
    frame["colours"] = [0, 2, 3]  # red, blue, yellow
    frame["where"] = [PLACES.index(place) for place in where]
    frame["trays"] = [[0.5, 0.27], [0.5, -0.27]]
    frame["cubes"] = [[0.45, 0.1, heights[0]], [0.5, 0.0, heights[1]], [0.55, -0.1, heights[2]]]
    for i, place in enumerate(where):
        if place.endswith("tray"):
            frame["cubes"][i][:2] = frame["trays"][list(TRAYS).index(place.split()[0])]
    frame["tcp"] = tcp
    frame["cube_pixels"] = [[10, 20], [np.nan, np.nan], [100, 111]]
    return frame


PUT_RED = [CubeGoal("place", "red", "left")]


def test_what_is_called_for_follows_from_what_is_seen():
    assert LANGUAGE.active_subtask(make_frame(), PUT_RED) == "pick up the red cube"
    held = make_frame(("gripper", "table", "table"), heights=(0.2, 0.02, 0.02))
    assert LANGUAGE.active_subtask(held, PUT_RED) == "place it in the left tray"
    assert LANGUAGE.active_subtask(held, [CubeGoal("pick", "red")]) == prompts.DONE
    barely = make_frame(("gripper", "table", "table"), heights=(0.03, 0.02, 0.02))
    assert LANGUAGE.active_subtask(barely, PUT_RED) == "pick up the red cube"
    placed = make_frame(("left tray", "table", "table"))
    assert LANGUAGE.active_subtask(placed, PUT_RED) == prompts.DONE
    letting_go = make_frame(("left tray", "table", "table"), tcp=(0.5, 0.27, 0.03))
    assert LANGUAGE.active_subtask(letting_go, PUT_RED) == "place it in the left tray"
    assert LANGUAGE.active_subtask(make_frame(("right tray", "table", "table")), PUT_RED) == "pick up the red cube"


def test_several_goals_come_one_after_the_other():
    goals = [*PUT_RED, CubeGoal("place", "blue", "right")]
    assert LANGUAGE.active_subtask(make_frame(("left tray", "table", "table")), goals) == "pick up the blue cube"
    assert LANGUAGE.plan_text(make_frame(), goals).splitlines() == [
        "pick up the red cube",
        "place it in the left tray",
        "pick up the blue cube",
        "place it in the right tray",
    ]


def test_an_absent_cube_is_said_to_be_absent():
    goal = [CubeGoal("place", "green", "left")]
    assert LANGUAGE.active_subtask(make_frame(), goal) == "there is no green cube"
    assert LANGUAGE.plan_text(make_frame(), goal) == "there is no green cube"


def test_instructions_mean_the_goals_they_come_with():
    rng = np.random.default_rng(0)
    for _ in range(300):
        text, goals = LANGUAGE.instruction(rng, make_frame())
        assert LANGUAGE.parse(text, LANGUAGE.look(make_frame())) == goals


def test_a_cube_out_of_view_is_not_pointed_to():
    rng = np.random.default_rng(1)
    answers = {LANGUAGE.point_front(rng, make_frame()) for _ in range(200)}
    blue = {answer for prompt, answer in answers if "blue" in prompt}
    assert blue == {"not in view"}
    assert "<point>[10, 20]</point>" in {answer for prompt, answer in answers if "red" in prompt}


@pytest.fixture(scope="module")
def tokenizer():
    rng = np.random.default_rng(2)
    texts = []
    for _ in range(2000):
        _, prompt, answer = LANGUAGE.sample(rng, make_frame())
        texts += [prompt.replace(prompts.ASSISTANT, ""), answer]
    return train_tokenizer(texts, 512)


def test_the_tokenizer_gives_back_every_prompt(tokenizer):
    rng = np.random.default_rng(3)
    samples = [LANGUAGE.sample(rng, make_frame()) for _ in range(200)]
    texts = [prompts.observation_prompt(["face_view", "right_wrist_view"]), prompts.act_suffix("lift the red cube")]
    texts += [text for _, prompt, answer in samples for text in (prompt, answer)]
    for text in texts:
        ids = tokenizer.encode(text).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
    unseen = "fürchte die Kaffeemaschine 42!"
    assert tokenizer.decode(tokenizer.encode(unseen).ids) == unseen


def test_every_word_of_the_data_is_in_the_vocabulary():
    rng, known = np.random.default_rng(4), set(LANGUAGE.vocabulary())
    for _ in range(500):
        text, _ = LANGUAGE.instruction(rng, make_frame())
        assert set(text.replace(",", "").split()) <= known


def test_learning_rate_warms_up_and_falls():
    stage = Stage(
        name="s", steps=100, trains="all", learning_rate=1.0, warmup=10, decay=20, batch=1, language_branches=1,
        acting_branches=0,
    )  # fmt: skip
    rates = [learning_rate(stage, step) for step in range(100)]
    assert [rates[step] for step in (0, 4, 9, 50, 80, 90, 99)] == pytest.approx([0.1, 0.5, 1, 1, 1, 0.55, 0.145])
    assert all(a <= b for a, b in zip(rates[:10], rates[1:11]))
    assert all(a >= b for a, b in zip(rates[80:], rates[81:]))
    assert 0.1 <= rates[-1] < 0.2
    assert learning_rate(stage.model_copy(update={"warmup": 0}), 0) == 1.0


def test_training_time_is_mostly_near_the_noise():
    times = sample_time((20000,), NoiseConfig(), generator=torch.Generator().manual_seed(0))
    assert times.min() >= 0 and times.max() < 1
    assert times.mean().item() == pytest.approx(0.4, abs=0.01)  # 1 - E[Beta(1.5, 1)]


class Twin(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)


def twin():
    torch.manual_seed(0)
    model = Twin()
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def advance(model, optimizer, steps, seed):
    for step in range(steps):
        torch.manual_seed(seed + step)
        loss = model.b(model.a(torch.randn(5, 3))).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_a_resumed_run_goes_on_exactly_where_it_stopped(tmp_path):
    model, optimizer = twin()
    advance(model, optimizer, 3, 0)
    checkpointing.save(tmp_path, model, optimizer, {"step": 3})
    advance(model, optimizer, 3, 3)
    other, other_optimizer = twin()
    assert checkpointing.load(tmp_path, other, other_optimizer)["step"] == 3
    advance(other, other_optimizer, 3, 3)
    for a, b in zip(model.parameters(), other.parameters()):
        torch.testing.assert_close(a, b)


def test_a_save_that_finds_no_room_leaves_the_one_before(tmp_path, monkeypatch):
    model, optimizer = twin()
    checkpointing.save(tmp_path, model, optimizer, {"step": 1})

    def full(*_):
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(checkpointing, "save_file", full)
    with pytest.raises(WallOSSError, match="cannot be written: No space left on device. Make room"):
        checkpointing.save(tmp_path, model, optimizer, {"step": 2})
    assert checkpointing.load(tmp_path, *twin())["step"] == 1


def test_resuming_from_nothing_or_damage_is_refused(tmp_path):
    model, optimizer = twin()
    with pytest.raises(WallOSSError, match="no save"):
        checkpointing.load(tmp_path, model, optimizer)
    checkpointing.save(tmp_path, model, optimizer, {"step": 1})
    file = next(tmp_path.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(WallOSSError, match="no save"):
        checkpointing.load(tmp_path, model, optimizer)


def test_the_shipped_recipe_is_valid_and_a_wrong_one_names_its_field(tmp_path):
    assert load_recipe("tiny").name == "wall-oss-tiny"
    with pytest.raises(WallOSSError, match="Known ones: .*tiny"):
        load_recipe("huge")
    file = tmp_path / "r.yaml"
    file.write_text("name: x\nseed: 1\nvocab_size: 10\n")
    with pytest.raises(WallOSSError, match="vocab_size"):
        load_recipe(file)


def test_a_foreign_dataset_is_refused(tmp_path):
    with pytest.raises(WallOSSError, match="no readable dataset"):
        FrameSet.open(tmp_path, FRAME)
    (tmp_path / "meta.json").write_text("{}")
    np.save(tmp_path / "images.npy", np.zeros((2, 2, 4, 4, 3), np.uint8))
    np.save(tmp_path / "frames.npy", np.zeros(3, FRAME))
    with pytest.raises(WallOSSError, match="2 images, 3 frames"):
        FrameSet.open(tmp_path, FRAME)


def test_colours_of_the_scene_are_those_of_the_language():
    from wall_oss_ros.sim.cell import RGB
    from wall_oss_ros.sim.cubes import scene

    assert tuple(RGB) == COLOURS and tuple(scene.TRAYS) == LANGUAGE.slots["tray"]
