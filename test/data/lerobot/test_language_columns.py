# SPDX-License-Identifier: Apache-2.0
"""Words as lerobot 0.6 keeps them, in files as its annotation and its edits leave them; and such as it could not tell
apart. What lerobot itself says of all this: test_peers_language.py."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from lerobot_support import LENGTHS, TASKS, VIEW, layout, picture

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.lerobot import Entry, EpisodeData, Feature, LeRobotWriter, open_dataset
from wall_oss_ros.data.lerobot.language import EVENTS, FURTHER, PERSISTENT, UNSAID, answered, told_apart
from wall_oss_ros.data.lerobot.schema import LANGUAGE_FEATURES
from wall_oss_ros.errors import WallOSSError

SAY = {"type": "function", "function": {"name": "say", "arguments": {"text": "yes"}}}
LANGUAGE = {
    key: {"dtype": feature.dtype, "shape": [1], "names": None}
    for key, feature in LANGUAGE_FEATURES.items()
    if key != FURTHER
}


def asked(thing: str, view: str = VIEW) -> Entry:
    return Entry("user", f"Where is the {thing}?", "vqa", None, view)


def answer(text: str, view: str = VIEW) -> Entry:
    return Entry("assistant", text, "vqa", None, view)


def annotated(folder, **options):
    """A set as lerobot's annotation leaves it: Arrow's own types, no language in the files of episodes that were not
    annotated, and a subtask_index that is in info.json alone."""

    def change(episode: int, columns: dict) -> dict:
        if episode > 1:
            return columns
        entry = {"role": "assistant", "content": f"lift {episode}", "style": "subtask", "timestamp": 1 / 15}
        held = {**entry, "camera": None, "tool_calls": None}
        said = [
            {"role": "assistant", "content": None, "style": None, "camera": None, "tool_calls": [SAY]},
            {"role": "assistant", "content": "there", "style": "vqa", "camera": VIEW, "tool_calls": None},
            {"role": "user", "content": "where?", "style": "vqa", "camera": VIEW, "tool_calls": None},
        ]
        length = len(columns["index"])
        return {**columns, PERSISTENT: [[held]] * length, EVENTS: [[], said, *[[]] * (length - 2)]}

    return layout(folder, change=change, features=LANGUAGE, info={"tools": [SAY]}, **options)


def check_annotated(dataset, first: int = 0) -> None:
    said = [
        Entry("assistant", None, None, tool_calls=(SAY,)),
        answer("there"),
        Entry("user", "where?", "vqa", None, VIEW),
    ]
    for episode in range(2):
        language = dataset.language(first + episode)
        assert language.subtasks == (None, *[f"lift {episode}"] * (LENGTHS[episode] - 1))
        assert language.events == tuple((1, entry) for entry in said)
    for episode in (2, 3):
        assert dataset.language(first + episode) == ((None,) * LENGTHS[episode], (), ())


def test_files_as_its_annotation_leaves_them_are_read_and_edited(tmp_path, capsys):
    dataset = open_dataset(annotated(tmp_path / "set"))
    check_annotated(dataset)
    dataset.verify()
    assert (dataset.columns(0)["subtask_index"] == -1).all()
    assert main(["data", "check", str(tmp_path / "set"), "--json"]) in (0, 1)
    findings = json.loads(capsys.readouterr().out)["findings"]
    lacking = [one for one in findings if one["check"] == "columns"]
    assert {one["level"] for one in lacking} == {"note"} and not [one for one in findings if one["level"] == "error"]
    write_ours(tmp_path / "ours")
    assert (
        main(["data", "merge", str(tmp_path / "set"), str(tmp_path / "ours"), "--output", str(tmp_path / "all")]) == 0
    )
    assert (
        main(["data", "merge", str(tmp_path / "ours"), str(tmp_path / "set"), "--output", str(tmp_path / "other")]) == 0
    )
    for name, first, own in (("all", 0, 4), ("other", 1, 0)):
        merged = open_dataset(tmp_path / name)
        check_annotated(merged, first)
        assert merged.language(own) == open_dataset(tmp_path / "ours").language(0)
        assert merged._info.values["tools"] == [SAY] and set(UNSAID) < {*merged.features}
    command = ["data", "filter", str(tmp_path / "set"), "--drop", "3", "--output", str(tmp_path / "fewer")]
    assert main(command) == 0
    assert "subtask_index" not in open_dataset(tmp_path / "fewer").features


def write_ours(folder, **given) -> None:
    """An episode like those of :func:`annotated`, with all columns for words."""
    features = {
        "observation.state": Feature("float32", (3,), ("episode", "row", "x")),
        "action": Feature("float32", (2,), ("a", "gripper")),
        VIEW: Feature("image", picture(0, 0).shape, ("height", "width", "channels")),
    }
    with LeRobotWriter(folder, 15, features, "panda", language=tuple(UNSAID)) as writer:
        writer.add(episode(**given))


def episode(length: int = 12, **given) -> EpisodeData:
    columns = {"observation.state": np.ones((length, 3)), "action": np.ones((length, 2))}
    told = {"subtasks": ["reach"] * 4 + [None] * (length - 4), "events": [(3, asked("hand")), (3, answer("here"))]}
    return EpisodeData(columns, {VIEW: [picture(0, row) for row in range(length)]}, TASKS[0], **(told | given))


@pytest.mark.parametrize("per_file", [2, 4])
def test_a_writer_goes_on_with_them(tmp_path, per_file):
    """With two files, new rows join the one without language; with one, that with lerobot's types."""
    lengths = LENGTHS if per_file == 2 else LENGTHS[:2]
    annotated(tmp_path / "set", per_file=per_file, lengths=lengths)
    with LeRobotWriter(tmp_path / "set", append=True) as writer:
        assert writer.add(episode()) == len(lengths)
        assert "subtask_index" not in writer.features
    dataset = open_dataset(tmp_path / "set")
    assert dataset.language(len(lengths)).subtasks == ("reach",) * 4 + (None,) * 8
    assert [entry.content for _, entry in dataset.language(1).events] == [None, "there", "where?"]
    dataset.verify()


