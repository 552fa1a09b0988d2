# SPDX-License-Identifier: Apache-2.0
"""lerobot 0.6 as the judge of what earlier ones do not know: words, which it reads, renders and annotates where we
wrote them, and we where it did; and pictures of distances."""

import io
import json
from contextlib import redirect_stdout

import numpy as np
import pytest
from bag_support import Story
from bag_support import write as write_bag
from lerobot_judge import MARKS, compare, knows_language, peer
from lerobot_support import HEIGHT, LENGTHS, TASKS, VIEW, WIDTH, picture

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.lerobot import Entry, EpisodeData, Feature, LeRobotWriter, open_dataset
from wall_oss_ros.data.lerobot.language import UNSAID, Language
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.sim.demonstrate import make_demonstrations

pytestmark = [*MARKS, knows_language()]

SAY = {"type": "function", "function": {"name": "say", "arguments": {"text": "As you wish."}}}
SUBTASKS = ["reach"] * 4 + [None] * 2 + ["lift"] * 6
PLANS = [Entry("assistant", "1. reach\n2. lift", "plan", 0.0), Entry("assistant", "1. lift", "plan", 0.41)]
OTHERS = [
    Entry("assistant", "The drawer is open.", "memory", 0.2),
    Entry("user", "shut the drawer", "task_aug", 0.0),
    Entry("user", "push the drawer in", "task_aug", 0.0),
]
CALLED = (3, Entry("assistant", None, None, tool_calls=(SAY,)))
ASKED = {1: [("hand", "<point>[3, 4]</point>"), ("tray", "<box>[1, 2, 3, 4]</box>")], 11: [("handle", "nowhere")]}
RECIPE = {
    "bindings": {"before": "nth_prev(t, style=plan)"},
    "messages": [
        {"role": "user", "content": "${task}", "stream": "high_level"},
        {"role": "user", "content": "${before}", "stream": "high_level", "if_present": "before"},
        {"role": "assistant", "content": "${plan}", "stream": "high_level", "if_present": "plan", "target": True},
        {"role": "user", "content": "${vqa_query}", "stream": "high_level", "if_present": "vqa_query"},
        {"role": "assistant", "content": "${vqa}", "stream": "high_level", "if_present": "vqa", "target": True},
        {"role": "user", "content": "${interjection}", "stream": "high_level", "if_present": "interjection"},
        {"role": "assistant", "tool_calls_from": "speech", "stream": "high_level", "if_present": "speech"},
        {"role": "assistant", "content": "${subtask}", "stream": "low_level", "if_present": "subtask", "target": True},
    ],
}


def spoken() -> list[tuple[int, Entry]]:
    """Events of an episode, several questions a frame among them."""
    asked = [
        (row, Entry(who, text, "vqa", None, VIEW))
        for row, pairs in ASKED.items()
        for thing, answer in pairs
        for who, text in (("user", f"Point to the {thing}."), ("assistant", answer))
    ]
    return [*asked, (3, Entry("user", "No, the other one.", "interjection")), CALLED]


def write(folder, view="image", length=12, words=tuple(UNSAID), **given) -> None:
    features = {
        "observation.state": Feature("float32", (3,), None),
        VIEW: Feature(view, (HEIGHT, WIDTH, 3), ("height", "width", "channels")),
    }
    with LeRobotWriter(folder, 15, features, "panda", language=words) as writer:
        for index in range(2):
            told = dict(subtasks=SUBTASKS[:length], persistent=[*PLANS, *OTHERS], events=spoken())
            pictures = {VIEW: [picture(index, row) for row in range(length)]}
            columns = {"observation.state": np.full((length, 3), index + 0.5)}
            writer.add(EpisodeData(columns, pictures, TASKS[index], **(told | given)))


def rendered() -> list[list[dict]]:
    """What the recipe is to make of an episode, by what went in. Where the subtask is over, none is to be said."""
    found = []
    for row in range(12):
        said = [("user", TASKS[0])]
        said += [("user", PLANS[0].content)] * (row / 15 >= 0.41) + [("assistant", PLANS[row / 15 >= 0.41].content)]
        for thing, answer in ASKED.get(row, [])[:1]:
            said += [("user", f"Point to the {thing}."), ("assistant", answer)]
        messages = [{"role": role, "content": text} for role, text in said]
        if row == 3:
            messages += [{"role": "user", "content": "No, the other one."}, {"role": "assistant", "tool_calls": [SAY]}]
        found.append([*messages, {"role": "assistant", "content": SUBTASKS[row] or ""}])
    return found


@pytest.mark.parametrize("view", ["image", "video"])
def test_lerobot_reads_and_renders_our_words(tmp_path, view):
    write(tmp_path / "set", view)
    compare(tmp_path / "set", tmp_path)
    found = peer("render", tmp_path / "set", RECIPE)
    assert found[:12] == rendered()
    assert len(found) == 24 and found[12][0]["content"] == TASKS[1]
    assert peer("batches", tmp_path / "set", RECIPE) == list(map(len, rendered())) * 2
    assert main(["data", "check", str(tmp_path / "set")]) == 0


