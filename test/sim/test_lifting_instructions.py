# SPDX-License-Identifier: Apache-2.0
"""What may be asked for of two wide trays, what it means there, and what is to be done next for it."""

import numpy as np
import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.sim import evaluate
from wall_oss_ros.sim.course import Course
from wall_oss_ros.sim.goals import COLOURS, lasting
from wall_oss_ros.sim.lifting import instructions
from wall_oss_ros.sim.lifting.frame import LEFT, LIFT_FRAME, RIGHT, bar_holds, walls
from wall_oss_ros.sim.lifting.goals import BRING, LET_GO, TAKE_BAR, bar_text, down, give, lay, lift
from wall_oss_ros.sim.lifting.instructions import FORMS, HELD, PHRASING, SENSELESS, STARTING, UNCLEAR, draw, meaning
from wall_oss_ros.sim.lifting.language import LANGUAGE, subtask_texts
from wall_oss_ros.sim.lifting.scene import BAR_SIZE, BAR_X, BAR_Y, MIDDLE, TABLE
from wall_oss_ros.sim.lifting.seen import Seen
from wall_oss_ros.sim.registry import task_of

TASK = task_of("dual_arm")
NOTHING, RED_HELD = Seen(("red", "blue")), Seen(("red", "blue"), frozenset({"red"}))
BOTH_HELD = Seen(("red", "blue"), frozenset({"red", "blue"}))


def frame(held="", hands=(RIGHT, LEFT), raised=0.0, tilt=0.0, at="") -> np.void:
    """Red near, blue far; one is in these hands, or the hands are open around the walls of one (``at``)."""
    record = np.zeros(1, LIFT_FRAME)[0]
    record["colours"] = [COLOURS.index("red"), COLOURS.index("blue")]
    record["trays"][:, :3] = [(0.29, 0, TABLE), (0.455, 0, TABLE)]
    record["tcps"] = [(0.32, -0.2, -0.36), (0.32, 0.2, -0.36)]
    for index, colour in enumerate(("red", "blue")):
        if colour == held:
            record["raised"][index], record["tilt"][index] = raised, tilt
            record["trays"][index, 2] += raised
            record["gripped"][index, list(hands)] = True
        if colour in (held, at):
            record["tcps"] = walls(record, index)
    record["tray_pixels"][0] = [[60.7, 70.2], [62, 40]]
    return record


def bar_frame(y=-BAR_Y, height=0.0, holding=(), near=()) -> np.void:
    """The same with the bar, in these hands; hands that are near it are open around it."""
    record = frame()
    record["bar_there"], record["bar"] = True, (BAR_X, y, TABLE + BAR_SIZE[2] / 2 + height, 0.0)
    record["bar_pixels"] = [[50.5, 60], [np.nan] * 2, [70, 80]]
    for arm in (*holding, *near):
        record["tcps"][arm] = bar_holds(record)[arm]
    record["bar_gripped"][list(holding)] = True
    return record


@pytest.mark.parametrize("name", FORMS)
def test_each_phrase_means_the_goals_it_comes_with(name):
    rng, found = np.random.default_rng(0), set()
    for unseen in (False, True):
        for look in [NOTHING, RED_HELD, Seen(("yellow", "green"), frozenset({"green"}))] * 15:
            try:
                form, text, goals = draw(rng, look, forms=[name], unseen=unseen)
            except ValueError:  # this scene allows none
                continue
            assert form == name and goals and meaning(text, look) == goals == LANGUAGE.parse(f" {text.upper()}. ", look)
            found.add(text)
    phrases = {*FORMS[name].phrases, *FORMS[name].unseen}
    assert {one for one in phrases if any(PHRASING.pattern(one).fullmatch(text) for text in found)} == phrases


def test_no_phrase_of_evaluation_is_one_of_training_and_none_means_two_things():
    trained = [phrase for form in FORMS.values() for phrase in form.phrases]
    asked = [phrase for form in FORMS.values() for phrase in form.unseen]
    assert len({*trained, *asked}) == len(trained) + len(asked) and all(form.unseen for form in FORMS.values())


