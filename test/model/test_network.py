# SPDX-License-Identifier: Apache-2.0
"""Behaviour of the network that the reference vectors do not show."""

import pytest
import torch
from network_support import PAD, make_batch, row, small_config

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import KVCache, WallOSS


@pytest.fixture
def model() -> WallOSS:
    torch.manual_seed(0)
    return WallOSS(small_config()).eval()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_padding_changes_nothing(model, side, use_cache):
    short, long = row([5, 6]), row([7, 8, 9, 10])
    batch = make_batch(torch.tensor([short, short]))
    batch["input_ids"] = torch.tensor([short + [PAD] * 2 if side == "right" else [PAD] * 2 + short, long])
    batch["attention_mask"] = (batch["input_ids"] != PAD).long()
    padded = model.sample_actions(batch, steps=3, use_cache=use_cache)
    for index, ids in enumerate((short, long)):
        alone = {
            key: value[index : index + 1]
            for key, value in batch.items()
            if key not in ("pixel_values", "input_ids", "attention_mask")
        }
        alone |= {"input_ids": torch.tensor([ids]), "pixel_values": batch["pixel_values"][16 * index : 16 * index + 16]}
        assert torch.allclose(padded[index], model.sample_actions(alone, steps=3)[0], atol=1e-5)


@pytest.mark.parametrize("use_cache", [True, False])
def test_generation_of_a_padded_batch_equals_each_row_alone(model, use_cache):
    prompts = [[4, 5, 6], [7, 8, 9, 10, 11]]
    for padded in ([[PAD, PAD, 4, 5, 6], prompts[1]], [[4, 5, 6, PAD, PAD], prompts[1]]):
        ids = torch.tensor(padded)
        together = model.generate({"input_ids": ids, "attention_mask": (ids != PAD).long()}, 6, use_cache=use_cache)
        for index, prompt in enumerate(prompts):
            alone = model.generate({"input_ids": torch.tensor([prompt])}, 6)[0].tolist()
            assert together[index].tolist()[: len(alone)] == alone


def test_prefix_never_sees_actions_and_actions_see_each_other(model):
    batch = make_batch(torch.tensor([row([5, 6])]))
    changed = {**batch, "noise": batch["noise"].clone()}
    changed["noise"][:, -1] += 5
    before, after = model(batch), model(changed)
    assert torch.equal(before.logits[:, :-4], after.logits[:, :-4])
    assert not torch.allclose(before.logits[:, -4], after.logits[:, -4])


def test_static_split_equals_token_types(model):
    embeds, positions = torch.randn(2, 7, 32), torch.arange(7).expand(3, 2, 7)
    types = torch.tensor([[0] * 5 + [1] * 2] * 2)
    assert torch.allclose(
        model.model(embeds, positions, None, 5), model.model(embeds, positions, None, types), atol=1e-6
    )
    mixed = types.flip(1)
    assert not torch.allclose(
        model.model(embeds, positions, None, 5), model.model(embeds, positions, None, mixed), atol=1e-3
    )


def test_many_images_at_once_equal_one_by_one(model):
    grids = torch.tensor([[1, 4, 4], [1, 6, 10], [1, 4, 4], [2, 6, 4]])
    patches = torch.randn(int(grids.prod(1).sum()), 1176)
    together = model.visual(patches, grids)
    pieces = patches.split(grids.prod(1).tolist())
    alone = torch.cat([model.visual(piece, grid[None]) for piece, grid in zip(pieces, grids)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_attention_stays_inside_windows():
    torch.manual_seed(0)
    config = small_config()
    config.vision.fullatt_block_indexes = []
    model, grid = WallOSS(config), torch.tensor([[1, 8, 8]])
    patches = torch.randn(64, 1176)
    changed = patches.clone()
    changed[0] += 1  # in the upper left of four windows of 2 x 2 cells
    before, after = (model.visual(p, grid).view(4, 4, -1) for p in (patches, changed))
    moved = (before - after).abs().amax(-1) > 1e-6
    assert moved[:2, :2].all() and not moved[2:].any() and not moved[:, 2:].any()


def test_training_works_after_sampling(model):
    batch = make_batch(torch.tensor([row([5, 6])]))
    model.sample_actions(batch, steps=1)
    out = model(batch)
    out.flow_loss.backward()
    assert model.visual.patch_embed.proj.weight.grad.abs().sum() > 0
    expert = model.model.layers[0].moe.experts[1].down_proj.weight
    assert expert.grad.abs().sum() > 0


@pytest.mark.slow
def test_learns_to_overfit_one_sample(model):
    batch = make_batch(torch.tensor([row([5, 6])]))
    batch["labels"] = torch.full_like(batch["input_ids"], -100)
    batch["labels"][0, 7:9] = torch.tensor([5, 6])
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    first = None
    for _ in range(60):
        out = model(batch)
        loss = out.flow_loss + out.cross_entropy_loss
        first = first or (float(out.flow_loss.detach()), float(out.cross_entropy_loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert out.flow_loss.item() < 0.2 * first[0] and out.cross_entropy_loss.item() < 0.2 * first[1]


def test_fresh_weights_keep_the_residual_stream_in_scale():
    torch.manual_seed(0)
    model = WallOSS(small_config(num_hidden_layers=12))
    tokens = model.model.embed_tokens(torch.arange(64)[None])
    image = model.visual(torch.randn(16, 1176), torch.tensor([[1, 4, 4]]))
    assert 0.3 < float(image.detach().std() / tokens.detach().std()) < 3
    seen = []
    model.model.layers[-1].register_forward_hook(lambda module, args, out: seen.append(out.detach()))
    model.model(tokens, torch.arange(64).expand(3, 1, 64), causal=True)
    assert 0.5 < float(seen[0].std() / tokens.detach().std()) < 4


@pytest.mark.parametrize(
    "break_it, message",
    [
        (lambda b: b["input_ids"].__setitem__((0, 2), 5), "image tokens"),
        (lambda b: b.update(image_grid_thw=torch.tensor([[1, 4, 3]])), "cannot be merged"),
        (lambda b: b.update(pixel_values=b["pixel_values"][1:]), "pixel_values"),
        (lambda b: b["input_ids"].__setitem__((0, 9), 5), "0 proprioception tokens"),
        (lambda b: b["noise"].fill_(float("nan")), "not finite"),
        (lambda b: b.update(noise=b["noise"][:, :3]), "action tokens"),
    ],
)
def test_bad_batches_are_refused(model, break_it, message):
    batch = make_batch(torch.tensor([row([5, 6])]))
    break_it(batch)
    with pytest.raises(WallOSSError, match=message):
        model.sample_actions(batch, steps=1)


def test_cache_refuses_more_than_it_holds():
    cache = KVCache(1, 1, 2, 4, 8)
    with pytest.raises(WallOSSError, match="do not fit"):
        cache.reserve(5)
