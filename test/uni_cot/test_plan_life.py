# SPDX-License-Identifier: Apache-2.0
"""The life of a plan: approvals, failures, refusals; and what holds in it whatever happens in whatever order."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from plan_support import sound

from wall_oss_ros.policy import prompts
from wall_oss_ros.uni_cot.plan import APPROVALS, By, Plan, PlanStatus, SubtaskStatus
from wall_oss_ros.uni_cot.plan_edits import Edit, EditKind
from wall_oss_ros.uni_cot.plan_life import PlanLife
from wall_oss_ros.uni_cot.plan_terms import Draft, PlannerSettings

A, B, C = OWN = ("pick up red", "place it left", "pick up blue")
GOAL = "tidy up"
AWAITS, RUNS = PlanStatus.AWAITING_APPROVAL, PlanStatus.RUNNING


def understood(text):
    return text, "" if text.lower().startswith(("pick up", "put", "tidy")) else "The model was not trained on that."


def draft(stamp=0.0, lines=OWN, first=A, **fields) -> Draft:
    return Draft(stamp, "\n".join(lines), tuple(lines), first=first, confidence=0.5, **fields)


def begun(approval="none", first=A, listed=True, **values) -> PlanLife:
    values = {"confirmations": 1, "stray_answers": 2, "retries": 1, "replans": 1, "refusals": 2, **values}
    life = PlanLife(Plan(7, GOAL), PlannerSettings(**values), understood, lambda: listed, approval)
    life.planned(draft(first=first))
    return life


def judge(life, words, stamp=1.0):
    return life.judged(life.question(), words, 0.25, stamp)


def approve(life, revision=None, fresh=True):
    return life.approve(life.plan.revision if revision is None else revision, "go on", "Ada", 2.0, fresh)


# Approval.


@pytest.mark.parametrize(
    "approval, waits",
    [
        ("none", [False, False, False]),
        ("plan", [True, False, True]),
        ("subtask", [True, True, True]),
        ("replan", [False, False, True]),
    ],
)
def test_what_awaits_approval(approval, waits):
    life, seen = begun(approval), []
    seen.append(life.plan.status == AWAITS)
    if seen[-1]:
        assert approve(life)[0]
    assert life.plan.active_text == A
    judge(life, B)
    seen.append(life.plan.status == AWAITS)
    if seen[-1]:
        assert life.plan.subtasks[0].status == SubtaskStatus.DONE and approve(life)[0]
    assert life.plan.active_text == B
    judge(life, "sing")
    judge(life, "sing")
    assert life.plan.remaking and life.plan.active_text == ""
    life.planned(draft(first=B))
    seen.append(life.plan.status == AWAITS)
    assert seen == waits
    if seen[-1]:
        assert life.plan.subtasks[0].status == SubtaskStatus.PENDING and life.plan.next == 1
        assert approve(life)[0]
    assert life.plan.active_text == B


def test_a_plan_begins_where_the_scene_is_when_it_is_approved():
    life = begun("plan", confirmations=2)
    assert life.plan.next == 0
    judge(life, C)
    assert life.plan.next == 0, "one frame can mislead"
    judge(life, C)
    assert (life.plan.next, life.plan.revision, life.plan.judgement.words) == (2, 1, C)
    judge(life, "sing")
    assert all(line.status == SubtaskStatus.PENDING for line in life.plan.subtasks) and life.plan.active == -1
    assert approve(life, 1) == (True, "plan 7 was approved")
    assert life.plan.active_text == C and life.plan.subtasks[0].status == SubtaskStatus.DONE
    assert life.plan.message == "go on" and life.plan.history[-1].name == "Ada" and life.plan.active_revision == 2


def test_an_approval_without_a_fresh_look_has_the_model_look_first():
    life = begun("plan")
    assert approve(life, fresh=False)[0]
    assert life.plan.status == RUNS and life.plan.active_text == "" and life.plan.next == 0
    judge(life, B, stamp=3.0)
    assert life.plan.active_text == B and life.plan.subtasks[1].started == 3.0
    done = begun("plan")
    approve(done, fresh=False)
    judge(done, prompts.DONE)
    assert done.plan.active_text == C, "the last one, which the next judgement ends or not"


def test_nobody_approves_what_he_has_not_seen():
    life = begun("plan")
    life.edit(1, Edit(EditKind.REMOVE, 2, name="Bob"), 1.0)
    for revision in (1, 0, 3):
        done, words = approve(life, revision)
        assert not done and "is at revision 2 by now" in words
        assert not life.refuse(revision, "", "", 2.0)[0]
    assert life.plan.status == AWAITS
    assert approve(life, 2)[0] and [line.text for line in life.plan.subtasks] == [A, B]
    assert approve(life, 3) == (False, "no plan awaits approval")


def test_what_would_begin_is_part_of_what_is_approved_where_each_subtask_is():
    life = begun("subtask")
    approve(life)
    judge(life, B)
    seen = life.plan.revision
    judge(life, C)
    assert life.plan.next == 2 and not approve(life, seen)[0]
    assert approve(life, 0)[0] and life.plan.active_text == C, "0: as it waits now, which nobody has edited"


def test_an_edit_never_starts_a_subtask_where_each_is_approved():
    life = begun("subtask")
    approve(life)
    assert life.edit(life.plan.revision, Edit(EditKind.REMOVE, 0), 1.0)[0]
    assert life.plan.status == AWAITS and life.plan.next == 0 and life.plan.subtasks[0].text == B


def test_an_edited_plan_that_waits_is_approved_as_edited():
    life = begun("plan", first=B)
    waits = life.plan.waits
    assert life.edit(1, Edit(EditKind.INSERT, 0, texts=["put the green one aside"]), 1.0)[0]
    assert life.plan.waits > waits, "whoever edits it has time again"
    judge(life, B)
    assert life.plan.next == 0, "the model's order says nothing of a person's subtask"
    assert approve(life)[0]
    assert life.plan.active_text == "" and life.question().about == "put the green one aside"
    judge(life, "pick up green")
    assert life.plan.active_text == "pick up green"


# Refusal.


def test_a_reason_that_is_an_instruction_corrects_it():
    life = begun("plan")
    assert life.refuse(1, "Pick up the GREEN cube.", "Ada", 1.0) == (True, "plan 7 was refused, and is made anew")
    assert life.goal == "pick up the green cube" and life.plan.instruction == "Pick up the GREEN cube."
    for answer in (approve(life), life.edit(life.plan.revision, Edit(EditKind.SKIP, 0), 1.0)):
        assert answer[0] is False and "being made anew" in answer[1]
    assert life.question() is None
    life.planned(draft(lines=["pick up green"], first="pick up green"))
    assert life.plan.status == AWAITS and life.plan.revision == 3 and approve(life)[0]
    assert life.plan.active_text == "pick up green"


def test_a_model_without_a_list_is_told_the_reason_beside_the_instruction_a_few_times():
    life = begun("replan", listed=False)
    life.plan.status, life.plan.active, life.plan.next = AWAITS, -1, 0
    life.plan.subtasks[0].status = SubtaskStatus.PENDING
    for goal in ("tidy up. put red last", "tidy up. put red last. put red last"):
        assert life.refuse(life.plan.revision, "put red last", "", 1.0)[0]
        assert life.goal == goal and life.plan.instruction == GOAL
        life.planned(draft())
        assert life.plan.status == AWAITS, "a plan that was refused waits again, whatever else does"
    assert life.refuse(life.plan.revision, "put red last", "", 1.0) == (True, "plan 7 was rejected")
    assert (life.plan.status, life.plan.message) == (PlanStatus.REJECTED, "put red last")


@pytest.mark.parametrize("reason, message", [("", "Not approved."), ("I do not like it", "I do not like it")])
def test_what_the_model_cannot_follow_ends_the_plan(reason, message):
    life = begun("plan")
    assert life.refuse(1, reason, "Ada", 1.0)[0]
    assert (life.plan.status, life.plan.message) == (PlanStatus.REJECTED, message)
    assert (life.plan.history[-1].by, life.plan.history[-1].name) == (By.PERSON, "Ada")


# Failure.


def test_what_fails_is_tried_again_then_planned_anew_then_given_up_with_what_was_seen():
    life = begun()
    failed = ('"pick up red" took longer than 60 s', By.CLOCK, "", 1.0)
    assert life.fail_subtask(*failed)
    assert life.plan.active_text == "" and life.plan.next == 0 and life.plan.active_revision == 2
    assert life.plan.message == '"pick up red" took longer than 60 s. It is tried again.'
    judge(life, A)
    assert life.plan.active_text == A and life.plan.subtasks[0].attempts == 2
    assert life.fail_subtask("it slipped", By.MONITOR, "grip", 2.0)
    assert life.plan.remaking == "it slipped" and life.plan.history[-1].name == "grip"
    assert not life.fail_subtask(*failed), "nothing is active"
    life.planned(draft(first=B))
    assert life.plan.message == "Planned anew, since it slipped." and life.plan.active_text == B
    life.fail_subtask("it slipped", By.MONITOR, "grip", 3.0)
    judge(life, B)
    life.fail_subtask("it slipped", By.MONITOR, "grip", 4.0)
    assert life.plan.status == PlanStatus.FAILED
    assert life.plan.message == (
        "It slipped. It had been tried again and planned anew once. The model's last judgement was"
        ' "place it left" (probability 0.25).'
    )


def test_a_subtask_that_is_tried_again_begins_where_the_scene_is():
    life = begun()
    life.fail_subtask("it slipped", By.MONITOR, "grip", 1.0)
    judge(life, C)
    assert life.plan.active_text == C


def test_an_answer_to_an_older_question_does_not_count():
    for happens in (
        lambda life: life.edit(1, Edit(EditKind.REMOVE, 2), 1.0),
        lambda life: life.fail_subtask("no", By.CLOCK, "", 1.0),
        lambda life: judge(life, B),
    ):
        life = begun()
        question = life.question()
        happens(life)
        state = life.plan.active, life.plan.next
        assert not life.judged(question, prompts.DONE, math.nan, 9.0)
        assert (life.plan.active, life.plan.next) == state and life.plan.running


# Whatever happens.

WORDS = st.sampled_from([A, B, C, "sing", prompts.DONE, prompts.NOT_UNDERSTOOD, "", "put it back"])
TEXTS = st.lists(st.sampled_from([A, "put it back", "pick up green", "sing", "\n", "x" * 999]), max_size=3)
OVER = (PlanStatus.SUCCEEDED, PlanStatus.FAILED, PlanStatus.CANCELLED, PlanStatus.REJECTED)


class Life(RuleBasedStateMachine):
    """People, the model, clocks and monitors in any order; answers may come to questions of long ago."""

    def __init__(self):
        super().__init__()
        self.life = None

    @property
    def plan(self):
        return self.life.plan

    @precondition(lambda self: self.life is None)
    @rule(
        approval=st.sampled_from(APPROVALS),
        listed=st.booleans(),
        confirmations=st.integers(1, 2),
        retries=st.integers(0, 2),
        replans=st.integers(0, 2),
    )
    def begin(self, approval, listed, **values):
        self.life = begun(approval, listed=listed, **values)
        self.questions, self.ended, self.last, self.stamp = [], None, 0, 1.0

    @precondition(lambda self: self.life is not None)
    @rule()
    def ask(self):
        if (question := self.life.question()) is not None:
            self.questions.append(question)

    @precondition(lambda self: self.life is not None and self.questions)
    @rule(words=WORDS, late=st.integers(0, 3))
    def answer(self, words, late):
        question = self.questions[-1 - late % len(self.questions)]
        before = self.plan.revision, self.plan.active, self.plan.next, self.plan.status
        counted = self.life.judged(question, words, 0.5, self.stamp)
        assert counted or before == (self.plan.revision, self.plan.active, self.plan.next, self.plan.status)

    @precondition(lambda self: self.life is not None and self.plan.remaking)
    @rule(lines=st.lists(st.sampled_from(OWN), min_size=1, max_size=3), first=WORDS, fault=st.booleans())
    def plan_anew(self, lines, first, fault):
        self.life.planned(Draft(self.stamp, fault="no") if fault else draft(self.stamp, lines, first))

    @precondition(lambda self: self.life is not None)
    @rule(
        kind=st.integers(-1, 7),
        index=st.integers(-1, 5),
        to=st.integers(-1, 5),
        texts=TEXTS,
        old=st.sampled_from([0, 0, 0, 1, -1]),
    )
    def edit(self, kind, index, to, texts, old):
        revision, doing = self.plan.revision, (self.plan.active, self.plan.active_text)
        done, _ = self.life.edit(revision - old, Edit(kind, index, to, texts), self.stamp)
        assert done <= (old == 0) and (self.plan.revision > revision) == done
        if done:
            changed = (self.plan.active, self.plan.active_text) != doing
            assert not changed or self.plan.active_revision > revision, "control is told to drop what it does"

    @precondition(lambda self: self.life is not None)
    @rule(old=st.sampled_from([0, 0, 1]), fresh=st.booleans())
    def approve(self, old, fresh):
        waits, revision = self.plan.status == AWAITS, self.plan.revision
        done, _ = self.life.approve(revision - old, "", "", self.stamp, fresh)
        assert done <= waits and (not done or old == 0 or revision - old == 0)

    @precondition(lambda self: self.life is not None)
    @rule(reason=st.sampled_from(["", "no", "put it back"]))
    def refuse(self, reason):
        self.life.refuse(self.plan.revision, reason, "", self.stamp)

    @precondition(lambda self: self.life is not None)
    @rule(by=st.sampled_from([By.CLOCK, By.MONITOR]))
    def fail(self, by):
        self.life.fail_subtask("it fell", by, "watcher", self.stamp)

    @precondition(lambda self: self.life is not None)
    @rule(status=st.sampled_from([PlanStatus.CANCELLED, PlanStatus.FAILED]), now=st.sampled_from([False] * 9 + [True]))
    def end(self, status, now):
        if now:
            self.life.end(status, "enough", self.stamp, By.PERSON)

    @invariant()
    def holds(self):
        if self.life is None:
            return
        self.stamp += 1.0
        sound(self.plan)
        assert self.plan.revision >= self.last
        self.last = self.plan.revision
        if self.ended is not None:
            assert (self.plan.status, self.plan.revision) == self.ended, "exactly one end"
        elif self.plan.over:
            self.ended = self.plan.status, self.plan.revision
            assert self.plan.message and self.plan.ended is not None


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase
