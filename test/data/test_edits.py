# SPDX-License-Identifier: Apache-2.0
"""Edits of datasets: what is written is what was there, and a source never changes, whenever an edit ends."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.checks.findings import unsound
from wall_oss_ros.data.checks.run import check
from wall_oss_ros.data.checks.survey_tables import open_survey
from wall_oss_ros.data.edits import choose, verify
from wall_oss_ros.data.edits.compose import compose
from wall_oss_ros.data.edits.picks import Part, whole
from wall_oss_ros.data.lerobot import EpisodeData, Feature, LeRobotDataset, LeRobotWriter
from wall_oss_ros.errors import WallOSSError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from data_check.fault import table
from data_check.sets import VIEWS, sound, write

BENCHMARKS = sys.path[0]

KINDS = [("v3.0", True), ("v3.0", False), ("v2.1", True), ("v2.0", False)]


def make(folder, seed, episodes=3, version="v3.0", video=True, per_file=2):
    return write(sound(np.random.default_rng(seed), episodes, shortest=25), folder, version, video, per_file)


def contents(folder) -> dict:
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def same_episode(a: LeRobotDataset, i: int, b: LeRobotDataset, j: int) -> None:
    one, other = a.columns(i), b.columns(j)
    for name in ("observation.state", "action", "timestamp", "frame_index"):
        np.testing.assert_array_equal(one[name], other[name])
    assert a[i].tasks == b[j].tasks
    for view in a.views:
        rows = [0, 1, a[i].length // 2, a[i].length - 1]
        np.testing.assert_array_equal(a.pictures(view, i, rows), b.pictures(view, j, rows))


def test_videos_of_av1_are_cut_as_well(tmp_path):
    """As lerobot encodes them: FFmpeg's decoder of AV1 has another name than its encoders."""
    view = {"front": Feature("video", (48, 64, 3), ("height", "width", "channels"))}
    with LeRobotWriter(tmp_path / "set", 15, view, codec="av1") as writer:
        for level in (40, 90, 140):
            shades = np.arange(level, level + 6, dtype=np.uint8)
            writer.add(EpisodeData({}, {"front": np.broadcast_to(shades[:, None, None, None], (6, 48, 64, 3))}, "wait"))
    survey = open_survey(tmp_path / "set")
    assert compose([Part(survey, frozenset({1}))], tmp_path / "one").videos_cut == 1
    before, after = LeRobotDataset(tmp_path / "set"), LeRobotDataset(tmp_path / "one")
    np.testing.assert_array_equal(after.pictures("front", 0), before.pictures("front", 1))


@pytest.mark.parametrize("version, video", KINDS)
def test_a_merge_holds_both_and_its_statistics_are_those_of_all(version, video, tmp_path):
    folders = [make(tmp_path / name, seed, 3, version, video) for name, seed in (("a", 1), ("b", 2))]
    before = [contents(folder) for folder in folders]
    compose([whole(open_survey(folder)) for folder in folders], tmp_path / "both")
    assert [contents(folder) for folder in folders] == before
    both = LeRobotDataset(tmp_path / "both")
    for number, folder in enumerate(folders):
        source = LeRobotDataset(folder)
        for index in range(3):
            same_episode(both, 3 * number + index, source, index)
    result = check(tmp_path / "both")
    assert not unsound(result.findings), result.findings
    if version != "v2.1":
        rows = np.concatenate([both.columns(e)["observation.state"] for e in range(6)])
        np.testing.assert_allclose(
            both.statistics["observation.state"]["q01"], np.quantile(rows, 0.01, axis=0), atol=1e-6
        )


@pytest.mark.parametrize("version, video", KINDS)
def test_a_filter_keeps_what_is_chosen(version, video, tmp_path):
    folder = make(tmp_path / "a", 3, 5, version, video, per_file=5)
    made = compose([Part(open_survey(folder), frozenset({1, 2, 4}))], tmp_path / "some")
    source, some = LeRobotDataset(folder), LeRobotDataset(tmp_path / "some")
    for new, old in enumerate((1, 2, 4)):
        same_episode(some, new, source, old)
    assert not unsound(check(tmp_path / "some").findings)
    if version == "v3.0" and video:
        assert made.videos_cut == 2 and made.unused_frames <= 4


@pytest.mark.parametrize("words", [("a", "a"), ("a", "b"), ("a", None), (None, None)])
def test_the_mapping_goes_along_where_all_have_the_same(words, tmp_path):
    folders = [make(tmp_path / str(seed), seed) for seed in (1, 2)]
    for folder, text in zip(folders, words):
        if text is not None:
            (folder / "mapping.yaml").write_text(text)
    compose([whole(open_survey(folder)) for folder in folders], tmp_path / "both")
    assert (tmp_path / "both" / "mapping.yaml").exists() == (words == ("a", "a"))


def test_stale_offsets_are_mended(tmp_path):
    folder = make(tmp_path / "a", 4, 4)

    def stale(rows):
        for row in rows:
            row.update(length=row["length"] + 1, dataset_from_index=row["dataset_from_index"] + 7)

    table(stale)(folder)
    assert unsound(check(folder, 0).findings)
    assert main(["data", "filter", str(folder), "--output", str(tmp_path / "b")]) == 0
    assert not unsound(check(tmp_path / "b").findings)


