# SPDX-License-Identifier: Apache-2.0
"""Bags with something wrong: read as far as they are whole, or refused in one line that says what and where."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bag_support import FRANKA, Said, Story, header, image, new, write
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2.storage_sqlite3 import apsw

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.lerobot import open_dataset

VIEW, JOINTS = FRANKA.views[0].image_topic, FRANKA.joint_states
SHORT = Story(seconds=1.5)
NOISE = [  # so that a file has several chunks
    Said(1000.0 + second / 10, "/noise", "std_msgs/msg/String", new("std_msgs/msg/String", data=100_000 * "."))
    for second in range(120)
]


@pytest.fixture
def convert(tmp_path, capsys) -> Callable[..., tuple[int, str]]:
    def run(*bags: Path, **options: str) -> tuple[int, str]:
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        robot = [] if "robot" in options else ["--robot", "franka"]
        status = main(["data", "from-bag", *map(str, bags), "--output", str(tmp_path / "out"), *robot, *words])
        captured = capsys.readouterr()
        said = captured.out + captured.err
        assert "Traceback" not in said
        return status, said

    return run


def rows(tmp_path: Path) -> int:
    return sum(one.length for one in open_dataset(tmp_path / "out").episodes)


@pytest.mark.parametrize("share", [0.4, 0.8, 0.99])
def test_a_bag_whose_recorder_was_killed_is_read_as_far_as_it_is_whole(tmp_path, convert, share):
    bag = write(tmp_path / "bag", Story(seconds=12.0, extra=NOISE))
    (bag / "metadata.yaml").unlink()
    file = bag / "bag.mcap"
    os.truncate(file, int(file.stat().st_size * share))
    status, said = convert(bag)
    assert status == 0, said
    assert "metadata.yaml is missing" in said and "was cut off" in said
    assert 20 < rows(tmp_path) < 120


def test_a_file_that_ends_in_zeros_is_read_as_far_as_it_is_whole(tmp_path, convert):
    bag = write(tmp_path / "bag", Story(seconds=12.0, extra=NOISE))
    file = bag / "bag.mcap"
    os.truncate(file, file.stat().st_size // 2)
    os.truncate(file, 2 * file.stat().st_size)
    status, said = convert(bag)
    assert status == 0, said
    assert 20 < rows(tmp_path) < 120


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_metadata_may_be_missing(tmp_path, convert, storage):
    bag = write(tmp_path / "bag", SHORT, storage)
    (bag / "metadata.yaml").unlink()
    assert convert(bag)[0] == 0
    assert rows(tmp_path) == 14


def test_a_database_with_the_journal_of_a_killed_recorder_is_read_with_it(tmp_path, convert):
    bag = write(tmp_path / "bag", SHORT, StoragePlugin.SQLITE3)
    file, copy = bag / "bag.db3", tmp_path / "copy"
    database = apsw.Connection(str(file))
    database.execute("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;")
    database.execute("UPDATE messages SET timestamp = timestamp + 0")
    shutil.copytree(bag, copy)  # as it lies there before it is closed
    database.close()
    assert (copy / "bag.db3-wal").stat().st_size
    assert convert(copy)[0] == 0
    assert rows(tmp_path) == 14


def test_split_files_are_one_episode_in_their_natural_order(tmp_path, convert):
    bag = tmp_path / "bag"
    bag.mkdir()
    for index in range(11):
        part = Story(seconds=0.5, begin=10.0 + 0.5 * index, instruction="go" if not index else "", plan=())
        shutil.move(write(tmp_path / f"part_{index}", part) / f"part_{index}.mcap", bag / f"bag_{index}.mcap")
    status, said = convert(bag, gaps="refuse")
    assert status == 0, said
    assert rows(tmp_path) == 54


def test_files_that_metadata_names_must_be_there(tmp_path, convert):
    bag = write(tmp_path / "bag", SHORT)
    (bag / "bag.mcap").rename(bag / "other.mcap")
    status, said = convert(bag)
    assert status == 2 and "bag.mcap of its metadata.yaml is missing" in said


@pytest.mark.parametrize("name", ["empty.mcap", "noise.mcap", "noise.db3", "old.bag", "notes.txt"])
def test_what_is_no_bag_is_refused_in_one_line(tmp_path, convert, name):
    file = tmp_path / name
    file.write_bytes(b"" if "empty" in name else os.urandom(4096))
    status, said = convert(file)
    assert status == 2
    assert name in said and len(said.splitlines()) <= 2


def test_a_damaged_bag_does_not_keep_others_out(tmp_path, convert):
    good, bad = write(tmp_path / "good", SHORT), write(tmp_path / "bad", Story(begin=5.0))
    file = bad / "bad.mcap"
    content = bytearray(file.read_bytes())
    content[2000:200_000] = b"\xff" * 198_000
    file.write_bytes(content)
    status, said = convert(good, bad)
    assert status == 1 and "1 refused" in said and "bad" in said
    assert rows(tmp_path) == 14
    assert convert(good, bad)[0] == 1  # and it is remembered


def without(topic: str) -> Callable[[list[Said]], list[Said]]:
    return lambda said: [one for one in said if one.topic != topic]


@pytest.mark.parametrize("topic, words", [
    (VIEW, f"has no topic {VIEW} for the pictures of face_view; of that type there is /right_wrist"),
    (JOINTS, f"has no topic {JOINTS} for joint states; of that type there is /wall_oss/gripper_commands"),
    (FRANKA.command.topic, f"has no topic {FRANKA.command.topic} for the arm's commands"),
    ("/wall_oss/gripper_commands", "no commands of the arm's gripper"),
])  # fmt: skip
def test_a_topic_that_is_absent_is_named(tmp_path, convert, topic, words):
    status, said = convert(write(tmp_path / "bag", SHORT, change=without(topic)))
    assert status == 2 and words in said


def test_another_robots_joints_are_named(tmp_path, convert):
    def panda(said: list[Said]) -> list[Said]:
        for one in said:
            if one.topic == JOINTS:
                one.message.name = [name.replace("fr3", "panda") for name in one.message.name]
        return said

    bag = write(tmp_path / "bag", SHORT, change=panda)
    status, said = convert(bag)
    assert status == 2 and "another robot's: panda_joint1" in said and "fr3_joint1 was expected" in said
    mapping = tmp_path / "topics.yaml"
    names = [*FRANKA.arm.joints, *FRANKA.gripper.joints]
    mapping.write_text("joints: {" + ", ".join(f"{name.replace('fr3', 'panda')}: {name}" for name in names) + "}")
    assert convert(bag, mapping=str(mapping))[0] == 0


def test_a_gap_is_reported_with_topic_and_time_and_cut_if_that_is_asked_for(tmp_path, convert):
    def silent(said: list[Said]) -> list[Said]:
        return [one for one in said if not (one.topic == VIEW and 1002.0 < one.received < 1003.0)]

    bag = write(tmp_path / "bag", Story(seconds=6.0), change=silent)
    status, said = convert(bag)
    assert status == 2 and f"face_view ({VIEW}): nothing from 1.93 to 3.00 s" in said
    status, said = convert(bag, gaps="cut")
    assert status == 0
    episodes = open_dataset(tmp_path / "out").episodes
    assert [one.extra["recording_begin"] for one in episodes] == pytest.approx([0.0, 2.9])
    assert [one.length for one in episodes] == [21, 30]


def test_stamps_of_zero_are_left_out_and_refused_where_there_are_no_others(tmp_path, convert):
    def zero(some: slice) -> Callable[[list[Said]], list[Said]]:
        def change(said: list[Said]) -> list[Said]:
            for one in [one for one in said if one.topic == JOINTS][some]:
                one.message.header = header(0.0)
            return said

        return change

    status, said = convert(write(tmp_path / "some", SHORT, change=zero(slice(10, 15))))
    assert status == 0 and "5 messages left out: without a time stamp" in said
    status, said = convert(write(tmp_path / "all", Story(begin=7.0), change=zero(slice(None))))
    assert status == 2 and JOINTS in said and "have no time stamps" in said and "--time receive" in said


def test_numbers_that_are_none_are_left_out_and_counted(tmp_path, convert):
    def poisoned(said: list[Said]) -> list[Said]:
        for one in [one for one in said if one.topic == JOINTS][20:23]:
            one.message.position[2] = np.nan
        for one in [one for one in said if one.topic == FRANKA.command.topic][5:7]:
            one.message.points[0].positions[0] = np.inf
        return said

    status, said = convert(write(tmp_path / "bag", SHORT, change=poisoned))
    assert status == 0
    assert "3 messages left out: joint states: the position of fr3_joint3 is not a finite number" in said
    assert "2 messages left out: a number is not finite" in said
    columns = open_dataset(tmp_path / "out").columns(0)
    assert np.isfinite(columns["observation.state"]).all() and np.isfinite(columns["action"]).all()


def test_stamps_that_repeat_or_go_back_are_reported(tmp_path, convert):
    def muddled(said: list[Said]) -> list[Said]:
        joints = [one for one in said if one.topic == JOINTS]
        joints[31].message.header = joints[30].message.header
        views = [one for one in said if one.topic == VIEW]
        views[8].message.header, views[9].message.header = views[9].message.header, views[8].message.header
        views[12].message.header = views[11].message.header
        return said

    status, said = convert(write(tmp_path / "bag", SHORT, change=muddled))
    assert status == 0
    assert "1 messages came out of order" in said and "1 messages with the stamp of another one" in said
    assert "1 messages left out: with the stamp of the one before" in said  # of the joints


def test_views_of_another_clock_are_refused(tmp_path, convert):
    def apart(said: list[Said]) -> list[Said]:
        for one in said:
            if one.topic == VIEW:
                one.message.header = header(one.received + 5e4)
        return said

    status, said = convert(write(tmp_path / "bag", SHORT, change=apart))
    assert status == 2 and "different clocks" in said and VIEW in said


def test_a_type_that_nobody_knows_is_named(tmp_path, convert):
    bag = write(tmp_path / "bag", SHORT, StoragePlugin.SQLITE3)
    database = apsw.Connection(str(bag / "bag.db3"))
    database.execute("DELETE FROM message_definitions")
    assert convert(bag)[0] == 0  # all of these are known here
    database.execute(f"UPDATE topics SET type = 'my_msgs/msg/Cam' WHERE name = '{VIEW}'")
    (bag / "metadata.yaml").unlink()
    database.close()
    status, said = convert(bag)
    assert status == 2 and f"{VIEW} is of type my_msgs/msg/Cam; sensor_msgs/msg/Image" in said


def test_broken_pictures_are_stood_for_by_the_one_before_and_counted(tmp_path, convert):
    def torn(said: list[Said]) -> list[Said]:
        for one in [one for one in said if one.topic == f"{VIEW}/compressed"][6:8]:
            one.message.data = one.message.data[:50]
        return said

    status, said = convert(write(tmp_path / "bag", Story(seconds=1.5, compressed=True), change=torn), fps="15")
    assert status == 0 and "2 broken pictures, the one before stands for each" in said

    def black(said: list[Said]) -> list[Said]:
        for one in said:
            if one.topic == VIEW:
                one.message.encoding = "16UC1"
        return said

    status, said = convert(write(tmp_path / "depth", SHORT, change=black))
    assert status == 2 and "encoding 16UC1 has no colours" in said


def test_pictures_that_change_their_size_are_refused_and_others_kept(tmp_path, convert):
    def grown(said: list[Said]) -> list[Said]:
        for one in [one for one in said if one.topic == VIEW][10:]:
            one.message = image(np.zeros((4, 4, 3), np.uint8), one.received)
        return said

    good, bad = write(tmp_path / "a", SHORT), write(tmp_path / "b", Story(seconds=1.5, begin=3.0), change=grown)
    last = write(tmp_path / "c", Story(seconds=1.5, begin=4.0))
    status, said = convert(good, bad, last)
    assert status == 1 and "change their size" in said
    assert [one.extra["recording"] for one in open_dataset(tmp_path / "out").episodes] == ["a", "c"]


def test_bags_that_differ_do_not_become_one_dataset(tmp_path, convert):
    def bigger(said: list[Said]) -> list[Said]:
        for one in said:
            if one.topic == VIEW:
                one.message = image(np.zeros((8, 8, 3), np.uint8), one.received)
        return said

    status, said = convert(write(tmp_path / "a", SHORT), write(tmp_path / "b", Story(begin=3.0), change=bigger))
    assert status == 1 and "is 8 x 8 x 3 of video, and was 24 x 32 x 3 of video" in said


def test_a_bag_that_is_named_twice_is_refused(tmp_path, convert):
    bag = write(tmp_path / "bag", SHORT)
    assert "named twice" in convert(bag, bag)[1]
    shutil.copytree(bag, tmp_path / "copy")
    assert "the same bag" in convert(bag, tmp_path / "copy")[1]
