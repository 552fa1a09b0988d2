# SPDX-License-Identifier: Apache-2.0
"""A plan whose lines make several instructions that the model knows is judged by one of these at a time."""

import numpy as np
import pytest

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.plan import Part, PlanStatus
from wall_oss_ros.uni_cot.plan_edits import Edit, EditKind
from wall_oss_ros.uni_cot.planner import PlannerSettings, UniCoTPlanner

GOAL = "put the red cube in the left tray and the blue cube in the right tray"
LINES = PICK, PLACE, PICK_2, PLACE_2 = (
    "pick up the red cube", "place it in the left tray", "pick up the blue cube", "place it in the right tray",
)  # fmt: skip
FIRST, SECOND = f"{PICK} and {PLACE}", f"{PICK_2} and {PLACE_2}"


class Model:
    """Knows the two-cube instruction, and what is done with one cube; judges the latter as it was trained."""

    judges_plans = False

    def __init__(self, lines=LINES, known=(GOAL, PICK, PICK_2, FIRST, SECOND), lists=True):
        self.lines, self.known, self.lists_instructions = lines, known, lists
        self.answer, self.asked = None, []

    def understood(self, text, kind):
        return text, "" if text in self.known or not self.lists_instructions else "No."

    def plan(self, obs, instruction):
        return "\n".join(self.lines)

    def reason(self, obs, instruction):
        self.asked.append(instruction)
        return self.answer or self.lines[0]


def at(stamp):
    return Observation(stamp, {}, np.zeros(20, np.float32), np.zeros(20, bool))


class Run:
    def __init__(self, model, **settings):
        self.model, self.stamp = model, 0.0
        self.planner = UniCoTPlanner(model, PlannerSettings(**{"confirmations": 1, **settings}))
        self.plan = self.planner.start(at(0.0), GOAL)

    def say(self, *answers):
        """What is worked on after each answer, and what was asked for it."""
        found = []
        for answer in answers:
            self.model.answer, self.stamp = answer, self.stamp + 0.5
            self.plan = self.planner.update(at(self.stamp))
            found.append((self.model.asked[-1], self.plan.active_text or self.plan.status.label))
        return found


def test_one_cube_at_a_time():
    run = Run(Model())
    assert run.plan.parts == (Part(0, 2, FIRST), Part(2, 4, SECOND)) and run.plan.active_text == PICK
    assert run.say(PLACE, PICK, PLACE) == [(FIRST, PLACE), (FIRST, PICK), (FIRST, PLACE)], "a lost cube is taken again"
    assert run.say(prompts.DONE) == [(FIRST, PICK_2)]
    assert run.say(PICK_2, PLACE_2) == [(SECOND, PICK_2), (SECOND, PLACE_2)]
    assert run.say(prompts.DONE) == [(SECOND, "succeeded")]
    assert run.plan.message == "The model judges the instruction done."


def test_what_belongs_to_another_part_makes_no_sense_in_this_one():
    run = Run(Model(), stray_answers=3, replans=0)
    run.say(PLACE, prompts.DONE)
    assert run.say(PICK, PICK) == [(SECOND, PICK_2)] * 2, "the first cube is not begun again"
    assert run.say(PICK)[0][1] == "failed" and "keeps answering" in run.plan.message


def test_a_part_that_is_done_already_is_passed_over():
    model = Model()
    model.answer = prompts.DONE
    assert Run(model).plan.active_text == PICK_2


def test_words_that_several_parts_share_are_those_of_the_present_one():
    both = (PICK, PLACE, PICK_2, PLACE)
    run = Run(Model(both, known=(GOAL, FIRST, f"{PICK_2} and {PLACE}")))
    run.say(PLACE, prompts.DONE, PLACE)
    assert run.plan.active == 3
    assert run.say(PICK_2) == [(f"{PICK_2} and {PLACE}", PICK_2)] and run.plan.active == 2


@pytest.mark.parametrize(
    "model",
    [
        Model(lists=False),  # told anything: the instruction says more than parts of it
        Model((PICK, PLACE)),  # one instruction as a whole
        Model(known=(GOAL, FIRST)),  # a line that makes no instruction
        Model(known=(GOAL, PICK, PICK_2)),
        Model(known=(GOAL, FIRST, SECOND, " and ".join(LINES))),
    ],
)
def test_otherwise_the_instruction_is_asked_about(model):
    run = Run(model)
    assert run.plan.parts == () and run.model.asked == [GOAL]
    assert run.say(PLACE) == [(GOAL, PLACE)]


def test_a_person_s_lines_are_judged_by_themselves_and_the_part_before_them_ends_there():
    run = Run(Model(known=(GOAL, PICK, PICK_2, FIRST, SECOND, "pick up the green cube")))
    edit = Edit(EditKind.INSERT, 1, texts=("pick up the green cube",))
    assert run.planner._life.edit(run.plan.revision, edit, 0.1)[0]
    assert run.say(prompts.DONE) == [(FIRST, "running")], "which is asked about before it begins"
    run.say("pick up the green cube")
    assert run.plan.active == 1 and run.model.asked[-1] == "pick up the green cube"
    assert run.plan.status == PlanStatus.RUNNING
