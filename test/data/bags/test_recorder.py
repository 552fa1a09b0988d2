# SPDX-License-Identifier: Apache-2.0
"""Episodes are recorded one by one, marked, thrown away; and what was recorded outlasts the recorder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from bag_support import TYPES, Said, Story

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.bags.recorder import EpisodeRecorder, PlannedEpisodes
from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.errors import WallOSSError

PLAN, INSTRUCTION = "/wall_oss/plan", "/wall_oss/instruction"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def recorder(tmp_path, lines) -> EpisodeRecorder:
    return EpisodeRecorder(tmp_path / "bags", TYPES, [PLAN, INSTRUCTION], lines.append)


def feed(recorder: EpisodeRecorder, story: Story) -> list[Said]:
    said = sorted(story.said(), key=lambda one: one.received)
    for one in said:
        recorder.take(one.topic, one.kind, one.bytes(), one.received)
    return said


def test_each_episode_is_a_bag_that_converts(tmp_path, recorder, lines):
    for number, mark in enumerate(("success", "failure", None)):
        begin = 100.0 * (number + 1)
        recorder.begin(begin)
        feed(recorder, Story(seconds=1.5, begin=begin))
        recorder.end(begin + 1.5, mark)
    assert [path.name for path in sorted((tmp_path / "bags").iterdir())] == [f"episode_000{i}" for i in range(3)]
    out = str(tmp_path / "out")
    assert main(["data", "from-bag", str(tmp_path / "bags"), "--robot", "franka", "--output", out]) == 0
    episodes = open_dataset(out).episodes
    assert [one.extra["success"] for one in episodes] == [True, False, None]
    assert "episode_0001: 1.5 s" in "\n".join(lines) and "failure" in "\n".join(lines)


def test_only_what_comes_during_an_episode_is_recorded_but_what_holds_is_known(tmp_path, recorder):
    early = Story(seconds=1.0, begin=10.0)
    feed(recorder, early)
    recorder.begin(20.0)
    recorder.end(20.5)
    with Bag(tmp_path / "bags/episode_0000") as bag:
        messages = list(bag.messages(bag.topics))
    assert {one.topic for one in messages} == {PLAN, INSTRUCTION, "/wall_oss/record"}
    assert {one.received for one in messages} == {20.0}


def test_each_episode_begins_with_what_was_said_once_by_whoever(tmp_path, recorder):
    recorder.repeat("/tf_static")
    recorder.repeat(PLAN)  # of which only the last counts
    text = TYPES.types["std_msgs/msg/String"]
    messages = [
        bytes(TYPES.serialize_cdr(text(data=word), "std_msgs/msg/String")) for word in ("base", "camera", "base")
    ]
    for at, message in enumerate(messages):
        recorder.take("/tf_static", "std_msgs/msg/String", message, 1.0 + at)
    for number in range(100):
        recorder.take(
            PLAN, "std_msgs/msg/String", bytes(TYPES.serialize_cdr(text(data=str(number)), "std_msgs/msg/String")), 5.0
        )
    for begin in (20.0, 30.0):
        recorder.begin(begin)
        recorder.end(begin + 0.5)
    for path in sorted((tmp_path / "bags").iterdir()):
        with Bag(path) as bag:
            told = [(one.topic, bytes(one.data)) for one in bag.messages(bag.topics) if one.topic != "/wall_oss/record"]
        assert [data for topic, data in told if topic == "/tf_static"] == [messages[1], messages[0]]
        assert [topic for topic, _ in told].count(PLAN) == 1


def test_a_discarded_episode_is_gone_and_its_number_is_free(tmp_path, recorder):
    recorder.begin(1.0)
    recorder.discard()
    assert not list((tmp_path / "bags").iterdir())
    recorder.begin(2.0)
    recorder.begin(3.0)  # ends the one before
    recorder.end(4.0)
    assert len(list((tmp_path / "bags").iterdir())) == 2
    recorder.end(5.0)  # nothing to end
    recorder.discard()
    assert len(list((tmp_path / "bags").iterdir())) == 2


def test_a_second_recorder_goes_on_counting(tmp_path, recorder):
    recorder.begin(1.0)
    recorder.end(2.0)
    other = EpisodeRecorder(tmp_path / "bags", TYPES, [], print)
    other.begin(3.0)
    other.end(4.0)
    assert {path.name for path in (tmp_path / "bags").iterdir()} == {"episode_0000", "episode_0001"}


def test_an_unknown_type_is_said_once_and_leaves_the_rest(recorder, lines):
    recorder.begin(1.0)
    for _ in range(3):
        recorder.take("/strange", "my_msgs/msg/Thing", b"\0\1\0\0", 1.0)
    feed(recorder, Story(seconds=0.2))
    recorder.end(2.0)
    assert sum("my_msgs/msg/Thing" in line for line in lines) == 1 and recorder.count > 10


def test_where_nothing_can_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WallOSSError, match="Nothing can be recorded"):
        EpisodeRecorder(tmp_path / "file", TYPES, [], print)


def test_a_plan_makes_an_episode(recorder, tmp_path, lines):
    planned = PlannedEpisodes(recorder)
    for number, status in ((0, 1), (1, 0), (1, 1), (1, 1), (1, 2), (1, 2), (2, 1), (2, 4), (3, 5)):
        planned.hear("planner", number, status, 1.0)
    assert [line.split()[1] for line in lines if line.startswith("recording")] == ["episode_0000", "episode_0001"]
    assert sum("success" in line for line in lines) == 1 and sum("failure" in line for line in lines) == 1


_PROGRAM = """
import sys, time
from pathlib import Path
from bag_support import TYPES, Story
from wall_oss_ros.data.bags.recorder import EpisodeRecorder
recorder = EpisodeRecorder(Path(sys.argv[1]), TYPES, [], lambda line: None)
recorder.begin(1000.0)
for one in sorted(Story(seconds=6.0).said(), key=lambda one: one.received):
    recorder.take(one.topic, one.kind, one.bytes(), one.received)
print("recorded", flush=True)
time.sleep(600)
"""


def test_what_was_recorded_outlasts_a_recorder_that_is_killed(tmp_path):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path / "bags")], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert program.stdout.readline() == "recorded\n"
    program.send_signal(signal.SIGKILL)
    program.wait()
    bag = tmp_path / "bags/episode_0000"
    assert not (bag / "metadata.yaml").exists()
    command = ["data", "from-bag", str(bag), "--robot", "franka", "--output", str(tmp_path / "out")]
    assert main(command) == 0
    assert open_dataset(tmp_path / "out").episodes[0].length >= 45  # of 59: all but the last second


def test_topics_of_a_robot_are_printed_for_other_recorders(capsys):
    assert main(["record", "--robot", "dual_arm", "--namespace", "cell", "--topics"]) == 0
    topics = capsys.readouterr().out.split()
    assert {"/cell/joint_states", "/cell/wall_oss/gripper_commands", "/cell/zed/zed_node/left/image_rect_color"} <= set(
        topics
    )
    assert "/cell/wall_oss/observation" not in topics


def test_where_to_record_must_be_said(capsys):
    assert main(["record", "--robot", "franka"]) == 2
    assert "--output" in capsys.readouterr().err
