# SPDX-License-Identifier: Apache-2.0
"""lerobot itself as the judge: it opens what we write, and we what it writes, each frame and number equal.

Where the variable LEROBOT_PYTHON names the Python of an environment with lerobot 0.4.4 or later;
docs/how-to/datasets.md tells how to make one. Words as lerobot 0.6 keeps them are judged in test_peers_language.py.
"""

from pathlib import Path

import numpy as np
import pytest
from lerobot_judge import MARKS, compare, knows_language, peer
from lerobot_support import LENGTHS, TASKS, VIEW, picture

from wall_oss_ros.data.lerobot import (
    Branches,
    Entry,
    EpisodeData,
    Feature,
    LeRobotWriter,
    branch_features,
    open_dataset,
)

pytestmark = MARKS


def write(folder: Path, view: str, version: str, codec: str) -> None:
    features = {
        "observation.state": Feature("float32", (3,), None),
        "contact": Feature("bool", (1,), None),
        "pose": Feature("float64", (2, 3), None),
        VIEW: Feature(view, picture(0, 0).shape, ("height", "width", "channels")),
    }
    noise = np.random.default_rng(0)
    words = ("subtask_index",) if version == "v3.0" else ()
    for members in ((0, 1), (2, 3)):  # in two sessions
        with LeRobotWriter(folder, 15, features, "panda", version, append=True, codec=codec, language=words) as writer:
            for index in members:
                length = LENGTHS[index]
                columns = {
                    "observation.state": noise.normal(size=(length, 3)),
                    "contact": noise.random(length) < 0.5,
                    "pose": noise.normal(size=(length, 2, 3)),
                }
                pixels = [
                    (picture(index, row) + noise.integers(0, 20, picture(0, 0).shape)).astype(np.uint8)
                    for row in range(length)
                ]
                subtasks = (["reach", "lift", None] * 7)[:length] if words else None
                writer.add(
                    EpisodeData(columns, {VIEW: pixels}, TASKS[index % 2], subtasks, extra={"success": bool(index)})
                )


@pytest.mark.parametrize("view, codec", [("image", "h264"), ("video", "h264"), ("video", "av1")])
def test_lerobot_opens_what_is_written_here(tmp_path, view, codec):
    write(tmp_path / "set", view, "v3.0", codec)
    compare(tmp_path / "set", tmp_path)


@pytest.mark.parametrize("view, codec", [("image", "h264"), ("video", "h264")])
def test_its_converter_takes_what_is_written_here_as_v21(tmp_path, view, codec):
    write(tmp_path / "nobody/set", view, "v2.1", codec)
    before = open_dataset(tmp_path / "nobody/set")
    pictures = [before.pictures(VIEW, episode.index) for episode in before.episodes]
    peer("convert", tmp_path / "nobody/set")
    compare(tmp_path / "nobody/set", tmp_path)
    after = open_dataset(tmp_path / "nobody/set")
    assert after.version == "v3.0"
    for episode, pixels in zip(after.episodes, pictures):
        assert (after.pictures(VIEW, episode.index) == pixels).all()


@pytest.mark.parametrize("view", ["image", "video"])
def test_what_lerobot_writes_opens_here_and_is_appended_to(tmp_path, view):
    peer("write", tmp_path / "set", view)
    compare(tmp_path / "set", tmp_path)
    with LeRobotWriter(tmp_path / "set", append=True) as writer:
        columns = {"observation.state": np.zeros((9, 3)), "action": np.zeros((9, 2))}
        assert writer.add(EpisodeData(columns, {VIEW: [picture(1, row) for row in range(9)]}, TASKS[1])) == 4
    compare(tmp_path / "set", tmp_path)


@pytest.mark.parametrize("questions", [False, pytest.param(True, marks=knows_language())])
def test_lerobot_opens_branches_and_questions(tmp_path, questions):
    """What is not LeRobot's own: several motions a frame; and, from 0.6 on, several questions a frame as well."""
    action, noise, length = Feature("float32", (2,), None), np.random.default_rng(1), 11
    features = {"action": action, VIEW: Feature("video", picture(0, 0).shape, ("height", "width", "channels"))}
    features |= branch_features(3, 4, action)
    words = ("subtask_index", *(("language_events", "language_events.further") if questions else ()))
    with LeRobotWriter(tmp_path / "set", 15, features, "panda", language=words) as writer:
        for index in range(2):
            branches = Branches(
                [["close the drawer", "open the drawer", None]] * length,
                [["reach", None, None]] * length,
                noise.normal(size=(length, 3, 4, 2)),
                noise.random((length, 3, 4)) < 0.5,
                noise.random((length, 3)),
            )
            asked = [
                (row, Entry(who, text, "vqa", None, VIEW))
                for row in (0, length - 1)
                for thing in ("hand", "tray")
                for who, text in (("user", f"Point to the {thing}."), ("assistant", "<point>[3, 4]</point>"))
            ]
            writer.add(
                EpisodeData(
                    {"action": noise.normal(size=(length, 2))},
                    {VIEW: [picture(index, row) for row in range(length)]},
                    TASKS[0],
                    ["reach"] * length,
                    events=asked if questions else (),
                    branches=branches,
                )
            )
    compare(tmp_path / "set", tmp_path)
