# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint says that it understands: templates for a task's phrases, and the tool that lists them."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.checkpoints import checkpoint_identity
from wall_oss_ros.policy.known_sentences import KnownSentences
from wall_oss_ros.sim.evaluate import DONE
from wall_oss_ros.sim.evaluation_summary import NEEDED
from wall_oss_ros.sim.registry import task_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import understood

TASKS = {robot: task_of(robot) for robot in ("franka", "dual_arm")}


def frames(task, count, seed=0):
    """Of scenes as they begin."""
    for number in range(count):
        environment = task.environment(np.random.default_rng([seed, number]))
        yield environment.truth()[()]
        environment.simulator.close()


@pytest.mark.parametrize("robot", TASKS)
@pytest.mark.parametrize("new_words", [False, True])
def test_all_that_a_form_says_is_understood_once_it_is_listed_and_nothing_of_other_forms(robot, new_words):
    task = TASKS[robot]
    language, rng = task.language, np.random.default_rng(1)
    everything = {form: KnownSentences(language.sentences([(form, new_words)])) for form in task.forms}
    for form in task.forms:
        said = [task.instructed(rng, [form], new_words)[2] for _ in range(8)]
        for text in said:
            known, why = everything[form].understood(text.upper() + ".", "instructions")
            assert not why and known == text, (form, why)
        others = [name for name in task.forms if name != form]
        shared = [name for name in others for text in said if not everything[name].understood(text, "instructions")[1]]
        assert len(shared) <= len(said), (form, shared)  # some sentences are of two forms, such as a cube by its place


def test_what_is_unclear_is_asked_back_by_the_list_itself():
    known = KnownSentences(TASKS["franka"].language.sentences([("pick", False), ("place", False), ("ordinal", False)]))
    assert known.understood("put the leftmost cube in the left tray", "instructions")[1] == ""
    assert "leaves open which colour" in known.understood("pick up the cube", "instructions")[1]
    assert "leaves open which tray" in known.understood("put the middle cube in the tray", "instructions")[1]
    assert "not trained on" in known.understood("stack the red cube on the blue cube", "instructions")[1]


def test_a_choice_of_words_is_no_slot():
    """Templates say "{place|put}", and questions have a slot of the name place."""
    language = TASKS["franka"].language
    assert set(language.sentences()["slots"]) == {"colour", "tray"}
    assert set(language.sentences(None, ["How many cubes are {place}?"])["slots"]) == {"colour", "tray", "place"}


def test_two_colours_must_differ_and_two_trays_need_not():
    known = KnownSentences(TASKS["franka"].language.sentences([("two", False)]))
    said = "put the red cube in the left tray and the {} cube in the left tray"
    assert known.understood(said.format("blue"), "instructions")[1] == ""
    assert "named twice" in known.understood(said.format("red"), "instructions")[1]


def test_each_question_that_training_asks_has_a_template_of_its_kind():
    language, rng = TASKS["franka"].language, np.random.default_rng(2)
    templates = language.question_templates
    known = KnownSentences(language.sentences(None, [text for texts in templates.values() for text in texts]))
    seen = set()
    for frame in frames(TASKS["franka"], 6):
        for kind in templates:
            for _ in range(4):
                suffix, _ = language.material[kind][1](rng, frame)
                question = re.search(re.escape(prompts.QUESTION) + "(.*)\n", suffix)[1]
                if kind == "inside" and question.endswith("cube?") and " on the " in question:
                    continue  # of a stack: no template says it
                assert known.understood(question, "questions") == (question, ""), kind
                seen.add(kind)
    assert seen == {*templates}


def result(number, form, unseen, success, expected=DONE):
    filled = dict.fromkeys(NEEDED, 0)
    return filled | {
        "key": f"{form}{unseen}{number}", "number": number, "form": form, "unseen": unseen, "success": success,
        "expected": expected,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A checkpoint's config, and runs with it: picking is understood, stacking is not, new words half of the time."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"hidden_size": 8, "known_sentences": {"instructions": ["go"]}}))
    about = {"checkpoint": f"other name@{checkpoint_identity(made)[-8:]}", "robot": "franka", "unlisted": True}
    rows = [result(number, "pick", False, True) for number in range(12)]
    rows += [result(number, "pick", True, number % 2 == 0) for number in range(12)]
    rows += [result(number, "stack", False, number < 5) for number in range(12)]
    rows += [result(number, "sort", False, True) for number in range(5)]
    rows += [result(number, "unclear", False, True, "asked back") for number in range(12)]
    lines = [{"about": about}, *rows]
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return made


def test_only_what_was_right_often_enough_is_listed(folder, tmp_path):
    said = understood.write(folder, [tmp_path / "runs.jsonl"], None, 0.75)
    config = json.loads((folder / "config.json").read_text())
    known = config["known_sentences"]
    assert known["instructions"] == TASKS["franka"].language.sentences([("pick", False)])["instructions"]
    assert set(known["slots"]) == {"colour", "tray"} and known["questions"] and config["hidden_size"] == 8
    assert "stack, known words: 5 of 12, left out" in said and "sort" not in said and "unclear" not in said
    assert "pick, new words: 6 of 12, left out" in said and "cube" in config["known_words"]


def test_questions_are_listed_by_their_own_figures(folder, tmp_path):
    identity = checkpoint_identity(folder)
    right = {"where": 0.95, "box": 0.2, "side": 0.9, "progress": 1.0}
    kinds = {kind: {"right": {identity: {"share": share, "of": 50}}} for kind, share in right.items()}
    (tmp_path / "vqa.json").write_text(json.dumps({"conditions": {"plain": kinds, "light": {"box": {}}}}))
    understood.write(folder, [tmp_path / "runs.jsonl"], tmp_path / "vqa.json", 0.75)
    known = json.loads((folder / "config.json").read_text())["known_sentences"]
    assert known["questions"] == [
        "Where is the {colour} cube?",
        "Is the {colour} cube {side} of the {colour 2} cube?",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda about: about.update(checkpoint="model@00000000"), "not with this checkpoint"),
        (lambda about: about.update(unlisted=False), "not of wall-oss eval --unlisted"),
    ],
)
def test_runs_of_another_checkpoint_or_of_what_is_listed_say_nothing(folder, tmp_path, change, words):
    first, *rest = (tmp_path / "runs.jsonl").read_text().splitlines()
    about = json.loads(first)
    change(about["about"])
    (tmp_path / "runs.jsonl").write_text("\n".join([json.dumps(about), *rest]) + "\n")
    before = (folder / "config.json").read_text()
    with pytest.raises(WallOSSError, match=words):
        understood.write(folder, [tmp_path / "runs.jsonl"], None, 0.75)
    assert (folder / "config.json").read_text() == before


def test_nothing_is_listed_where_nothing_is_understood(folder, tmp_path):
    before = (folder / "config.json").read_text()
    with pytest.raises(WallOSSError, match="No form of instruction"):
        understood.write(folder, [tmp_path / "runs.jsonl"], None, 1.01)
    assert (folder / "config.json").read_text() == before
