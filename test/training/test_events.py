# SPDX-License-Identifier: Apache-2.0
"""TensorBoard shows what log.jsonl says, step by step, and a run that goes on drops what it had not saved."""

import json
import sys

import pytest
from recipe_support import lay_out, recipe

from wall_oss_ros.commands.main import main
from wall_oss_ros.training.events import numbers


def shown(folder) -> dict[str, dict[int, float]]:
    """By curve: the number at each step."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {name: {one.step: one.value for one in events.Scalars(name)} for name in events.Tags()["scalars"]}


def test_tensorboard_shows_every_number_of_the_log(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    lay_out(tmp_path, monkeypatch)
    recipe(tmp_path, {"steps": 3}, validate_every=2, open_loop_episodes=0)
    how = ["train", "--recipe", str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "out"), "--tensorboard"]
    assert main(how) == 0
    recipe(tmp_path, {"steps": 5}, validate_every=2, open_loop_episodes=0)
    assert main([*how, "--resume"]) == 0
    curves = shown(tmp_path / "out" / "tensorboard")
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    expected: dict[str, dict[int, float]] = {}
    for line in lines:
        for name, value in numbers({key: one for key, one in line.items() if key != "step"}):
            expected.setdefault(name, {})[line["step"]] = value
    assert curves.keys() == expected.keys() >= {
        "flow", "cross_entropy", "learning_rate", "steps_s", "samples_s", "tokens_s", "left_s", "memory_mb",
        "sources/talking/flow", "held_out/silent/flow",
    }  # fmt: skip
    for name, points in expected.items():
        assert curves[name] == pytest.approx(points, rel=1e-5), name
    assert set(curves["flow"]) == {1, 2, 3, 4, 5}


def test_without_tensorboard_the_option_is_refused_before_anything_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    assert main(["train", "--output", str(tmp_path / "out"), "--tensorboard"]) == 2
    said = capsys.readouterr().err
    assert "needs the package tensorboard" in said and "pip install 'wall_oss_ros[tensorboard]'" in said
    assert not (tmp_path / "out").exists()
