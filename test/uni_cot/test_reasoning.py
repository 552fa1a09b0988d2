# SPDX-License-Identifier: Apache-2.0
"""How much the model reasons before the robot moves: full, subtask, none; by parameter and by request."""

import math

import numpy as np
import pytest

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.answer import Answer
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.plan import PlanStatus, SubtaskStatus
from wall_oss_ros.uni_cot.plan_edits import Edit, EditKind
from wall_oss_ros.uni_cot.plan_runner import PlanRunner
from wall_oss_ros.uni_cot.plan_terms import PlannerSettings
from wall_oss_ros.uni_cot.planner import UniCoTPlanner

GOAL, PICK, PLACE = "put the red cube in the left tray", "pick up the red cube", "place it in the left tray"
SEES = "red on the table <point>40, 60</point>; 0 of 1 done."


class Model:
    """Answers from a list to each question; notes what it was asked, and whether a thought was wanted."""

    lists_instructions = judges_plans = False

    def __init__(self, plan="", answers=(), thinks=True):
        self.text, self.answers, self.thinks, self.asked = plan, list(answers), thinks, []

    def understood(self, text, kind):
        return text, ""

    def plan(self, obs, instruction, thought=False):
        self.asked.append(("plan", instruction, thought))
        return self.text if thought else str(self.text)

    def reason(self, obs, instruction, thought=False):
        self.asked.append(("reason", instruction, thought))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def at(stamp):
    return Observation(stamp, {}, np.zeros(20, np.float32), np.zeros(20, bool))


def begun(model, mode, **settings):
    planner = UniCoTPlanner(model, PlannerSettings(**settings))
    return planner, planner.start(at(0.0), GOAL, mode)


def judged(planner, times, start=1.0):
    for number in range(times):
        plan = planner.update(at(start + 0.5 * number))
    return plan


def test_with_full_reasoning_thoughts_come_before_plan_and_judgements():
    model = Model(Answer(f"{PICK}\n{PLACE}", 0.9, SEES), [Answer(PICK, 0.8, SEES), Answer(PLACE, 0.7, "red is held.")])
    planner, plan = begun(model, "full")
    assert [one.text for one in plan.subtasks] == [PICK, PLACE] and plan.active_text == PICK
    assert (plan.mode, plan.thought, plan.reasoning) == ("full", SEES, f"{PICK}\n{PLACE}")
    plan = judged(planner, 2)
    assert plan.active_text == PLACE and plan.thought == "red is held." and plan.judgement.confidence == 0.7
    assert model.asked == [("plan", GOAL, True), *[("reason", GOAL, True)] * 3]


def test_subtasks_alone_ask_for_no_thought():
    planner, plan = begun(Model(f"{PICK}\n{PLACE}", [PICK]), "subtask")
    judged(planner, 2)
    assert plan.thought == "" and all(not thought for _, _, thought in planner._policy.asked)


def test_without_reasoning_the_robot_acts_on_the_instruction_until_the_model_says_done():
    model = Model(answers=[PICK, PICK, PLACE, PICK, prompts.DONE])
    planner, plan = begun(model, "none")
    assert (
        plan.active_text == GOAL and plan.reasoning == "" and plan.undivided and math.isnan(plan.judgement.confidence)
    )
    plan = judged(planner, 4)
    assert plan.active_text == GOAL and plan.status == PlanStatus.RUNNING, "what it would do first moves nothing"
    plan = judged(planner, 1, start=9.0)
    assert plan.status == PlanStatus.SUCCEEDED and plan.message == "The model judges the instruction done."
    assert not any(kind == "plan" for kind, _, _ in model.asked)
    assert [one.what for one in plan.history][:1] == ["taken as a whole"]


@pytest.mark.parametrize("answer", ["I do not understand", "there is no red cube", ""])
def test_what_the_model_refuses_moves_nothing_in_any_mode(answer):
    for mode in ("full", "subtask", "none") if answer else ("full", "subtask"):
        _, plan = begun(Model(Answer(answer, 0.9, SEES), [answer]), mode)
        assert plan.status == PlanStatus.FAILED and not plan.active_text and GOAL in plan.message, mode


