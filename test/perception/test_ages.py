# SPDX-License-Identifier: Apache-2.0
"""Ages grow with steady time, and what is stale is said to be."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wall_oss_ros.perception.ages import LastHeard, span


def test_an_age_grows_until_it_is_heard_again():
    heard = LastHeard(2.0)
    assert heard.silence(0.0) == "not heard yet" and heard.stale(0.0) and heard.age(5.0) == math.inf
    heard.hear(10.0)
    assert heard.silence(12.0) == "" and heard.age(11.5) == 1.5
    assert heard.silence(22.9) == "silent for 12 s"
    heard.hear(23.0)
    assert heard.silence(23.1) == ""


def test_the_same_again_is_nothing_new():
    heard = LastHeard(2.0)
    for steady in (1.0, 2.0, 30.0):
        heard.hear(steady, mark=(7, 5))
    assert heard.silence(31.0) == "silent for 30 s"
    heard.hear(31.0, mark=(7, 4))
    assert heard.silence(31.0) == "", "a clock may have been set back"


def test_a_latched_message_is_as_old_as_its_stamp_says_but_clocks_may_differ():
    heard = LastHeard(2.0)
    heard.hear(1.0, sent_ago=600.0)
    assert heard.silence(1.0) == "silent for 10 min"
    heard.hear(1.2, sent_ago=600.0)
    assert heard.silence(1.4) == ""


@given(steady=st.floats(0, 1e9), ago=st.floats(allow_nan=True, allow_infinity=True), later=st.floats(0, 1e9))
def test_no_stamp_makes_an_age_negative_or_hides_it(steady, ago, later):
    heard = LastHeard(2.0)
    heard.hear(steady, sent_ago=ago)
    assert heard.age(steady + later) >= later * 0.999 - 1e-3
    assert heard.stale(steady + later) or heard.age(steady + later) <= 2.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.9, "0 s"), (12.9, "12 s"), (119.9, "119 s"), (180, "3 min"), (7199, "119 min"), (7300, "2 h")],
)
def test_spans_in_words(seconds, words):
    assert span(seconds) == words
