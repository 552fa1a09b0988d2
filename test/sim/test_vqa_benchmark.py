# SPDX-License-Identifier: Apache-2.0
"""The benchmark of questions (benchmarks/vqa.py): what it asks, that the truth judges, and what its tables say."""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.answer import Answer
from wall_oss_ros.sim.cubes.language import LANGUAGE
from wall_oss_ros.sim.goals import NOT_IN_VIEW
from wall_oss_ros.sim.results import Results

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import vqa
from vqa_runs import runs, tables
from vqa_runs.judging import Truth, judge, overlap
from vqa_runs.questions import KINDS, OTHER_WORDS, Asked

SEED = 7


@pytest.fixture(scope="module")
def scenes():
    made = runs.Scenes("franka")
    made.environment.simulator.render = lambda view: np.zeros((8, 8, 3), np.uint8)  # nobody looks at the pictures
    yield made
    made.environment.simulator.close()


class Oracle:
    """Answers as the truth has it, or something else."""

    thinks = True

    def __init__(self, scenes, number, condition, change=lambda one: one.truth):
        scenes.pose(SEED, number, condition)
        self.asked = iter(scenes.asked(SEED, number, condition))
        self.change = change

    def ask(self, obs, text, thought=False):
        one = next(self.asked)
        assert one.text == text
        told, answer = prompts.without_thought(self.change(one))
        return Answer(answer, thought=told) if thought else Answer(self.change(one))

    plan = reason = ask


def verdicts(scenes, number, condition, change=lambda one: one.truth):
    found = scenes.answer(Oracle(scenes, number, condition, change), SEED, number, condition)
    return {kind: right for answer in found["answers"] for kind, right in answer["right"].items()}


def test_whoever_knows_the_truth_is_right_in_every_look_and_wording(scenes):
    seen = set()
    for number in range(12):
        for condition in runs.CONDITIONS:
            found = verdicts(scenes, number, condition)
            assert all(found.values()), (number, condition, found)
            seen |= found.keys()
    assert seen == {*KINDS}


def shifted(one: Asked) -> str:
    """Points and boxes elsewhere, yes for no, another colour, tray or place."""
    if one.truth == NOT_IN_VIEW:
        return "<point>[56, 56]</point>"
    text = re.sub(r"\[(\d+)(?=, \d+[\],])", lambda match: f"[{(int(match[1]) + 56) % 112}", one.truth)
    words = {
        "red": "green", "green": "blue", "blue": "yellow", "yellow": "red", "left": "right", "right": "left",
        "yes": "no", "no": "yes", "nothing": "all", "done": "going on", "table": "gripper", "gripper": "table",
        "understand": "mind", "which": "what",
    }  # fmt: skip
    text = re.sub(r"[a-z]+", lambda match: words.get(match[0], match[0]), text)
    return str(int(text) + 1) if text.isdigit() else text


def test_whoever_says_something_else_is_wrong(scenes):
    wrong: dict[str, list[bool]] = {}
    for number in range(8):
        for kind, right in verdicts(scenes, number, "plain", lambda one: "").items():
            assert not right, kind
        for kind, right in verdicts(scenes, number, "plain", shifted).items():
            wrong.setdefault(kind, []).append(right)
    assert {kind: sum(one) for kind, one in wrong.items()} == dict.fromkeys(KINDS, 0)


