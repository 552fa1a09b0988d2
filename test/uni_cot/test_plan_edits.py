# SPDX-License-Identifier: Apache-2.0
"""What a person may change in a plan, and what is refused without changing anything."""

import copy

import pytest

from wall_oss_ros.uni_cot.plan import Plan, PlanStatus, SubtaskStatus
from wall_oss_ros.uni_cot.plan import Subtask as Line
from wall_oss_ros.uni_cot.plan_edits import LONGEST, MOST, Edit, EditKind, Refused, beginning, edit_plan

CHANGE, INSERT, REMOVE, SKIP, MOVE, REPEAT, REPLACE = EditKind
PICK, PLACE, PICK_2, PLACE_2 = OWN = ("pick up red", "place it left", "pick up blue", "place it right")


def understood(text):
    """As a model does that knows a few sentences, none of which is "place it ..."."""
    known = text.startswith(("pick up", "put", "wait"))
    return text, "" if known else f"The model was not trained on {text!r}."


def plan(active=1) -> Plan:
    """The model's own, of which some is done."""
    made = Plan(1, "put both away", own=OWN, subtasks=[Line(text) for text in OWN])
    made.activate(active, 1.0)
    return made


def edited(made: Plan, *edits: Edit) -> list[str]:
    for edit in edits:
        assert edit_plan(made, edit, understood)
    return [line.text for line in made.subtasks]


@pytest.mark.parametrize(
    "edit, texts, touched",
    [
        (Edit(CHANGE, 2, texts=["pick up green"]), [PICK, PLACE, "pick up green", PLACE_2], 2),
        (Edit(CHANGE, 1, texts=[" put  it back\n"]), [PICK, "put it back", PICK_2, PLACE_2], 1),
        (Edit(INSERT, 2, texts=["wait", "Place it LEFT."]), [PICK, PLACE, "wait", PLACE, PICK_2, PLACE_2], 2),
        (Edit(INSERT, 4, texts=["wait"]), [*OWN, "wait"], 4),
        (Edit(INSERT, 1, texts=["wait"]), [PICK, "wait", PLACE, PICK_2, PLACE_2], 1),
        (Edit(REMOVE, 3), [PICK, PLACE, PICK_2], 3),
        (Edit(SKIP, 1), [*OWN], 1),
        (Edit(MOVE, 3, 1), [PICK, PLACE_2, PLACE, PICK_2], 1),
        (Edit(MOVE, 1, 3), [PICK, PICK_2, PLACE_2, PLACE], 1),
        (Edit(REPEAT, 0, 4), [*OWN, PICK], 4),
        (Edit(REPEAT, 0, 1), [PICK, PICK, PLACE, PICK_2, PLACE_2], 1),
        (Edit(REPLACE, texts=["wait"]), [PICK, "wait"], 1),
    ],
)
def test_what_is_left_can_be_changed(edit, texts, touched):
    made = plan()
    assert edited(made, edit) == texts
    assert made.edited == touched and made.subtasks[0].status == SubtaskStatus.DONE
    for index, line in enumerate(made.subtasks):
        assert bool(line.goal) == (index >= touched and line.left and not understood(line.text)[1])
        assert line.asked == (line.text not in OWN), "what the model has not called so itself, it is asked about"


