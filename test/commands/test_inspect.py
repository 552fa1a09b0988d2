# SPDX-License-Identifier: Apache-2.0
"""wall-oss inspect: what it shows, and what it finds in checkpoints that something was done to."""

import json
import re

import numpy as np
import pytest
import torch
from checkpoint_support import STATE_MIN, in_layout, make_checkpoint, rewrite
from safetensors.torch import load_file, save_file

from wall_oss_ros.commands.inspection import weights
from wall_oss_ros.commands.inspection.report import inspect
from wall_oss_ros.commands.main import main
from wall_oss_ros.model.weights import read_headers
from wall_oss_ros.paths import data_path

STATE, ACTION = ("action_preprocessor.normalizer_propri", "action_preprocessor.normalizer_action")


@pytest.fixture
def folder(tmp_path):
    return make_checkpoint(tmp_path)


def reconfigure(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def entry(tensors, name: str, at: int, value: float) -> None:
    tensors[name][at] = value


def test_the_shipped_checkpoint_is_shown_and_not_suspected(capsys):
    assert main(["inspect", str(data_path("models/wall-oss-tiny"))]) == 0
    shown = capsys.readouterr().out
    assert "Nothing suspicious was found." in shown
    main(["inspect", str(data_path("models/wall-oss-tiny")), "--quick"])
    assert "On this machine" not in capsys.readouterr().out
    assert "On this machine, with one thread: Computes in float32" in shown
    for words in ("action expert", "face_view", "front view", "follow_right_gripper", "<|propri|>", "config.json"):
        assert words in shown


def test_json_holds_the_same(folder, capsys):
    assert main(["inspect", str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    total = sum(tensor.numel() for tensor in load_file(folder / "model.safetensors").values())
    assert sum(part["parameters"] for part in shown["parts"]) == total
    state = {entry["name"]: entry for entry in shown["robots"]["franka"]["state"]}
    first = state["follow_right_ee_cartesian_pos[0]"]
    assert first["unit"] == "m" and np.isclose([first["low"], first["high"]], [0.3, 0.7]).all()
    assert state["height"]["note"] == "no range"
    assert shown["degrees_of_freedom"]["car_pose"] == 3 and shown["suspicious"] == []
    assert shown["files"]["model.safetensors"] == (folder / "model.safetensors").stat().st_size


def test_what_is_no_checkpoint_is_an_error_not_a_finding(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert main(["inspect", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: config.json: ")


@pytest.mark.parametrize(
    "changes", [dict(image_size="112"), dict(action_rate_hz="x"), dict(eos_token_id=[1]), dict(rms_norm_eps="x")]
)
def test_a_config_of_wrong_types_is_an_error_that_names_the_key(folder, capsys, changes):
    reconfigure(folder, **changes)
    assert main(["inspect", str(folder)]) == 2
    ((key, value),) = changes.items()
    assert capsys.readouterr().err.startswith(f"error: config.json: {key} is {value!r}; it should be ")


TENSORS = {
    "zero range on a moving part": (lambda t: entry(t, f"{STATE}.delta.franka", 8, 0), "state .*_pos: 1 of 3 entries"),
    "degrees": (lambda t: entry(t, f"{ACTION}.delta.franka", 10, 180), r"_rotation\[0\]: .* rad; degrees\?"),
    "millimetres": (lambda t: entry(t, f"{STATE}.delta.franka", 9, 300), r"_pos\[2\]: .* m; millimetres"),
    "narrow": (lambda t: entry(t, f"{ACTION}.delta.franka", 11, 1e-5), "so narrow that noise is blown up"),
    "another gripper": (lambda t: entry(t, f"{STATE}.delta.franka", 13, 0.3), "profile franka: state .*opens from 0"),
    "coarse statistics": (
        lambda t: t.update({f"{STATE}.min.franka": t[f"{STATE}.min.franka"].bfloat16()}),
        "statistics: kept as BF16",
    ),
    "half of the statistics": (lambda t: t.pop(f"{STATE}.delta.franka"), "statistics: .*delta.franka is missing"),
    "no statistics": (
        lambda t: [t.pop(name) for name in list(t) if "normalizer" in name],
        "statistics: none",
    ),
    "a robot without states": (
        lambda t: t.update({f"{ACTION}.{part}.ur": torch.ones(20) * 0.5 for part in ("min", "delta")}),
        "statistics of ur: none for the state",
    ),
    "not finite": (lambda t: t["lm_head.weight"][3].fill_(float("nan")), r"not finite: lm_head.weight \(32\)"),
    "infinite": (lambda t: entry(t, "model.norm.weight", 0, float("inf")), r"not finite: model.norm.weight \(1\)"),
    "all zero": (lambda t: t["action_preprocessor.w3.weight"].zero_(), r"w3.weight \(all 0\)"),
    "the same twice": (
        lambda t: t["model.layers.1.self_attn.o_proj.weight"].copy_(t["model.layers.0.self_attn.o_proj.weight"]),
        "the same numbers: model.layers.0.self_attn.o_proj.weight = model.layers.1.self_attn.o_proj.weight",
    ),
    "too large": (lambda t: entry(t, "model.norm.weight", 0, -2e5), r"beyond 10000: model.norm.weight \(2e\+05\)"),
    "a stranger": (lambda t: t.update(stranger=torch.ones(1)), "unknown tensors: stranger"),
    "one missing": (lambda t: t.pop("model.norm.weight"), "missing tensors: model.norm.weight"),
    "whole numbers": (
        lambda t: t.update({"lm_head.weight": t["lm_head.weight"].to(torch.int8)}),
        "weights: lm_head.weight is I8; such numbers say nothing by themselves",
    ),
    "misshapen": (lambda t: t.update({"model.norm.weight": torch.ones(31)}), r"norm.weight \(31,\) instead of \(32,\)"),
}


@pytest.mark.parametrize("change, message", TENSORS.values(), ids=TENSORS)
def test_damage_to_the_tensors_is_found(folder, change, message):
    rewrite(folder, change)
    found = "\n".join(inspect(folder).suspicious)
    assert re.search(message, found), found


def test_healthy_tensors_of_one_kind_are_not_taken_for_copies(folder):
    vectors = [tensor for tensor in load_file(folder / "model.safetensors").values() if tensor.ndim == 1]
    assert sum(bool((vector == 1).all()) for vector in vectors) > 1, "norms begin as ones"
    assert list(weights.suspicions(read_headers(folder))) == []


CONFIGS = {
    "image size": (dict(image_size=50), "image_size 50 is no multiple of 28"),
    "view": (dict(views=["back_view"]), "views back_view have no words"),
    "remote code": (dict(auto_map={"AutoModel": "code.Model"}), "auto_map"),
    "token outside": (dict(eos_token_id=10**6), "eos_token_id 1000000"),
    "vocabulary": (dict(vocab_size=100), "vocab_size 100, but the weights have"),
    "sentences": (
        dict(known_sentences={"instructions": ["lift the {colour} tray"]}),
        "known_sentences: 'lift the {colour} tray' has {colour}",
    ),
    "rate": (dict(action_rate_hz=5.0), "against the profile franka: its chunks have 5 rows"),
}


@pytest.mark.parametrize("changes, message", CONFIGS.values(), ids=CONFIGS)
def test_what_is_odd_in_config_json_is_found(folder, changes, message):
    reconfigure(folder, **changes)
    assert message in "\n".join(inspect(folder, read_weights=False).suspicious)


def test_tokens_that_are_missing_or_too_many_are_found(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [
        {**token, "content": token["content"].replace("vision_end", "gone")} for token in tokenizer["added_tokens"]
    ]
    number = json.loads((folder / "config.json").read_text())["vocab_size"]
    template = tokenizer["added_tokens"][0]
    tokenizer["added_tokens"].append({**template, "id": number, "content": "<|action_token_0|>"})
    tokenizer["model"]["vocab"] = {k: v for k, v in tokenizer["model"]["vocab"].items() if k != "<|vision_end|>"}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    report = inspect(folder, read_weights=False)
    found = "\n".join(report.suspicious)
    assert "tokenizer: <|vision_end|> is missing" in found
    assert f"tokenizer: {number + 1} tokens, but the weights know {number}" in found
    assert report.tokenizer["FAST action tokens"] == 1


def test_files_that_should_not_be_there_are_found(folder, capsys):
    (folder / "optimizer.pt").write_bytes(b"")
    (folder / "model.safetensors.part").write_bytes(b"")
    (folder / "tokenizer.json").unlink()
    assert main(["inspect", str(folder), "--quick"]) == 1
    shown = capsys.readouterr().out
    for words in ("optimizer.pt may hold pickles", "safetensors.part is what an interrupted", "cannot be spoken to"):
        assert words in shown


def test_statistics_are_compared_with_the_profile_that_is_named(folder, tmp_path):
    def rename(tensors):
        for name in [name for name in tensors if name.endswith(".franka")]:
            tensors[name.replace("franka", "mine")] = tensors.pop(name)
        tensors[f"{STATE}.min.mine"] = in_layout(STATE_MIN) - in_layout([0.8, 0, 0, 0, 0, 0, 0])

    rewrite(folder, rename)
    assert inspect(folder).suspicious == [], "no profile of that name ships"
    found = inspect(folder, robot="franka").suspicious
    assert len(found) == 1 and "never enters the workspace" in found[0]


def test_large_tensors_are_read_in_blocks(tmp_path, monkeypatch):
    values = torch.randn(40, 7)
    values[39, 6] = float("inf")
    save_file({"big": values, "one": torch.tensor(3.0), "none": torch.zeros(0, 3)}, tmp_path / "model.safetensors")
    monkeypatch.setattr(weights, "BLOCK", 21)
    health = dict(weights.examine(read_headers(tmp_path)))
    monkeypatch.setattr(weights, "BLOCK", 10**6)
    assert health == dict(weights.examine(read_headers(tmp_path)))
    assert health["big"].not_finite == 1 and np.isclose(health["big"].greatest, values[:39].max().item())
    assert health["one"].largest == 3 and health["none"].largest == 0
