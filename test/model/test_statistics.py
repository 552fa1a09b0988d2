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


def write_norm_stats(folder, low: float, high: float) -> None:
    table = {"q01": [low] * 7, "q99": [high] * 7}
    (folder / "norm_stats.json").write_text(json.dumps({"norm_stats": {"action": table, "observation.state": table}}))


def write_lerobot(folder, low: float, high: float, mode: str = "QUANTILES", which: str = "policy_preprocessor") -> None:
    step = "normalizer_processor" if which == "policy_preprocessor" else "unnormalizer_processor"
    file = f"{which}_step_1_{step}.safetensors"
    values = {"q01": low, "q99": high, "mean": low, "std": high - low}
    tensors = {f"{owner}.{part}": torch.full((7,), value) for owner in ("observation.state", "action")
               for part, value in values.items()}  # fmt: skip
    save_file(tensors, folder / file)
    config = {"norm_map": {"STATE": mode, "ACTION": mode}}
    steps = [{"registry_name": step, "config": config, "state_file": file}]
    (folder / f"{which}.json").write_text(json.dumps({"steps": steps}))


def test_two_files_that_agree_are_taken_and_that_contradict_are_refused(folder):
    rewrite(folder, drop_statistics)
    write_norm_stats(folder, -1.0, 3.0)
    write_lerobot(folder, -1.0, 3.0)
    actions, states = read_statistics(folder, read_config(folder))
    assert actions.names() == states.names() == ["norm_stats"]
    for low, high, mode in ((-5.0, 15.0, "QUANTILES"), (-1.0, 4.0, "QUANTILES"), (-1.0, 3.0, "MEAN_STD")):
        write_lerobot(folder, low, high, mode)
        with pytest.raises(WallOSSError, match="contradict each other on states: norm_stats.json says .* policy_prep"):
            read_statistics(folder, read_config(folder))
        with pytest.raises(WallOSSError, match="contradict"):
            WallOSS.from_pretrained(folder)


def test_what_turns_actions_back_must_be_what_normalised_them(folder):
    rewrite(folder, drop_statistics)
    write_lerobot(folder, -1.0, 3.0)
    write_lerobot(folder, -1.0, 3.0, which="policy_postprocessor")
    assert read_statistics(folder, read_config(folder))[0].names() == ["lerobot"]
    write_lerobot(folder, -5.0, 15.0, which="policy_postprocessor")
    with pytest.raises(WallOSSError, match="on actions: policy_preprocessor.json says .* policy_postprocessor.json"):
        read_statistics(folder, read_config(folder))


def test_files_beside_statistics_in_the_weights_are_named_and_not_read(folder, logged):
    write_norm_stats(folder, -1.0, 3.0)
    write_lerobot(folder, -5.0, 15.0)
    assert read_statistics(folder, read_config(folder))[0].names() == ["franka"]
    assert "the statistics in the weights are used, not norm_stats.json and policy_preprocessor.json" in logged()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda steps: steps[0]["config"]["norm_map"].update(ACTION="IDENTITY"), "ACTION is normalised by IDENTITY"),
        (lambda steps: steps[0]["config"]["norm_map"].pop("STATE"), "STATE is normalised by nothing"),
        (lambda steps: steps[0].update(state_file="gone.safetensors"), "gone.safetensors, which it names, is missing"),
        (lambda steps: steps[0].update(state_file=3), "holds no statistics that can be used"),
    ],
)
def test_files_of_lerobot_that_cannot_be_used_say_why(folder, change, message):
    rewrite(folder, drop_statistics)
    write_lerobot(folder, -1.0, 3.0)
    file = folder / "policy_preprocessor.json"
    content = json.loads(file.read_text())
    change(content["steps"])
    file.write_text(json.dumps(content))
    with pytest.raises(WallOSSError, match=message):
        read_statistics(folder, read_config(folder))


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("norm_stats.json", "[" * 100_000, "nested more than 100 levels"),
        (
            "norm_stats.json",
            '{"norm_stats": {"action": {"q01": [0], "q99": [1, 2]}, "state": {"q01": [0], "q99": [1]}}}',
            "1 least and 2 greatest values",
        ),
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