@pytest.mark.parametrize(
    "edit, why",
    [
        (Edit(7), "7 is no edit"),
        (Edit(-1), "-1 is no edit"),
        (Edit(CHANGE, 0, texts=["wait"]), "subtask 0 is done"),
        (Edit(CHANGE, 4, texts=["wait"]), "there is no place 4: from 1 to 3"),
        (Edit(CHANGE, -1, texts=["wait"]), "there is no place -1"),
        (Edit(CHANGE, 1, texts=[PLACE]), "is called"),
        (Edit(CHANGE, 1), "0 texts came; one was expected"),
        (Edit(CHANGE, 1, texts=["wait", "wait"]), "2 texts came; one was"),
        (Edit(INSERT, 0, texts=["wait"]), "subtask 0 is done"),
        (Edit(INSERT, 5, texts=["wait"]), "no place 5"),
        (Edit(INSERT, 4, texts=[]), "0 texts came; at least one"),
        (Edit(INSERT, 4, texts=["  "]), "is empty"),
        (Edit(INSERT, 4, texts=["wait\x07"]), "cannot be shown"),
        (Edit(INSERT, 4, texts=["wait\x1b[2J"]), "cannot be shown"),
        (Edit(INSERT, 4, texts=["wait \ud800"]), "cannot be shown"),
        (Edit(INSERT, 4, texts=["wait " * 10**6]), f"and may have {LONGEST}"),
        (Edit(INSERT, 4, texts=["wait"] * 10_000), f"10000 texts came, and a plan may have {MOST}"),
        (Edit(INSERT, 4, texts=["wait"] * (MOST - 3)), f"would have {MOST + 1} subtasks"),
        (Edit(INSERT, 4, texts=["make coffee"]), "not trained on 'make coffee'"),
        (Edit(INSERT, 4, texts=["wait", "make coffee"]), "not trained on 'make coffee'"),
        (Edit(REMOVE, 0), "subtask 0 is done"),
        (Edit(REMOVE, 2**32 - 1), "no place 4294967295"),
        (Edit(SKIP, 0), "subtask 0 is done"),
        (Edit(MOVE, 2, 2), "there already"),
        (Edit(MOVE, 2, 0), "subtask 0 is done"),
        (Edit(MOVE, 2, 4), "no place 4"),
        (Edit(REPEAT, 4, 4), "no place 4"),
        (Edit(REPEAT, 1, 0), "subtask 0 is done"),
        (Edit(REPLACE), "0 texts came"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(edit, why):
    made = plan()
    before = copy.deepcopy(made)
    with pytest.raises(Refused, match=why.replace("(", "\\(")):
        edit_plan(made, edit, understood)
    assert made == before


def test_something_must_be_left_to_do():
    made = plan()
    edited(made, Edit(REMOVE, 3), Edit(SKIP, 2))
    for edit in (Edit(SKIP, 1), Edit(REMOVE, 1)):
        with pytest.raises(Refused, match="cancel the plan"):
            edit_plan(made, edit, understood)
    with pytest.raises(Refused, match="skipped already"):
        edit_plan(made, Edit(SKIP, 2), understood)


def test_a_plan_that_has_not_begun_can_be_changed_from_its_first_line_on():
    made = plan()
    made.active, made.status, made.next = -1, PlanStatus.AWAITING_APPROVAL, 1
    made.subtasks[0].status = made.subtasks[1].status = SubtaskStatus.PENDING
    assert edited(made, Edit(REMOVE, 0))[0] == PLACE


def test_an_edited_plan_begins_where_the_scene_is_but_leaves_out_nothing_of_a_persons():
    def begins(edit: Edit) -> str:
        made = plan(active=2)
        made.active, made.next, made.status = -1, 2, PlanStatus.AWAITING_APPROVAL
        for line in made.subtasks:
            line.status = SubtaskStatus.PENDING
        following = made.subtasks[2]
        edited(made, edit)
        return made.subtasks[beginning(made, following)].text

    assert begins(Edit(REMOVE, 0)) == PICK_2, "the scene shows that the first two are done"
    assert begins(Edit(CHANGE, 3, texts=["wait"])) == PICK_2
    assert begins(Edit(CHANGE, 2, texts=["wait"])) == "wait"
    assert begins(Edit(INSERT, 0, texts=["wait"])) == "wait"
    assert begins(Edit(SKIP, 2)) == PLACE_2 == begins(Edit(REMOVE, 2))
    assert begins(Edit(MOVE, 3, 0)) == PLACE_2
    assert begins(Edit(REPLACE, texts=["wait", "put it back"])) == "wait"
