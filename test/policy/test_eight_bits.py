# SPDX-License-Identifier: Apache-2.0
"""Weights of 8 bits: what becomes small, what stays, and what that does to chunks."""

import builtins
import importlib.util

import numpy as np
import pytest
import torch
from checkpoint_support import VIEWS, make_checkpoint
from torch import nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.decoder import ACTION, LANGUAGE
from wall_oss_ros.nodes import parameters
from wall_oss_ros.paths import data_path
from wall_oss_ros.policy import Observation, Policy, ways
from wall_oss_ros.policy.number_types import NAMES, named
from wall_oss_ros.robots.profile import load_profile

WORDS = "pick up the red cube"
SHIPPED = data_path("models/wall-oss-tiny")

pytest.importorskip("torchao")


@pytest.fixture(scope="module")
def small():
    return Policy.from_pretrained(SHIPPED, dtype=torch.int8, threads=1, robot="franka")


@pytest.fixture(scope="module")
def exact():
    return Policy.from_pretrained(SHIPPED, dtype=torch.float32, threads=1, robot="franka")


def seen(policy, seed=0):
    """Smooth pictures: noise of single pixels is nothing that a camera gives."""
    rng, mask = np.random.default_rng(seed), policy.dof_mask[: policy.config.propri_dim]
    coarse = rng.integers(0, 256, (len(policy.views), 7, 7, 3), np.uint8)
    views = {view: one.repeat(16, 0).repeat(16, 1) for view, one in zip(policy.views, coarse)}
    return Observation(0.0, views, np.zeros(len(mask), np.float32), mask)


def is_small(module):
    return type(module.weight.data) is not torch.Tensor


def test_images_and_words_become_small_and_all_else_keeps_its_type(small):
    model = small.model
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            wanted = "visual.blocks" in name or f"moe.experts.{LANGUAGE}." in name
            assert is_small(module) == wanted, name
            assert not (f"experts.{ACTION}." in name and is_small(module))
    assert model.dtype in (torch.float32, torch.bfloat16) and model.lm_head.weight.dtype == model.dtype
    assert small.choice.way.int8 and "int8 weights for images and words" in str(small.choice)
    head = model.action_preprocessor.normalizer_action  # statistics are never rounded
    assert all(t.dtype == torch.float32 for t in [*head.parameters(), *head.buffers()] if t.is_floating_point())


def test_the_large_weights_take_a_byte_each(small):
    def stored(tensor):
        names, _ = tensor.__tensor_flatten__()
        return sum(part.numel() * part.element_size() for part in (getattr(tensor, name) for name in names))

    for block in small.model.visual.blocks:
        weight = block.mlp.gate_proj.weight.data
        assert weight.numel() <= stored(weight) <= 1.1 * weight.numel() + 8 * len(weight)


def test_chunks_differ_by_little_and_answers_are_the_same(small, exact, record_property):
    worst = 0.0
    for seed in range(4):
        one, other = (policy.act(seen(policy, seed), WORDS, seed=0) for policy in (exact, small))
        worst = max(worst, float(np.abs(one - other).max() / np.abs(one).max()))
    record_property("largest difference", worst)
    assert 0 < worst < 0.1
    assert small.plan(seen(small), WORDS) == exact.plan(seen(exact), WORDS)


def test_a_twin_shares_the_small_weights(small):
    twin = small.twin()
    assert twin.model is small.model
    assert np.array_equal(twin.act(seen(twin), WORDS, seed=0), small.act(seen(small), WORDS, seed=0))


@pytest.mark.parametrize("multiplies", [True, False])
def test_beside_them_stands_what_the_processor_multiplies(multiplies, monkeypatch):
    monkeypatch.setattr(ways, "multiplies_bfloat16", lambda: multiplies)
    policy = Policy.from_pretrained(SHIPPED, dtype=torch.int8, threads=1, robot="franka")
    kept = torch.bfloat16 if multiplies else torch.float32
    assert policy.model.dtype == policy.choice.way.steps == kept
    assert np.isfinite(policy.act(seen(policy), WORDS, seed=0)).all()
    assert policy.reason(seen(policy), WORDS) is not None


def test_without_torchao_the_extra_is_named_before_anything_is_read(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("wall_oss_ros.errors.find_spec", lambda name: None if name == "torchao" else found(name))
    monkeypatch.setattr(builtins, "open", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(WallOSSError, match=r"torchao is not installed.*\[int8\]"):
        Policy.from_pretrained(SHIPPED, dtype=torch.int8)


def test_on_a_gpu_it_is_refused(monkeypatch):
    monkeypatch.setattr("wall_oss_ros.policy.policy.as_device", lambda _: torch.device("cuda:0"))
    with pytest.raises(WallOSSError, match="for processors"):
        Policy.from_pretrained(SHIPPED, "cuda", torch.int8)


@pytest.mark.parametrize("dtype", ["int8", torch.int16, torch.uint8, 8])
def test_other_types_are_refused_as_before(dtype):
    with pytest.raises(WallOSSError, match="dtype is"):
        Policy.from_pretrained(SHIPPED, dtype=dtype)


def test_nodes_take_types_by_name(tmp_path):
    assert [named(name) for name in NAMES] == [None, torch.float32, torch.bfloat16, torch.int8]
    folder = str(make_checkpoint(tmp_path / "checkpoint"))
    for name in NAMES:
        policy = parameters.load_policy(folder, "cpu", name, 1, "auto", load_profile("franka"))
        assert policy.choice.way.int8 == (name == "int8") and len(policy.views) == len(VIEWS)
        if name in ("float32", "bfloat16"):
            assert policy.model.dtype == named(name)
