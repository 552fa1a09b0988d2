# SPDX-License-Identifier: Apache-2.0
"""Writing LeRobot datasets: what went in comes out, and nothing that does not fit goes in."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from lerobot_support import HEIGHT, LENGTHS, TASKS, VIEW, WIDTH, picture, whose

from wall_oss_ros.data.lerobot import (
    Branches,
    Entry,
    EpisodeData,
    Feature,
    LeRobotWriter,
    branch_features,
    open_dataset,
)
from wall_oss_ros.errors import WallOSSError

WORDS = ("subtask_index", "language_persistent", "language_events")


def features(view="video") -> dict[str, Feature]:
    return {
        "observation.state": Feature("float32", (3,), ("episode", "row", "x")),
        "action": Feature("float32", (2,), ("a", "gripper")),
        "contact": Feature("bool", (1,), None),
        "pose": Feature("float64", (2, 3), None),
        "note": Feature("string", (1,), None),
        **({VIEW: Feature(view, (HEIGHT, WIDTH, 3), ("height", "width", "channels"))} if view else {}),
    }


def episode(index: int, length: int, view="video", **changes) -> EpisodeData:
    rows = np.arange(length)
    columns = {
        "observation.state": np.stack([np.full(length, index), rows, np.full(length, 0.5)], axis=1),
        "action": np.stack([index + 0.01 * rows, rows >= length / 2], axis=1),
        "contact": rows % 2 == 0,
        "pose": np.full((length, 2, 3), index + 0.25),
        "note": [f"{index}/{row}" for row in rows],
    }
    given = {
        "columns": columns | changes.pop("columns", {}),
        "pictures": {VIEW: (picture(index, row) for row in rows)} if view else {},
        "task": TASKS[index % 2],
        "extra": {"success": bool(index % 2)},
    }
    return EpisodeData(**(given | changes))


def check_whole(folder, lengths=LENGTHS, view="video") -> None:
    dataset = open_dataset(folder)
    dataset.verify()
    assert [e.length for e in dataset.episodes] == list(lengths)
    for index, length in enumerate(lengths):
        found = dataset.columns(index)
        rows = np.arange(length)
        assert (found["observation.state"] == np.stack([rows * 0 + index, rows, rows * 0 + 0.5], axis=1)).all()
        assert (found["contact"] == (rows % 2 == 0)).all() and found["contact"].dtype == bool
        assert (found["pose"] == index + 0.25).all() and found["pose"].shape == (length, 2, 3)
        assert found["note"].tolist() == [f"{index}/{row}" for row in rows]
        assert (found["index"] == rows + sum(lengths[:index])).all()
        if view:
            assert [whose(one) for one in dataset.pictures(VIEW, index)] == [(index, row) for row in rows]
        if view == "image":
            assert (dataset.pictures(VIEW, index, [length - 1])[0] == picture(index, length - 1)).all()


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
@pytest.mark.parametrize("view, codec", [("video", "h264"), ("video", "av1"), ("image", "h264"), (None, "h264")])
def test_what_went_in_comes_out(tmp_path, version, view, codec):
    folder = tmp_path / "set"
    with LeRobotWriter(folder, 15, features(view), "panda", version, codec=codec) as writer:
        for index, length in enumerate(LENGTHS[:2]):
            assert writer.add(episode(index, length, view)) == index
            check_whole(folder, LENGTHS[: index + 1], view)
    with LeRobotWriter(folder, append=True, codec=codec) as writer:
        assert len(writer) == 2
        for index, length in list(enumerate(LENGTHS))[2:]:
            assert writer.add(episode(index, length, view)) == index
    check_whole(folder, view=view)
    dataset = open_dataset(folder)
    assert (dataset.version, dataset.robot_type, dataset.fps) == (version, "panda", 15)
    assert [e.extra["success"] for e in dataset.episodes] == [False, True, False, True]
    info = json.loads((folder / "meta/info.json").read_text())
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (4, sum(LENGTHS), 2)
    assert not list(folder.rglob("*.unfinished"))


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_branches_of_a_frame_have_a_place(tmp_path, version):
    """As docs/how-to/datasets.md lays them out."""
    rng = np.random.default_rng(0)
    action = rng.normal(size=(5, 3, 4, 2)).astype(np.float32)
    known = rng.random((5, 3, 4)) < 0.5
    texts = [[TASKS[0], "wipe", None]] * 4 + [[None, "fold", "wipe"]]
    subtasks = [["reach", None, "lift"]] * 5
    given = Branches(texts, subtasks, action, known, np.full((5, 3), 0.5))
    own = {**features(None), **branch_features(3, 4, features()["action"])}
    with LeRobotWriter(tmp_path / "set", 15, own, version=version, language=("subtask_index",)) as writer:
        with pytest.raises(WallOSSError, match="has no branches"):
            writer.add(episode(0, 5, None))
        for wrong, words in (
            (given._replace(action=action[:, :2]), r"branches.action has the shape \(5, 2, 4, 2\); \(5, 3, 4, 2\)"),
            (given._replace(tasks=texts[:3]), "tasks of its branches are not 5 rows of 3"),
            (given._replace(subtasks=[["reach", " ", None]] * 5), "texts that say something, or None"),
            (given._replace(weight=np.full((5, 3), -1.0)), "branches.weight is below 0"),
            (given._replace(action=np.full((5, 3, 4, 2), np.nan)), "no finite number"),
        ):
            with pytest.raises(WallOSSError, match=words):
                writer.add(episode(0, 5, None, branches=wrong))
        writer.add(episode(0, 5, None, branches=given, subtasks=["reach"] * 5))
    dataset = open_dataset(tmp_path / "set")
    found = dataset.columns(0)
    numbers, called = found["branches.task_index"], found["branches.subtask_index"]
    assert [[dataset.tasks.get(int(n)) for n in row] for row in numbers] == texts
    assert [[dataset.subtasks.get(int(n)) for n in row] for row in called] == subtasks
    assert (found["branches.action"] == action).all() and (found["branches.known"] == known).all()
    assert not [key for key in dataset.episode_statistics[0] if key.startswith("branches.")]
    with LeRobotWriter(tmp_path / "plain", 15, features(None)) as writer, pytest.raises(WallOSSError, match="no place"):
        writer.add(episode(0, 5, None, branches=given))


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_words_of_both_generations(tmp_path, version):
    subtasks = ["reach"] * 4 + [None] * 2 + ["lift"] * 6
    said = Entry("user", "the red one, please", "interjection")
    asked = Entry("user", "what is held?", "vqa", None, VIEW)
    calls = Entry("assistant", None, None, tool_calls=({"function": {"name": "say"}},))
    plan = Entry("assistant", "reach, lift", "plan", 0.0)
    for words in (WORDS, WORDS[:1], WORDS[1:]):
        folder = tmp_path / "-".join(words)
        events = [(3, said), (3, asked), (5, calls)] if len(words) > 1 else []
        persistent = [plan] if len(words) > 1 else []
        with LeRobotWriter(folder, 15, features(), version=version, language=words) as writer:
            writer.add(episode(0, 12, subtasks=subtasks, events=events, persistent=persistent))
            writer.add(episode(1, 3))
        dataset = open_dataset(folder)
        language = dataset.language(0)
        assert language.subtasks == tuple(subtasks)
        assert language.events == tuple(events) and [e for e in language.persistent if e.style == "plan"] == persistent
        assert dataset.language(1) == ((None,) * 3, (), ())


def test_statistics_are_those_of_the_data(tmp_path):
    rng = np.random.default_rng(0)
    lengths, columns = (400, 30, 1, 250), []
    for folder, append in ((tmp_path / "one", False), (tmp_path / "two", True)):
        rng = np.random.default_rng(0)
        columns = [rng.normal(index, 1 + index, (length, 2)) for index, length in enumerate(lengths)]
        for part in (columns,) if not append else (columns[:2], columns[2:]):
            with LeRobotWriter(folder, 15, {"action": Feature("float64", (2,), None)}, append=append) as writer:
                for values in part:
                    writer.add(EpisodeData({"action": values}, task="move"))
        whole = np.concatenate(columns)
        found = open_dataset(folder).statistics["action"]
        quantiles = np.quantile(whole, [0.01, 0.1, 0.5, 0.9, 0.99], axis=0)
        for name, value in zip(("q01", "q10", "q50", "q90", "q99"), quantiles):
            assert np.allclose(found[name], value)
        for name in ("min", "max", "mean", "std"):
            assert np.allclose(found[name], getattr(whole, name)(axis=0))
        assert found["count"] == [681]
        of_episode = open_dataset(folder).episode_statistics[1]["action"]
        assert np.allclose(of_episode["q90"], np.quantile(columns[1], 0.9, axis=0))


WRONG = {
    "a column is missing": ({"columns": None}, "missing"),
    "a shape": ({"columns": {"action": np.zeros((5, 3))}}, r"shape \(5, 3\)"),
    "a length": ({"columns": {"action": np.zeros((4, 2))}}, "4 frames"),
    "ragged": ({"columns": {"action": [[0.0], [0.0, 1.0], [0.0], [0.0], [0.0]]}}, "different shapes"),
    "a type": ({"columns": {"action": np.array([["a", "b"]] * 5)}}, "type <U1"),
    "no number": ({"columns": {"action": np.full((5, 2), np.nan)}}, "no finite number"),
    "too large a number": ({"columns": {"action": np.full((5, 2), 1e300)}}, "no finite number"),
    "no bool": ({"columns": {"contact": np.arange(5)}}, "type int64"),
    "no texts": ({"columns": {"note": [1, 2, 3, 4, 5]}}, "text for each frame"),
    "an unknown column": ({"columns": {"other": np.zeros(5)}}, "other unknown"),
    "no time": ({"columns": {"timestamp": [0, 0.1, 0.1, 0.2, 0.3]}}, "do not rise"),
    "time is no number": ({"columns": {"timestamp": [0, 0.1, np.nan, 0.2, 0.3]}}, "no finite number"),
    "no view": ({"pictures": {}}, "missing"),
    "too few frames": ({"pictures": {VIEW: [picture(0, 0)] * 4}}, "4 frames"),
    "too few frames one by one": ({"pictures": {VIEW: lambda: iter([picture(0, 0)] * 4)}}, "4 frames"),
    "too many frames one by one": ({"pictures": {VIEW: lambda: iter([picture(0, 0)] * 6)}}, "more than 5"),
    "a frame of another size": ({"pictures": {VIEW: [picture(0, 0)] * 4 + [picture(0, 0)[:-2]]}}, r"frame 4 is uint8"),
    "frames of numbers": ({"pictures": {VIEW: np.zeros((5, HEIGHT, WIDTH, 3))}}, "float64"),
    "no task": ({"task": ""}, "task is ''"),
    "tasks of some frames": ({"task": ["a", "b"]}, "each of 5 frames"),
    "subtasks nowhere to be kept": ({"subtasks": ["a"] * 5}, "no place"),
    "events nowhere to be kept": ({"events": [(0, Entry("user", "stop", "interjection"))]}, "lacks"),
    "an extra that is a folder": ({"extra": {"stats/x": 1}}, "cannot be named"),
    "an extra that is no number": ({"extra": {"success": float("nan")}}, "success holds nan"),
    "an extra of another type": ({"extra": {"success": "yes"}}, "bool so far"),
}


@pytest.mark.parametrize("view", ["video", "image"])
@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_and_nothing_changes(tmp_path, name, view):
    changes, said = WRONG[name]
    folder = tmp_path / "set"
    with LeRobotWriter(folder, 15, features(view)) as writer:
        writer.add(episode(0, 5, view))
        good = episode(1, 5, view)
        columns = good.columns | (changes.get("columns") or {})
        if changes.get("columns", 0) is None:
            del columns["action"]
        given = {key: value for key, value in changes.items() if key != "columns"}
        if callable(made := given.get("pictures", {}).get(VIEW)):
            given["pictures"] = {VIEW: made()}
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(WallOSSError, match=said):
            writer.add(EpisodeData(**({**vars(good), "columns": columns} | given)))
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        assert writer.add(episode(1, 3, view)) == 1
    check_whole(folder, (5, 3), view)


def test_a_place_that_is_taken_is_left_alone(tmp_path):
    folder = tmp_path / "set"
    with LeRobotWriter(folder, 15, features()) as writer:
        writer.add(episode(0, 3))
        with pytest.raises(WallOSSError, match="Another process"):
            LeRobotWriter(folder, append=True)
    with pytest.raises(WallOSSError, match="already"):
        LeRobotWriter(folder, 15, features())
    with pytest.raises(WallOSSError, match="30 frames a second|15 frames a second"):
        LeRobotWriter(folder, 30, features(), append=True)
    with pytest.raises(WallOSSError, match="action"):
        LeRobotWriter(folder, 15, {**features(), "action": Feature("float32", (7,), None)}, append=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("all of it")
    with pytest.raises(WallOSSError, match="not empty"):
        LeRobotWriter(tmp_path / "other", 15, features(), append=True)
    check_whole(folder, (3,))


@pytest.mark.parametrize(
    "key, feature, said",
    [
        ("../../etc", Feature("video", (4, 4, 3), None), "named"),
        ("a", Feature("video", (5, 4, 3), None), "even"),
        ("a", Feature("image", (5, 4, 1), None), "channels"),
        ("a", Feature("complex64", (1,), None), "dtype"),
        ("a", Feature("float32", (0,), None), "shape"),
    ],
)
def test_features_that_cannot_be_are_refused(tmp_path, key, feature, said):
    with pytest.raises(WallOSSError, match=said):
        LeRobotWriter(tmp_path / "set", 15, {key: feature})
    with LeRobotWriter(tmp_path / "set", 15, features(), append=True) as writer:  # nothing is in the way
        writer.add(episode(0, 2))


def test_rates_and_times_of_ones_own(tmp_path):
    times = np.array([0.0, 0.031, 0.07, 0.09, 0.15])
    with LeRobotWriter(tmp_path / "set", 29.97, features()) as writer:
        writer.add(episode(0, 12))
        writer.add(episode(1, 5, columns={"timestamp": times}))
        writer.add(episode(2, 20))
    check_whole(tmp_path / "set", (12, 5, 20))
    dataset = open_dataset(tmp_path / "set")
    assert dataset.fps == 29.97 and np.allclose(dataset.columns(1)["timestamp"], times)


def test_a_failure_of_the_pictures_leaves_all_as_it_was(tmp_path):
    def broken():
        yield picture(1, 0)
        raise RuntimeError("the camera is gone")

    with LeRobotWriter(tmp_path / "set", 15, features()) as writer:
        writer.add(episode(0, 3))
        with pytest.raises(RuntimeError):
            writer.add(episode(1, 3, pictures={VIEW: broken()}))
        assert not list((tmp_path / "set").rglob("*.unfinished"))
        writer.add(episode(1, 4))
    check_whole(tmp_path / "set", (3, 4))


ENDLESS = """
import sys
sys.path.insert(0, sys.argv[3])
from test_writing import episode, features
from wall_oss_ros.data.lerobot import LeRobotWriter
with LeRobotWriter(sys.argv[1], 15, features(sys.argv[2]), version=sys.argv[4], append=True) as writer:
    print(len(writer), flush=True)
    while True:
        index = len(writer)
        writer.add(episode(index % 4, 3 + index % 5, sys.argv[2]))
        print(index, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
@pytest.mark.parametrize("view", ["video", "image"])
def test_killed_at_any_point_the_whole_episodes_are_there(tmp_path, version, view):
    """Over and over, on the same dataset: what was written before is not lost either."""
    draw, folder, here = random.Random(version + view), tmp_path / "set", os.path.dirname(__file__)
    path = os.pathsep.join([os.getcwd(), os.path.join(os.getcwd(), "test")])
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, folder, view, here, version],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        done = int(process.stdout.readline())
        for _ in range(draw.randrange(1, 4)):
            done = int(process.stdout.readline()) + 1
        time.sleep(draw.uniform(0, 0.1))  # anywhere in the next one
        process.send_signal(signal.SIGKILL)
        done = max([done, *(int(line) + 1 for line in process.communicate()[0].split())])
        dataset = open_dataset(folder)
        assert done <= len(dataset.episodes) <= done + 1
        for one in dataset.episodes:
            assert one.length == 3 + one.index % 5
            assert (dataset.columns(one.index)["observation.state"][:, 1] == np.arange(one.length)).all()
            found = [whose(pixels) for pixels in dataset.pictures(VIEW, one.index)]
            assert found == [(one.index % 4, row) for row in range(one.length)]
    with LeRobotWriter(folder, append=True) as writer:
        writer.add(episode(len(writer) % 4, 3 + len(writer) % 5, view))
    rows = sum(pq.read_metadata(path).num_rows for path in (folder / "data").rglob("*.parquet"))
    assert rows == len(open_dataset(folder)) and not list(folder.rglob("*.unfinished"))
