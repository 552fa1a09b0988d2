# SPDX-License-Identifier: Apache-2.0
"""A stage trains the parameters that it names, and leaves every other one exactly as it is."""

import pytest
import torch
from network_support import LINEAGE, small_model
from training_support import packed_batch, small_recipe

from wall_oss_ros.training.trainer import Trainer


class Same:
    """Batches that are always the same one."""

    def __init__(self, batch):
        self.batch, self.data = batch, range(40)

    def draw(self, indices, stage, step):
        return self.batch


def changed(tmp_path, model, **stage) -> set[str]:
    """Names of the parameters that two steps of such a stage change."""
    recipe = small_recipe()
    values = {"steps": 2, "warmup": 0, "decay": 0, "batch": 2, "draws": 2, "learning_rate": 1e-3, **stage}
    recipe = recipe.model_copy(update={"stages": [recipe.stages[0].model_copy(update=values)]})
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    Trainer(model, Same(packed_batch(model)), recipe, tmp_path).run(2)
    return {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}


@pytest.mark.parametrize("kind", LINEAGE)
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
