# SPDX-License-Identifier: Apache-2.0
"""Flash attention and PyTorch's give the same, and no mask is lost. Its documented semantics play flash-attn."""

import math
import sys
from types import ModuleType

import pytest
import torch
from network_support import PAD, make_batch, padded, row, small_config, small_model

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS, attention


class Flash(ModuleType):
    """flash_attn, as documented: (B, L, heads, D), grouped heads, causal masks aligned at the last key."""

    def __init__(self):
        super().__init__("flash_attn")
        self.calls: list[tuple[int, int, bool]] = []  # queries, keys, causal

    def flash_attn_func(self, q, k, v, dropout_p=0.0, softmax_scale=None, causal=False):
        length, size = q.shape[1], k.shape[1]
        self.calls.append((length, size, causal))
        groups = q.shape[2] // k.shape[2]
        k, v = k.repeat_interleave(groups, 2), v.repeat_interleave(groups, 2)
        scores = torch.einsum("blhd,bshd->bhls", q, k) / math.sqrt(q.shape[-1])
        if causal:
            seen = torch.ones(length, size, dtype=torch.bool).tril(size - length)
            scores = scores.masked_fill(~seen, float("-inf"))
        return torch.einsum("bhls,bshd->blhd", scores.softmax(-1), v)


@pytest.fixture
def flash(monkeypatch):
    module = Flash()
    monkeypatch.setitem(sys.modules, "flash_attn", module)
    monkeypatch.setattr(attention, "flash_fits", lambda device, dtype: True)
    attention.flash_kernel.cache_clear()
    yield module
    attention.flash_kernel.cache_clear()


@pytest.fixture
def model() -> WallOSS:
    return small_model()


def with_backend(model: WallOSS, backend: str, run):
    model.set_attention_backend(backend)
    return run()


def test_chunks_take_flash_for_the_causal_prefix_and_the_sighted_suffix(model, flash):
    batch = make_batch(torch.tensor([row([5, 6])]))
    actions = {
        b: with_backend(model, b, lambda: model.sample_actions(batch, steps=2)) for b in ("sdpa", "flash", "auto")
    }
    assert torch.allclose(actions["flash"], actions["sdpa"], atol=1e-5)
    assert torch.equal(actions["flash"], actions["auto"])
    layers, prefix, all_ = model.config.num_hidden_layers, len(row([5, 6])) - 4, len(row([5, 6]))
    once = [(prefix, prefix, True)] * layers + [(4, all_, False)] * 2 * layers
    assert flash.calls == once * 2


def test_words_take_flash(model, flash):
    batch = {"input_ids": torch.tensor([[5, 6, 7]])}
    words = {b: with_backend(model, b, lambda: model.generate(batch, 3, eos=-1)) for b in ("sdpa", "flash")}
    assert torch.equal(words["flash"], words["sdpa"])
    assert flash.calls == [(3, 3, True)] * 2 + [(1, 4, False)] * 2 + [(1, 5, False)] * 2


def test_a_prompt_behind_a_cached_prefix_is_causal_at_its_end(model, flash):
    embeds, positions = torch.randn(1, 7, 32), torch.arange(7).expand(3, 1, 7)

    def run():
        cache = model.new_cache(1, 7)
        with torch.no_grad():
            model.model(embeds[:, :4], positions[..., :4], token_types=4, cache=cache, causal=True)
            return model.model(embeds[:, 4:], positions[..., 4:], token_types=3, cache=cache, causal=True)

    assert torch.allclose(with_backend(model, "flash", run), with_backend(model, "sdpa", run), atol=1e-5)
    assert flash.calls[-1] == (3, 7, True)


def test_whole_sequences_and_padding_keep_their_masks(model, flash):
    ids = padded([row([5, 6]), row([7, 8, 9])], "left")
    batch = make_batch(ids, (ids != PAD).long())
    one, other = (with_backend(model, b, lambda: model.sample_actions(batch, steps=2)) for b in ("sdpa", "flash"))
    assert torch.equal(one, other)
    with torch.no_grad():
        assert torch.equal(*(with_backend(model, b, lambda: model(batch).logits) for b in ("sdpa", "flash")))
    assert flash.calls == []


def test_cpus_are_left_to_pytorch(model, flash, monkeypatch):
    monkeypatch.undo()  # the real flash_fits
    monkeypatch.setitem(sys.modules, "flash_attn", flash)
    batch = make_batch(torch.tensor([row([5, 6])]))
    assert with_backend(model, "auto", lambda: model.sample_actions(batch, steps=1)).isfinite().all()
    assert flash.calls == []
    with pytest.raises(WallOSSError, match="does not run on cpu"):
        with_backend(model, "flash", lambda: model.sample_actions(batch, steps=1))


def test_backends_that_are_not_there_are_refused(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "flash_attn", None)
    attention.flash_kernel.cache_clear()
    with pytest.raises(WallOSSError, match="cannot be imported"):
        model.set_attention_backend("flash")
    attention.flash_kernel.cache_clear()
    with pytest.raises(WallOSSError, match="'eager' is unknown"):
        model.set_attention_backend("eager")


def test_causal_actions_stay_causal(flash):
    model = small_model(causal_action_attention_mask=True)
    batch = make_batch(torch.tensor([row([5, 6])]))
    expected = model.sample_actions(batch, steps=2, use_cache=False)
    assert torch.allclose(
        with_backend(model, "flash", lambda: model.sample_actions(batch, steps=2)), expected, atol=1e-5
    )
    assert (4, len(row([5, 6])), True) in flash.calls


def test_layers_computed_again_give_the_same_gradients():
    batch = make_batch(torch.tensor([row([5, 6])]))
    batch["labels"] = batch["input_ids"].clone()
    gradients, runs = [], []
    for enabled in (False, True):
        torch.manual_seed(0)
        model = WallOSS(small_config())
        model.set_gradient_checkpointing(enabled)
        count = []
        model.model.layers[0].self_attn.q_proj.register_forward_hook(lambda *_: count.append(1))  # noqa: B023
        model.visual.blocks[0].attn.qkv.register_forward_hook(lambda *_: count.append(1))  # noqa: B023
        out = model(batch)
        (out.flow_loss + out.cross_entropy_loss).backward()
        runs.append(len(count))
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert runs == [2, 4]  # once each, and once more in the backward pass
    assert all(torch.allclose(gradients[0][name], gradients[1][name], atol=1e-6) for name in gradients[0])
