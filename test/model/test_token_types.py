# SPDX-License-Identifier: Apache-2.0
"""Projections and norms by token type: against a decoder written token by token, and in every path of the network."""

import pytest
import torch
from network_support import LINEAGE, PAD, make_batch, padded, row, small_config, small_model
from safetensors.torch import load_file, save_file

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import ExpertConfig, WallOSS, WallOSSConfig
from wall_oss_ros.model.positions import decoder_rotation, rotate


@pytest.fixture(params=LINEAGE)
def model(request) -> WallOSS:
    return small_model(**LINEAGE[request.param])


def one_by_one(model: WallOSS, embeds, positions, types, mask):
    """The decoder for one row, token by token, from the tensors' released names alone. embeds: (L, H) -> (L, H)."""
    config, tensors = model.config, {name: tensor.double() for name, tensor in model.state_dict().items()}
    length, heads, groups, size = len(embeds), config.num_attention_heads, config.num_key_value_heads, config.head_dim
    cos, sin = decoder_rotation(config, positions, torch.float64)
    widths = [config.expert_widths[int(t)] for t in types]

    def norm(name, x, i):
        weight = tensors[f"{name}s.{int(types[i])}.weight" if config.norm_moe else f"{name}.weight"]
        return x / (x.square().mean() + config.rms_norm_eps).sqrt() * weight

    def project(owner, name, x, i):
        name = f"{owner}.{name}_experts.{int(types[i])}" if config.attention_moe else f"{owner}.{name}"
        return tensors[f"{name}.weight"] @ x + tensors.get(f"{name}.bias", 0)

    xs = [embeds[i, : widths[i]].double() for i in range(length)]
    for layer in range(config.num_hidden_layers):
        here = f"model.layers.{layer}"
        normed = [norm(f"{here}.input_layernorm", xs[i], i) for i in range(length)]
        heard = {
            name: torch.stack([project(f"{here}.self_attn", f"{name}_proj", normed[i], i) for i in range(length)])
            for name in "qkv"
        }
        q = rotate(heard["q"].view(1, length, heads, size), cos, sin)[0]
        k = rotate(heard["k"].view(1, length, groups, size), cos, sin)[0].repeat_interleave(heads // groups, 1)
        v = heard["v"].view(length, groups, size).repeat_interleave(heads // groups, 1)
        for i in range(length):
            weights = torch.einsum("hd,lhd->hl", q[i], k) / size**0.5
            weights = weights.masked_fill(~mask[i], float("-inf")).softmax(-1)
            xs[i] = xs[i] + project(f"{here}.self_attn", "o_proj", torch.einsum("hl,lhd->hd", weights, v).flatten(), i)
            x = norm(f"{here}.post_attention_layernorm", xs[i], i)
            gate, up, down = (
                tensors[f"{here}.moe.experts.{int(types[i])}.{name}_proj.weight"] for name in ("gate", "up", "down")
            )
            xs[i] = xs[i] + down @ (torch.nn.functional.silu(gate @ x) * (up @ x))
    out = torch.zeros(length, config.hidden_size, dtype=torch.float64)
    for i in range(length):
        out[i, : widths[i]] = norm("model.norm", xs[i], i)
    return out


def test_decoder_equals_one_token_after_the_other(model):
    torch.manual_seed(1)
    types = torch.tensor([0, 1, 0, 0, 1, 1, 0])
    embeds = torch.randn(7, 32)
    for i, kind in enumerate(types):
        embeds[i, model.config.expert_widths[kind] :] = 0
    mask = torch.rand(7, 7) > 0.4
    mask |= torch.eye(7, dtype=torch.bool)
    positions = torch.randint(0, 9, (3, 1, 7))
    expected = one_by_one(model, embeds, positions, types, mask)
    with torch.no_grad():
        actual = model.model(embeds[None], positions, mask[None, None], types[None])[0]
    assert torch.allclose(actual.double(), expected, atol=1e-4)


def test_tensors_have_the_released_names():
    names = small_model(**LINEAGE["split norms"]).state_dict().keys()
    layer = "model.layers.0."
    assert {f"{layer}self_attn.{p}_proj_experts.{e}.weight" for p in "qkvo" for e in (0, 1)} <= names
    assert {f"{layer}self_attn.{p}_proj_experts.{e}.bias" for p in "qkv" for e in (0, 1)} <= names
    assert f"{layer}self_attn.o_proj_experts.0.bias" not in names
    assert {f"{layer}{n}_layernorms.{e}.weight" for n in ("input", "post_attention") for e in (0, 1)} <= names
    assert {"model.norms.0.weight", "model.norms.1.weight"} <= names
    assert not {f"{layer}self_attn.q_proj.weight", f"{layer}input_layernorm.weight", "model.norm.weight"} & names


@pytest.mark.parametrize("side", ["left", "right"])
def test_prefix_cached_equals_uncached(model, side):
    ids = padded([row([5, 6]), row([7, 8, 9, 10])], side)
    batch = make_batch(ids, (ids != PAD).long())
    whole = model.sample_actions(batch, steps=3, use_cache=False)
    assert torch.allclose(model.sample_actions(batch, steps=3), whole, atol=1e-4)
    alone = make_batch(torch.tensor([row([5, 6])]))
    alone |= {key: batch[key][:1] for key in ("proprioception", "noise")} | {"pixel_values": batch["pixel_values"][:16]}
    assert torch.allclose(model.sample_actions(alone, steps=3)[0], whole[0], atol=1e-4)


def test_forward_gives_the_velocity_that_sampling_integrates(model):
    batch = make_batch(torch.tensor([row([5, 6])]))
    batch["time"] = torch.zeros(1)
    first = model.sample_actions(batch, steps=1) - batch["noise"]  # one step over the whole way: the velocity at t = 0
    with torch.no_grad():
        loss = model(batch).flow_loss
    expected = (first - (batch["action_chunk"] - batch["noise"])).square().mean()
    assert torch.isclose(loss, expected, rtol=1e-4)


def test_causal_actions_see_only_the_actions_before():
    model = small_model(**LINEAGE["0.5"])
    batch = make_batch(torch.tensor([row([5, 6])]))
    changed = {**batch, "noise": batch["noise"].clone()}
    changed["noise"][:, -1] += 5
    for use_cache in (True, False):
        before, after = (model.sample_actions(b, steps=1, use_cache=use_cache) for b in (batch, changed))
        assert torch.allclose(before[:, :-1], after[:, :-1], atol=1e-6)
        assert not torch.allclose(before[:, -1], after[:, -1], atol=1e-2)


def test_every_split_part_learns(model):
    batch = make_batch(torch.tensor([row([5, 6])]))
    batch["labels"] = batch["input_ids"].clone()
    out = model(batch)
    (out.flow_loss + out.cross_entropy_loss).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_loss_in_action_space_weighs_the_velocity_by_the_way_left():
    batch = make_batch(torch.tensor([row([5, 6])] * 2))
    one, other = small_model(), small_model(use_x_loss=True)
    with torch.no_grad():
        for time in (0.0, 0.5):
            batch["time"] = torch.full((2,), time)
            assert torch.isclose(other(batch).flow_loss, (1 - time) ** 2 * one(batch).flow_loss, rtol=1e-5)


def fuse(tensors: dict, experts: int = 2) -> dict:
    """The tensors as WALL-OSS-0.5 stores them."""
    fused = dict(tensors)
    for name in tensors:
        for first, rest, joined in (
            ("q_proj", ("k_proj", "v_proj"), "qkv_proj"),
            ("gate_proj", ("up_proj",), "gate_up_proj"),
        ):
            if f"{first}_experts." in name or (f"{first}." in name and first == "gate_proj"):
                parts = [fused.pop(name), *(fused.pop(name.replace(first, other)) for other in rest)]
                fused[name.replace(first, joined)] = torch.cat(parts)
    return fused


def test_fused_checkpoint_loads(tmp_path):
    model = small_model(**LINEAGE["0.5"])
    model.save_pretrained(tmp_path)
    tensors = fuse(load_file(tmp_path / "model.safetensors"))
    assert "model.layers.1.self_attn.qkv_proj_experts.1.bias" in tensors
    assert "visual.blocks.0.mlp.gate_up_proj.bias" in tensors and not any(".q_proj" in name for name in tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    again = WallOSS.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())


def test_vocabulary_is_that_of_the_embeddings(tmp_path):
    small_model(tie_word_embeddings=True).save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"vocab_size": 96', '"vocab_size": 90'))
    assert WallOSS.from_pretrained(tmp_path).config.vocab_size == 96


@pytest.mark.parametrize(
    "change, message",
    [
        ({"experts": [ExpertConfig(32, 48), ExpertConfig(16, 24)]}, "cannot share projections"),
        ({"experts": [ExpertConfig(16, 48), ExpertConfig(32, 24)]}, "first must be hidden_size"),
        ({"experts": [ExpertConfig(32, 48), ExpertConfig(32, 24, "relu")]}, "hidden_act 'relu'"),
    ],
)
def test_impossible_experts_are_refused(change, message):
    with pytest.raises(WallOSSError, match=message):
        small_config(**change)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"use_adarms": True}, "use_adarms is True"),
        ({"proj_with_mask": False}, "proj_with_mask is False"),
        ({"dim_inputs": [32, 32]}, r"dim_inputs is \[32, 32\]; \[32, 16\] was expected"),
        ({"action_hidden_size": 32}, "action_hidden_size"),
        ({"dof_config": None}, "dof_config is missing"),
        ({"noise_scheduler": {"time_formula": "t"}}, "time_formula 't' is unknown"),
    ],
)
def test_configs_that_mean_something_else_are_refused(change, message):
    values = small_config(**LINEAGE["0.5"]).to_dict()
    assert WallOSSConfig.from_dict(values) == small_config(**LINEAGE["0.5"])
    with pytest.raises(WallOSSError, match=message):
        WallOSSConfig.from_dict({**values, **change})


def test_tokens_without_an_expert_are_refused(model):
    batch = make_batch(torch.tensor([row([5, 6])]))
    batch["moe_token_types"] = (batch["input_ids"] == 94).long()
    batch["moe_token_types"][0, 0] = 2
    with pytest.raises(WallOSSError, match="types other than 0 to 1"):
        model(batch)
