# SPDX-License-Identifier: Apache-2.0
"""docs/scale.md says what benchmarks/scale.py calculates, and the formulas are near what a small network takes."""

import sys
from pathlib import Path

import pytest
import torch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def scale(monkeypatch):
    """The modules of the benchmark."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    names = ("scale", "scale_costs", "scale_measured", "chunk_costs", "chunk_models", "datasets")
    before = {name: sys.modules.pop(name, None) for name in names}
    torch.set_num_threads(1)
    import scale

    yield scale
    for name in names:
        sys.modules.pop(name, None)
        if before[name] is not None:
            sys.modules[name] = before[name]


def test_the_page_quotes_the_script(scale):
    pytest.importorskip("peft")
    page = (ROOT / "docs" / "scale.md").read_text()
    for name, make in scale.TABLES.items():
        assert make(scale.Inputs()) in page, (
            f"{name}: run python benchmarks/scale.py, and put its tables into docs/scale.md"
        )


@pytest.mark.parametrize("lora", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_formulas_are_near_what_is_counted(scale, lora, again):
    if lora:
        pytest.importorskip("peft")
    from scale_measured import counted_operations, kept_activations, small

    one = small(lora, again, "float32")
    formula, counted = counted_operations(one)
    assert formula == pytest.approx(counted, rel=0.1)
    formula, kept = kept_activations(one, 1)
    if again:  # the most is in the backward pass, when a layer is computed again
        assert kept < formula < 4 * kept
    else:
        assert formula == pytest.approx(kept, rel=0.5)


def test_prices_peaks_and_sizes_are_inputs(scale):
    pytest.importorskip("peft")
    usual, faster = scale.Inputs(), scale.Inputs(share=0.7, links=(900e9, 100e9), memory_speed=6.7e12)
    for kind in ("adapters", "in full"):
        for gpus in (1, 8, 64):
            slow, fast = (scale.speed(kind, gpus, inputs) for inputs in (usual, faster))
            assert fast.samples == pytest.approx(2 * slow.samples)
            assert slow.samples <= gpus * usual.rows / slow.compute
    dear = scale.costs(scale.Inputs(price=(5.0, 7.0), hours=50.0))
    assert dear.splitlines()[-1].split("|")[-3:-1] == scale.costs(usual).splitlines()[-1].split("|")[-3:-1]
    assert "does not fit" in scale.costs(usual) and "neither" in scale.memories(scale.Inputs(at_once=64))
