# SPDX-License-Identifier: Apache-2.0
"""Images, videos, padding and masks: every sample of a batch gets what it would get alone."""

from types import SimpleNamespace

import pytest
import torch
from network_support import ACTION, END, IMAGE, PAD, PROPRI, START, VIDEO, make_batch, padded, row, small_model

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.inputs import attention_mask, prepare
from wall_oss_ros.model.positions import multimodal_positions

# Each sample: text with (kind, frames, rows, columns of patches, seconds between frames) for each picture.
SAMPLES = [
    [5, ("image", 1, 4, 6, 0), 6, 7, ("video", 2, 4, 8, 1.0), 8, ("image", 1, 4, 4, 0)],
    [9, 10],
    [("video", 3, 8, 4, 0.5), ("image", 1, 6, 4, 0), 11, 12, 13, 14, ("video", 1, 4, 4, 2.0), 15],
    [("image", 2, 4, 4, 0), 16, ("image", 1, 8, 8, 0), 17],
]


def tokens(sample) -> list[int]:
    ids = [2]
    for part in sample:
        if isinstance(part, int):
            ids.append(part)
        else:
            kind, frames, rows, columns, _ = part
            ids += [START, *[IMAGE if kind == "image" else VIDEO] * (frames * rows * columns // 4), END]
    return [*ids, PROPRI, *[ACTION] * 4]


def pictures(samples, kind: str) -> list[tuple]:
    return [part for sample in samples for part in sample if not isinstance(part, int) and part[0] == kind]


def batch_of(samples, side: str) -> dict:
    """What is random depends on the sample alone."""
    ids = padded([tokens(sample) for sample in samples], side)
    batch = {"input_ids": ids, "attention_mask": (ids != PAD).long()}
    for kind, patches, grid in (
        ("image", "pixel_values", "image_grid_thw"),
        ("video", "pixel_values_videos", "video_grid_thw"),
    ):
        found = pictures(samples, kind)
        batch[grid] = torch.tensor([part[1:4] for part in found]).view(-1, 3)
        drawn = [torch.randn(part[1] * part[2] * part[3], 1176, generator=_generator(part)) for part in found]
        batch[patches] = torch.cat(drawn) if drawn else torch.zeros(0, 1176)
    batch["second_per_grid_ts"] = torch.tensor([part[4] for part in pictures(samples, "video")])
    for key, shape in (("proprioception", (1, 20)), ("noise", (4, 20)), ("action_chunk", (4, 20))):
        batch[key] = torch.stack([torch.randn(shape, generator=_generator(sample)) for sample in samples])
    batch["agent_pos_mask"] = torch.ones(len(samples), 1, 20)
    batch["dof_mask"] = torch.stack([(torch.arange(20) > len(sample)).float().expand(4, 20) for sample in samples])
    batch["time"] = torch.full((len(samples),), 0.3)
    return batch


def _generator(of) -> torch.Generator:
    return torch.Generator().manual_seed(sum(ord(letter) for letter in str(of)))


@pytest.fixture(scope="module")
def model() -> WallOSS:
    return small_model()


@pytest.mark.slow  # to import transformers takes seconds
@pytest.mark.parametrize("side", ["left", "right"])
def test_positions_are_those_of_transformers(model, side):
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel

    batch = batch_of(SAMPLES[:3], side)  # not images of several frames, which the public WALL-OSS code gives one time
    ids, vision = batch["input_ids"], model.config.vision
    theirs = SimpleNamespace(
        config=SimpleNamespace(
            vision_config=SimpleNamespace(
                spatial_merge_size=vision.spatial_merge_size, tokens_per_second=vision.tokens_per_second
            )
        )
    )
    theirs.get_vision_position_ids = Qwen2_5_VLModel.get_vision_position_ids.__get__(theirs)
    kinds = (ids == IMAGE).int() + 2 * (ids == VIDEO).int()
    grids, seconds = (batch["image_grid_thw"], batch["video_grid_thw"]), batch["second_per_grid_ts"]
    expected, _ = Qwen2_5_VLModel.get_rope_index(theirs, ids, kinds, *grids, seconds, batch["attention_mask"])
    actual = multimodal_positions(model.config, ids, grids[0], batch["attention_mask"], grids[1], seconds)
    alive = batch["attention_mask"].bool()
    assert torch.equal(actual[:, alive], expected[:, alive])


def test_text_continues_behind_a_long_video(model):
    """By the largest position so far, as in Qwen2-VL's paper and the public WALL-OSS code."""
    ids = torch.tensor([[5, *[VIDEO] * 20, 6]])
    positions = multimodal_positions(model.config, ids, None, None, torch.tensor([[5, 4, 4]]), [1.5])
    assert positions[0, 0, 1:21].tolist() == [1 + 3 * frame for frame in range(5) for _ in range(4)]
    assert positions[:, 0, -1].tolist() == [14] * 3
    assert (
        multimodal_positions(model.config, ids, None, None, torch.tensor([[5, 4, 4]]))[0, 0, 20] == 1 + 2 * 4
    )  # 1 s without a word


def test_touching_pictures_are_told_apart(model):
    ids = torch.tensor([[*[IMAGE] * 10, 5]])
    positions = multimodal_positions(model.config, ids, torch.tensor([[1, 4, 4], [1, 4, 6]]))
    assert positions[0, 0].tolist() == [0] * 4 + [2] * 6 + [5]


@pytest.mark.slow  # to import transformers takes seconds
def test_vision_tower_equals_transformers(model):
    from transformers import Qwen2_5_VLConfig
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel as Tower

    values = {key: value for key, value in vars(model.config.vision).items() if key != "in_channels"}
    config = Qwen2_5_VLConfig(vision_config=values).vision_config
    config._attn_implementation = "sdpa"
    theirs = Tower._from_config(config).eval()
    theirs.load_state_dict(model.visual.state_dict())
    grids = torch.tensor([[3, 8, 4], [1, 4, 6], [2, 6, 12]])  # several frames, images, windows cut short
    patches = torch.randn(int(grids.prod(1).sum()), 1176)
    with torch.no_grad():
        expected = theirs(patches, grids).pooler_output
        actual = model.visual(patches, grids)
    assert torch.allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_each_sample_alone_gives_what_it_gives_in_a_batch(model, side):
    together = batch_of(SAMPLES, side)
    with torch.no_grad():
        out = model(together)
    cached, whole = (model.sample_actions(together, steps=2, use_cache=use_cache) for use_cache in (True, False))
    words = model.generate(together, 3)
    losses = []
    for index, sample in enumerate(SAMPLES):
        single = batch_of([sample], side)
        with torch.no_grad():
            alone = model(single)
        alive = together["attention_mask"][index].bool()
        assert torch.allclose(out.logits[index][alive], alone.logits[0], atol=1e-4)
        actions = model.sample_actions(single, steps=2)[0]
        assert torch.allclose(cached[index], actions, atol=1e-4)
        assert torch.allclose(whole[index], actions, atol=1e-4)
        expected = model.generate(single, 3)[0].tolist()
        assert words[index].tolist()[: len(expected)] == expected
        losses.append(alone.flow_loss)
    assert torch.isclose(out.flow_loss, torch.stack(losses).mean(), rtol=1e-4)


@pytest.mark.parametrize("kind", [torch.bool, torch.int32, torch.float32])
def test_masks_with_holes_leave_the_tokens_out(model, kind):
    full, holes = [5, 6, 7, 8], [5, 8]
    batch = make_batch(torch.tensor([row(full)]))
    batch["attention_mask"] = torch.ones_like(batch["input_ids"]).to(kind)
    batch["attention_mask"][0, 8:10] = 0  # where 6 and 7 are
    without = make_batch(torch.tensor([row(holes)]))
    for use_cache in (True, False):
        expected = model.sample_actions(without, steps=2, use_cache=use_cache)
        assert torch.allclose(model.sample_actions(batch, steps=2, use_cache=use_cache), expected, atol=1e-5)


def test_a_mask_may_say_itself_who_sees_whom(model):
    batch = make_batch(torch.tensor([row([5, 6])]))
    prepared = prepare(model, batch)
    usual = attention_mask(prepared)
    for mask in (usual, usual[:, 0].int()):
        with torch.no_grad():
            assert torch.allclose(model({**batch, "attention_mask": mask}).logits, model(batch).logits, atol=1e-6)
    blind = usual.clone()
    blind[0, 0, -4:, 7] = False  # no action sees the word 5
    masked = {**batch, "attention_mask": blind}
    other = {**masked, "input_ids": torch.tensor([row([9, 6])])}
    assert attention_mask(prepare(model, masked))[0, 0, -1, 7].item() is False
    seen, unseen = (model.sample_actions({**b, "attention_mask": usual}, steps=1) for b in (masked, other))
    assert not torch.allclose(seen, unseen, atol=1e-4)
    for use_cache in (True, False):
        one = model.sample_actions(masked, steps=2, use_cache=use_cache)
        assert torch.allclose(one, model.sample_actions(masked, steps=2, use_cache=not use_cache), atol=1e-5)
    with pytest.raises(WallOSSError, match="new words"):
        model.generate(masked, 1)


@pytest.mark.parametrize(
    "break_it, message",
    [
        (lambda b: b.update(video_grid_thw=b["video_grid_thw"][:1]), "pixel_values is"),
        (lambda b: b.update(second_per_grid_ts=torch.ones(2)), "second_per_grid_ts has 2 entries for 1 videos"),
        (lambda b: b["input_ids"].masked_fill_(b["input_ids"] == VIDEO, 5), "0 video tokens"),
        (lambda b: b.update(attention_mask=torch.ones(1, 3)), "attention_mask is"),
    ],
)
def test_bad_videos_and_masks_are_refused(model, break_it, message):
    batch = batch_of([[5, ("video", 2, 4, 4, 1.0), 6]], "left")
    if "pixel_values is" in message:
        batch["pixel_values_videos"] = batch["pixel_values_videos"][1:]
    break_it(batch)
    with pytest.raises(WallOSSError, match=message):
        model(batch)