@pytest.mark.parametrize(
    ("text", "seen", "goals"),
    [
        ("lift the red tray", None, [lift("red")]),
        ("lift the near tray", NOTHING, [lift("red")]),
        ("take the far tray and lift it", NOTHING, [lift("blue")]),
        ("lift the far tray", Seen(("blue", "red")), [lift("red")]),
        ("lift the tray that is not red", NOTHING, [lift("blue")]),
        ("lift the other tray, not the blue one", NOTHING, [lift("red")]),
        ("lift the nearest tray", NOTHING, [lift("red")]),
        ("pick up the second tray from the robot", NOTHING, [lift("blue")]),
        ("put the blue tray down", None, [down("blue")]),
        ("put it down", RED_HELD, [down("red")]),
        ("lift the red tray, then put it down", None, [lift("red"), down("red")]),
        (
            "lift the blue tray, put it down, then lift the red tray",
            None,
            [lift("blue"), down("blue"), lift("red")],
        ),
        (
            "lift the blue tray, put it down, then lift the other tray",
            NOTHING,
            [lift("blue"), down("blue"), lift("red")],
        ),
        (
            "lift both trays one by one, the near tray first",
            NOTHING,
            [lift("red"), down("red"), lift("blue"), down("blue")],
        ),
        ("hand the bar to the left hand", None, [give("left")]),
        ("pass the bar to the right hand and lay it on the table", NOTHING, [give("right"), lay()]),
        (
            "hand the bar to the left hand, lay it down, then lift the red tray",
            None,
            [give("left"), lay(), lift("red")],
        ),
    ],
)
def test_what_words_mean(text, seen, goals):
    assert meaning(text, seen) == LANGUAGE.parse(text, seen) == goals


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("lift the near tray", None),
        ("lift the nearest tray", None),
        ("lift the tray that is not red", None),
        ("lift the tray that is not green", NOTHING),
        ("put it down", None),
        ("put it down", NOTHING),
        ("put it down", BOTH_HELD),
        ("lift the red tray, put it down, then lift the red tray", NOTHING),
        ("lift the green tray, put it down, then lift the other tray", NOTHING),
        ("hand the bar to the left hand", Seen(("red", "blue"), bar=False)),
        ("hand the bar to the red hand", NOTHING),
        *((text.format(c="red", d="blue", h="left"), RED_HELD) for text in (*UNCLEAR, *SENSELESS)),
    ],
)
def test_what_a_scene_does_not_allow_has_no_meaning(text, seen):
    assert meaning(text, seen) is None
    with pytest.raises(WallOSSError):
        LANGUAGE.parse(text, seen)


def test_two_trays_are_not_lifted_at_once():
    with pytest.raises(WallOSSError, match="names 2 trays"):
        LANGUAGE.parse("lift the red tray and lift the blue tray")


def test_instructions_are_of_known_words():
    known, rng = {word.strip(",") for word in LANGUAGE.vocabulary()}, np.random.default_rng(2)
    texts = [draw(rng, RED_HELD, 0.2, unseen=bool(rng.random() < 0.5))[1] for _ in range(300)]
    texts += [instructions.unclear(rng)[0] for _ in range(40)] + [instructions.senseless(rng) for _ in range(40)]
    texts += [goal.text() for goal in (lift("red"), down("red"))] + [*lift("red").subtasks(), *down("red").subtasks()]
    for text in texts:
        assert set(text.replace(",", "").split()) <= known, text
        assert "{" not in text


def test_what_is_unclear_is_asked_back_and_what_is_senseless_is_not_understood():
    rng = np.random.default_rng(1)
    asked = {LANGUAGE.plan(rng, frame())[1] for _ in range(400)}
    assert {"which tray?", prompts.NOT_UNDERSTOOD, "there is no green tray"} <= asked


# What is called for, one frame after the other


UP, HIGH = {"held": "red", "raised": 0.05}, {"held": "red", "raised": 0.13}
TAKE_RED, LIFT_RED, LOWER_RED = *lift("red").subtasks(), *down("red").subtasks()


