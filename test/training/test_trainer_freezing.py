# SPDX-License-Identifier: Apache-2.0
"""A stage trains the parameters that it names, down both losses, and leaves every other one exactly as it is."""

import csv

import pytest
import torch
from network_support import LINEAGE, small_model
from training_support import Samples, packed_batch, small_recipe

from wall_oss_ros.training.trainer import Trainer

pytestmark = pytest.mark.slow


class Same:
    """Batches that are always the same one."""

    def __init__(self, batch):
        self.batch, self.data = batch, Samples(40)

    def draw(self, indices, stage, step):
        return self.batch


def run(folder, model, steps: int, **stage) -> list[dict]:
    """Trains that many steps by one stage. The lines of its log."""
    recipe = small_recipe()
    values = {"steps": steps, "warmup": 0, "decay": 0, "batch": 2, "draws": 2, "learning_rate": 1e-3, **stage}
    recipe = recipe.model_copy(update={"stages": [recipe.stages[0].model_copy(update=values)]})
    Trainer(model, Same(packed_batch(model)), recipe, folder).run(steps)
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def changed(folder, model, **stage) -> set[str]:
    """Names of the parameters that two steps of such a stage change."""
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    run(folder, model, 2, **stage)
    return {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}


@pytest.mark.parametrize(
    "kind", ["0.5", *(pytest.param(kind, marks=pytest.mark.slow) for kind in LINEAGE if kind != "0.5")]
)
@pytest.mark.parametrize("trains, vision_rate", [
    ("all", 0.5), ("all", 0.0), ("language", 0.5), ("language", 0.0), ("action_expert", 0.0), ("action_expert", 0.5),
])  # fmt: skip
def test_only_what_a_stage_names_is_trained(tmp_path, kind, trains, vision_rate):
    model = small_model(**LINEAGE[kind])
    names = {name for name, _ in model.named_parameters()}
    vision = {name for name in names if name.startswith("visual.")}
    expert = {name for name in names if name.startswith("action_preprocessor.")}
    expert |= {name for name in names if ".experts.1." in name or "_experts.1." in name or "norms.1." in name}
    expected = {"all": names - vision, "language": names - vision - expert, "action_expert": expert}[trains]
    if vision_rate and trains != "action_expert":
        expected = expected | vision
    assert changed(tmp_path, model, trains=trains, vision_rate=vision_rate) == expected


def test_stages_thaw_what_the_one_before_froze(tmp_path):
    model = small_model()
    changed(tmp_path / "first", model, trains="action_expert")
    assert "model.embed_tokens.weight" in changed(tmp_path / "second", model, trains="language")


def test_both_losses_fall(tmp_path):
    log = run(tmp_path, small_model(), 40, trains="all", learning_rate=3e-3)
    for name in ("flow", "cross_entropy"):
        values = [float(line[name]) for line in log]
        assert sum(values[-5:]) < 0.7 * sum(values[:5]), name