def test_its_annotation_takes_our_words_and_gives_them_back(tmp_path):
    """And leaves a set whose info.json tells of a subtask_index that is gone."""
    write(tmp_path / "set")
    before = [open_dataset(tmp_path / "set").language(index) for index in range(2)]
    peer("annotate_again", tmp_path / "set")
    compare(tmp_path / "set", tmp_path)
    dataset = open_dataset(tmp_path / "set")
    for index, old in enumerate(before):
        new = dataset.language(index)
        assert new.subtasks == old.subtasks
        for kind in ("persistent", "events"):
            assert in_some_order(getattr(new, kind)) == in_some_order(getattr(old, kind))
    edited(tmp_path)
    write(tmp_path / "ours")
    for name in (("set", "ours"), ("ours", "set")):
        folders = [str(tmp_path / one) for one in name]
        assert main(["data", "merge", *folders, "--output", str(tmp_path / "-".join(name))]) == 0
        compare(tmp_path / "-".join(name), tmp_path)
    appended(tmp_path)


@pytest.mark.parametrize("view", ["image", "video"])
def test_what_it_annotates_opens_here_and_goes_on(tmp_path, view):
    peer("write", tmp_path / "set", view)
    plans = [{**entry._asdict(), "camera": None, "tool_calls": None} for entry in PLANS]
    asked = [one for one in spoken() if "tray" not in (one[1].content or "") and "box" not in (one[1].content or "")]
    events = [{**entry._asdict(), "row": row, "tool_calls": list(entry.tool_calls) or None} for row, entry in asked]
    subtask = {"role": "assistant", "content": "reach", "style": "subtask", "row": 4}
    peer(
        "annotate", tmp_path / "set", {"0": [*plans, *events], "1": [subtask, {**subtask, "content": "lift", "row": 9}]}
    )
    compare(tmp_path / "set", tmp_path)
    dataset = open_dataset(tmp_path / "set")
    assert dataset.language(1).subtasks == (*[None] * 4, *["reach"] * 5, *["lift"] * 11)
    assert dataset.language(2) == ((None,), (), ())
    assert (
        CALLED in dataset.language(0).events
        and dataset.language(0).active("plan", 0.5) == dataset.language(0).persistent[1]
    )
    edited(tmp_path)
    appended(tmp_path)


def in_some_order(said) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in said)


def in_file(language: Language) -> Language:
    """With times as the schema keeps them; lerobot's annotation leaves them as they are, and reads them so."""
    held = [entry._replace(timestamp=float(np.float32(entry.timestamp))) for entry in language.persistent]
    return language._replace(persistent=tuple(held))


def appended(scratch) -> None:
    """Our writer goes on with a set, and lerobot opens it."""
    count = len(open_dataset(scratch / "set").episodes)
    with LeRobotWriter(scratch / "set", append=True) as writer:
        columns = {"observation.state": np.zeros((12, 3)), "action": np.zeros((12, 2))}
        columns = {key: values for key, values in columns.items() if key in writer.features}
        pictures = {VIEW: [picture(1, row) for row in range(12)]}
        asked = [one for one in spoken() if one[0] > 1]
        assert writer.add(EpisodeData(columns, pictures, TASKS[1], SUBTASKS, PLANS, asked)) == count
    compare(scratch / "set", scratch)
    assert open_dataset(scratch / "set").language(count).subtasks == tuple(SUBTASKS)


def looked_over(folder) -> None:
    """Nothing is found about words; an episode of one frame may be."""
    with redirect_stdout(io.StringIO()) as said:
        main(["data", "check", str(folder), "--json"])
    findings = json.loads(said.getvalue())["findings"]
    assert not [one for one in findings if one["level"] == "error" or one["check"] == "language"]


def edited(scratch) -> None:
    """Our edits keep all words, and lerobot opens what they make."""
    before = open_dataset(scratch / "set")
    said = [before.language(episode.index) for episode in before.episodes]
    looked_over(scratch / "set")
    assert main(["data", "filter", str(scratch / "set"), "--episodes", "1", "--output", str(scratch / "one")]) == 0
    assert main(["data", "merge", str(scratch / "one"), str(scratch / "set"), "--output", str(scratch / "all")]) == 0
    compare(scratch / "all", scratch)
    looked_over(scratch / "all")
    after = open_dataset(scratch / "all")
    kept = [after.language(episode.index) for episode in after.episodes]
    assert [in_file(language) for language in kept] == [in_file(language) for language in [said[1], *said]]
    assert after._info.values.get("tools") == before._info.values.get("tools")
    arguments = ["--shares", "a=0.5", "b=0.5", "--output", str(scratch / "halves")]
    assert main(["data", "split", str(scratch / "set"), *arguments]) == 0
    halves = [open_dataset(scratch / "halves" / name) for name in ("a", "b")]
    assert sum(len(half.episodes) for half in halves) == len(said)
    kept = [half.language(episode.index) for half in halves for episode in half.episodes]
    assert in_some_order(map(in_file, kept)) == in_some_order(map(in_file, said))
    compare(scratch / "halves" / "a", scratch)


