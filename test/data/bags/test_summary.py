# SPDX-License-Identifier: Apache-2.0
"""A record at any time of it, and in a few lines: what had been said and seen by then; attempts, holds, corrections."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bag_support import TYPES, Said, Story, new, write
from record_support import PICK, corrected_story

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.bags.record import Record, open_record, picture_topic, prefix_of, profile_of
from wall_oss_ros.data.bags.recorder import EpisodeRecorder
from wall_oss_ros.data.bags.sources import PLAN
from wall_oss_ros.data.bags.writing import Limits
from wall_oss_ros.embedded.cv_bridge import CvBridge
from wall_oss_ros.errors import WallOSSError

VIEW = "/face_camera/color/image_raw"


@pytest.fixture(scope="module")
def corrected(tmp_path_factory):
    """A recording with an edit and a stop."""
    path = tmp_path_factory.mktemp("records") / "corrected"
    story = corrected_story(5000.0)
    asked = new("wall_oss_msgs/msg/Answer", question="where is it?", success=True, answer="in the tray")
    story.extra.append(Said(5001.5, "/wall_oss/answers", "wall_oss_msgs/msg/Answer", asked))
    for one in story.extra:
        if one.topic == "/wall_oss/status":
            one.message.robot = "franka@0123abcd"
    write(path, story)
    return path


def test_what_had_been_said_by_a_time(corrected):
    with Bag(corrected) as bag:
        record = Record(bag, [PLAN, "/joint_states"], [VIEW])
        assert record.place(PLAN, -1.0) == record.place("/nothing", 1.0) == -1
        active = [record.message(PLAN, record.place(PLAN, time)).active for time in (0.3, 1.1, 2.1, 0.3)]
        assert active == [0, 1, 1, 0], "also back in time"
        assert record.message(PLAN, record.place(PLAN, 2.1)).subtasks[1].text == "put it in the right tray"
        assert record.time(PLAN, record.place(PLAN, 1e9)) < record.seconds == pytest.approx(4.0, abs=0.1)
        places = [record.place(VIEW, time) for time in (0.5, 3.5, 1.5)]
        pictures = [record.picture(VIEW, place, None, CvBridge()) for place in places]
    assert [int(picture[0, 0, 0]) for picture in pictures] == [place * 3 % 256 for place in places], "each its own"


def test_a_split_bag_and_one_that_was_cut_are_records_too(tmp_path):
    said = sorted(Story(seconds=6.0).said(), key=lambda one: one.received)
    for name, limits in (("split", Limits(size=50_000)), ("whole.mcap", Limits())):
        recorder = EpisodeRecorder(tmp_path, TYPES, [PLAN], lambda line: None, limits=limits)
        recorder.begin(said[0].received, tmp_path / name)
        for one in said:
            recorder.take(one.topic, one.kind, one.bytes(), one.received)
        recorder.end(said[-1].received)
    content = (tmp_path / "whole.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(content[: int(len(content) * 0.7)])
    for path, seconds in (("split", 6.0), ("cut.mcap", 3.5)):
        with open_record(tmp_path / path, {}) as bag:
            record = Record(bag, [PLAN], [VIEW])
            assert record.seconds == pytest.approx(seconds, abs=1.0)
            place = record.place(VIEW, record.seconds)
            assert int(record.picture(VIEW, place, None, CvBridge())[0, 0, 0]) == place * 3 % 256
            assert bool(record.notes) == path.startswith("cut")


def test_the_robot_and_its_namespace_are_found_in_the_bag(tmp_path, corrected):
    with Bag(corrected) as bag:
        assert profile_of(bag).name == "franka" and prefix_of(bag) == ""
        assert profile_of(bag, "ur").name == "ur", "who names one wins"
        assert picture_topic(bag, VIEW) == VIEW and picture_topic(bag, "/nothing") is None
    write(tmp_path / "plain", Story(seconds=1.0))
    with Bag(tmp_path / "plain") as bag, pytest.raises(WallOSSError, match="does not say which robot"):
        profile_of(bag)
    stranger = new("wall_oss_msgs/msg/ControlStatus", robot="my_arm@1")
    at = "/cell/wall_oss/status", "wall_oss_msgs/msg/ControlStatus"
    write(tmp_path / "other", Story(seconds=1.0, plan=(), extra=[Said(1000.2, *at, stranger)]))
    with Bag(tmp_path / "other") as bag:
        assert prefix_of(bag) in ("/cell", "")
        with pytest.raises(WallOSSError, match="is of 'my_arm', of which nothing is known here"):
            profile_of(bag)


def test_a_record_in_a_few_lines_and_as_json(corrected, capsys):
    assert main(["replay", str(corrected), "--list"]) == 0
    said = capsys.readouterr().out
    for words in (
        "franka", '"put the red cube in the left tray": failure', "late", f"subtask: {PICK}, 0.8 s",
        "edit by person: subtask 1 has other words (Ann)", "stop by person: stopped, 0.5 s",
        "answer by person: where is it? - in the tray",
    ):  # fmt: skip
        assert words in said, words
    assert main(["replay", str(corrected), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (attempt,) = told["attempts"]
    assert (attempt["success"], attempt["judged_by"], attempt["plan"]) == (False, "mark", "failed")
    assert attempt["subtasks"][0]["words"] == PICK and len(attempt["subtasks"]) == 3
    assert [one["kind"] for one in attempt["corrections"]] == ["edit", "stop"]
    np.testing.assert_allclose([one["time"] for one in attempt["corrections"]], [2.0, 2.5], atol=0.05)
    assert told["topics"]["/wall_oss/plan"] == {"type": "wall_oss_msgs/msg/SubtaskPlan", "messages": 4}
    assert told["robot"] == "franka" and told["seconds"] == pytest.approx(4.0, abs=0.1)


def test_what_is_no_record_is_said_in_one_line(tmp_path, capsys, corrected):
    (tmp_path / "text.mcap").write_text("hello")
    (tmp_path / "bags").mkdir()
    for name in ("a", "b"):
        write(tmp_path / "bags" / name, Story(seconds=0.5))
    write(tmp_path / "plain", Story(seconds=0.5))
    for words, why in (
        (["nowhere"], "There is no bag nowhere"),
        ([str(tmp_path / "text.mcap")], "cannot be read as a bag"),
        ([str(tmp_path / "bags")], "holds 2 recordings: a, b. Name one of them"),
        ([str(tmp_path / "plain")], "does not say which robot it is of. Name it: --robot franka"),
        ([str(tmp_path / "plain"), "--list", "--robot", "nobody"], "nobody"),
        ([str(corrected), "--speed", "0"], "no number"),
    ):
        assert main(["replay", *words]) == 2, words
        error = capsys.readouterr().err
        assert why in error and error.count("\n") == 1, error
    assert main(["replay", str(tmp_path / "plain"), "--list"]) == 0
    assert "unknown robot" in capsys.readouterr().out
