# SPDX-License-Identifier: Apache-2.0
"""Figures in README and docs are those of docs/results; a file that contradicts itself is refused."""

import json
import sys
from pathlib import Path

import pytest

from wall_oss_ros.errors import WallOSSError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import published

CONTENT = {
    "what": "steps", "command": "python walk.py", "commit": "0123abc", "date": "2026-11-30",
    "machine": {"processor": "a", "cores": 2, "python": "3.11.7"}, "n": 30,
    "all": {"hits": 8, "of": 10, "share": 0.8, "low": 0.49, "high": 0.94},
    "by": {"a-1": {"successes": 1, "episodes": 4, "interval": [0.05, 0.7]}, "b": {"hits": 0, "of": 0, "share": None}},
    "mean": {"mean": 0.5, "low": 0.4, "high": 0.6}, "seconds": 8.26, "frames": 28065, "rows": ["| a |", "| b |"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(CONTENT))
    return tmp_path


@pytest.mark.parametrize("file", sorted(published.FOLDER.glob("*.json")), ids=lambda file: file.name)
def test_files_of_results_are_whole(file):
    published.read(file)


@pytest.mark.parametrize("page", published.pages(), ids=lambda page: str(page.relative_to(published.ROOT)))
def test_pages_quote_what_the_files_say(page):
    text = page.read_text()
    assert published.filled(text, page.name) == text, "run: python benchmarks/published.py"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("all", "8 of 10"), ("all percent", "80 %"), ("all interval", "49 to 94 %"),
        ("all share", "80 % (8 of 10; 49 to 94 %)"), ("by/a-1 percent", "25 %"), ("all+by/a-1", "9 of 14"),
        ("mean percent", "50 %"), ("mean interval", "40 to 60 %"), ("seconds .1f", "8.3"), ("frames ,d", "28,065"),
        ("frames", "28065"), ("what", "steps"), ("rows/1", "| b |"), ("rows lines", "\n| a |\n| b |\n"),
    ],
)  # fmt: skip
def test_a_figure_is_written_as_its_comment_says(folder, spec, said):
    begin = f"<!-- result: one.json#{spec} -->"
    text = f"It was {begin}old{published.QUOTED}, or {begin}{published.QUOTED}.\n"
    assert published.filled(text, "page", folder) == text.replace("old", said).replace(f"{begin}<", f"{begin}{said}<")
    once = published.filled(text, "page", folder)
    assert published.filled(once, "page", folder) == once


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("none.json#all", "none.json cannot be read"), ("one.json", "does not say FILE#WAY"), ("", "does not say"),
        ("one.json#al", "has no al: al is not there"), ("one.json#rows/7", "7 is not there"),
        ("one.json#seconds/x", "x is not there"), ("one.json#what .1f", "cannot be written so"),
        ("one.json#by", "cannot be written so"), ("one.json#by/b percent", "cannot be written so"),
        ("one.json#all+seconds", "only counts are added"), ("one.json#seconds share", "cannot be written so"),
        ("one.json#all .1f", "cannot be written so"), ("../one.json#all", "does not say FILE#WAY"),
    ],
)  # fmt: skip
def test_a_comment_that_leads_nowhere_is_refused_with_its_line(folder, spec, why):
    with pytest.raises(WallOSSError, match="page, line 2: ") as error:
        published.filled(f"\n<!-- result: {spec} -->1{published.QUOTED}", "page", folder)
    assert why in str(error.value)


@pytest.mark.parametrize("text", ["{0} 1", "{0} 1 {0} 2 {1}"])
def test_a_figure_without_an_end_is_refused(folder, text):
    with pytest.raises(WallOSSError, match="line 1: the figure has no end"):
        published.filled(text.format("<!-- result: one.json#all -->", published.QUOTED), "page", folder)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"commit": None}, "commit"), ({"commit": "later"}, "commit"), ({"what": ""}, "what"), ({"n": 0}, "n"),
        ({"date": "yesterday"}, "date"), ({"machine": {"cores": 2}}, "machine.processor"), ({"n": True}, "n"),
        ({"machine": {**CONTENT["machine"], "cores": "2"}}, "machine.cores"), ({"checkpoints": "tiny"}, "checkpoints"),
        ({"machine": {**CONTENT["machine"], "gpu": ""}}, "machine.gpu"), ({"command": 3}, "command"),
        ({"all": {"hits": 11, "of": 10}}, "11 of 10"), ({"deep": [{"x": {"hits": -1, "of": 1}}]}, "deep/0/x"),
        ({"all": {**CONTENT["all"], "share": 0.7}}, "8 of 10 is said to be 0.7"),
        ({"seconds": float("nan")}, "seconds"),
        ({"mean": {"mean": 0.5, "low": 0.6, "high": 0.7}}, "0.5 is said to be between 0.6 and 0.7"),
        ({"mean": {"mean": 0.5, "low": 0.4, "high": 1.7}}, "between 0.4 and 1.7"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_file_of_results_is_refused(tmp_path, change, why):
    content = {key: value for key, value in (CONTENT | change).items() if value is not None}
    with pytest.raises(WallOSSError) as error:
        published.write(tmp_path / "one.json", content)
    assert why in str(error.value) and not list(tmp_path.iterdir())
    (tmp_path / "one.json").write_text(json.dumps(content))
    with pytest.raises(WallOSSError, match="one.json"):
        published.read(tmp_path / "one.json")


@pytest.mark.parametrize("content", ["[]", "3", "", '{"what": "a", "what": "b"}', "[" * 200 + "]" * 200])
def test_what_is_no_object_is_refused(tmp_path, content):
    (tmp_path / "one.json").write_text(content)
    with pytest.raises(WallOSSError, match="one.json"):
        published.read(tmp_path / "one.json")


def test_what_is_written_can_be_read_and_says_which_code_it_was(tmp_path):
    if not (published.ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    about = published.head("steps", "python walk.py", checkpoints=["tiny@1"], n=3)
    published.write(tmp_path / "deep" / "one.json", {**about, "all": {"hits": 1, "of": 3}})
    assert published.read(tmp_path / "deep" / "one.json")["checkpoints"] == ["tiny@1"]
    assert about["machine"]["cores"] >= 1 and len(about["commit"].split("+")[0]) >= 7
