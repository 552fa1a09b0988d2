# SPDX-License-Identifier: Apache-2.0
"""From an instruction to motion: what is given, left out, or said first."""

from collections import Counter

import numpy as np
import pytest

from wall_oss_ros.data.dataset import PATHS, follow_path

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
        (("tidy up", None, "The cup lies."), {("tidy up", "")}),  # a thought without what follows from it
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
