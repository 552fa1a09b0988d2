# SPDX-License-Identifier: Apache-2.0
"""Adapters beside the routed projections: trained, saved, merged."""

import json
import sys
from importlib.util import find_spec

import pytest
import torch
from network_support import LINEAGE, make_batch, row, small_model
from safetensors.torch import save_file

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.training.lora import TARGETS, LoraSettings, add_lora, load_adapter, merge_lora, save_adapter

pytestmark = [
    pytest.mark.slow,  # to import peft takes longer than to use it here
    pytest.mark.skipif(find_spec("peft") is None, reason="the optional package peft"),
]


@pytest.fixture
def batch() -> dict:
    batch = make_batch(torch.tensor([row([5, 6])]))
    return {**batch, "labels": batch["input_ids"].clone()}


def train(model: WallOSS, batch: dict, steps: int = 2) -> None:
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-2)
    for _ in range(steps):
        out = model(batch)
        optimizer.zero_grad()
        (out.flow_loss + out.cross_entropy_loss).backward()
        optimizer.step()
    model.eval()


def outputs(model: WallOSS, batch: dict) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat((model(batch).logits.flatten(), model.sample_actions(batch, steps=2).flatten()))


@pytest.mark.parametrize("kind", ["flow", "0.5"])
def test_merged_equals_adapted(kind, batch, tmp_path):
    model = small_model(**LINEAGE[kind])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    names, plain = before.keys(), outputs(model, batch)
    add_lora(model, LoraSettings(rank=4))
    assert torch.allclose(outputs(model, batch), plain, atol=1e-6)  # a fresh adapter adds nothing
    model.set_gradient_checkpointing()
    train(model, batch)
    adapted = outputs(model, batch)
    assert not torch.allclose(adapted, plain, atol=1e-3)

    with pytest.raises(WallOSSError, match="has adapters, such as model.layers.0"):
        model.save_pretrained(tmp_path / "adapted")
    save_adapter(model, tmp_path / "adapter")
    again = small_model(**LINEAGE[kind])
    load_adapter(again, tmp_path / "adapter")
    assert torch.allclose(outputs(again.eval(), batch), adapted, atol=1e-5)

    merge_lora(model)
    assert model.state_dict().keys() == names and all(p.requires_grad for p in model.parameters())
    assert torch.allclose(outputs(model, batch), adapted, atol=1e-4)
    model.save_pretrained(tmp_path / "plain")
    assert torch.allclose(outputs(WallOSS.from_pretrained(tmp_path / "plain"), batch), adapted, atol=1e-4)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    projections = [name for name in names if "_proj" in name and name.startswith("model.") and name.endswith("weight")]
    assert changed == {*projections, *(name for name in names if name.startswith("action_preprocessor."))}


def test_targets_choose_what_is_adapted(batch):
    model = small_model()
    add_lora(model, LoraSettings(targets=r"model\.layers\.1\.moe\.experts\.1\.\w+", also_train=()))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert len(trained) == 6 and all(name.startswith("model.layers.1.moe.experts.1.") for name in trained)
    with pytest.raises(WallOSSError, match="already"):
        add_lora(model)


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda model, folder: add_lora(model, LoraSettings(targets="nothing")), "No module"),
        (lambda model, folder: add_lora(model, LoraSettings(targets="(")), "no regular expression"),
        (lambda model, folder: add_lora(model, LoraSettings(rank=0)), "rank 0"),
        (lambda model, folder: add_lora(model, LoraSettings(rank=2.5)), "rank 2.5"),
        (lambda model, folder: add_lora(model, LoraSettings(rank=True)), "rank True"),
        (lambda model, folder: add_lora(model, LoraSettings(alpha=float("nan"))), "alpha nan"),
        (lambda model, folder: add_lora(model, LoraSettings(also_train="lm_head")), "also_train is 'lm_head'"),
        (lambda model, folder: merge_lora(model), "no LoRA adapters to merge"),
        (lambda model, folder: save_adapter(model, folder), "no LoRA adapters to save"),
        (lambda model, folder: load_adapter(model, folder), "no LoRA adapter that can be read"),
    ],
)
def test_mistakes_are_named(act, message, tmp_path):
    with pytest.raises(WallOSSError, match=message):
        act(small_model(), tmp_path)


@pytest.mark.parametrize("place", ["/dev/null", "/proc/nowhere", "f" * 5000, "a\0b", None, 5])
def test_where_no_adapter_can_be_written_or_read_one_line_says_so(place):
    model = small_model()
    add_lora(model)
    with pytest.raises(WallOSSError, match="cannot be written"):
        save_adapter(model, place)
    with pytest.raises(WallOSSError, match="no LoRA adapter that can be read"):
        load_adapter(small_model(), place)


def test_an_adapter_of_another_model_is_refused(tmp_path):
    model = small_model()
    add_lora(model)
    save_adapter(model, tmp_path)
    with pytest.raises(WallOSSError, match="of another model"):
        load_adapter(small_model(**LINEAGE["flow-0.1"]), tmp_path)


def test_without_peft_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(WallOSSError, match="peft, which is not installed") as error:
        add_lora(small_model())
    assert "[lora]" in error.value.hint


@pytest.mark.parametrize("kind", ["flow", "0.5"])
def test_peft_itself_reads_what_is_saved_and_the_other_way_round(kind, batch, tmp_path):
    peft = pytest.importorskip("peft")
    model = small_model(**LINEAGE[kind])
    add_lora(model, LoraSettings(rank=4))
    train(model, batch)
    adapted = outputs(model, batch)
    save_adapter(model, tmp_path / "ours")
    assert {file.name for file in (tmp_path / "ours").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}

    theirs = peft.PeftModel.from_pretrained(small_model(**LINEAGE[kind]), tmp_path / "ours").eval()
    assert torch.allclose(outputs(theirs.get_base_model(), batch), adapted, atol=1e-5)

    theirs.save_pretrained(tmp_path / "theirs")
    again = small_model(**LINEAGE[kind])
    load_adapter(again, tmp_path / "theirs")
    assert torch.allclose(outputs(again.eval(), batch), adapted, atol=1e-5)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {name for name, p in again.named_parameters() if p.requires_grad}


def test_adapters_in_the_earlier_format_are_still_read(batch, tmp_path):
    model = small_model()
    add_lora(model)
    train(model, batch)
    trained = {name: p.detach().contiguous() for name, p in model.named_parameters() if p.requires_grad}
    save_file(trained, tmp_path / "adapter.safetensors")
    values = dict(rank=8, alpha=32.0, dropout=0.1, targets=TARGETS, also_train=["action_preprocessor."])
    (tmp_path / "adapter.json").write_text(json.dumps(values))
    again = small_model()
    load_adapter(again, tmp_path)
    assert torch.allclose(outputs(again.eval(), batch), outputs(model, batch), atol=1e-5)


def test_an_adapter_brings_its_statistics(tmp_path):
    model = small_model()
    size = model.config.action_dim
    for table in (model.action_preprocessor.normalizer_action, model.action_preprocessor.normalizer_propri):
        table.set("new_robot", torch.zeros(size), torch.ones(size))
    add_lora(model)
    save_adapter(model, tmp_path)
    again = small_model()
    load_adapter(again, tmp_path)
    assert "new_robot" in again.action_preprocessor.normalizer_action.names()
