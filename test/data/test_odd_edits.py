# SPDX-License-Identifier: Apache-2.0
"""Edits of datasets as other tools leave them: nothing is lost without a word, and what cannot be is one clear line."""

import ast
import errno
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.checks import findings
from wall_oss_ros.data.checks.run import check
from wall_oss_ros.data.edits import compose
from wall_oss_ros.data.lerobot import LeRobotDataset

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from data_check.sets import VIEWS, lines, sound, write

EPISODES = "meta/episodes/chunk-000/file-000.parquet"


def make(folder: Path, version="v3.0", video=False) -> Path:
    return write(sound(np.random.default_rng(2), 2, shortest=25), folder, version, video, per_file=1)


def changed(path: Path, change) -> None:
    lines(path, [change(json.loads(line)) for line in path.read_text().splitlines()])


@pytest.mark.parametrize("kind", ["struct", "text", "Windows"])
def test_pictures_beside_the_data_go_into_it(kind, tmp_path):
    folder = make(tmp_path / "set")
    before = LeRobotDataset(folder).pictures(VIEWS[0], 1)
    for path in folder.rglob("data/**/*.parquet"):
        table = pq.read_table(path)
        named = []
        for row, entry in enumerate(table.column(VIEWS[0]).to_pylist()):
            file = folder / "images" / f"{path.stem}_{row}.png"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(entry["bytes"])
            name = f"images\\{file.name}" if kind == "Windows" else f"images/{file.name}"
            named.append(name if kind == "text" else {"bytes": None, "path": name})
        at = table.column_names.index(VIEWS[0])
        pq.write_table(table.set_column(at, VIEWS[0], pa.array(named)), path)
    np.testing.assert_array_equal(LeRobotDataset(folder).pictures(VIEWS[0], 1), before)
    assert main(["data", "filter", str(folder), "--drop", "0", "--output", str(tmp_path / "new")]) == 0
    (folder / "images").rename(tmp_path / "gone")
    np.testing.assert_array_equal(LeRobotDataset(tmp_path / "new").pictures(VIEWS[0], 0), before)
    assert main(["data", "filter", str(folder), "--output", str(tmp_path / "none")]) == 2  # and not without pictures
    assert not (tmp_path / "none").exists()


def test_what_the_format_does_not_know_is_named(tmp_path, capsys):
    folder = make(tmp_path / "set", "v2.1")
    (folder / "README.md").write_text("a card")
    (folder / "meta/modality.json").write_text("{}")
    (folder / ".cache").mkdir()
    (folder / ".cache/known").write_text("")
    changed(folder / "meta/tasks.jsonl", lambda row: {**row, "task_zh": "放"})
    assert main(["data", "filter", str(folder), "--output", str(tmp_path / "new")]) == 0
    said = capsys.readouterr().out
    assert "README.md, meta/modality.json, the column task_zh of meta/tasks.jsonl\n" in said
    assert main(["data", "filter", str(tmp_path / "new"), "--output", str(tmp_path / "newer")]) == 0
    assert "left behind" not in capsys.readouterr().out


def test_columns_of_episodes_that_differ_in_type_are_named(tmp_path, capsys):
    ones = [make(tmp_path / name) for name in "ab"]
    for folder, value in zip(ones, (True, "yes")):
        table = pq.read_table(folder / EPISODES)
        pq.write_table(table.append_column("success", pa.array([value] * len(table))), folder / EPISODES)
    assert main(["data", "merge", *map(str, ones), "--output", str(tmp_path / "both")]) == 2
    assert "column success of the table of episodes has several types" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()


def test_numbers_that_json_does_not_have_are_null(tmp_path):
    folder = make(tmp_path / "set", "v2.1")
    changed(folder / "meta/episodes.jsonl", lambda row: {**row, "quality": float("nan")})
    assert main(["data", "filter", str(folder), "--output", str(tmp_path / "new")]) == 0
    assert json.loads((tmp_path / "new/meta/episodes.jsonl").read_text().splitlines()[0])["quality"] is None


@pytest.mark.parametrize("odd", [5, {"mean": "x", "count": None}, {"mean": [[[float("nan")]]] * 3}])
def test_statistics_of_pictures_that_are_none_are_said_and_left_out(odd, tmp_path):
    folder = make(tmp_path / "set", "v2.1")
    path = folder / "meta/episodes_stats.jsonl"
    changed(path, lambda row: {**row, "stats": {**row["stats"], VIEWS[0]: odd}})
    found = [f for f in check(folder, 0).findings if f.level != "note"]
    assert {(f.check, f.column) for f in found} == {("episode statistics", VIEWS[0])}
    assert main(["data", "filter", str(folder), "--output", str(tmp_path / "new")]) == 0
    stored = json.loads((tmp_path / "new/meta/episodes_stats.jsonl").read_text().splitlines()[0])["stats"]
    assert VIEWS[0] not in stored and VIEWS[1] in stored
    assert main(["data", "stats", str(folder), "--write"]) == 0


def test_half_of_a_character_is_found_named_and_can_be_relabelled(tmp_path, capsys):
    folder = make(tmp_path / "set", "v2.1")
    path = folder / "meta/tasks.jsonl"
    path.write_text(path.read_text().replace('"put the red cube', r'"put\ud83e the red cube'))
    assert "encoding" in {f.check for f in check(folder, 0).findings}
    words = [str(folder), "--output", str(tmp_path / "new")]
    assert main(["data", "filter", *words]) == 2
    assert "holds half of a character" in capsys.readouterr().err
    assert main(["data", "relabel", *words, "--replace", "[\ud800-\udfff]", ""]) == 0
    assert LeRobotDataset(tmp_path / "new")[0].tasks == ("put the red cube in the left tray",)


def test_a_replacement_that_is_none_is_named(tmp_path, capsys):
    folder = make(tmp_path / "set")
    assert main(["data", "relabel", str(folder), "--replace", "red", r"\9", "--output", str(tmp_path / "new")]) == 2
    assert "invalid group reference 9" in capsys.readouterr().err


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    """pyarrow and Pillow tell of it without the name of a file."""
    folder = make(tmp_path / "set")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "Error writing bytes to file")

    for module, name in ((compose.pq, "write_table"), (compose.pq.ParquetWriter, "write_table")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            assert main(["data", "filter", str(folder), "--output", str(tmp_path / "new")]) == 2
        assert "cannot be written: No space left on device" in capsys.readouterr().err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def test_checks_that_there_are_not_are_refused(tmp_path, capsys):
    """They would find nothing, and a mistyped name would pass for a sound dataset."""
    folder = make(tmp_path / "set")
    filtering = ["filter", "--found", "f", "--checks", "x", "--output", str(tmp_path / "new")]
    for words in (["check", "--only", "unit"], ["check", "--skip", "views"], filtering):
        assert main(["data", words[0], str(folder), *words[1:]]) == 2
        assert "There is no check" in capsys.readouterr().err


def test_every_finding_is_of_a_check_that_can_be_named():
    names = set()
    for path in Path(findings.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = getattr(node, "func", None)
            if getattr(called, "id", "") == "Finding" or getattr(called, "attr", "") == "found":
                names |= {one.value for one in node.args[1:2] if isinstance(one, ast.Constant)}
    assert len(names) > 40 and names <= findings.CHECKS
