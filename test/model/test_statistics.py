# SPDX-License-Identifier: Apache-2.0
"""Statistics of two kinds, from the weights or from the files that other code bases write."""

import json

import pytest
import torch
from checkpoint_support import make_checkpoint, rewrite
from safetensors.torch import load_file, save_file

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.checkpoint import read_config, read_statistics
from wall_oss_ros.model.statistics import Statistics

HEAD = "action_preprocessor.normalizer_"


@pytest.fixture
def folder(tmp_path):
    return make_checkpoint(tmp_path)


def drop_statistics(tensors: dict) -> None:
    for name in [name for name in tensors if name.startswith(HEAD)]:
        del tensors[name]


def test_a_robot_has_one_kind_and_a_new_one_replaces_it(folder):
    model = WallOSS.from_pretrained(folder)
    statistics = model.action_preprocessor.normalizer_action
    mean, std = torch.arange(20.0), torch.ones(20)
    statistics.set("franka", mean, std, "mean_std")
    assert statistics.kind("franka") == "mean_std" and statistics.names() == ["franka"]
    model.save_pretrained(folder)
    names = load_file(folder / "model.safetensors").keys()
    assert HEAD + "action.mean.franka" in names and HEAD + "action.min.franka" not in names
    actions, states = read_statistics(folder, read_config(folder))
    assert actions.kind("franka") == "mean_std" and states.kind("franka") == "min_max"
    assert torch.equal(actions.get("franka")[0], mean) and torch.equal(actions.get("franka")[1], std)
    again = WallOSS.from_pretrained(folder, dtype=torch.bfloat16).action_preprocessor.normalizer_action
    assert torch.equal(again.get("franka")[0], mean) and again.get("franka")[0].dtype == torch.float32


@pytest.mark.parametrize(
    "first, second, message",
    [
        (torch.zeros(2), torch.zeros(3), "one length"),
        (torch.zeros(2), torch.tensor([1.0, -1.0]), "std not negative"),
        (torch.tensor([0.0, float("nan")]), torch.ones(2), "finite"),
    ],
)
def test_impossible_statistics_are_refused(first, second, message):
    with pytest.raises(WallOSSError, match=message):
        Statistics().set("franka", first, second, "mean_std")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.pop(HEAD + "propri.delta.franka"), "normalizer_propri.delta.franka is missing"),
        (lambda t: t.update({HEAD + "action.min.franka": torch.zeros(7)}), r"is \(7,\) instead of \(20,\)"),
        (lambda t: t.update({HEAD + "action.mean.franka": torch.zeros(20)}), "either min and delta, or mean and std"),
    ],
)
def test_statistics_that_do_not_fit_are_named(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(WallOSSError, match=message):
        read_statistics(folder, read_config(folder))
    with pytest.raises(WallOSSError, match=message):
        WallOSS.from_pretrained(folder)


def test_quantiles_beside_the_weights_are_taken_where_these_have_none(folder):
    def table(low, high):
        return {"q01": low, "q99": high, "mean": [0.0] * len(low), "std": [1.0] * len(low)}

    content = {"norm_stats": {"action": table([-1.0] * 7, [3.0] * 7), "observation.state": table([0.5] * 8, [1.0] * 8)}}
    (folder / "norm_stats.json").write_text(json.dumps(content))
    assert read_statistics(folder, read_config(folder))[0].names() == ["franka"], "the weights' own come first"
    rewrite(folder, drop_statistics)
    actions, states = read_statistics(folder, read_config(folder))
    low, delta = actions.get("norm_stats")
    assert low[:7].tolist() == [-1.0] * 7 and delta[:7].tolist() == [4.0] * 7
    assert delta[7:].eq(0).all(), "what the file does not have is not alive"
    assert states.get("norm_stats")[1].count_nonzero() == 8
    assert WallOSS.from_pretrained(folder).action_preprocessor.normalizer_action.names() == ["norm_stats"]


@pytest.mark.parametrize(
    "mode, kind, first, second",
    [("MEAN_STD", "mean_std", 0.5, 2.0), ("MIN_MAX", "min_max", -1.0, 4.0), ("QUANTILES", "min_max", -0.5, 2.0)],
)
def test_files_of_lerobot_are_read_as_they_say(folder, mode, kind, first, second):
    rewrite(folder, drop_statistics)
    numbers = {"mean": 0.5, "std": 2.0, "min": -1.0, "max": 3.0, "q01": -0.5, "q99": 1.5}
    file = "policy_preprocessor_step_3_normalizer_processor.safetensors"
    save_file(
        {f"{owner}.{part}": torch.full((7,), value) for owner in ("observation.state", "action")
         for part, value in numbers.items()},
        folder / file,
    )  # fmt: skip
    step = {"config": {"norm_map": {"VISUAL": "IDENTITY", "STATE": mode, "ACTION": mode}}, "state_file": file}
    steps = [{"registry_name": "device_processor"}, {"registry_name": "normalizer_processor", **step}]
    (folder / "policy_preprocessor.json").write_text(json.dumps({"steps": steps}))
    for statistics in read_statistics(folder, read_config(folder)):
        assert statistics.kind("lerobot") == kind
        assert [values[0].item() for values in statistics.get("lerobot")] == [first, second]


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("norm_stats.json", "{", "norm_stats.json holds no statistics"),
        ("norm_stats.json", '{"norm_stats": {"action": {}}}', "observation.state or state"),
        ("policy_preprocessor.json", '{"steps": []}', "one normalizer_processor expected, 0 found"),
    ],
)
def test_damaged_files_are_refused_by_name(folder, file, content, message):
    rewrite(folder, drop_statistics)
    (folder / file).write_text(content)
    with pytest.raises(WallOSSError, match=message):
        read_statistics(folder, read_config(folder))


def test_more_numbers_than_the_model_takes_are_refused(folder):
    rewrite(folder, drop_statistics)
    table = {"q01": [0.0] * 21, "q99": [1.0] * 21}
    content = {"norm_stats": {"action": table, "state": table}}
    (folder / "norm_stats.json").write_text(json.dumps(content))
    with pytest.raises(WallOSSError, match="have 21 numbers, the checkpoint takes 20"):
        WallOSS.from_pretrained(folder)