@pytest.mark.parametrize("answer", ["there is no red cube", ""])
def test_without_reasoning_a_refusal_later_ends_it(answer):
    """The cube was taken away: the robot does not go on for it until its time is over."""
    planner, plan = begun(Model(answers=[PICK, answer]), "none", stray_answers=2, retries=0)
    for number in range(20):
        plan = planner.update(at(1.0 + number))
    assert plan.status == PlanStatus.FAILED and "kept answering" in plan.message


def test_without_reasoning_a_plan_counts_as_done_only_after_confirmation():
    planner, plan = begun(Model(answers=[prompts.DONE, PICK, prompts.DONE, PICK]), "none")
    assert plan.active_text == GOAL
    assert judged(planner, 3).status == PlanStatus.RUNNING


def test_a_checkpoint_that_writes_no_thoughts_says_so():
    model = Model(f"{PICK}\n{PLACE}", [PICK], thinks=False)
    _, plan = begun(model, "full")
    assert plan.status == PlanStatus.FAILED and "not trained to write thoughts" in plan.message and not model.asked


@pytest.mark.parametrize("answer", [Answer("red on the table, and on and on"), Answer("", 0.5, SEES), Answer(PICK)])
def test_a_thought_that_never_ends_is_no_plan(answer):
    """Cut off at its limit, the text has no gap, or nothing behind it: it is no subtask."""
    _, plan = begun(Model(answer, [PICK]), "full")
    assert plan.status == PlanStatus.FAILED and not plan.subtasks


def test_an_unknown_mode_is_refused_with_those_that_there_are():
    _, plan = begun(Model(PICK, [PICK]), "deep")
    assert plan.status == PlanStatus.FAILED and "full, subtask, none" in plan.message


def runner_of(model, **options):
    shown, now = [], [0.0]
    runner = PlanRunner(
        UniCoTPlanner(model), model.plan, lambda: now[0], shown.append, steady=lambda: now[0], thread=False, **options
    )

    def look():
        now[0] += 1.0
        runner.observe(at(now[0]))
        while runner.work():
            pass
        return shown[-1]

    return runner, look


def test_a_request_says_otherwise_than_the_parameter():
    runner, look = runner_of(Model(Answer(f"{PICK}\n{PLACE}", 0.9, SEES), [PICK]), reasoning="none")
    runner.instruct(GOAL)
    plan = look()
    assert (plan.mode, plan.active_text) == ("none", GOAL)
    runner.instruct(GOAL, reasoning="full")
    plan = look()
    assert (plan.mode, plan.active_text, plan.thought) == ("full", PICK, SEES)
    runner.instruct(GOAL, reasoning="subtask")
    plan = look()
    assert (plan.mode, plan.active_text, plan.thought) == ("subtask", PICK, "")


def test_an_instruction_taken_whole_can_be_edited_into_steps():
    runner, look = runner_of(Model(answers=[PICK]), reasoning="none")
    runner.instruct(GOAL)
    plan = look()
    done, words, _ = runner.edit(plan.id, plan.revision, Edit(EditKind.REPLACE, texts=(PICK, PLACE), name="Ann"))
    assert done, words
    plan = look()
    assert [one.text for one in plan.subtasks] == [PICK, PLACE] and not plan.undivided
    assert plan.subtasks[0].status == SubtaskStatus.ACTIVE


def test_a_subtask_that_fails_without_reasoning_is_tried_again_and_then_given_up():
    runner, look = runner_of(Model(answers=[PICK]), reasoning="none")
    runner.instruct(GOAL)
    for _ in range(2):
        plan = look()
        assert plan.active_text == GOAL
        runner.fail_subtask("grip", "the gripper closed on nothing", plan.id, plan.active, plan.active_revision)
    plan = look()
    assert plan.status == PlanStatus.FAILED and "closed on nothing" in plan.message
