# SPDX-License-Identifier: Apache-2.0
"""Tables as other tools and systems leave them: sound all the same, said where a reader would stop, and mended."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.checks.findings import unsound
from wall_oss_ros.data.checks.run import check
from wall_oss_ros.data.edits.choose import numbers
from wall_oss_ros.data.lerobot import LeRobotDataset

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
from data_check.sets import lines, sound, write

DATE = 20240115123  # as an episode's number


@pytest.fixture
def made(tmp_path):
    def make(version: str) -> Path:
        return write(sound(np.random.default_rng(1), 3, shortest=30), tmp_path / "set", version, False)

    return make


def rewritten(path: Path, change) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def jsonl(path: Path, change) -> None:
    lines(path, [change(json.loads(line)) for line in path.read_text().splitlines()])


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_files_that_macos_leaves_beside_others_are_none_of_the_dataset(made, version):
    folder = made(version)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7 Mac OS X")
    assert not unsound(check(folder, 0).findings)
    LeRobotDataset(folder).verify()
    assert main(["data", "stats", str(folder), "--write"]) == 0


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_whole_numbers_with_a_point_count_and_are_said_and_mended(made, version, tmp_path):
    folder = made(version)

    def pointed(table: pa.Table) -> pa.Table:
        kinds = [pa.float64() if pa.types.is_integer(field.type) else field.type for field in table.schema]
        return table.cast(pa.schema(list(zip(table.column_names, kinds))))

    if version == "v3.0":
        rewritten(folder / "meta/episodes/chunk-000/file-000.parquet", pointed)
    else:
        jsonl(folder / "meta/episodes.jsonl", lambda row: {**row, "episode_index": float(row["episode_index"])})
    found = [f for f in check(folder, 0).findings if f.level != "note"]
    assert [(f.check, f.level) for f in found] == [("episode table", "warning")] and "episode_index" in found[0].what
    assert main(["data", "filter", str(folder), "--output", str(tmp_path / "new")]) == 0
    assert not unsound(check(tmp_path / "new", 0).findings)


def test_columns_that_every_dataset_has_are_read_where_info_does_not_tell_of_them(made, tmp_path):
    folder = made("v3.0")
    info = json.loads((folder / "meta/info.json").read_text())
    for name in ("timestamp", "frame_index", "episode_index", "index", "task_index"):
        del info["features"][name]
    (folder / "meta/info.json").write_text(json.dumps(info))
    found = [f for f in check(folder, 0).findings if f.level != "note"]
    assert [f.check for f in found] == ["columns"] and "episode_index" in found[0].what
    assert main(["data", "filter", str(folder), "--output", str(tmp_path / "new")]) == 0
    assert "task_index" in json.loads((tmp_path / "new/meta/info.json").read_text())["features"]


def test_episodes_may_be_numbered_by_their_date(made):
    """Nothing takes time or memory for the numbers that are left out."""
    folder = made("v2.1")
    info = json.loads((folder / "meta/info.json").read_text())
    (folder / "meta/info.json").write_text(json.dumps({**info, "chunks_size": 10**12}))
    for name in ("episodes", "episodes_stats"):
        jsonl(
            folder / f"meta/{name}.jsonl",
            lambda row: {**row, "episode_index": DATE if row["episode_index"] == 2 else row["episode_index"]},
        )
    old = folder / "data/chunk-000/episode_000002.parquet"
    rewritten(
        old, lambda t: t.set_column(t.column_names.index("episode_index"), "episode_index", pa.array([DATE] * len(t)))
    )
    old.rename(old.with_name(f"episode_{DATE}.parquet"))
    result = check(folder, 0)
    assert [f.what for f in result.findings if f.check == "episode numbers"] == [
        f"Episodes are numbered up to {DATE}, without 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 ...."
    ]
    assert numbers(["1-"], result.survey) == {1, DATE}


def test_a_length_that_is_none_is_named_where_episodes_are_chosen_by_it(made, tmp_path, capsys):
    folder = made("v2.1")
    jsonl(folder / "meta/episodes.jsonl", lambda row: {**row, "length": "long"})
    assert main(["data", "filter", str(folder), "--min-length", "3", "--output", str(tmp_path / "new")]) == 2
    assert "episode 0: the table of episodes says 'long'" in capsys.readouterr().err
    assert main(["data", "filter", str(folder), "--drop", "0", "--output", str(tmp_path / "new")]) == 0
