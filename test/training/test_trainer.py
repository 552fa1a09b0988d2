# SPDX-License-Identifier: Apache-2.0
"""What one step of training does with a batch, and what is said of held-out samples."""

import csv
import re

import numpy as np
import pytest
import torch
from network_support import PROPRI, small_model
from training_support import Samples, packed_batch, small_recipe

from wall_oss_ros.training.losses import Losses, compute
from wall_oss_ros.training.optimization import make_optimizer
from wall_oss_ros.training.tally import answer_accuracy
from wall_oss_ros.training.trainer import Trainer


class Drawn:
    """Batches that are always the same one; notes which samples were asked for."""

    def __init__(self, batch):
        self.batch, self.data, self.asked = batch, Samples(40, held_out=6), []

    def draw(self, indices, stage, step):
        self.asked.append(indices.tolist())
        return self.batch


def trainer(folder, changes: dict | None = None, batch: dict | None = None, **stage) -> Trainer:
    """A trainer of a small network by one stage; ``changes`` are the recipe's, ``batch`` goes to packed_batch."""
    recipe, model = small_recipe(), small_model()
    values = {"steps": 4, "warmup": 0, "decay": 0, "batch": 2, "draws": 2, "learning_rate": 1e-3, **stage}
    recipe = recipe.model_copy(update={"stages": [recipe.stages[0].model_copy(update=values)], **(changes or {})})
    return Trainer(model, Drawn(packed_batch(model, **(batch or {}))), recipe, folder)


def gradients(folder, changes: dict | None = None, **stage) -> torch.Tensor:
    """All gradients, in one row, that the optimiser is given at the first step."""
    made, seen = trainer(folder, {"clip": 1e9, **(changes or {})}, trains="all", vision_rate=1.0, **stage), []
    step = made.optimizer.step

    def look():
        seen.append(torch.cat([p.grad.flatten() for p in made.model.parameters() if p.grad is not None]))
        step()

    made.optimizer.step = look
    made.run(1)
    return seen[0]


def test_each_loss_has_the_weight_that_its_stage_gives_it(tmp_path):
    language = gradients(tmp_path / "language", language_weight=1.0, flow_weight=0.0)
    flow = gradients(tmp_path / "flow", language_weight=0.0, flow_weight=1.0)
    both = gradients(tmp_path / "both", language_weight=0.5, flow_weight=3.0)
    assert language.norm() > 0.1 and flow.norm() > 0.1
    torch.testing.assert_close(both, 0.5 * language + 3 * flow, rtol=1e-3, atol=1e-5)


def test_fast_tokens_have_a_loss_and_a_weight_of_their_own(tmp_path):
    """However many they are: neither is a mean over the other's tokens."""
    ask, fast = ("ask", [10, 11], [12, 13]), ("fast", [20, PROPRI, 21], [14, 15, 16, 17, 18])
    only = {"language_weight": 0.0, "fast_weight": 0.0, "flow_weight": 0.0}
    alone = gradients(tmp_path / "ask", batch={"language": [ask], "acting": []}, **only | {"language_weight": 1.0})
    for name, weights, expected in (
        ("language", {"language_weight": 1.0}, 1.0), ("both", {"language_weight": 1.0, "fast_weight": 0.5}, None),
        ("fast", {"fast_weight": 0.5}, None),
    ):  # fmt: skip
        found = gradients(tmp_path / name, batch={"language": [ask, fast], "acting": []}, **only | weights)
        if expected:
            assert found.norm() == pytest.approx(float(alone.norm()), rel=1e-3)
            language = found
        elif name == "both":
            both = found
        else:
            torch.testing.assert_close(both, language + found, rtol=1e-3, atol=1e-5)
            assert found.norm() > 0.1


def test_gradients_are_clipped_to_the_recipes_norm(tmp_path):
    whole = gradients(tmp_path / "whole")
    clipped = gradients(tmp_path / "clipped", {"clip": 0.01})
    torch.testing.assert_close(clipped, 0.01 * whole / whole.norm(), rtol=1e-3, atol=1e-7)


