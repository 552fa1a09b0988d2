# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint lists as understood passes; all else is refused with a reason, or asked back."""

import itertools
import random

import pytest
from checkpoint_support import make_checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.known_sentences import KnownSentences, normalise
from wall_oss_ros.policy.processor import WallOSSProcessor
from wall_oss_ros.sim.registry import task_of

LANGUAGES = {robot: task_of(robot).language for robot in ("franka", "dual_arm")}
CUBES, TRAYS = (KnownSentences(language.sentences()) for language in LANGUAGES.values())


@pytest.mark.parametrize(
    "said",
    [
        "put the red cube in the left tray",
        "  Put the RED cube\n into the left tray! ",
        "pick up the blue cube and place it in the right tray",
        "put the red cube in the left tray, then put the blue cube in the left tray",
        "put the red cube in the left tray and the blue cube in the right tray",
    ],
)
def test_what_it_was_trained_on_passes(said):
    assert CUBES.understood(said, "instructions") == (normalise(said), "")


def test_a_policy_may_be_asked_what_its_checkpoint_does_not_list(tmp_path):
    lists = {"known_words": ["stack", "cubes"], "known_sentences": {"instructions": ["go"]}}
    checkpoint = make_checkpoint(tmp_path, extra=lists)
    processor = WallOSSProcessor.from_pretrained(checkpoint)
    assert "not trained on" in processor.understood("stack cubes", "instructions")[1]
    processor.unlist()
    assert processor.understood("stack cubes", "instructions") == ("stack cubes", "") and not processor.lists(
        "instructions"
    )
    assert '"towers"' in processor.understood("stack towers", "instructions")[1], "words are another list"


@pytest.mark.parametrize(
    "said, why",
    [
        ("pick up the cube", "which colour: red, green, blue or yellow?"),
        ("put the red cube in the tray", "which tray: left or right?"),
        ("put the red cube in the red tray", '"red" in "put the red cube in the red tray" is no tray'),
        ("pick up the left cube", '"left" in "pick up the left cube" is no colour'),
        ("put the red cube and the blue cube in the left tray", "not trained on"),
        ("put the left tray in the red cube", "not trained on"),
        ("put the red cube in the left tray and the right tray", "not trained on"),
        ("pick up the red cube and pick up the red cube", "not trained on"),
        ("pick up the red cube and pick up the blue cube", "not trained on"),
        ("put the red cube in the left tray and the red cube in the right tray", '"red" is named twice'),
        (" ".join(["put the red cube in the left tray"] * 300), "not trained on"),
        ("do not put the red cube in the left tray", "not trained on"),
        ("put the red cube in the left tray or the blue cube in the right tray", "not trained on"),
        ("the", "not trained on"),
        ("place it in the left tray", "not trained on"),
        ("where is the red cube", "not trained on"),
        ("", "not trained on"),
    ],
)
def test_all_else_is_refused_with_a_reason(said, why):
    _, fault = CUBES.understood(said, "instructions")
    assert why in fault and len(fault) < 400


@pytest.mark.parametrize(
    "said, asked",
    [
        ("where is the red cube?", "Where is the red cube?"),
        ("Where is the  red cube", "Where is the red cube?"),
        ("WHAT IS IN THE GRIPPER", "What is in the gripper?"),
        ("point to the left tray", "Point to the left tray."),
    ],
)
def test_questions_are_asked_as_they_were_trained(said, asked):
    assert CUBES.understood(said, "questions") == (asked, "")
    assert TRAYS.understood("where is the red tray", "questions") == ("Where is the red tray?", "")


@pytest.mark.parametrize("said", ["how many cubes are there?", "is the red cube in the left tray?", "put the red cube"])
def test_other_questions_are_refused(said):
    assert CUBES.understood(said, "questions")[1]


@settings(deadline=None)
@given(st.data())
def test_whatever_is_made_of_a_template_passes_and_what_is_shuffled_does_not_pass_as_it(data):
    known, language = data.draw(st.sampled_from([*zip((CUBES, TRAYS), LANGUAGES.values())]))
    slots = language.sentences()["slots"]
    template = data.draw(st.sampled_from(list(language.instructions)))
    said, used = template, {}
    while "{" in said:
        begin, end = said.index("{"), said.index("}")
        part = said[begin + 1 : end]
        values = part.split("|") if "|" in part else slots[part.split(" ")[0]]
        word = data.draw(st.sampled_from([one for one in values if one not in used.get(part.split(" ")[0], ())]))
        if "colour" in part:
            used.setdefault("colour", []).append(word)
        said = said[:begin] + word + said[end + 1 :]
    assert known.understood(said, "instructions") == (said, "")
    words = said.split()
    shuffled = words[:]
    random.Random(data.draw(st.integers(0, 99))).shuffle(shuffled)
    if sorted(shuffled) == sorted(words) and not _same_meaning(words, shuffled):
        assert known.understood(" ".join(shuffled), "instructions")[1]


def _same_meaning(words: list[str], shuffled: list[str]) -> bool:
    """Whether only words of one kind have changed places."""
    kinds = dict.fromkeys(("red", "green", "blue", "yellow"), "colour")
    kinds |= dict.fromkeys(("left", "right"), "side")
    kinds |= dict.fromkeys(("put", "place"), "verb")
    return [kinds.get(word, word) for word in words] == [kinds.get(word, word) for word in shuffled]


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from(["instructions", "questions"]))
def test_whatever_is_said_there_is_an_answer(said, kind):
    for known in (CUBES, TRAYS):
        sentence, fault = known.understood(said, kind)
        assert isinstance(sentence, str) and len(fault) < 500
        if not fault:
            assert known.understood(sentence, kind) == (sentence, "")


def test_without_a_list_anything_may_be_said():
    assert KnownSentences({}).understood("Make Coffee, please!", "instructions") == ("Make Coffee, please!", "")
    only = KnownSentences({"questions": ["Is it {hot|cold}?"]})
    assert only.understood("stir", "instructions")[1] == "" and only.understood("is it hot", "questions")[1] == ""
    assert only.understood("is it wet", "questions")[1]


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"sentences": ["a"]},
        {"instructions": "put"},
        {"instructions": []},
        {"instructions": [""]},
        {"instructions": ["put the {colour} cube"]},
        {"slots": {"colour": ["red"]}, "instructions": ["put the {colour} cube"]},
        {"slots": {"colour": ["red", 3]}, "instructions": ["put"]},
        {"slots": {"colour": ["red", "green"]}, "instructions": ["put {colour!} away"]},
    ],
)
def test_a_list_that_is_none_is_refused(content):
    with pytest.raises(WallOSSError, match="known_sentences"):
        KnownSentences(content)


def test_the_reason_names_a_sentence_that_passes():
    for said in ("dance", "cube red the up pick", "lift"):
        for known in (CUBES, TRAYS):
            fault = known.understood(said, "instructions")[1]
            named = fault.split('it was on "')[1].removesuffix('".')
            assert known.understood(named, "instructions")[1] == ""


def test_templates_do_not_take_each_others_words():
    pairs = itertools.permutations(["red", "green", "blue", "yellow"], 2)
    for first, second in pairs:
        said = f"put the {first} cube in the left tray and the {second} cube in the left tray"
        assert CUBES.understood(said, "instructions") == (said, "")
