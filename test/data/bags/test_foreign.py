# SPDX-License-Identifier: Apache-2.0
"""mcap files of other writers: summaries that leave things out, and topics of other programs beside the robot's."""

from pathlib import Path

import pytest
from bag_support import TYPES, Story
from mcap.writer import IndexType, Writer

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.bags.files import find_bags
from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.errors import WallOSSError

STORY = Story(seconds=1.5)
NOWHERE = {"repeat_channels": False, "repeat_schemas": False, "use_statistics": False, "use_summary_offsets": False}


def written(path: Path, further=lambda writer: None, profile: str = "ros2", **options) -> Path:
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start(profile)
        channels: dict[str, int] = {}
        for one in sorted(STORY.said(), key=lambda one: one.received):
            if one.topic not in channels:
                schema = writer.register_schema(one.kind, "ros2msg", TYPES.generate_msgdef(one.kind)[0].encode())
                channels[one.topic] = writer.register_channel(one.topic, "cdr", schema)
            time = round(one.received * 1e9)
            writer.add_message(channels[one.topic], time, one.bytes(), time)
        further(writer)
        writer.finish()
    return path


def converted(bag: Path, folder: Path, capsys) -> str:
    assert main(["data", "from-bag", str(bag), "--robot", "franka", "--output", str(folder)]) == 0
    assert len(open_dataset(folder)) == 14
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [NOWHERE, {"repeat_channels": False}, {"index_types": IndexType.CHUNK}, {"use_chunking": False}, {"profile": ""}],
    ids=str,
)
def test_what_a_summary_leaves_out_is_looked_for(options, tmp_path, capsys):
    assert "cut off" not in converted(written(tmp_path / "a.mcap", **options), tmp_path / "out", capsys)


@pytest.mark.parametrize(
    ("kind", "form"), [("jsonschema", "json"), ("protobuf", "protobuf"), ("ros1msg", "ros1"), ("flatbuffer", "x")]
)
def test_topics_of_other_programs_are_nobodys_concern(kind, form, tmp_path, capsys):
    def further(writer: Writer) -> None:
        channel = writer.register_channel("/other", form, writer.register_schema("other.Thing", kind, b"\x01{}"))
        writer.add_message(channel, 1_000_500_000_000, b"{}", 1_000_500_000_000)

    path = written(tmp_path / "a.mcap", further)
    converted(path, tmp_path / "out", capsys)
    with Bag(path) as bag, pytest.raises(WallOSSError, match=f"/other is serialised as {form}, cdr expected"):
        bag.fields("/other")


def test_a_topic_of_two_types_is_refused_where_it_is_wanted(tmp_path, capsys):
    def further(writer: Writer) -> None:
        for kind in ("std_msgs/msg/String", "std_msgs/msg/Header"):
            schema = writer.register_schema(kind, "ros2msg", TYPES.generate_msgdef(kind)[0].encode())
            writer.register_channel("/odd", "cdr", schema)

    path = written(tmp_path / "a.mcap", further)
    converted(path, tmp_path / "out", capsys)
    with Bag(path) as bag, pytest.raises(WallOSSError, match="/odd is there with two types"):
        bag.fields("/odd")


def test_recordings_that_lie_in_one_folder_are_not_one(tmp_path, capsys):
    """They would be cut at the time between them, and all get the success of the last."""
    bags = tmp_path / "bags"
    bags.mkdir()
    for name in ("monday", "tuesday"):
        written(bags / f"{name}.mcap", lambda writer, name=name: writer.add_metadata(name, {}))
    (bags / "._monday.mcap").write_bytes(b"Mac OS X")
    assert find_bags([bags]) == [bags / "monday.mcap", bags / "tuesday.mcap"]
    assert main(["data", "from-bag", str(bags), "--robot", "franka", "--output", str(tmp_path / "out")]) == 0
    assert [one.length for one in open_dataset(tmp_path / "out").episodes] == [14, 14]
    (bags / "monday.mcap").rename(bags / "day_0.mcap")
    (bags / "tuesday.mcap").rename(bags / "day_1.mcap")
    assert find_bags([bags]) == [bags]