def test_a_lost_table_of_subtasks_is_made_up_for_by_language(tmp_path, capsys):
    """lerobot's edits leave the table out and the column in; new subtasks must not take the old numbers."""
    write_ours(tmp_path / "set")
    whole = open_dataset(tmp_path / "set").language(0)
    (tmp_path / "set" / "meta/subtasks.parquet").unlink()
    assert open_dataset(tmp_path / "set").language(0) == whole
    with pytest.raises(WallOSSError, match="numbers of subtasks, and there is no meta/subtasks.parquet"):
        LeRobotWriter(tmp_path / "set", append=True)
    main(["data", "check", str(tmp_path / "set"), "--json"])
    (found,) = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["check"] == "subtasks"]
    assert found["level"] == "warning" and "lerobot" in found["todo"]
    assert main(["data", "filter", str(tmp_path / "set"), "--episodes", "0", "--output", str(tmp_path / "copy")]) == 0
    with LeRobotWriter(tmp_path / "copy", append=True) as writer:
        writer.add(episode(subtasks=["lift"] * 12))
    copy = open_dataset(tmp_path / "copy")
    assert copy.language(0) == whole and copy.language(1).subtasks == ("lift",) * 12


def test_a_lost_table_without_language_is_an_error(tmp_path):
    (tmp_path / "set").mkdir()
    with LeRobotWriter(
        tmp_path / "set", 15, {"action": Feature("float32", (2,), None)}, language=("subtask_index",)
    ) as w:
        w.add(EpisodeData({"action": np.zeros((3, 2))}, task="wait", subtasks=["reach"] * 3))
    (tmp_path / "set" / "meta/subtasks.parquet").unlink()
    with pytest.raises(WallOSSError, match="has no subtask 0") as caught:
        open_dataset(tmp_path / "set").language(0)
    assert "copy it from the dataset that was edited" in caught.value.hint
    with pytest.raises(WallOSSError, match="there is no meta/subtasks.parquet"):
        LeRobotWriter(tmp_path / "set", append=True)


def test_several_questions_a_frame_stand_apart(tmp_path):
    said = [
        asked("cup"),
        asked("hand"),
        answer("here"),
        asked("tray"),
        answer("there"),
        Entry("user", "no!", "interjection"),
    ]
    write_ours(tmp_path / "set", events=[(3, entry) for entry in said])
    (file,) = (tmp_path / "set" / "data").rglob("*.parquet")
    table = pq.read_table(file)
    first = [entry["content"] for entry in table[EVENTS][3].as_py()]
    assert first == ["Where is the hand?", "here", "no!"]
    assert [entry["content"] for entry in json.loads(table[FURTHER][3].as_py())] == [
        "Where is the cup?", "Where is the tray?", "there",
    ]  # fmt: skip
    assert table[FURTHER][4].as_py() == ""
    events = [entry for _, entry in open_dataset(tmp_path / "set").language(0).events]
    assert sorted(events) == sorted(said) and pairs(events) == pairs(said) == [("hand", "here"), ("tray", "there")]


def pairs(said) -> list[tuple[str, str]]:
    return [(said[one].content.split()[-1][:-1], said[other].content) for one, other in answered(said)]


