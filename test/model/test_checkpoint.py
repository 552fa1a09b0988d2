# SPDX-License-Identifier: Apache-2.0
"""Reading and writing checkpoints: what fits loads, and what does not is refused by name."""

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.model.checkpoint import load

TINY = Path(__file__).parents[1] / "reference" / "tiny_a"


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(TINY / name, tmp_path)
    return tmp_path


def rewrite(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_saved_model_loads_with_its_statistics(folder, tmp_path):
    model = WallOSS.from_pretrained(folder)
    statistics = model.action_preprocessor.normalizer_action
    statistics.set("franka", torch.arange(20.0), torch.ones(20))
    model.config.extra["known_words"] = ["cube"]
    model.config.views = ["top_view"]
    model.save_pretrained(tmp_path / "copy")
    names = load_file(tmp_path / "copy" / "model.safetensors").keys()
    assert "action_preprocessor.normalizer_action.min.franka" in names
    again = WallOSS.from_pretrained(tmp_path / "copy")
    assert again.config == model.config
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values()))
    minimum, delta = again.action_preprocessor.normalizer_action.get("franka")
    assert torch.equal(minimum, torch.arange(20.0)) and torch.equal(delta, torch.ones(20))
    with pytest.raises(WallOSSError, match="it has: franka"):
        again.action_preprocessor.normalizer_action.get("ur")


def test_parts_with_an_index_load(folder):
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, members in parts.items():
        save_file({name: tensors[name] for name in members}, folder / file)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {name: file for file, members in parts.items() for name in members}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert torch.equal(WallOSS.from_pretrained(folder).lm_head.weight, tensors["lm_head.weight"])
    (folder / "model-2.safetensors").unlink()
    with pytest.raises(WallOSSError, match="model-2.safetensors is missing"):
        WallOSS.from_pretrained(folder)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.update(stranger=torch.zeros(1)), "unknown tensors: stranger"),
        (lambda t: t.pop("model.norm.weight"), "missing tensors: model.norm.weight"),
        (lambda t: t.update({"model.norm.weight": torch.zeros(3)}), r"model.norm.weight \(3,\) instead of \(64,\)"),
        (lambda t: t.update({"action_preprocessor.normalizer_action.min.ur": torch.zeros(20)}), "delta.ur is missing"),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(WallOSSError, match=message):
        WallOSS.from_pretrained(folder)


@pytest.mark.parametrize("content", [b"", b"half a file", None])
def test_truncated_or_foreign_weights_are_refused(folder, content):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(WallOSSError, match="truncated or not a safetensors file"):
        WallOSS.from_pretrained(folder)


def test_pickled_weights_are_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(WallOSSError, match="holds no model.safetensors, only pytorch_model.bin, which is never opened"):
        WallOSS.from_pretrained(folder)


def test_remote_code_is_named_and_not_run(folder, logged):
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('this must not run')\n")
    WallOSS.from_pretrained(folder)
    assert "code of its own (auto_map); it is not run" in logged()


def test_what_fits_is_loaded_on_request_and_the_rest_is_listed(folder, logged):
    was = load_file(folder / "model.safetensors")

    def change(tensors):
        tensors["stranger"] = torch.zeros(1)
        tensors["action_preprocessor.action_proj_back.weight"] = torch.zeros(26, 64)
        tensors["action_preprocessor.normalizer_action.min.ur"] = torch.zeros(20)
        del tensors["model.norm.weight"]

    rewrite(folder, change)
    model, differences = load(WallOSS, folder, strict=False)
    assert differences.unknown == ["stranger"] and differences.missing == ["model.norm.weight"]
    assert differences.misshapen == {
        "action_preprocessor.action_proj_back.weight": "(26, 64) instead of (20, 64)",
        "action_preprocessor.normalizer_action.delta.ur": "is missing",
    }
    assert torch.equal(model.lm_head.weight, was["lm_head.weight"])
    assert model.action_preprocessor.action_proj_back.weight.std() > 0, "fresh weights, not memory as it was"
    assert torch.equal(model.model.norm.weight, torch.ones(64))
    assert model.action_preprocessor.normalizer_action.names() == []
    WallOSS.from_pretrained(folder, strict=False)
    assert all(name in logged() for name in ("stranger", "model.norm.weight", "action_proj_back", "delta.ur"))


def test_nothing_that_fits_is_an_error_even_then(folder):
    save_file({"stranger": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(WallOSSError, match="Not one tensor"):
        WallOSS.from_pretrained(folder, strict=False)


def test_names_on_the_hub_are_fetched_as_data_only(folder, monkeypatch):
    asked = {}

    def snapshot_download(name, allow_patterns):
        asked.update(name=name, patterns=allow_patterns)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    model = WallOSS.from_pretrained("someone/their-model")
    assert model.config.hidden_size == 64 and asked["name"] == "someone/their-model"
    assert not any(fnmatch(file, pattern) for file in ("model.bin", "code.py") for pattern in asked["patterns"])
    with monkeypatch.context() as offline:
        offline.setattr("huggingface_hub.snapshot_download", lambda *_, **__: 1 / 0)
        with pytest.raises(WallOSSError, match="nor on the Hugging Face hub within reach"):
            WallOSS.from_pretrained("someone/nothing")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(WallOSSError, match="There is no folder"):
        WallOSS.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(WallOSSError, match="There is no .*config.json"):
        WallOSS.from_pretrained(tmp_path)


def test_flat_and_nested_config_are_the_same():
    flat = json.loads((TINY / "config.json").read_text())
    text = (
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "rms_norm_eps",
        "rope_scaling",
    )
    nested = {key: value for key, value in flat.items() if key not in text and key != "rope_theta"}
    nested["text_config"] = {key: flat[key] for key in text if key != "rope_scaling"}
    nested["text_config"]["rope_parameters"] = {"rope_theta": 1e6, "rope_type": "default", "mrope_section": [2, 3, 3]}
    one, other = WallOSSConfig.from_dict(flat), WallOSSConfig.from_dict(nested)
    assert {**vars(one), "extra": 0} == {**vars(other), "extra": 0}
    assert WallOSSConfig.from_dict(one.to_dict()) == one


@pytest.mark.parametrize(
    "change, message",
    [
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"experts": None}, "not a WALL-OSS checkpoint"),
        ({"use_adarms": True}, "use_adarms is True"),
        ({"num_key_value_heads": 3}, "cannot share"),
        ({"num_hidden_layers": "many"}, "num_hidden_layers is 'many'"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"action_rate_hz": "30"}, "action_rate_hz is '30'"),
        (
            {"experts": [{"hidden_size": 64, "intermediate_size": 96}, {"hidden_size": 64}]},
            "experts.1.intermediate_size",
        ),
        ({"noise_scheduler": {"s": 1.5}}, "noise_scheduler.s is 1.5"),
        ({"rope_scaling": {"mrope_section": [2, 2, 2]}}, "mrope_section"),
        ({"dof_config": {"arm": 0}}, "dof_config"),
    ],
)
def test_impossible_configs_are_refused(change, message):
    flat = json.loads((TINY / "config.json").read_text())
    with pytest.raises(WallOSSError, match=message):
        WallOSSConfig.from_dict({**flat, **change})


def test_tied_embeddings_are_saved_once(tmp_path):
    flat = json.loads((TINY / "config.json").read_text())
    model = WallOSS(WallOSSConfig.from_dict({**flat, "tie_word_embeddings": True}))
    model.save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    again = WallOSS.from_pretrained(tmp_path)
    assert again.lm_head.weight is again.model.embed_tokens.weight
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)
