# SPDX-License-Identifier: Apache-2.0
"""wall-oss data check: its exit status, its table, its JSON and its page."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from wall_oss_ros.commands.main import main

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from data_check.sets import sound, write


@pytest.fixture
def content():
    return sound(np.random.default_rng(4), 3, shortest=40)


def test_a_sound_set_is_0(content, tmp_path, capsys):
    assert main(["data", "check", str(write(content, tmp_path / "set"))]) == 0
    shown = capsys.readouterr().out
    assert "3 episodes" in shown and "frames a second" in shown


def test_findings_are_1_with_json_and_a_page(content, tmp_path, capsys):
    content.episodes[1].pictures["observation.images.front"][:] = 0
    content.episodes[2].columns["action"][7, 3] = np.nan
    folder = write(content, tmp_path / "set")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report = tmp_path / "report"
    assert main(["data", "check", str(folder), "--json", "--report", str(report)]) == 1
    found = {f["check"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert (found["not finite"]["episode"], found["not finite"]["frame"]) == (2, 7)
    assert found["black view"]["episode"] == 1
    page = (report / "report.html").read_text()
    assert "black view" in page and "not finite" in page and (report / "episodes.png").stat().st_size
    assert len(list(report.glob("finding_*.png"))) >= 2
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["data", "check", str(folder), "--skip", "black view", "not finite", "episode statistics"]) == 0


def test_what_is_no_dataset_is_2(tmp_path, capsys):
    assert main(["data", "check", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
