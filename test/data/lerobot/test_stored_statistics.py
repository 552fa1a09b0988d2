# SPDX-License-Identifier: Apache-2.0
"""Statistics are stored alike by whoever writes them: the writer, an edit, or wall-oss data stats."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from wall_oss_ros.data.checks.run import check
from wall_oss_ros.data.checks.survey_tables import open_survey
from wall_oss_ros.data.edits import restate
from wall_oss_ros.data.edits.compose import compose
from wall_oss_ros.data.edits.picks import whole
from wall_oss_ros.data.lerobot import EpisodeData, Feature, LeRobotWriter

VERSIONS = ("v3.0", "v2.1")


def stored(folder) -> tuple[dict, list[dict]]:
    """Of the whole, and of each episode."""
    path = folder / "meta/stats.json"
    of_all = json.loads(path.read_text()) if path.exists() else {}
    lines = folder / "meta/episodes_stats.jsonl"
    if lines.exists():
        return of_all, [json.loads(line)["stats"] for line in lines.read_text().splitlines()]
    rows = pq.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    return of_all, [{key: value for key, value in row.items() if key.startswith("stats/")} for row in rows]


@pytest.fixture(params=VERSIONS)
def written(request, tmp_path):
    """Numbers of two axes, rows without a number, and an entry that never has one."""
    rng = np.random.default_rng(0)
    features = {"pose": Feature("float64", (2, 3), None), "effort": Feature("float32", (2,), None)}
    folder = tmp_path / "written"
    with LeRobotWriter(folder, 10, features, version=request.param, nan_allowed=("effort",)) as writer:
        for length in (7, 5):
            effort = rng.normal(size=(length, 2))
            effort[:3], effort[:, 1] = np.nan, np.nan
            writer.add(EpisodeData({"pose": rng.normal(size=(length, 2, 3)), "effort": effort}, task="move"))
    return folder


def same(one, other) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    else:
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)  # of one shape, and without None


def test_edits_and_stats_store_what_the_writer_stored(written, tmp_path):
    before = stored(written)
    assert not [f for f in check(written).findings if "statistics" in f.check]
    compose([whole(open_survey(written))], tmp_path / "edited")
    survey = open_survey(tmp_path / "edited")
    restate.write(survey, *restate.compute(survey))
    after = stored(tmp_path / "edited")
    same(before[0], after[0])
    for one, other in zip(before[1], after[1], strict=True):
        same(one, other)
    compose([whole(open_survey(written))], tmp_path / "only_edited")
    for one, other in zip(before[1], stored(tmp_path / "only_edited")[1], strict=True):
        same(one, other)
