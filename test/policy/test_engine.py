# SPDX-License-Identifier: Apache-2.0
"""The engine against the network it serves: the same words and actions, with as little run again as can be."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import ExpertConfig, VisionConfig, WallOSS, WallOSSConfig, attention
from wall_oss_ros.model.decoder import decoder_layer
from wall_oss_ros.model.layers import RMSNorm
from wall_oss_ros.policy import linear
from wall_oss_ros.policy.engine import Engine
from wall_oss_ros.policy.images import MEAN, STD
from wall_oss_ros.policy.pictures import Picture
from wall_oss_ros.policy.processor import Prefix
from wall_oss_ros.policy.runtime import GraphCache, Runtime
from wall_oss_ros.policy.ways import Way

IMAGE, START, END, PROPRI, ACTION = 1, 2, 3, 4, 5
GRIDS = [[1, 4, 4], [1, 4, 6], [1, 4, 4]]
HORIZON, STEPS = 5, 4
ACT, SAY = [20, 21, 22, PROPRI, 23], [20, 21, 30, 31]

LINEAGE = {
    "one attention": {},
    "attention and norms by type, narrow actions": {
        "attention_moe": True,
        "norm_moe": True,
        "experts": [ExpertConfig(64, 96), ExpertConfig(32, 48)],
    },
    "causal actions": {"causal_action_attention_mask": True},
}


def build(**changes) -> WallOSS:
    values = {
        "vocab_size": 60, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "mrope_section": [2, 3, 3], "experts": [ExpertConfig(64, 96), ExpertConfig(64, 48)],
        "vision": VisionConfig(depth=2, hidden_size=32, intermediate_size=48, num_heads=2, out_hidden_size=64,
                               window_size=56, fullatt_block_indexes=[1]),
        "image_token_id": IMAGE, "vision_start_token_id": START, "vision_end_token_id": END, "propri_token_id": PROPRI,
        "action_token_id": ACTION, "eos_token_id": 59, "action_horizon": HORIZON, "dof_config": {"arm": 6},
        "agent_pos_config": {"arm": 6}, "views": ["face_view", "left_wrist_view", "right_wrist_view"],
    }  # fmt: skip
    torch.manual_seed(0)
    return WallOSS(WallOSSConfig(**{**values, **changes})).eval()


@pytest.fixture(scope="module")
def model() -> WallOSS:
    return build()


def picture(seed: int, rows: int, columns: int) -> Picture:
    generator = torch.Generator().manual_seed(seed)
    return Picture(torch.randint(256, (rows * columns, 588), dtype=torch.uint8, generator=generator), rows, columns)


def see(*seeds: int, known: dict | None = None) -> Prefix:
    """A prefix of three views; a view shows what its seed says, which is the very picture that is known already."""
    ids, pictures, known = [10, 11], [], {} if known is None else known
    for seed, (_, rows, columns) in zip(seeds, GRIDS):
        ids += [12, START, *[IMAGE] * (rows * columns // 4), END]
        pictures.append(known.setdefault((seed, rows, columns), picture(seed, rows, columns)))
    return Prefix(torch.tensor([ids]), pictures)


def pixel_values(prefix: Prefix) -> torch.Tensor:
    """The same pictures as the network wants them: normalised, each as two frames."""
    levels = torch.cat([picture.patches for picture in prefix.pictures]).view(-1, 3, 1, 196)
    mean, std = (torch.from_numpy(of)[:, None, None] for of in (MEAN, STD))
    return ((levels / 255 - mean) / std).repeat(1, 1, 2, 1).flatten(1)


def motion(seed: int = 0) -> dict:
    """State, masks and noise."""
    generator = torch.Generator().manual_seed(seed)
    alive = torch.tensor([1.0, 1, 1, 0, 1, 1])
    return {
        "state": torch.rand(6, generator=generator) * 2 - 1,
        "state_mask": alive,
        "dof_mask": alive,
        "noise": torch.randn(HORIZON, 6, generator=generator),
    }


def whole(model: WallOSS, prefix: Prefix, suffix: list[int], inputs: dict | None = None) -> dict:
    """The same prompt as one sequence."""
    ids = [*prefix.input_ids[0].tolist(), *suffix, *([ACTION] * HORIZON if inputs else [])]
    batch = {
        "input_ids": torch.tensor([ids]),
        "pixel_values": pixel_values(prefix),
        "image_grid_thw": prefix.image_grid_thw,
    }
    if inputs:
        batch["proprioception"], batch["agent_pos_mask"] = inputs["state"][None, None], inputs["state_mask"][None, None]
        batch["dof_mask"] = inputs["dof_mask"].expand(1, HORIZON, -1)
    return batch


def expected_actions(model: WallOSS, prefix: Prefix, suffix: list[int], inputs: dict) -> torch.Tensor:
    batch = whole(model, prefix, suffix, inputs)
    return model.sample_actions(batch, inputs["noise"][None], STEPS, use_cache=False)[0]


def same(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())


@pytest.fixture
def runs(monkeypatch) -> list[tuple[int, int]]:
    """Which tokens were run as words and images."""
    seen: list[tuple[int, int]] = []
    prefill = Runtime.prefill
    monkeypatch.setattr(
        Runtime,
        "prefill",
        lambda self, start, stop, *how: seen.append((start, stop)) or prefill(self, start, stop, *how),
    )
    return seen


@pytest.mark.parametrize("changes", LINEAGE.values(), ids=LINEAGE)
def test_words_and_actions_are_those_of_the_whole_sequence(changes):
    model, prefix, inputs = build(**changes), see(0, 1, 2), motion()
    engine = Engine(model)
    engine.observe(prefix)
    words = engine.generate(SAY, 6)
    assert words == model.generate(whole(model, prefix, SAY), 6)[0].tolist() and len(words) == 6
    assert same(engine.act(ACT, steps=STEPS, **inputs), expected_actions(model, prefix, ACT, inputs))
    assert engine.generate(SAY, 6) == words


def test_only_what_is_new_runs(model, runs):
    """The views' tokens start at 4, 11 and 20; the suffix at 25."""
    engine, inputs, known = Engine(model), motion(), {}
    for seeds, begin in (((0, 1, 2), 0), ((0, 1, 2), None), ((0, 1, 9), 20), ((0, 7, 8), 11), ((5, 7, 8), 4)):
        prefix = see(*seeds, known=known)
        engine.observe(prefix)
        assert same(engine.act(ACT, steps=STEPS, **inputs), expected_actions(model, prefix, ACT, inputs))
        assert runs == ([] if begin is None else [(begin, 30)])
        runs.clear()
    other = motion(1)  # the same words, another state
    assert same(engine.act(ACT, steps=STEPS, **other), expected_actions(model, prefix, ACT, other))
    assert runs == [(28, 30)]
    runs.clear()
    words = engine.generate(SAY, 3)  # shares the observation and its first words with the prompt before
    assert words == model.generate(whole(model, prefix, SAY), 3)[0].tolist()
    assert runs[0] == (27, 29)


