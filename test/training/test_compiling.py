# SPDX-License-Identifier: Apache-2.0
"""Layers that are compiled for training: the same losses and gradients, whatever the batch."""

import shutil

import pytest
import torch
from network_support import small_model
from training_support import ACTING, LANGUAGE, packed_batch, small_recipe

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.training import compiling, distributed
from wall_oss_ros.training.compiling import compile_layers
from wall_oss_ros.training.losses import compute

BATCHES = ({}, {"rows": 3}, {"rows": 4, "language": [*LANGUAGE, ("ask", [10, 11, 12], [13] * 5)]}, {"acting": []},
           {"acting": ACTING[:1], "draws": 3})  # fmt: skip


def step(model, lower: bool, **batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses and all gradients of a pass over one batch."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=lower):
        losses = compute(model, packed_batch(model, **batch), batch.get("draws", 2), torch.Generator().manual_seed(0))
    sum(losses.all).backward()
    return torch.stack(losses.all).detach(), torch.cat(
        [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    )


def equal_steps(backend: str, lower: bool, batches=BATCHES) -> None:
    plain, compiled = small_model(), small_model()
    compile_layers(compiled, backend)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    bounds = {"rtol": 2e-2, "atol": 2e-2} if lower else {"rtol": 1e-3, "atol": 2e-5}
    for batch in batches:
        for found, expected in zip(step(compiled, lower, **batch), step(plain, lower, **batch)):
            torch.testing.assert_close(found, expected, **bounds)


@pytest.fixture(autouse=True)
def own_code():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("lower", [False, True], ids=["float32", "bfloat16"])
def test_compiled_layers_compute_the_same(lower):
    """With the joined operators as they are; code for them is generated in the slow test."""
    equal_steps("aot_eager", lower)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which("g++") is None, reason="generates C++: needs g++")
def test_generated_code_computes_the_same():
    equal_steps("inductor", True, BATCHES[:1])


def test_shapes_are_compiled_once_and_frozen_parts_anew():
    model = small_model()
    compile_layers(model, "aot_eager")
    counted = torch._dynamo.utils.counters["stats"]
    for rows in (2, 3):  # the second size is compiled for all
        step(model, False, rows=rows, language=LANGUAGE * rows)
    before = counted["unique_graphs"]
    for rows in (4, 5, 7):
        step(model, False, rows=rows, language=LANGUAGE * rows)
    assert counted["unique_graphs"] == before
    frozen = model.model.layers[0].moe.experts[0]
    frozen.requires_grad_(False)
    step(model, False, rows=4)
    assert frozen.gate_proj.weight.grad is None


def test_without_a_compiler_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    with pytest.raises(WallOSSError, match=r"C\+\+ compiler.*Install g\+\+"):
        compile_layers(small_model())


def test_several_processes_refuse_it():
    made = small_recipe().model_copy(update={"compile": True, "datasets": ("some",)})
    with pytest.raises(WallOSSError, match="without torchrun"):
        distributed.require_shareable(made, 2)


def test_the_machine_decides_over_the_recipe(tmp_path, monkeypatch):
    from wall_oss_ros.commands import main, train

    seen = []
    monkeypatch.setattr(train, "_train", lambda recipe, output, args: seen.append((recipe.precision, recipe.compile)))
    for more in ([], ["--precision", "bfloat16"], ["--compile"]):
        assert main.main(["train", "--output", str(tmp_path / f"{len(seen)}"), *more]) == 0
    assert seen == [("float32", False), ("bfloat16", False), ("float32", True)]
