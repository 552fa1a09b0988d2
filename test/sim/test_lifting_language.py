# SPDX-License-Identifier: Apache-2.0
"""What is said of two trays and two hands: what is called for at each stage of the work, and where things are."""

import re
from dataclasses import replace

import numpy as np
import pytest

from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.lifting.frame import LEFT, LIFT_FRAME, RIGHT
from wall_oss_ros.sim.lifting.language import LANGUAGE, LiftGoal
from wall_oss_ros.uni_cot.grounding import named_object, pointing_question

RED, BLUE = 0, 1  # indices of the trays, red the near one
LIFT_RED = [LiftGoal("lift", "red")]
TAKE, LIFT = "take the red tray with both hands", "lift the red tray"


def make_frame(tray: int = RED, hands=(), raised: float = 0.0, tilt: float = 0.0) -> np.void:
    """A red tray near, a blue one far; one of them in these hands."""
    frame = np.zeros(1, LIFT_FRAME)[0]
    frame["colours"] = [COLOURS.index("red"), COLOURS.index("blue")]
    frame["near"] = RED
    for hand in hands:
        frame["gripped"][tray, hand] = True
    frame["raised"][tray], frame["tilt"][tray] = raised, tilt
    frame["tray_pixels"] = [[[60.7, 70.2], [62, 40]], [[20, 30], [np.nan, np.nan]], [[80, 90], [1, 2]]]
    frame["hand_pixels"] = [[[90, 50], [25, 51]], [[np.nan, np.nan], [50, 60]], [[55, 65], [np.nan, np.nan]]]
    return frame


BOTH = (RIGHT, LEFT)


@pytest.mark.parametrize(
    ("frame", "called_for"),
    [
        (make_frame(), TAKE),
        (make_frame(hands=[RIGHT]), TAKE),
        (make_frame(hands=[LEFT], raised=0.04, tilt=0.15), TAKE),
        (make_frame(hands=BOTH), LIFT),
        (make_frame(hands=BOTH, raised=0.115), LIFT),
        (make_frame(hands=BOTH, raised=0.125, tilt=0.2), LIFT),
        (make_frame(hands=BOTH, raised=0.125, tilt=0.1), prompts.DONE),
        (make_frame(hands=[LEFT], raised=0.125), TAKE),  # it slipped out of the right hand
        (make_frame(tray=BLUE, hands=BOTH, raised=0.125), TAKE),
    ],
)
def test_what_is_called_for_follows_from_hands_and_trays(frame, called_for):
    assert LANGUAGE.active_subtask(frame, LIFT_RED) == called_for


def test_a_plan_is_two_subtasks_and_an_absent_tray_is_refused():
    assert LANGUAGE.plan_text(make_frame(), LIFT_RED).splitlines() == [TAKE, LIFT]
    green = [LiftGoal("lift", "green")]
    for said in (LANGUAGE.plan_text(make_frame(), green), LANGUAGE.active_subtask(make_frame(), green)):
        assert said == "there is no green tray" and said.startswith(prompts.ABSENT)


def test_instructions_mean_the_goals_they_come_with():
    rng, known = np.random.default_rng(0), set(LANGUAGE.vocabulary())
    absent = 0
    for _ in range(200):
        text, goals = LANGUAGE.instruction(rng, make_frame(), absent_share=0.2)
        seen = replace(LANGUAGE.look(make_frame()), bar=True)  # asked for now and then, though there is none
        assert LANGUAGE.parse(text, seen) == goals and set(text.split()) <= known
        absent += goals[0].colour in ("green", "yellow")
    assert 10 < absent < 45


def answers(kind: str, frame: np.void, draws: int = 150) -> dict[str, set[str]]:
    """Everything that is answered to each question of a kind."""
    rng, found = np.random.default_rng(1), {}
    for _ in range(draws):
        _, suffix, answer = LANGUAGE.sample(rng, frame, {kind: 1.0})
        asked = suffix.removeprefix(prompts.QUESTION).removesuffix("\n" + prompts.ASSISTANT)
        found.setdefault(asked, set()).add(answer)
    return found


def test_pointing_is_to_the_named_thing_in_the_named_view():
    front = answers("point_front", make_frame())
    assert front == {
        "Point to the red tray.": {"<point>[60, 70]</point>"},
        "Point to the blue tray.": {"<point>[62, 40]</point>"},
        "Point to the right hand.": {"<point>[90, 50]</point>"},
        "Point to the left hand.": {"<point>[25, 51]</point>"},
    }
    assert answers("point_wrist", make_frame()) == {
        "Point to the red tray in the left wrist view.": {"<point>[20, 30]</point>"},
        "Point to the blue tray in the left wrist view.": {"not in view"},
        "Point to the red tray in the right wrist view.": {"<point>[80, 90]</point>"},
        "Point to the blue tray in the right wrist view.": {"<point>[1, 2]</point>"},
    }
    assert all(pointing_question(named_object(subtask)) in front for subtask in LIFT_RED[0].subtasks())


@pytest.mark.parametrize(
    ("hands", "where", "held"),
    [
        ([], "near", "nothing"),
        ([LEFT], "near, in the left hand", "the red tray in the left hand"),
        ([RIGHT], "near, in the right hand", "the red tray in the right hand"),
        (BOTH, "near, in both hands", "the red tray in both hands"),
    ],
)
def test_where_a_tray_is_and_who_holds_it(hands, where, held):
    frame = make_frame(hands=hands)
    places = answers("where", frame)
    assert places["Where is the red tray?"] == {where} and places["Where is the blue tray?"] == {"far"}
    assert places["Where is the green tray?"] == {"there is no green tray"}
    assert answers("in_hands", frame) == {"What do the hands hold?": {held}}


def test_all_trays_are_named_in_one_order_wherever_they_stand():
    frame = make_frame()
    turned = frame.copy()
    for field in ("colours", "tray_pixels"):
        turned[field] = np.flip(frame[field], axis=-1 if field == "colours" else 1)
    for one in (frame, turned):
        assert answers("which_trays", one, 3) == {"Which trays are there?": {"red, blue"}}
        located = "red <point>[60, 70]</point>, blue <point>[62, 40]</point>"
        assert answers("locate", one, 3) == {"Locate the trays.": {located}}


def test_nonsense_is_not_understood_and_every_word_that_is_asked_is_known():
    known, refused = set(LANGUAGE.vocabulary()), 0
    for kind in LANGUAGE.material:
        for asked, said in answers(kind, make_frame()).items():
            words = re.sub(r"\n.*|Instruction:|[.?,]", "", asked.strip()).lower().split()
            assert set(words) <= known, words
            refused += said == {prompts.NOT_UNDERSTOOD}
    assert refused > 5


@pytest.mark.parametrize(("raised", "tilt", "ends"), [(0.11, 0.1, True), (0.09, 0.1, False), (0.11, 0.2, False)])
def test_a_tray_that_is_not_yet_called_lifted_may_be_high_enough(raised, tilt, ends):
    frame = make_frame(hands=[LEFT, RIGHT], raised=raised, tilt=tilt)
    assert LANGUAGE.reached(frame, LIFT_RED) is ends
    assert LANGUAGE.active_subtask(frame, LIFT_RED) == LIFT