def test_only_views_that_changed_are_encoded(model, monkeypatch):
    engine, encoded, encode = Engine(model), [], model.visual.encode
    monkeypatch.setattr(model.visual, "encode", lambda *args: encoded.append(args[1].tolist()) or encode(*args))
    prefix = see(0, 1, 2)
    for changes in ({}, {}, {1: 3}, {0: 4, 2: 5}):
        new = {view: picture(seed, *GRIDS[view][1:]) for view, seed in changes.items()}
        prefix = replace(prefix, pictures=[new.get(view, old) for view, old in enumerate(prefix.pictures)])
        engine.observe(prefix)
    assert encoded == [GRIDS, [GRIDS[1]], [GRIDS[0], GRIDS[2]]]


def test_a_twin_takes_over_what_the_other_has_encoded(model, monkeypatch):
    engine, inputs, encoded, encode = Engine(model), motion(), [], model.visual.encode
    monkeypatch.setattr(model.visual, "encode", lambda *args: encoded.append(len(args[1])) or encode(*args))
    twin, prefix = Engine(model, twin=engine), see(0, 1, 2)
    engine.observe(prefix)
    changed = replace(prefix, pictures=[*prefix.pictures[:2], picture(7, *GRIDS[2][1:])])
    twin.observe(changed)
    for one, seen in ((engine, prefix), (twin, changed), (engine, prefix)):
        assert same(one.act(ACT, steps=STEPS, **inputs), expected_actions(model, seen, ACT, inputs))
    engine.observe(changed)
    assert encoded[:2] == [3, 1] and encoded.count(1) == 1, "each picture once"
    assert same(engine.act(ACT, steps=STEPS, **inputs), expected_actions(model, changed, ACT, inputs))