@pytest.mark.parametrize(
    ("shown", "called"),
    [
        (frame(), prompts.DONE),
        (frame(**HIGH), LOWER_RED),
        (frame(held="red"), LOWER_RED),
        (frame(held="red", hands=[LEFT], raised=0.03, tilt=0.2), LOWER_RED),  # one hand has lost it
        (frame(at="red"), LOWER_RED),  # let go, the hands are still there
        (frame(at="blue"), prompts.DONE),
        (frame(held="blue", raised=0.1), prompts.DONE),
    ],
)
def test_a_tray_is_down_when_it_is_let_go_and_the_hands_are_clear(shown, called):
    assert LANGUAGE.active_subtask(shown, [down("red")]) == called


LONG = [lift("red"), down("red"), lift("blue")]


def test_what_a_later_goal_undoes_stays_behind():
    course = Course(LANGUAGE, LONG)
    shown = [frame(), frame(held="red"), frame(**UP), frame(**HIGH), frame(**UP), frame(held="red"), frame(at="red")]
    called = [TAKE_RED, LIFT_RED, LIFT_RED, LOWER_RED, LOWER_RED, LOWER_RED, LOWER_RED]
    shown += [frame(), frame(held="blue"), frame(**UP), frame(), frame(held="blue", raised=0.13)]
    called += [*lift("blue").subtasks(), LOWER_RED, lift("blue").subtasks()[0], prompts.DONE]
    assert [course.called(one) for one in shown] == called
    assert course.last and course.goals == LONG[1:] and LANGUAGE.reached(shown[-1], course.goals)
    assert lasting(LONG) == [down("red"), lift("blue")]


def test_a_tray_that_is_not_there_is_missed_before_anything_moves():
    course = Course(LANGUAGE, [lift("red"), down("red"), lift("green")])
    assert course.called(frame()) == "there is no green tray" == LANGUAGE.plan_text(frame(), course._all)
    assert not course.last


def test_what_was_never_lifted_is_not_lifted_and_put_down():
    course = Course(LANGUAGE, [lift("red"), down("red")])
    for shown in (frame(), frame(at="red"), frame(held="red", hands=[RIGHT], raised=0.13), frame()):
        assert course.called(shown) == TAKE_RED and not course.last


def test_a_plan_says_where_there_is_no_way_back():
    lines = LANGUAGE.plan_text(frame(), LONG).splitlines()
    assert lines == [TAKE_RED, LIFT_RED, f"then {LOWER_RED}", *lift("blue").subtasks()]
    assert LANGUAGE.plan_text(frame(), [lift("red")]).splitlines() == [TAKE_RED, LIFT_RED]


def test_progress_is_asked_about_one_phase_at_a_time():
    """No instruction of several is judged by a frame alone, which does not tell which of them it is about."""
    rng, told = np.random.default_rng(0), {}
    for _ in range(300):
        text, goals = LANGUAGE.instruction(rng, frame(**UP), absent_share=0.0)
        asked, about = LANGUAGE.asked(rng, frame(**UP), text, goals)
        assert len(LANGUAGE.phases(about)) == 1
        assert told.setdefault(asked, LANGUAGE.active_subtask(frame(**UP), about)) == LANGUAGE.active_subtask(
            frame(**UP), about
        ), asked
    assert told[f"{TAKE_RED}, {LIFT_RED}"] == LIFT_RED and told[LOWER_RED] == LOWER_RED


# The bar


TAKE_RIGHT, TAKE_LEFT = bar_text((TAKE_BAR, RIGHT)), bar_text((TAKE_BAR, LEFT))
BRING_IT, LET_GO_RIGHT = bar_text((BRING, 0)), bar_text((LET_GO, RIGHT))
UP_THERE = {"y": MIDDLE[0], "height": MIDDLE[1]}


@pytest.mark.parametrize(
    ("shown", "called"),
    [
        (bar_frame(), TAKE_RIGHT),
        (bar_frame(y=BAR_Y), TAKE_LEFT),  # the other hand does not reach it
        (bar_frame(holding=[RIGHT]), BRING_IT),
        (bar_frame(y=-0.1, height=0.13, holding=[RIGHT]), BRING_IT),
        (bar_frame(y=0.0, height=0.05, holding=[RIGHT]), BRING_IT),
        (bar_frame(**UP_THERE, holding=[RIGHT]), TAKE_LEFT),
        (bar_frame(**UP_THERE, holding=[RIGHT, LEFT]), LET_GO_RIGHT),
        (bar_frame(**UP_THERE, holding=[LEFT], near=[RIGHT]), LET_GO_RIGHT),
        (bar_frame(**UP_THERE, holding=[LEFT]), prompts.DONE),
        (bar_frame(y=BAR_Y, holding=[LEFT]), prompts.DONE),
        (bar_frame(y=0.0), TAKE_RIGHT),  # it fell
        (frame(), "there is no bar"),
    ],
)
def test_what_handing_the_bar_over_calls_for(shown, called):
    assert LANGUAGE.active_subtask(shown, [give("left")]) == called