def test_a_point_has_to_lie_on_the_thing_and_a_box_to_overlap(scenes):
    scenes.pose(SEED, 0, "plain")
    simulator = scenes.environment.simulator
    truth, colour = Truth(simulator, tuple(scenes.environment.views)), simulator.spec.colours[0]
    name = f"{colour} cube"
    pointing = Asked("point_front", "ask", "", "<point>[1, 1]</point>", name)
    x, y = simulator.project("face_view", simulator.cubes()[colour][0])
    left, top, right, bottom = truth.box(name)
    for way, inside in ((0, True), (0.4, True), (1.5, False), (4, False)):
        point = f"<point>[{int(x + way * (right - left) / 2)}, {int(y)}]</point>"
        assert (
            judge(Asked("point_front", "ask", "", "<point>[1, 1]</point>", name), point, truth)["point_front"] is inside
        )
        moved = np.array([left, top, right, bottom]) + [way * (right - left) / 2, 0] * 2
        box = f"<box>[{', '.join(str(max(0, round(one))) for one in moved)}]</box>"
        assert judge(Asked("box", "ask", "", "<box>[1, 1, 2, 2]</box>", name), box, truth)["box"] is inside
    for answer in (
        NOT_IN_VIEW,
        "<point>[1, 1]</point> <point>[2, 2]</point>",
        f"<box>[{int(x)}, {int(y)}, 99, 99]</box>",
    ):
        assert not judge(pointing, answer, truth)["point_front"]
    hand, tray = (simulator.project("face_view", at) for at in (simulator.arm.tcp[0], simulator.spec.tray("left")))
    assert truth.on("gripper", tuple(hand + [5, 0])) and not truth.on("gripper", tuple(hand + [9, 0]))
    assert not truth.on("left tray", (x, y)) and truth.on("left tray", tuple(tray))


def test_a_thought_is_judged_by_what_is_where_by_why_and_by_what_follows(scenes):
    for number in range(1, 40, 2):
        scenes.pose(SEED, number, "plain")
        asked = next(one for one in scenes.asked(SEED, number, "plain") if one.kind == "thought")
        told, after = prompts.without_thought(asked.truth)
        truth = Truth(scenes.environment.simulator, tuple(scenes.environment.views))
        first = re.match(r".+?(?:\]|not in view)", told)[0]
        rest = told.removeprefix(f"{first}, ")
        colour = first.split()[0]
        moved = re.sub(r"\[(\d+)", lambda match: f"[{int(match[1]) + 50}", told)
        for thought, facts, why in (
            (told, True, True), (rest, False, True),
            (told.replace(first, f"{colour} in the clouds [1, 1]", 1), False, True),
            (told.partition(";")[0] + "; because.", True, False), ("", False, False),
            (f"{first}, {told}", False, True), (told.replace(", ", ", and ", 1), False, True),
        ):  # fmt: skip
            found = judge(asked, after, truth, thought)
            assert (found["thought_facts"], found["thought_why"], found["thought_next"]) == (facts, why, True), thought
        assert moved == told or not judge(asked, "other", truth, moved)["thought_facts"]
        assert not judge(asked, "other", truth, told)["thought_next"]


def test_boxes_overlap_as_they_should():
    one = np.array([0.0, 0, 10, 10])
    assert (
        overlap(one, one) == 1
        and overlap(one, one + 20) == 0
        and overlap(one, one + [5, 0] * 2) == pytest.approx(1 / 3)
    )
    assert overlap(np.zeros(4), np.zeros(4)) == 0


def test_other_words_are_known_ones_that_training_has_in_other_places(scenes):
    known, shown = set(LANGUAGE.vocabulary()), set()
    others = set()
    for number in range(20):
        scenes.pose(SEED, number, "plain")
        shown |= {one.text for one in scenes.asked(SEED, number, "plain") if one.kind in OTHER_WORDS}
        others |= {one.text for one in scenes.asked(SEED, number, runs.OTHER_WORDS) if one.kind in OTHER_WORDS}
    assert not shown & others and len(others) > 30
    assert {word for text in others for word in re.findall(r"[a-z]+", text.lower())} <= known


def test_looks_differ_and_scenes_and_questions_do_not(scenes):
    asked = {}
    for condition in ("plain", "light", "clutter"):
        scenes.pose(SEED, 3, condition)
        asked[condition] = [(one.kind, one.text) for one in scenes.asked(SEED, 3, condition)]
        place = scenes.environment.simulator.cubes()
    assert asked["plain"] == asked["light"] == asked["clutter"]
    before = scenes.environment.simulator.camera("face_view")["rotation"].copy()
    scenes.pose(SEED, 3, "camera")
    assert all(
        np.allclose(place[colour][0], pose) for colour, (pose, _) in scenes.environment.simulator.cubes().items()
    )
    assert np.abs(scenes.environment.simulator.camera("face_view")["rotation"] - before).max() > 1e-3