def test_a_picture_that_could_not_be_encoded_is_tried_again(model, monkeypatch):
    engine, prefix, inputs = Engine(model), see(0, 1, 2), motion()
    engine.observe(prefix)
    changed = replace(prefix, pictures=[prefix.pictures[0], picture(7, *GRIDS[1][1:]), prefix.pictures[2]])
    with monkeypatch.context() as broken:
        broken.setattr(model.visual, "encode", lambda *args: [][0])
        with pytest.raises(IndexError):
            engine.observe(changed)
    for seen in (changed, prefix):
        engine.observe(seen)
        assert same(engine.act(ACT, steps=STEPS, **inputs), expected_actions(model, seen, ACT, inputs))


def test_other_pictures_sizes_and_numbers_of_views(model):
    engine, inputs = Engine(model), motion()
    engine.observe(see(0, 1, 2))
    engine.act(ACT, steps=STEPS, **inputs)
    prefix = see(0, 1)
    prefix = Prefix(prefix.input_ids, prefix.pictures[:2])
    engine.observe(prefix)
    assert same(engine.act(ACT, steps=STEPS, **inputs), expected_actions(model, prefix, ACT, inputs))


def test_buffers_grow_and_keep_what_they_hold(model, runs):
    engine, prefix, inputs = Engine(model, capacity=40), see(0, 1, 2), motion()
    engine.observe(prefix)
    engine.act(ACT, steps=STEPS, **inputs)
    runs.clear()
    long = [20 + i % 30 for i in range(50)]
    assert engine.generate(long, 2) == model.generate(whole(model, prefix, long), 2)[0].tolist()
    assert runs[0] == (28, 75)
    assert same(engine.act(ACT, steps=STEPS, **inputs), expected_actions(model, prefix, ACT, inputs))


def test_pictures_that_alone_need_more_room_find_it(model):
    engine, prefix = Engine(model, capacity=8), see(0, 1, 2)
    engine.observe(prefix)
    assert engine.generate(SAY, 2) == model.generate(whole(model, prefix, SAY), 2)[0].tolist()


