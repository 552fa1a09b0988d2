# SPDX-License-Identifier: Apache-2.0
"""The plan follows the model's judgements: forward, back, anew; and says why it ends."""

import numpy as np
import pytest

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.plan import PlanStatus, SubtaskStatus
from wall_oss_ros.uni_cot.planner import PlannerSettings, UniCoTPlanner

PICK, PLACE, PICK_2 = "pick up the red cube", "place it in the left tray", "pick up the blue cube"


class ScriptedModel:
    """Says what the test tells it to; right after a plan, ``first``, else the plan's first line."""

    def __init__(self, plan, answers=(), unknown=(), first=None):
        self.first, self.planned = first, None
        self.plans, self.answers, self.unknown = (
            [plan] if isinstance(plan, str) else list(plan),
            list(answers),
            list(unknown),
        )
        self.asked = []

    judges_plans = lists_instructions = False

    def understood(self, text, kind):
        assert kind == "instructions"
        return text, ", ".join(f'"{word}"' for word in self.unknown)

    def plan(self, obs, instruction):
        self.asked.append(instruction)
        self.planned = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        return self.planned

    def reason(self, obs, instruction):
        self.asked.append(instruction)
        if self.planned is not None:
            answer, self.planned = self.first or self.planned.splitlines()[0], None
            return answer
        return self.answers.pop(0)


def at(stamp: float) -> Observation:
    return Observation(stamp, {}, np.zeros(20, np.float32), np.zeros(20, bool))


def follow(model, instruction="put the red cube in the left tray", **settings):
    planner = UniCoTPlanner(model, PlannerSettings(**settings))
    plan = planner.start(at(0), instruction)
    trace = [plan.active_text]
    for step in range(len(model.answers)):
        plan = planner.update(at(0.5 * (step + 1)))
        trace.append(plan.active_text)
    return plan, trace


def test_a_plan_moves_on_when_the_model_has_said_so_twice():
    model = ScriptedModel(f"{PICK}\n{PLACE}", [PICK, PLACE, PLACE, PLACE, "done", "done"])
    plan, trace = follow(model)
    assert trace == [PICK, PICK, PICK, PLACE, PLACE, PLACE, ""]
    assert plan.status == PlanStatus.SUCCEEDED and plan.progress == 1.0
    assert [s.status for s in plan.subtasks] == [SubtaskStatus.DONE] * 2
    assert (plan.subtasks[0].finished, plan.subtasks[1].started, plan.subtasks[1].finished) == (1.5, 1.5, 3.0)


def test_one_stray_answer_moves_nothing():
    plan, trace = follow(ScriptedModel(f"{PICK}\n{PLACE}", ["done", PICK, PLACE, PICK]))
    assert set(trace) == {PICK} and plan.running


def test_a_plan_begins_with_what_is_called_for_and_not_with_what_is_done():
    _, trace = follow(ScriptedModel(f"{PICK}\n{PLACE}", [PLACE], first=PLACE))
    assert trace == [PLACE, PLACE]
    plan, trace = follow(ScriptedModel(f"{PICK}\n{PLACE}", ["done"], first="done"))
    assert trace == [PLACE, ""] and plan.status == PlanStatus.SUCCEEDED
    plan, trace = follow(ScriptedModel(f"{PICK}\n{PLACE}", [PICK, PICK], first="done"))
    assert trace == [PLACE, PLACE, PICK] and plan.running


def test_a_dropped_cube_takes_the_plan_back():
    model = ScriptedModel(f"{PICK}\n{PLACE}", [PLACE, PLACE, PICK, PICK])
    plan, trace = follow(model)
    assert trace[2] == PLACE and trace[4] == PICK
    assert [s.status for s in plan.subtasks] == [SubtaskStatus.ACTIVE, SubtaskStatus.PENDING]
    assert "Back to" in plan.message


def test_the_same_words_twice_mean_the_later_one():
    model = ScriptedModel("\n".join([PICK, PLACE, PICK_2, PLACE]), [PICK_2, PICK_2, PLACE, PLACE])
    plan, _ = follow(model)
    assert plan.active == 3


def test_answers_outside_the_plan_make_it_anew():
    model = ScriptedModel([f"{PICK}\n{PLACE}", PICK_2], [PICK_2] * 4)
    plan, trace = follow(model, stray_answers=3)
    assert trace[-1] == PICK_2 and [s.text for s in plan.subtasks] == [PICK_2]
    assert "anew" in plan.message


def test_a_model_that_stays_lost_fails_the_plan():
    plan, _ = follow(ScriptedModel([f"{PICK}\n{PLACE}"], ["sing"] * 20), stray_answers=2, replans=1)
    assert plan.status == PlanStatus.FAILED and "sing" in plan.message
    assert all(s.status in (SubtaskStatus.FAILED, SubtaskStatus.CANCELLED) for s in plan.subtasks)