def results(condition, *verdicts):
    answers = [{"asked": "", "truth": truth, "said": "", "right": {kind: right}} for kind, truth, right in verdicts]
    return {"condition": condition, "answers": answers}


def test_tables_have_models_side_by_side_and_what_not_looking_comes_to():
    one = [
        results("plain", ("where", "on the table", True), ("box", "a", False)),
        results("plain", ("where", "on the table", False), ("where", "in the left tray", True)),
        results("light", ("where", "on the table", False)),
    ]
    found = {"tiny@1": one, "tiny@2": one[:1]}
    known = tables.summary(found)
    where = known["plain"]["where"]
    assert (where["most_frequent"]["hits"], where["most_frequent"]["of"]) == (2, 3)
    assert {name: (part["hits"], part["of"]) for name, part in where["right"].items()} == {
        "tiny@1": (2, 3),
        "tiny@2": (1, 1),
    }
    assert set(known) == {"plain", "light"} and "plan" not in known["plain"] and tables.questions_asked(found) == 5
    text = tables.tables(known, [*found])
    assert "| where | captions | 67 % | 67 % (2 of 3; 21 to 94 %) | 100 % (1 of 1; 21 to 100 %) |" in text
    assert "| light | captions | 0 % (0 of 1; 0 to 79 %) | - |" in text and "planning" not in text


@pytest.mark.parametrize("file", sorted(vqa.published.FOLDER.glob("vqa*.json")), ids=lambda file: file.name)
def test_the_page_has_the_tables_of_the_file(file):
    content = vqa.published.read(file)
    page = (vqa.published.ROOT / "docs" / "vqa.md").read_text()
    assert tables.tables(content["conditions"], content["checkpoints"]) in page, "run its command again, with --write"


def test_the_command_goes_on_and_writes_a_file_of_results(tmp_path, monkeypatch, capsys):
    asked = []

    def stub(work, left, workers, start, arguments):
        for condition, number, _ in left:
            asked.append((condition, number))
            yield {"key": f"{condition}/{number}", "number": number} | results(condition, ("where", "a", number == 0))

    monkeypatch.setattr(runs, "in_processes", stub)
    page, file = tmp_path / "page.md", tmp_path / "vqa.json"
    page.write_text(f"{vqa.published.BEGIN}\n{vqa.published.END}\n")
    args = argparse.Namespace(
        checkpoints=[], frames=2, conditions=["plain"], robot="franka", seed=0, output=tmp_path / "out", workers=1,
        minutes=None, report=False, json=file, write=page,
    )  # fmt: skip
    monkeypatch.setattr(vqa.published, "head", lambda what, command, **more: HEAD | {"what": what, **more})
    assert vqa.measure(args) == 0 and asked == [("plain", 0), ("plain", 1)]
    args.frames = 3
    assert vqa.measure(args) == 0 and asked[2:] == [("plain", 2)]
    content = json.loads(file.read_text())
    (model,) = content["checkpoints"]
    assert content["n"] == 3 and content["conditions"]["plain"]["where"]["right"][model]["hits"] == 1
    assert model in page.read_text() and "33 % (1 of 3; " in page.read_text()
    args.seed, args.report = 1, True
    with pytest.raises(WallOSSError, match="another model, seed or settings"):
        vqa.measure(args)
    args.output = tmp_path / "none"
    with pytest.raises(WallOSSError, match="no answer yet"):
        vqa.measure(args)
    args.robot = "dual_arm"
    with pytest.raises(WallOSSError, match="has no cubes"):
        vqa.measure(args)
    assert Results(tmp_path / "out" / f"{model}.jsonl", runs.about(model, "franka", 0)).found.keys() == {
        "plain/0", "plain/1", "plain/2",
    }  # fmt: skip


HEAD = {
    "command": "python benchmarks/vqa.py", "commit": "0123abc", "date": "2026-11-30",
    "machine": {"processor": "a", "cores": 2, "python": "3.11.7"},
}  # fmt: skip