@pytest.mark.parametrize(
    "said, expected",
    [
        ([asked("cup"), answer("a"), asked("hand"), answer("b")], [("cup", "a"), ("hand", "b")]),
        ([answer("a"), asked("cup")], [("cup", "a")]),  # as lerobot's annotation sorts them
        ([answer("a"), answer("b"), asked("cup"), asked("hand")], [("cup", "a"), ("hand", "b")]),
        ([answer("a"), answer("b", "w"), asked("cup"), asked("hand", "w")], [("cup", "a"), ("hand", "b")]),
        ([asked("cup"), asked("hand", "w"), answer("b", "w"), answer("a")], [("cup", "a"), ("hand", "b")]),
        ([asked("cup"), asked("hand"), answer("b")], [("hand", "b")]),
        ([answer("a")], []),
        ([asked("cup"), answer("b", "w")], []),
    ],
)
def test_answers_belong_to_questions_of_their_view(said, expected):
    assert sorted(pairs(said)) == sorted(expected)
    kept, further = told_apart(said)
    assert len(kept) == (2 if expected else 1) and sorted([*kept, *further]) == sorted(said)
    assert pairs(kept) == pairs(said)[:1], "the answer to another question would be learned"


@pytest.mark.parametrize(
    "given, problem",
    [
        ({"persistent": [Entry("assistant", "a", "plan", 0.0), Entry("user", "b", "plan", 0.0)]}, "from the same time"),
        ({"persistent": [Entry("assistant", "a", "subtask", 0.5)]}, "subtasks twice"),
        ({"persistent": [Entry("assistant", None, "plan", 0.0)]}, "says nothing of a known kind"),
        ({"events": [(0, Entry("assistant", "hello"))]}, "says nothing of a known kind"),
        ({"events": [(0, Entry("assistant", None, None, tool_calls=(b"say",)))]}, "cannot be written as JSON"),
    ],
)
def test_entries_that_lerobot_takes_for_none_are_refused(tmp_path, given, problem):
    with pytest.raises(WallOSSError, match=problem):
        write_ours(tmp_path / "set", **given)
    assert not open_dataset(tmp_path / "set").episodes


def test_without_a_place_for_them_further_questions_are_refused(tmp_path):
    features = {"action": Feature("float32", (2,), None), VIEW: Feature("image", picture(0, 0).shape, None)}
    with LeRobotWriter(tmp_path / "set", 15, features, language=(EVENTS,)) as writer:
        one = EpisodeData({"action": np.zeros((2, 2))}, {VIEW: [picture(0, 0)] * 2}, "wait")
        twice = [(1, asked("cup")), (1, answer("a")), (1, asked("hand")), (1, answer("b"))]
        with pytest.raises(WallOSSError, match="frame 1: .*cannot tell which .*hand") as caught:
            writer.add(EpisodeData(one.columns, one.pictures, "wait", events=twice))
        assert FURTHER in caught.value.hint
        assert (
            writer.add(EpisodeData(one.columns, one.pictures, "wait", events=[twice[0], twice[1], (0, twice[2][1])]))
            == 0
        )


def test_ways_to_say_a_task_hold_together(tmp_path):
    ways = [Entry("user", text, "task_aug", 0.0) for text in ("shut it", "push it in")]
    write_ours(tmp_path / "set", persistent=ways)
    assert [one for one in open_dataset(tmp_path / "set").language(0).persistent if one.style == "task_aug"] == ways


def test_check_tells_what_lerobot_could_not_tell_apart(tmp_path, capsys):
    def change(number: int, columns: dict) -> dict:
        entry = {"role": "user", "content": "where?", "style": "vqa", "camera": VIEW, "tool_calls": None}
        said = [[]] * len(columns["index"])
        said[0] = [{**entry, "content": f"{n}?"} for n in range(2 if number == 1 else 1)]
        if number == 0:  # as lerobot's annotation asks about each view
            said[0] += [{**entry, "content": "0?", "camera": "observation.images.other"}]
        further = ["", "[", *[""] * (len(said) - 2)] if number == 3 else [""] * len(said)
        return {**columns, EVENTS: said, FURTHER: further}

    features = {EVENTS: LANGUAGE[EVENTS], FURTHER: {"dtype": "string", "shape": [1], "names": None}}
    layout(tmp_path / "set", change=change, features=features)
    assert main(["data", "check", str(tmp_path / "set"), "--json"]) == 1
    findings = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["check"] == "language"]
    findings.sort(key=lambda one: one["episode"])
    assert [(one["level"], one["episode"], one["frame"]) for one in findings] == [
        ("note", 0, 0),
        ("warning", 1, 0),
        ("error", 3, 1),
    ]
    assert "do not name role and view" in findings[0]["what"] and "role" not in findings[1]["what"]
    assert "'1?' (vqa)" in findings[1]["what"] and "list of entries in JSON" in findings[2]["what"]


def test_relabelling_leaves_frames_without_a_subtask_alone(tmp_path):
    write_ours(tmp_path / "set")
    command = [
        "data",
        "relabel",
        str(tmp_path / "set"),
        "--replace",
        "reach",
        "grasp",
        "--output",
        str(tmp_path / "new"),
    ]
    assert main(command) == 0
    dataset = open_dataset(tmp_path / "new")
    assert dataset.language(0).subtasks == ("grasp",) * 4 + (None,) * 8
    assert [one.content for one in dataset.language(0).persistent] == ["grasp", ""]