@pytest.mark.parametrize(
    ("shown", "is_down"),
    [
        (bar_frame(), True),
        (bar_frame(near=[RIGHT]), False),
        (bar_frame(holding=[RIGHT]), False),
        (bar_frame(**UP_THERE, holding=[LEFT, RIGHT]), False),
    ],
)
def test_the_bar_is_laid_down_when_it_is_let_go_and_the_hands_are_clear(shown, is_down):
    assert (LANGUAGE.active_subtask(shown, [lay()]) == prompts.DONE) is is_down is LANGUAGE.reached(shown, [lay()])


def test_hand_it_over_lay_it_down_and_lift_a_tray():
    goals = [give("left"), lay(), lift("red")]
    assert LANGUAGE.phases(goals) == [goals[:1], goals[1:]]
    assert LANGUAGE.plan_text(bar_frame(), goals).splitlines() == [
        TAKE_RIGHT, BRING_IT, TAKE_LEFT, LET_GO_RIGHT, "then lay the bar down", TAKE_RED, LIFT_RED,
    ]  # fmt: skip
    course = Course(LANGUAGE, goals)
    shown = [bar_frame(), bar_frame(**UP_THERE, holding=[LEFT]), bar_frame(y=BAR_Y, near=[LEFT]), bar_frame(y=BAR_Y)]
    assert [course.called(one) for one in shown] == [TAKE_RIGHT, "lay the bar down", "lay the bar down", TAKE_RED]
    assert Course(LANGUAGE, goals).called(frame()) == "there is no bar" == LANGUAGE.plan_text(frame(), goals)


def test_what_is_not_there_is_not_done_and_every_chunk_has_its_subtask():
    for shown in (frame(), frame(**HIGH), frame(at="red"), bar_frame(), bar_frame(**UP_THERE, holding=[RIGHT])):
        names, weights = TASK.subtasks(shown)
        assert names == subtask_texts(shown) and len(names) == len(shown["chunks"]) == len(weights)
        assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
        assert bool(weights[6:].sum() > 0) is bool(shown["bar_there"])
    assert TASK.subtasks(bar_frame(**UP_THERE, holding=[RIGHT]))[1].argmax() >= 6


def test_a_thought_tells_of_the_bar():
    told = LANGUAGE.thought(bar_frame(**UP_THERE, holding=[RIGHT]), [give("left")])
    assert "bar [50, 60] 13 cm up; right hand bar, left hand empty; " in told
    assert told.endswith("; 0 of 1 done, the bar is not yet in the left hand alone.")
    assert "bar" not in LANGUAGE.thought(frame(), [lift("red")])


def test_the_truth_that_is_published_shows_who_has_the_bar():
    bar = {"colour": "red", "position": [0.37, 0.2, TABLE + 0.018], "quaternion": [0, 0, 0, 1], "hands": []}
    for hands, shown in (([], "lay"), (["left"], "give"), (["right", "left"], ""), (["right"], "")):
        truth = {"wide_trays": {}, "bar": {**bar, "hands": hands}}
        assert TASK.shows(truth, give("left")) is (shown == "give") and TASK.shows(truth, lay()) is (shown == "lay")
    assert TASK.describe([give("left")], {"wide_trays": {}, "bar": {**bar, "hands": ["left"]}}) == (
        "the bar is in the left hand"
    )
    assert not TASK.shows({"wide_trays": {}}, lay())
    assert TASK.describe([lay()], {"wide_trays": {}}) == "there is no bar"


# Thoughts


