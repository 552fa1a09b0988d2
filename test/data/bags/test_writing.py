# SPDX-License-Identifier: Apache-2.0
"""What is recorded is read by others: mcap's own library with its decoder of ROS 2, rosbags, and as rosbag2 expects."""

from __future__ import annotations

import io
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from bag_support import TYPES, Story
from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader, make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import Reader

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.bags.recorder import EpisodeRecorder
from wall_oss_ros.data.bags.writing import BagWriter, Limits
from wall_oss_ros.errors import WallOSSError

PLAN = "/wall_oss/plan"
_SPAN = QosTime(9223372036, 854775807)
OFFERED = Qos(
    QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, _SPAN, _SPAN,
    QosLiveliness.AUTOMATIC, _SPAN, False,
)  # fmt: skip


def record(path: Path, limits: Limits = Limits(), story: Story | None = None, say=lambda line: None) -> list:
    """A story as one recording; gives its messages in order."""
    recorder = EpisodeRecorder(path.parent, TYPES, [PLAN], say, limits=limits)
    recorder.offered(PLAN, [OFFERED])
    said = sorted((story or Story(seconds=2.5)).said(), key=lambda one: one.received)
    recorder.begin(said[0].received, path)
    for one in said:
        recorder.take(one.topic, one.kind, one.bytes(), one.received)
    recorder.end(said[-1].received, "failure")
    return said


@pytest.mark.parametrize("name", ["alone.mcap", "folder"])
def test_mcap_and_its_decoder_of_ros_2_read_every_message(tmp_path, name):
    said = record(tmp_path / name)
    file = tmp_path / name if name.endswith(".mcap") else tmp_path / name / f"{name}.mcap"
    with file.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()], validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        decoded = [(channel.topic, message) for _, channel, _, message in reader.iter_decoded_messages()]
        (metadata,) = [one.metadata["serialized_metadata"] for one in reader.iter_metadata() if one.name == "rosbag2"]
    assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
    qos = {channel.topic: channel.metadata["offered_qos_profiles"] for channel in summary.channels.values()}
    assert {channel.message_encoding for channel in summary.channels.values()} == {"cdr"}
    (plan_qos,) = yaml.safe_load(qos[PLAN])
    assert (plan_qos["reliability"], plan_qos["durability"], plan_qos["depth"]) == (1, 1, 1), "rmw's numbers"
    counts = Counter(topic for topic, _ in decoded)
    assert counts == Counter(one.topic for one in said) + Counter({"/wall_oss/record": 2})
    assert yaml.safe_load(metadata)["message_count"] == len(decoded) == summary.statistics.message_count
    plan = next(message for topic, message in decoded if topic == PLAN)
    assert [one.text for one in plan.subtasks] == ["pick up the red cube", "put it in the left tray"]
    joints = [message for topic, message in decoded if topic == "/joint_states"]
    told = [one.message for one in said if one.topic == "/joint_states"]
    assert all(np.array_equal(a.position, b.position) for a, b in zip(joints, told, strict=True))


