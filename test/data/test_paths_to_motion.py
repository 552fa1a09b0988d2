# SPDX-License-Identifier: Apache-2.0
"""From an instruction to motion: what is given, left out, or said first."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from wall_oss_ros.data.dataset import PATHS, follow_path
from wall_oss_ros.data.lerobot import Entry
from wall_oss_ros.data.mapping.language import Words
from wall_oss_ros.data.mapping.spec import Language

TEXTS = ("tidy up", "pick up the cup", "The cup lies.")
EVERY = dict.fromkeys(PATHS, 1.0)


def drawn(shares, *texts, count=400):
    rng = np.random.default_rng(0)
    return Counter(follow_path(rng, shares, *texts) for _ in range(count))


def test_each_path_gives_its_texts():
    assert set(drawn(EVERY, *TEXTS)) == {
        ("pick up the cup", ""),
        ("tidy up", ""),
        ("tidy up", "pick up the cup"),
        ("tidy up", "The cup lies.\n\npick up the cup"),
    }


def test_shares_are_kept():
    found = drawn({"subtask": 3.0, "instruction": 1.0, "thought": 0.0}, *TEXTS)
    assert len(found) == 2 and found["pick up the cup", ""] / 400 == pytest.approx(0.75, abs=0.06)


@pytest.mark.parametrize(
    ("texts", "ways"),
    [
        (("tidy up", None, None), {("tidy up", "")}),
        (("tidy up", None, "The cup lies."), {("tidy up", ""), ("tidy up", "The cup lies.")}),
        ((None, "pick up the cup", "The cup lies."), {("pick up the cup", "")}),
        ((*TEXTS[:2], None), {(TEXTS[1], ""), (TEXTS[0], ""), TEXTS[:2]}),
        ((None, None, None), {None}),
        (("", "", ""), {None}),
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_said(texts, ways):
    assert set(drawn(EVERY, *texts)) == ways


def test_no_share_no_path():
    assert set(drawn({"thought": 1.0}, "tidy up", "pick up the cup", None)) == {None}


class Asked:
    """A dataset of four rows, about two of which something is asked."""

    features, tasks = ("task_index", "frame_index"), {0: "reach the ball"}

    def columns(self, episode, keys):
        return {"task_index": np.zeros(4, int), "frame_index": np.arange(4)}

    def language(self, episode):
        asked = [Entry("user", f"Where is the {thing}?", "vqa") for thing in ("hand", "ball", "cat")]
        said = [Entry("assistant", place, "vqa") for place in ("here", "there")]
        pairs = [entry for pair in zip(asked, said) for entry in pair]
        return SimpleNamespace(
            events=[*[(1, entry) for entry in pairs], (2, asked[2])], persistent=[], subtasks=[None] * 4
        )


@pytest.mark.parametrize("questions", [True, False])
def test_answers_about_a_frame_may_be_what_is_said_before_the_motion(questions):
    words = Words(Language(thought="answers", questions=questions), None, Asked()).read(0)
    assert words.thoughts == [None, "here, there", None, None], "a question without an answer says nothing"
    paths, rng = {"instruction": 0.0, "thought": 1.0}, np.random.default_rng(0)
    assert words.acting(rng, 1, 1, paths) == [("reach the ball", "here, there")]
    assert words.acting(rng, 0, 1, paths) == [("reach the ball", "")]
    assert ("ask" in words.samples(1, "reach the ball")) == questions
