# SPDX-License-Identifier: Apache-2.0
"""What the model's judgement means for a plan that a person has changed."""

import pytest

from wall_oss_ros.policy import prompts
from wall_oss_ros.uni_cot.plan import By, Plan, PlanStatus, SubtaskStatus
from wall_oss_ros.uni_cot.plan_edits import Edit, EditKind
from wall_oss_ros.uni_cot.plan_life import PlanLife
from wall_oss_ros.uni_cot.plan_terms import Draft, PlannerSettings

CHANGE, INSERT, REMOVE, SKIP, MOVE, REPEAT, REPLACE = EditKind
PICK, PLACE, PICK_2, PLACE_2 = OWN = ("pick up red", "place it left", "pick up blue", "place it right")
GOAL = "put both away"


def understood(text):
    return text, "" if text.startswith(("pick up", "put")) else "No."


def begun(first=PICK, **settings) -> PlanLife:
    settings = {"confirmations": 1, "stray_answers": 2, "retries": 0, "replans": 1, **settings}
    life = PlanLife(Plan(1, GOAL), PlannerSettings(**settings), understood, lambda: True)
    life.planned(Draft(0.0, "\n".join(OWN), OWN, first=first))
    return life


def say(life: PlanLife, *answers: str) -> list[str]:
    """What the robot does after each answer; with "?" where the model is asked first."""
    done = []
    for stamp, answer in enumerate(answers):
        question = life.question()
        if question is None:
            break
        assert life.judged(question, answer, 0.9, 1.0 + stamp)
        done.append(life.plan.active_text or ("?" if life.plan.running else life.plan.status.label))
    return done


def edit(life: PlanLife, *values, **fields):
    done, words = life.edit(life.plan.revision, Edit(*values, **fields), 0.5)
    assert done, words


def test_an_inserted_subtask_is_judged_by_its_own_words_and_the_person_s_order_holds():
    life = begun(first=PLACE)
    edit(life, INSERT, 2, texts=["put the green cube aside"])
    assert life.question().about == GOAL, "what is still the model's own is judged as before"
    assert say(life, PICK, PLACE) == [PICK, PLACE], "and may go back"
    assert say(life, PICK_2) == ["?"], "the model's order goes on, the person's has something before that"
    assert life.question().about == "put the green cube aside"
    assert say(life, "pick up green", "pick up green", "place it aside") == ["pick up green"] * 2 + ["place it aside"]
    assert life.plan.subtasks[2].acting == "place it aside", "one line of a person's, several steps of the model's"
    assert say(life, prompts.DONE) == [PICK_2]
    assert life.question().about == PICK_2, "the instruction would call for something else by now"
    assert say(life, PICK_2, prompts.DONE) == [PICK_2, PLACE_2]
    assert life.question().about == GOAL, "these words mean nothing by themselves"
    assert say(life, PICK, PLACE_2, PLACE_2, PICK) == [PLACE_2] * 3 + ["succeeded"], "over once it was called for"
    assert [line.status for line in life.plan.subtasks] == [SubtaskStatus.DONE] * 5


def test_nothing_leads_back_over_a_persons_edit():
    life = begun(first=PLACE)
    edit(life, CHANGE, 1, texts=["put it in the middle"])
    assert life.plan.active_text == "" and life.plan.next == 1, "the model is asked what to do for it"
    said = [PLACE, PICK, PICK, GOAL, "pick up red", "anything"]
    assert say(life, *said) == said, "whatever it says is what it does for this subtask"
    assert life.plan.next == -1 and life.plan.active == 1 and life.plan.running


def test_skipped_and_removed_subtasks_are_not_begun_by_the_model():
    life = begun(first=PICK)
    edit(life, SKIP, 2)
    edit(life, REMOVE, 3)
    assert say(life, PLACE, PICK_2) == [PLACE, "succeeded"], "the model wants to go on, the person does not"
    assert [line.status.label for line in life.plan.subtasks] == ["done", "done", "skipped"]
    assert life.plan.progress == 1.0


def test_a_moved_subtask_comes_when_the_person_wants_it():
    life = begun(first=PICK)
    edit(life, MOVE, 2, 0)
    assert life.plan.active_text == PICK_2 and life.plan.subtasks[0].by_person
    assert say(life, PICK_2, PICK, prompts.DONE) == [PICK_2, PICK_2, PICK]
    assert say(life, PLACE_2, prompts.DONE) == [PICK, PLACE]


def test_a_repeated_subtask_is_begun_again_and_judged_anew():
    life = begun(first=PICK_2)
    edit(life, REPEAT, 0, 4)
    assert say(life, PLACE_2, prompts.DONE) == [PLACE_2, PICK]
    assert life.question().about == PICK and life.plan.subtasks[4].attempts == 1
    assert say(life, prompts.DONE) == ["succeeded"]


@pytest.mark.parametrize("answer", ["there is no green cube", "I do not understand", ""])
def test_what_a_person_wants_and_the_model_refuses_fails_with_what_it_said(answer):
    life = begun(first=PICK, retries=1)
    edit(life, REPLACE, texts=["put the green cube aside"])
    assert say(life, *[answer] * 2) == ["?", "?"]
    assert life.plan.history[-1].what == '"put the green cube aside" is tried again'
    assert say(life, *[answer] * 2) == ["?", "failed"]
    assert "kept answering" in life.plan.message and answer in life.plan.message
    assert "planned anew" not in life.plan.message, "a person's plan is not replaced by one of the model's"


def test_a_person_s_subtask_that_is_done_already_is_passed_once_that_is_confirmed():
    life = begun(first=PICK, confirmations=2)
    edit(life, INSERT, 0, texts=["put the green cube aside"])
    assert say(life, prompts.DONE) == ["?"] and life.plan.judgement.repeats == 1
    assert say(life, prompts.DONE) == [PICK]
    assert life.plan.subtasks[0].status == SubtaskStatus.DONE and life.plan.subtasks[0].attempts == 0


def test_one_stray_answer_changes_nothing_of_what_is_done_for_a_persons_words():
    life = begun(first=PICK, confirmations=2)
    edit(life, CHANGE, 0, texts=["put the green cube aside"])
    assert say(life, "pick up green", "sing", "pick up green", "sing", "sing") == ["pick up green"] * 4 + ["sing"]


def test_strays_while_the_plan_is_the_model_s_own_fail_a_person_s_rather_than_replace_it():
    life = begun(first=PICK)
    edit(life, CHANGE, 3, texts=["put it aside"])
    assert say(life, "sing", "sing") == [PICK, "failed"]
    own = begun(first=PICK)
    assert say(own, "sing", "sing") == [PICK, "?"] and own.plan.remaking


def test_who_and_why_stand_in_the_history():
    life = begun()
    edit(life, SKIP, 3, name="Ada\x07 L.", why="it\nstays   here" + "!" * 9999)
    change = life.plan.history[-1]
    assert (change.revision, change.by, change.name, change.stamp) == (2, By.PERSON, "Ada L.", 0.5)
    assert change.what == 'subtask 3, "place it right", skipped' and change.why.startswith("it stays here!")
    assert len(change.why) <= 300
    life.end(PlanStatus.CANCELLED, "enough", 9.0, By.PERSON, "Ada")
    assert [(one.revision, one.what) for one in life.plan.history][-1] == (3, "cancelled")
    assert life.edit(3, Edit(SKIP, 1), 9.5) == (False, "plan 1 is over: cancelled")