def test_a_thought_says_what_is_where_who_holds_what_and_why_the_next_step_comes_next():
    assert LANGUAGE.thought(frame(**UP), [lift("red")]) == (
        "red near [60, 70] 5 cm up, blue far [62, 40] on the table; right hand red, left hand red; "
        "0 of 1 done, the red tray is not yet lifted."
    )
    tipped = frame(held="red", hands=[LEFT], raised=0.04, tilt=0.25)
    assert "4 cm up tilted" in (told := LANGUAGE.thought(tipped, [lift("red")])) and "right hand empty" in told
    assert told.endswith("the red tray is not yet in both hands.")
    assert LANGUAGE.thought(frame(), LONG[1:]).endswith("1 of 2 done, the blue tray is not yet in both hands.")
    assert LANGUAGE.thought(frame(**HIGH), [down("red")]).endswith("the red tray is not yet let go on the table.")
    assert LANGUAGE.thought(frame(**HIGH), [lift("red")]).endswith("; all is done.")
    assert LANGUAGE.thought(frame(), [lift("green")]).endswith("; there is no green tray.")


def answers(kind: str, shown: np.void) -> set[tuple[str, str]]:
    rng, found = np.random.default_rng(1), set()
    for _ in range(120):
        _, suffix, answer = LANGUAGE.sample(rng, shown, {kind: 1.0})
        found.add((suffix.removeprefix(prompts.QUESTION).removesuffix("\n" + prompts.ASSISTANT), answer))
    return found


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (
            "which_hand",
            {
                ("Which hand holds the red tray?", "the left hand"),
                ("Which hand holds the blue tray?", "none"),
                ("Which hand holds the bar?", "there is no bar"),
            },
        ),
        ("how_many", {("How many trays are on the table?", "1")}),
        (
            "held",
            {
                ("Does the left hand hold the red tray?", "yes"),
                ("Does the right hand hold the red tray?", "no"),
                ("Does the left hand hold the blue tray?", "no"),
                ("Does the right hand hold the blue tray?", "no"),
            },
        ),
        (
            "side",
            {
                ("Is the red tray nearer than the blue tray?", "yes"),
                ("Is the red tray farther than the blue tray?", "no"),
                ("Is the blue tray nearer than the red tray?", "no"),
                ("Is the blue tray farther than the red tray?", "yes"),
            },
        ),
        (
            "box",
            {
                ("Draw a box around the red tray.", "<box>[1, 2, 3, 4]</box>"),
                ("Draw a box around the blue tray.", "not in view"),
            },
        ),
    ],
)  # fmt: skip
def test_questions_are_answered_by_the_record(kind, told):
    shown = frame(held="red", hands=[LEFT], raised=0.04)
    shown["tray_boxes"] = [[1, 2, 3, 4], [np.nan] * 4]
    assert answers(kind, shown) == told


# Cases of evaluation


def test_evaluation_asks_in_words_of_every_form_that_a_scene_can_begin_with():
    assert TASK.forms == STARTING and not {*TASK.forms} & {*HELD}
    cases = evaluate.instructed_cases(TASK, 2 * len(STARTING), 0, STARTING, True, ["clutter"])
    assert [case.form for case in cases] == [*STARTING] * 2 and all(case.look.clutter for case in cases)
    for case in cases:
        seen = instructions.begun(case.scene)
        assert LANGUAGE.parse(case.instruction, seen) == [*case.goals], case.instruction
        assert not {case.instruction} & {phrase.format(c="red") for phrase in FORMS["lift"].phrases}
    told = evaluate.instructed_cases(TASK, 3, 0, TASK.unfollowable)
    assert [case.expected for case in told] == ["refused", "asked back", "refused"]
    (absent,) = LANGUAGE.parse(told[0].instruction)
    assert absent.colour not in told[0].scene.colours


def test_any_form_that_is_drawn_for_a_scene_asks_for_something():
    rng = np.random.default_rng(3)
    for _ in range(60):
        scene, form, _, goals = TASK.instructed(rng)
        assert form in STARTING
        if goals[0].kind == "give":
            assert scene.bar.y * (1, -1)[goals[0].to] > 0, "the other hand has to take it first"
        else:
            assert goals[0].kind == "lift" and goals[0].colour in scene.colours