def test_metadata_are_what_every_rosbag2_since_humble_reads(tmp_path):
    record(tmp_path / "bag")
    content = yaml.safe_load((tmp_path / "bag/metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert (content["version"], content["storage_identifier"]) == (8, "mcap")
    assert content["relative_file_paths"] == ["bag.mcap"] == [file["path"] for file in content["files"]]
    topics = [one["topic_metadata"] for one in content["topics_with_message_count"]]
    for topic in topics:
        assert isinstance(topic["offered_qos_profiles"], str), "up to version 8 a text, which Humble wants"
        assert topic["type_description_hash"].startswith("RIHS01_") and topic["serialization_format"] == "cdr"
    (plan,) = [one for one in topics if one["name"] == PLAN]
    assert yaml.safe_load(plan["offered_qos_profiles"])[0]["durability"] == 1
    assert content["duration"]["nanoseconds"] > 2e9 and isinstance(content["ros_distro"], str)
    assert (content["compression_format"], content["compression_mode"]) == ("", "")
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == content["message_count"] == sum(1 for _ in reader.messages())


def test_a_bag_that_is_split_is_one_and_each_file_begins_with_what_holds(tmp_path):
    lines: list[str] = []
    long = Story(seconds=30.0, camera_hz=10.0, joint_hz=20.0, command_hz=10.0)
    said = record(tmp_path / "bag", Limits(size=200_000), long, lines.append)
    files = sorted((tmp_path / "bag").glob("*.mcap"), key=lambda path: int(path.stem.rpartition("_")[2]))
    assert len(files) > 3 and files[0].name == "bag_0.mcap" and max(file.stat().st_size for file in files) < 600_000
    content = yaml.safe_load((tmp_path / "bag/metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert content["relative_file_paths"] == [file.name for file in files]
    assert sum(one["message_count"] for one in content["files"]) == content["message_count"]
    with Bag(tmp_path / "bag") as bag:
        again = list(bag.messages(["/joint_states"]))
    assert [bytes(one.data) for one in again] == [one.bytes() for one in said if one.topic == "/joint_states"]
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == content["message_count"]
    with Bag(files[-1]) as bag:
        first = next(bag.messages(bag.topics))
        assert first.topic == PLAN and bag.decode(first).active == 1, "the plan as it was then"


def test_only_the_newest_files_stay_where_that_is_asked(tmp_path):
    lines: list[str] = []
    long = Story(seconds=30.0, camera_hz=10.0, joint_hz=20.0, command_hz=10.0)
    record(tmp_path / "bag", Limits(size=200_000, keep=2), long, lines.append)
    files = {path.name for path in (tmp_path / "bag").glob("*.mcap")}
    assert len(files) == 2 and "bag_0.mcap was removed" in lines
    with Bag(tmp_path / "bag") as bag:
        assert {file.name for file in bag.files} == files
        times = [one.received for one in bag.messages(["/joint_states"])]
        assert times[-1] > 1029.0 and times[0] > 1005.0
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == sum(1 for _ in reader.messages())


def test_cut_off_anywhere_it_is_read_as_far_as_it_goes(tmp_path):
    record(tmp_path / "whole.mcap", story=Story(seconds=4.0, camera_hz=5.0, joint_hz=10.0, command_hz=10.0))
    content = (tmp_path / "whole.mcap").read_bytes()
    with Bag(tmp_path / "whole.mcap") as bag:
        whole = [(one.topic, bytes(one.data)) for one in bag.messages(bag.topics)]
    rng, most = np.random.default_rng(5), 0
    for size in sorted({len(content) - 1, len(content) - 9, *rng.integers(40, len(content), 60).tolist()}):
        (tmp_path / "cut.mcap").write_bytes(content[:size])
        try:
            with Bag(tmp_path / "cut.mcap") as bag:
                read = [(one.topic, bytes(one.data)) for one in bag.messages(bag.topics)]
        except WallOSSError as error:
            assert "nothing in it is whole" in str(error) and not most, size
            continue
        others = 0
        try:
            for _ in NonSeekingReader(io.BytesIO(content[:size])).iter_messages(log_time_order=False):
                others += 1
        except (McapError, EOFError, struct.error):
            pass  # its library stops at the cut, with what came before
        assert read == whole[: len(read)] and len(read) >= max(most, others), size
        most = len(read)
    assert most == len(whole)


def test_where_nothing_may_be_written_is_said_before_anything_begins(tmp_path):
    record(tmp_path / "there.mcap")
    with pytest.raises(FileExistsError):
        BagWriter(tmp_path / "there.mcap", TYPES)
    with pytest.raises(WallOSSError, match="cannot be split"):
        BagWriter(tmp_path / "one.mcap", TYPES, Limits(size=10**6))
    recorder = EpisodeRecorder(tmp_path, TYPES, [], print)
    with pytest.raises(WallOSSError, match=r"There is a .*there.mcap already"):
        recorder.begin(1.0, tmp_path / "there.mcap")
    assert not recorder.recording


@pytest.mark.parametrize(
    "words, said",
    [
        (["--output", "a", "--file", "b.mcap"], "said twice"),
        (["--file", "b.mcap", "--max-bag-size", "5000000"], "one file, which cannot be split"),
        (["--file", "b", "--keep", "2"], "Add --max-bag-size or --max-bag-duration"),
        (["--file", "there.mcap"], "There is a there.mcap already"),
        (["--file", "b.mcap", "--auto"], "records from start to end"),
        (["--file", "b", "--max-bag-size", "10"], "no whole number"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.mcap").write_text("")
    assert main(["record", "--robot", "franka", *words]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "b").exists()