def test_its_edits_keep_our_words(tmp_path):
    write(tmp_path / "set")
    before = open_dataset(tmp_path / "set")
    peer("delete", tmp_path / "set", [0], tmp_path / "fewer")
    peer("merge", [tmp_path / "fewer", tmp_path / "set"], tmp_path / "merged")
    compare(tmp_path / "merged", tmp_path)
    after = open_dataset(tmp_path / "merged")
    assert [after.language(index).events for index in range(3)] == [
        before.language(index).events for index in (1, 0, 1)
    ]


def test_words_that_it_cannot_tell_apart_stop_its_recipes(tmp_path):
    """So that our writer keeps them elsewhere, or refuses them; what would be without that."""
    staged = [{"role": "user", "content": f"{n}?", "style": "vqa", "camera": VIEW, "row": 5} for n in range(2)]
    peer("write", tmp_path / "set", "image")
    peer(
        "annotate", tmp_path / "set", {"0": [{"role": "assistant", "content": "p", "style": "plan", "row": 0}, *staged]}
    )
    with pytest.raises(AssertionError, match="Ambiguous resolver"):
        peer("render", tmp_path / "set", RECIPE)
    staged[1]["camera"] = "observation.images.other"
    peer("annotate", tmp_path / "set", {"0": staged})
    with pytest.raises(AssertionError, match="Ambiguous resolver"):
        peer("render", tmp_path / "set", RECIPE)
    query = f"emitted_at(t, style=vqa, role=user, camera={VIEW})"
    turns = [
        {"role": "user", "content": "${vqa_query}", "stream": "high_level", "if_present": "vqa_query", "target": True}
    ]
    found = peer("render", tmp_path / "set", {"bindings": {"vqa_query": query}, "messages": turns})
    assert found[5] == [{"role": "user", "content": "0?"}], "a recipe that names the view tells them apart"
    assert len(open_dataset(tmp_path / "set").language(0).events) == 2
    assert sum(LENGTHS) == len(open_dataset(tmp_path / "set"))


@pytest.mark.parametrize("kind", ["image", "video"])
def test_distances_that_it_writes_are_kept_by_edits_and_never_taken_for_colours(tmp_path, kind):
    peer("write_depth", tmp_path / "set", kind)
    compare(tmp_path / "set", tmp_path)
    before = np.load(tmp_path / "theirs.npz")["observation.images.depth"]
    looked_over(tmp_path / "set")
    assert open_dataset(tmp_path / "set").views == (VIEW,)
    with pytest.raises(WallOSSError, match="picture of distances"):
        open_dataset(tmp_path / "set").pictures("observation.images.depth", 0)
    assert main(["data", "filter", str(tmp_path / "set"), "--episodes", "1-2", "--output", str(tmp_path / "two")]) == 0
    compare(tmp_path / "two", tmp_path)
    assert (np.load(tmp_path / "theirs.npz")["observation.images.depth"] == before[8:]).all()
    with pytest.raises(WallOSSError, match="are not written here"):
        LeRobotWriter(tmp_path / "two", append=True)


def test_lerobot_reads_recordings_with_their_plans(tmp_path):
    bag = write_bag(tmp_path / "bag", Story())
    command = ["data", "from-bag", str(bag), "--robot", "franka", "--output", str(tmp_path / "set"), "--language"]
    assert main(command) == 0
    compare(tmp_path / "set", tmp_path)
    subtasks = open_dataset(tmp_path / "set").language(0).subtasks
    plan = "\n".join(text for _, text in Story().plan)
    for row, messages in enumerate(peer("render", tmp_path / "set", RECIPE)):
        said = [(one["role"], one["content"]) for one in messages or ()]
        expected = [("user", Story().instruction), ("assistant", plan), ("assistant", subtasks[row])]
        assert said == (expected if subtasks[row] else [])


def test_lerobot_reads_and_renders_demonstrations(tmp_path):
    """Several branches and questions a frame, and the plan: a recipe finds one of the questions, we find all."""
    make_demonstrations("franka", 1, 5, tmp_path / "set", 1)
    compare(tmp_path / "set", tmp_path)
    dataset = open_dataset(tmp_path / "set")
    language, task = dataset.language(0), dataset.episodes[0].tasks[0]
    questions = [[entry for at, entry in language.events if at == row] for row in range(len(language.subtasks))]
    assert max(map(len, questions)) > 2
    for row, messages in enumerate(peer("render", tmp_path / "set", RECIPE)):
        asked = [(one.role, one.content) for one in questions[row][:2]]
        plan, subtask = ("assistant", language.active("plan", 0.0).content), ("assistant", language.subtasks[row])
        assert [(one["role"], one["content"]) for one in messages] == [("user", task), plan, *asked, subtask]