def test_a_new_plan_is_given_as_many_stray_answers_as_the_first():
    model = ScriptedModel([f"{PICK}\n{PLACE}"], ["sing"] * 20)
    plan, trace = follow(model, stray_answers=3, replans=1)
    assert plan.status == PlanStatus.FAILED
    assert trace.index("") == 8, "twice: one answer that is not yet confirmed, and three strays"


@pytest.mark.parametrize("answer", [None, 7, b"pick up", ["pick up"]])
def test_what_is_no_text_is_no_answer(answer):
    for model in (ScriptedModel([answer]), ScriptedModel(PICK, [answer])):
        with pytest.raises(TypeError, match="instead of text"):
            follow(model)


def test_whatever_the_model_writes_fits_a_message():
    plan, _ = follow(ScriptedModel("sing \ud800 \0 " + "la " * 10**6), "put \n")
    assert "\0" not in plan.reasoning and len(plan.reasoning) <= 2000 and plan.reasoning.encode()
    plan, _ = follow(ScriptedModel([PICK], ["x" * 10**6] * 20), stray_answers=2, replans=0)
    assert plan.status == PlanStatus.FAILED and len(plan.message) < 300


@pytest.mark.parametrize(
    ("instruction", "answer", "unknown", "says"),
    [
        ("  ", PICK, (), "empty"),
        ("brew coffee", PICK, ("brew", "coffee"), '"brew", "coffee"'),
        ("put the green cube in the left tray", "there is no green cube", (), "there is no green cube"),
        ("tray tray the", "I do not understand", (), "do not understand"),
        ("put the red cube in the left tray", "", (), "answered"),
        ("pick up the cube", "which cube?", (), 'asks back about "pick up the cube": which cube?'),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(instruction, answer, unknown, says):
    plan = UniCoTPlanner(ScriptedModel(answer, unknown=unknown)).start(at(0), instruction)
    assert plan.status == PlanStatus.FAILED and plan.active == -1 and plan.active_text == ""
    assert says in plan.message


def test_the_model_reads_instructions_as_it_was_trained_to():
    model = ScriptedModel(PICK)
    UniCoTPlanner(model).start(at(0), "  Put the RED cube\n in the left tray. ")
    assert set(model.asked) == {"put the red cube in the left tray"}


def test_cancelling_ends_what_was_left():
    model = ScriptedModel(f"{PICK}\n{PLACE}", [PLACE, PLACE])
    planner = UniCoTPlanner(model)
    planner.start(at(0), "x")
    planner.update(at(1)), planner.update(at(2))
    plan = planner.cancel(3.0)
    assert plan.status == PlanStatus.CANCELLED and plan.active_text == ""
    assert [s.status for s in plan.subtasks] == [SubtaskStatus.DONE, SubtaskStatus.CANCELLED]
    assert planner.cancel(4.0) is None


def test_ids_increase():
    planner = UniCoTPlanner(ScriptedModel(PICK))
    assert planner.start(at(0), "a").id < planner.start(at(1), "b").id


def test_updating_before_starting_is_an_error():
    with pytest.raises(RuntimeError, match="before start"):
        UniCoTPlanner(ScriptedModel(PICK)).update(at(0))


def test_a_model_that_judges_plans_is_asked_by_their_lines():
    """So that "the leftmost cube" stays the one that it was when the plan was made."""
    model = ScriptedModel(f"{PICK}\n{PLACE}", [PLACE, PLACE, "done", "done"])
    model.judges_plans = True
    plan, trace = follow(model, "Put the leftmost cube in the left tray.")
    assert plan.status == PlanStatus.SUCCEEDED and trace == [PICK, PICK, PLACE, PLACE, ""]
    lines = f"{PICK}, {PLACE}"
    assert model.asked == ["put the leftmost cube in the left tray", *[lines] * 5]
    assert plan.judgement.about == lines


def test_what_a_plan_says_to_do_then_is_judged_by_itself_and_nothing_leads_back():
    """A picture does not show whether what is held high is being lifted or put down."""
    model = ScriptedModel(f"{PICK}\nthen {PLACE}\n{PICK_2}", [PICK, "done", "done", PLACE, PICK, PICK, PICK_2, PICK_2])
    model.judges_plans = True
    plan, trace = follow(model, "Pick up the red cube, then put it down and pick up the blue cube.")
    assert [subtask.text for subtask in plan.subtasks] == [PICK, PLACE, PICK_2] and plan.reasoning.count("then") == 1
    assert [(part.start, part.stop, part.about) for part in plan.parts] == [(0, 1, PICK), (1, 3, f"{PLACE}, {PICK_2}")]
    assert trace[-1] == PICK_2 and PICK not in trace[3:]
    assert {*model.asked[1:]} == {PICK, f"{PLACE}, {PICK_2}"}