class Recorder(TorchDispatchMode):
    """Records every operator with the very tensors it met, as a CUDA graph records kernels with their addresses."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, tree_leaves(result)))
        return result

    def replay(self) -> None:
        for function, args, kwargs, results in self.calls:
            for old, new in zip(results, tree_leaves(function(*args, **kwargs))):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class Recordings:
    """Stands in for CUDA graphs: nothing but the recorded operators runs, on the recorded tensors.

    Attributes:
        captured, replayed: how many were recorded, and how often one ran.
    """

    def __init__(self, engine: Engine):
        self._engine, self.captured, self.replayed = engine, 0, 0
        engine.graphs = GraphCache(self._capture)

    def _capture(self, work):
        actions = self._engine.runtime.actions.clone()
        with Recorder() as recorder:
            result = work()
        self._engine.runtime.actions.copy_(actions)  # recording a graph does not run it
        self.captured += 1

        def replay():
            self.replayed += 1
            recorder.replay()
            return result

        return replay


def test_recorded_work_computes_with_new_contents(model):
    engine = Engine(model)
    graphs = Recordings(engine)
    engine.warm_up(see(0, 1, 2), 64)
    before, known = graphs.replayed, {}
    for seeds in ((0, 1, 2), (0, 1, 9), (7, 1, 9)):
        prefix, inputs = see(*seeds, known=known), motion(seeds[0])
        engine.observe(prefix)
        assert same(engine.act(ACT, steps=STEPS, **inputs), expected_actions(model, prefix, ACT, inputs))
        assert engine.generate(SAY, 1) == model.generate(whole(model, prefix, SAY), 1)[0].tolist()
    # Each time: the encoder, the prefix from the view that changed, both suffixes, and the steps: nothing was new.
    assert graphs.replayed - before == 3 * (1 + 1 + 2 + STEPS)


@pytest.mark.parametrize("changes", LINEAGE.values(), ids=LINEAGE)
def test_nothing_is_recorded_after_the_warm_up_whatever_is_said(changes):
    model = build(**changes)
    engine, known = Engine(model), {}
    graphs = Recordings(engine)
    engine.warm_up(see(0, 1, 2), 100)
    recorded = graphs.captured
    # 7 sets of views, 3 beginnings in the prefix; for 32, 64, 128 words: them, with and without what follows, the steps
    # behind them, and a token.
    assert recorded == 7 + 3 + 3 * 4
    for length, seeds in ((5, (0, 1, 2)), (31, (0, 1, 3)), (32, (4, 1, 3)), (33, (4, 5, 3)), (90, (6, 5, 8))):
        prefix, inputs = see(*seeds, known=known), motion(length)
        engine.observe(prefix)
        asked = [20 + i % 30 for i in range(length)]
        words = engine.generate(asked, 9)  # across the border of a width: 31 and 9 words are more than 32
        assert words == model.generate(whole(model, prefix, asked), 9)[0].tolist()
        told = [PROPRI, *asked, *[40 + word % 10 for word in words]]  # what a random network says may be a picture
        assert same(engine.act(told, steps=STEPS, **inputs), expected_actions(model, prefix, told, inputs))
        assert words == engine.generate(asked, 9), "a repeated prompt"
    assert graphs.captured == recorded
    long = [20 + i % 30 for i in range(200)]  # more than was foreseen
    for _ in range(2):
        assert engine.generate(long, 3) == model.generate(whole(model, prefix, long), 3)[0].tolist()
    assert graphs.captured > recorded


@pytest.mark.slow
def test_a_layer_compiles_whole_and_not_once_for_each_length(model, monkeypatch):
    monkeypatch.setattr(linear, "can_pack", lambda dtype: False)  # as on a GPU
    torch._dynamo.reset()
    counted = []
    compiled = torch.compile(
        decoder_layer, fullgraph=True, backend=lambda graph, inputs: counted.append(1) or graph.forward
    )
    engine, inputs = Engine(model), motion()
    engine.runtime._layer = compiled
    for seeds in ((0, 1, 2), (0, 1, 3), (0, 4, 3)):
        engine.observe(see(*seeds))
        for words in range(3):
            suffix = [40 + words] * words + ACT
            found = engine.act(suffix, steps=STEPS, **inputs)
            assert same(found, expected_actions(model, see(*seeds), suffix, inputs))
    assert len(counted) <= 8  # of 9 prompts and 36 steps of two layers each


def test_bfloat16_weights_compute_in_float32(monkeypatch):
    monkeypatch.setattr(linear, "BLOCK", 1000)  # several blocks
    model, exact, inputs = build().bfloat16(), build(), motion()
    exact.load_state_dict(model.state_dict())
    way = Way(torch.bfloat16, torch.float32, widen=True, packed=True)
    engine, reference = Engine(model, way=way), Engine(exact)
    assert engine.runtime.embeds.dtype == torch.float32
    results = []
    for one in (engine, reference):
        one.observe(see(0, 1, 2))
        results.append(one.act(ACT, steps=STEPS, **inputs))
        one.generate(SAY, 3)
    # Image tokens are rounded to bfloat16 on their way, 8 bits.
    assert float((results[0] - results[1]).abs().max()) < 0.03 * float(results[1].abs().max())


@pytest.mark.parametrize("packed", [True, False])
def test_all_weights_may_be_copied(model, packed):
    engine, inputs = Engine(model, way=Way(torch.float32, torch.float32, packed=packed, whole=True)), motion()
    twin = Engine(model, twin=engine)
    for one, seen in ((engine, see(0, 1, 2)), (twin, see(3, 1, 2))):
        one.observe(seen)
        assert same(one.act(ACT, steps=STEPS, **inputs), expected_actions(model, seen, ACT, inputs))
        assert one.generate(SAY, 3) == model.generate(whole(model, seen, SAY), 3)[0].tolist()


@pytest.mark.parametrize("width", [64, 192])
def test_norms_of_a_processor_are_pytorchs(width):
    module = RMSNorm(width, 1e-6)
    with torch.inference_mode():
        module.weight.uniform_(0.5, 2)
        normed = linear.PackedKernels(10, torch.float32).norm(module)
        for scale in (1e-18, 1e-3, 1.0, 1e9):
            x = scale * torch.randn(2, 5, width)
            torch.testing.assert_close(normed(x), module(x), rtol=1e-5, atol=1e-7)
            low = x.bfloat16()
            torch.testing.assert_close(normed(low), module(low.float()).bfloat16(), rtol=1e-2, atol=1e-7)
        assert not normed(torch.zeros(1, width)).any()
        assert normed(torch.full((1, width), torch.nan)).isnan().all(), "nothing is hidden"


@pytest.mark.parametrize("bias", [True, False])
def test_packed_and_widened_maps(bias, monkeypatch):
    monkeypatch.setattr(linear, "BLOCK", 100)
    module = torch.nn.Linear(24, 40, bias=bias)
    x, other = torch.randn(7, 24), torch.randn(7, 40)
    with torch.inference_mode():
        plain = linear.Linear(module.weight, module.bias)
        packed = linear.packed(module.weight, module.bias, 7)
        for name, more in (("__call__", []), ("silu", []), ("times", [other]), ("plus", [other])):
            assert torch.allclose(getattr(plain, name)(x, *more), getattr(packed, name)(x, *more), atol=1e-5)
        rough = module.bfloat16()
        wide = torch.nn.Linear(24, 40, bias=bias)
        wide.load_state_dict(rough.state_dict())
        with linear.CastMatmuls(widen=True):
            assert torch.allclose(rough(x), wide(x), atol=1e-6)


def test_adapters_are_not_lost_silently():
    class Adapted(torch.nn.Linear):
        pass

    model = build()
    model.model.layers[1].self_attn.v_proj = Adapted(64, 32)
    with pytest.raises(WallOSSError, match="Adapted"):
        Engine(model)


def test_what_does_not_fit_is_refused(model):
    engine, inputs = Engine(model), motion()
    with pytest.raises(WallOSSError, match="before it saw"):
        engine.act(ACT, steps=STEPS, **inputs)
    engine.observe(see(0, 1, 2))
    with pytest.raises(WallOSSError, match="exactly one"):
        engine.act(SAY, steps=STEPS, **inputs)
    with pytest.raises(WallOSSError, match=r"noise is \(3, 6\)"):
        engine.act(ACT, steps=STEPS, **{**inputs, "noise": torch.zeros(3, 6)})


def test_attention_takes_the_backend_that_the_model_is_set_to(monkeypatch):
    """The prompt is causal behind what is cached, actions see everything: flash-attn's two kinds of sight."""
    calls = []

    def flash_attn_func(q, k, v, causal):
        calls.append((q.shape[1], k.shape[1], causal))
        mask = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).tril(k.shape[1] - q.shape[1]) if causal else None
        q, k, v = (tensor.transpose(1, 2) for tensor in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True).transpose(1, 2)

    monkeypatch.setattr(attention, "flash_kernel", lambda: flash_attn_func)
    monkeypatch.setattr(attention, "flash_fits", lambda device, dtype: True)
    model, prefix, inputs = build(), see(0, 1, 2), motion()
    layers = model.config.num_hidden_layers
    expected = expected_actions(model, prefix, ACT, inputs)
    for backend, times in (("sdpa", 0), ("auto", 1)):
        model.set_attention_backend(backend)
        calls.clear()
        engine = Engine(model)
        engine.observe(prefix)
        assert same(engine.act(ACT, steps=STEPS, **inputs), expected)
        prompt = [(30, 30, True)] * (layers - 1)  # the last layer only leaves its keys and values
        assert calls == times * (prompt + [(HORIZON, 30 + HORIZON, False)] * layers * STEPS)