def test_only_matrices_decay_and_every_parameter_is_in_one_group():
    model, recipe = small_model(), small_recipe().model_copy(update={"weight_decay": 0.07})
    found = {}
    for group in make_optimizer(model, recipe).param_groups:
        found |= {id(p): (group["weight_decay"], group["vision"]) for p in group["params"]}
    assert {name: found[id(p)] for name, p in model.named_parameters()} == {
        name: (0.07 if p.ndim > 1 else 0.0, name.startswith("visual.")) for name, p in model.named_parameters()
    }


def test_the_vision_tower_learns_at_its_own_share_of_the_rate(tmp_path):
    made = trainer(tmp_path, trains="all", vision_rate=0.25, learning_rate=1e-3, warmup=4)
    made.run(2)
    assert {group["vision"]: group["lr"] for group in made.optimizer.param_groups} == {True: 1.25e-4, False: 5e-4}
    with open(tmp_path / "log.csv", newline="") as file:
        log = list(csv.DictReader(file))
    assert [(line["step"], float(line["learning_rate"])) for line in log] == [("1", 2.5e-4), ("2", 5e-4)]


def test_a_run_is_saved_where_it_ends_and_goes_on_from_there(tmp_path):
    whole = trainer(tmp_path / "whole")
    whole.run(4)
    first = trainer(tmp_path / "parts")
    first.run(2)
    again = Trainer(small_model(seed=1), first.batches, first.recipe, tmp_path / "parts", resume=True)
    assert (again.step, again.seconds) == (2, round(first.seconds, 1)) and first.seconds > 0
    again.run(4)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], value, msg=name)
    with open(tmp_path / "parts" / "log.csv", newline="") as file:
        assert [line["step"] for line in csv.DictReader(file)] == ["1", "2", "3", "4"]
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) == 1, "earlier saves do not fill the disk"


def test_a_run_validates_and_saves_as_often_as_its_recipe_says_and_at_its_end(tmp_path):
    made = trainer(tmp_path, {"validate_every": 2, "save_every": 3}, steps=5)
    seen = {"validated": [], "saved": []}
    made.validate = lambda stage: seen["validated"].append(made.step) or ""
    made.save = lambda: seen["saved"].append(made.step)
    made.run(5)
    assert seen["validated"] == [2, 4, 5] and sorted(set(seen["saved"])) == [3, 5]


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    made = trainer(tmp_path)
    made.batches.batch.actions[:] = float("nan")
    with pytest.raises(FloatingPointError, match="at step 0"):
        made.run(1)


def test_what_is_said_of_held_out_samples_is_of_two_batches_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr("wall_oss_ros.training.trainer.answer_accuracy", lambda *_: {"point": (1, 2), "ask": (3, 4)})
    made = trainer(tmp_path)
    stage, made.step, made.seconds = made.recipe.stages[0], 3, 90.0
    with torch.no_grad():
        batch, draws = made.batches.batch, [torch.Generator().manual_seed(part) for part in range(2)]
        found = [compute(made.model, batch, stage.draws, generator) for generator in draws]
    said = made.validate(stage)
    assert made.batches.asked == [[34, 35], [36, 37]]
    assert said.startswith("step 3 (1.5 min) held out: ")
    language, flow = map(float, re.search(r"language ([\d.]+), flow ([\d.]+)", said).groups())
    assert language == pytest.approx(np.mean([float(losses.cross_entropy) for losses in found]), abs=1e-3)
    assert flow == pytest.approx(np.mean([float(losses.flow) for losses in found]), abs=1e-4)
    assert said.endswith("; ask 6/8, point 2/4")


def test_an_answer_is_right_when_all_of_its_tokens_are():
    language = [("point", [10, 11], [12, 13]), ("ask", [14], [15])]
    model = small_model()
    packed = packed_batch(model, language=language).packed
    targets = packed.labels[packed.labels >= 0]
    assert targets.tolist() == [12, 13, 15] * 2
    logits = torch.nn.functional.one_hot(targets, 96).float()
    logits[1] = logits[0]  # the second token of the first row's first answer
    zero = torch.zeros(())
    counts = answer_accuracy(Losses(zero, zero, zero, logits, targets, torch.zeros(6)), packed)
    assert counts == {"point": (1, 2), "ask": (2, 2)}