@pytest.mark.parametrize("stage", range(4))
def test_killed_at_any_point_there_is_the_old_and_nothing_else(stage, tmp_path):
    folder = make(tmp_path / "a", 5, 2)
    before = contents(folder)
    code = f"""
import os, signal, sys
sys.path.insert(0, {BENCHMARKS!r})
from pathlib import Path
from wall_oss_ros.data.checks.survey_tables import open_survey
from wall_oss_ros.data.edits.compose import compose
from wall_oss_ros.data.edits.picks import whole
told = 0
def tell(text):
    global told
    if told == {stage}:
        os.kill(os.getpid(), signal.SIGKILL)
    told += 1
compose([whole(open_survey(Path({str(folder)!r})))], Path({str(tmp_path / "b")!r}), tell=tell)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert contents(folder) == before and not (tmp_path / "b").exists()
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["a"]
    compose([whole(open_survey(folder))], tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_is_not_the_same_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    folder = make(tmp_path / "a", 6, 2)
    monkeypatch.setattr(verify, "source_pictures", lambda *args: np.zeros(1))
    with pytest.raises(WallOSSError, match="not what it was made of"):
        compose([whole(open_survey(folder))], tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_merge_of_what_differs_says_what_differs(tmp_path, capsys):
    a, b = make(tmp_path / "a", 1, 2), tmp_path / "b"
    other = sound(np.random.default_rng(2), 2, 15, shortest=25)
    other.names, other.robot_type = tuple(f"joint_{i}" for i in range(7)), "franka"
    write(other, b)
    assert main(["data", "merge", str(a), str(b), "--output", str(tmp_path / "both")]) == 2
    said = capsys.readouterr().err
    for words in ("fps 30 and 15", "robot_type ur5e and franka", "names of action"):
        assert words in said
    assert main(["data", "merge", str(a), str(a), "--output", str(tmp_path / "both")]) == 2
    assert not (tmp_path / "both").exists()


def test_a_split_has_each_episode_once_and_each_task_in_both(tmp_path):
    folder = make(tmp_path / "a", 7, 12)
    parts = choose.shares(open_survey(folder), {"train": 0.5, "val": 0.5}, 3)
    assert sorted([*parts["train"], *parts["val"]]) == list(range(12))
    assert parts == choose.shares(open_survey(folder), {"train": 0.5, "val": 0.5}, 3)
    assert parts["val"] == {1, 2, 5, 6, 7, 9}  # on every machine
    assert parts != choose.shares(open_survey(folder), {"train": 0.5, "val": 0.5}, 4)
    survey = open_survey(folder)
    for episodes in parts.values():
        assert {task for e in episodes for task in choose.tasks_of(survey, e)} == set(survey.tasks.values())
    output = tmp_path / "split"
    assert main(["data", "split", str(folder), "--episodes", "x=0-1", "y=10-", "--output", str(output)]) == 0
    assert len(LeRobotDataset(output / "x").episodes) == len(LeRobotDataset(output / "y").episodes) == 2


def test_relabel_changes_words_and_joins_what_becomes_the_same(tmp_path):
    content = sound(np.random.default_rng(8), 4, shortest=25)
    content.episodes[1].task = "Put the red cube in the left tray."
    content.subtasks = ["reach", "grsap"]
    for episode in content.episodes:
        episode.columns["subtask_index"] = (np.arange(len(episode)) > 10).astype(np.int64)
    folder = write(content, tmp_path / "a")
    (tmp_path / "words.yaml").write_text('"Put the red cube in the left tray.": put the red cube in the left tray\n')
    (tmp_path / "sub.yaml").write_text("grsap: grasp\n")
    argv = [
        "data",
        "relabel",
        str(folder),
        "--tasks",
        str(tmp_path / "words.yaml"),
        "--subtasks",
        str(tmp_path / "sub.yaml"),
    ]
    assert main([*argv, "--episodes", "3", "--task", "wave", "--output", str(tmp_path / "b")]) == 0
    named = LeRobotDataset(tmp_path / "b")
    assert [named[e].tasks[0] for e in range(4)] == [content.episodes[0].task] * 2 + [content.episodes[2].task, "wave"]
    assert set(named.language(0).subtasks) == {"reach", "grasp"} and len(named.tasks) == 3
    assert (
        main(["data", "relabel", str(folder), "--replace", "no such word", "x", "--output", str(tmp_path / "c")]) == 2
    )


@pytest.mark.parametrize("version", ["v3.0", "v2.1", "v2.0"])
def test_statistics_are_written_right(version, tmp_path):
    folder = make(tmp_path / "a", 9, 3, version, video=False)
    path = folder / ("meta/episodes_stats.jsonl" if version == "v2.1" else "meta/stats.json")
    path.write_text(path.read_text().replace("0.", "1."))
    assert unsound(check(folder, 0).findings)
    assert main(["data", "stats", str(folder), "--write", "--pictures"]) == 0
    assert not unsound(check(folder, 0).findings)


def test_view_writes_a_sheet_and_a_page(tmp_path, capsys):
    folder = make(tmp_path / "a", 10, 3)
    assert (
        main(["data", "view", str(folder), "--sheet", str(tmp_path / "s.png"), "--output", str(tmp_path / "page")]) == 0
    )
    page = (tmp_path / "page/index.html").read_text()
    assert page.count("<details") == 3 and page.count("<video") == 6 and VIEWS[0] in page
    assert (tmp_path / "page/numbers_000002.png").exists() and (tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["data", "view", str(folder), "--episodes", "7", "--sheet", str(tmp_path / "t.png")]) == 2
