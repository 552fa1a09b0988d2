# SPDX-License-Identifier: Apache-2.0
"""Records of other versions, whose messages have other fields: what is known is told, and the rest is left out."""

import json

import pytest
from bag_support import TYPES, Said, Story, write
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from wall_oss_ros.commands.main import main
from wall_oss_ros.embedded.definitions import MESSAGES

PLAN = """
string planner
uint32 plan_id
string instruction
string[] subtasks
string status
"""
STORIES = {
    "plan": ("/wall_oss/plan", "wall_oss_msgs/msg/SubtaskPlan", PLAN,
             {"planner": "p", "plan_id": 1, "instruction": "go", "subtasks": ["one"], "status": "running"}),
    "plan of nothing": ("/wall_oss/plan", "wall_oss_msgs/msg/SubtaskPlan", "string words", {"words": "go"}),
    "status": ("/wall_oss/status", "wall_oss_msgs/msg/ControlStatus", "int32 robot\nuint8 state",
               {"robot": 3, "state": 2}),
    "answer": ("/wall_oss/answers", "wall_oss_msgs/msg/Answer", "string question", {"question": "where?"}),
    "mark": ("/wall_oss/record", "std_msgs/msg/String", "int32 data", {"data": 3}),
}  # fmt: skip


class Other(Said):
    """A message of a type that is another here."""

    def bytes(self) -> bytes:
        return self.message


def written(path, topic, kind, text, fields):
    """A record of a robot that moves, and of one topic by another version."""
    store = get_typestore(Stores.EMPTY)
    for name, definition in MESSAGES.items():
        if name.replace("/", "/msg/") != kind:
            store.register(get_types_from_msg(definition, name.replace("/", "/msg/")))
    store.register(get_types_from_msg(text, kind))
    data = bytes(store.serialize_cdr(store.types[kind](**fields), kind))
    said = [Other(1000.2 + 0.1 * k, topic, kind, data) for k in range(3)]

    def only(all_said):
        return [one for one in all_said if one.topic != topic or isinstance(one, Other)]

    known, kept = (TYPES.fielddefs[kind], TYPES.types[kind]), path
    TYPES.fielddefs[kind], TYPES.types[kind] = store.fielddefs[kind], store.types[kind]  # the bag's own definition
    try:
        return write(kept, Story(seconds=1.0, plan=(), extra=said), change=only)
    finally:
        TYPES.fielddefs[kind], TYPES.types[kind] = known


@pytest.mark.parametrize("story", STORIES)
def test_a_record_of_another_version_is_told_as_far_as_it_is_known(story, tmp_path, capsys):
    topic, kind, text, fields = STORIES[story]
    path = written(tmp_path / "bag", topic, kind, text, fields)
    assert main(["replay", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert any(f"{topic}: 3 messages of another version are left out" in note for note in told["notes"]), told["notes"]
    assert main(["replay", str(path), "--list"]) == 0


@pytest.mark.parametrize("story", ["plan", "plan of nothing", "status"])
def test_a_record_of_another_version_is_converted_without_what_is_not_known(story, tmp_path, capsys):
    topic, kind, text, fields = STORIES[story]
    path = written(tmp_path / "bag", topic, kind, text, fields)
    done = main(["data", "from-bag", str(path), "--robot", "franka", "--output", str(tmp_path / "set"),
                 "--task", "go on"])  # fmt: skip
    said = capsys.readouterr()
    assert done == 0 and "Traceback" not in said.err
    assert story == "status" or "of another version" in said.out + said.err
