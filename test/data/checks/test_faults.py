# SPDX-License-Identifier: Apache-2.0
"""wall-oss data check: sound datasets give nothing, and each planted fault is found where it is."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wall_oss_ros.data.checks.findings import unsound
from wall_oss_ros.data.checks.run import check
from wall_oss_ros.errors import WallOSSError

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
from data_check.faults import FAULTS
from data_check.sets import sound, write

BASE = sound(np.random.default_rng(1))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(fault, tmp_path):
    result = check(fault.plant(copy.deepcopy(BASE), tmp_path))
    found = [f for f in result.findings if f.level != "note" and f.check in fault.check]
    assert found, result.findings
    if fault.episode is not None:
        assert fault.episode in {f.episode for f in found}


@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**31),
    episodes=st.integers(1, 7),
    fps=st.sampled_from([10, 15, 29.97, 30, 50]),
    lag=st.integers(0, 2),
    version=st.sampled_from(["v2.0", "v2.1", "v3.0"]),
    video=st.booleans(),
    per_file=st.integers(1, 5),
)
def test_sound_datasets_give_nothing(tmp_path_factory, seed, episodes, fps, lag, version, video, per_file):
    folder = tmp_path_factory.mktemp("sound")
    content = sound(np.random.default_rng(seed), episodes, fps, shortest=40, lag=lag)
    result = check(write(content, folder, version, video, per_file))
    assert not unsound(result.findings), result.findings
    assert result.frames == sum(map(len, content.episodes))


@pytest.mark.parametrize("change", ["no folder", "no info", "no table", "all data broken", "info not UTF-8"])
def test_what_cannot_be_read_is_refused(change, tmp_path):
    folder = tmp_path / "set"
    if change != "no folder":
        write(sound(np.random.default_rng(0), 2), folder, video=False)
    if change == "no info":
        (folder / "meta/info.json").unlink()
    elif change == "no table":
        (folder / "meta/episodes/chunk-000/file-000.parquet").write_bytes(b"PAR1")
    elif change == "all data broken":
        (folder / "data/chunk-000/file-000.parquet").write_bytes(b"PAR1 and not more")
    elif change == "info not UTF-8":
        (folder / "meta/info.json").write_bytes(b'{"robot_type": "\xe4"}')
    with pytest.raises(WallOSSError):
        check(folder)
