# SPDX-License-Identifier: Apache-2.0
"""People act while the model thinks, while others act, and while time runs out: what counts is what they have seen."""

import threading

import pytest
from plan_support import LIMITS, ONCE, THRICE, A, B, World

from wall_oss_ros.policy import prompts
from wall_oss_ros.uni_cot.plan import By, PlanStatus
from wall_oss_ros.uni_cot.plan_edits import Edit, EditKind

CHANGE, INSERT, REMOVE, SKIP, MOVE, REPEAT, REPLACE = EditKind


class Interrupted(World):
    """Does ``meanwhile`` once while the model thinks about its next answer."""

    meanwhile = None

    def answer(self):
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        return super().answer()

    def edit(self, *values, revision=None, plan_id=None):
        plan = self.plan_now
        revision = plan.revision if revision is None else revision
        return self.runner.edit(plan.id if plan_id is None else plan_id, revision, Edit(*values))

    def until_judged(self):
        calls = self.calls
        while self.calls == calls:
            self.step()


def begun(answers=((A, 0.0),), **options) -> Interrupted:
    world = Interrupted(answers, **options)
    world.instruct()
    world.step()
    return world


def test_a_judgement_of_the_plan_before_an_edit_does_not_move_the_plan_after_it():
    world = begun([(A, 0.0), (A, 0.0), (prompts.DONE, 0.0), *[("put it back", 0.0)] * 99])
    world.meanwhile = lambda: world.edit(CHANGE, 0, 0, ["put it back"])
    world.until_judged()
    assert world.plan_now.running and world.plan_now.active == -1, "what was said was not said of these words"
    world.until_judged()
    assert world.plan_now.active_text == "put it back"
    world.until_over()
    world.every_plan_ended_once()


def test_an_approval_while_the_model_judges_counts_and_the_judgement_does_not():
    world = begun([(A, 0.0), (A, 0.0), (prompts.DONE, 0.0), (B, 0.0)], approval="plan")
    answered = []
    world.meanwhile = lambda: answered.append(world.runner.approve(1, 1, True))
    world.until_judged()
    assert answered == [(True, "plan 1 was approved", 2)]
    assert world.plan_now.active_text == A, "where the scene was when it was approved"
    world.until_judged()
    assert world.plan_now.active_text == B


def test_a_plan_waits_for_an_approval_no_longer_than_that_and_says_so():
    world = begun(approval="plan", held=1e6)
    assert world.until_over() == pytest.approx(LIMITS.approval, abs=0.5)
    plan = world.plan_now
    assert plan.message == "Nobody approved the plan within 7 s." and plan.history[-1].by == By.CLOCK


def test_cameras_that_die_while_a_refused_plan_is_made_anew_are_what_ends_it():
    """And not that nobody approves what there is not."""
    world = begun(approval="plan", settings=THRICE)
    world.cameras = False
    world.wait(1.5)  # until there is nothing to plan by
    assert world.runner.approve(1, 0, False, "the other one first")[0] and world.plan_now.remaking
    assert world.until_over() < LIMITS.blind
    assert world.plan_now.message == "No observation came for 3 s: see whether perception and the cameras work."


def test_whoever_edits_a_plan_that_waits_has_time_again():
    world = begun(approval="plan")
    world.wait(5.0)
    assert world.edit(REMOVE, 1)[0]
    world.wait(5.0)
    assert world.plan_now.status == PlanStatus.AWAITING_APPROVAL
    world.until_over()
    assert "Nobody approved" in world.plan_now.message


def test_waiting_for_approval_is_not_being_held():
    world = begun(approval="plan", held=2.0)
    world.wait(5.0)
    assert world.tickets[0].time.held == 0.0 and world.runner.approve(1, 1, True)[0]
    world.wait(1.0)
    assert world.plan_now.active_text == A


@pytest.mark.parametrize("first", ["expiry", "approval"])
def test_either_the_approval_or_its_expiry_ends_the_wait(first):
    world = begun(approval="plan")
    world.wait(LIMITS.approval - 0.5)
    if first == "approval":
        assert world.runner.approve(1, 1, True)[0]
    world.steady += 1.0
    world.now += 1.0
    world.runner.tick()
    if first == "expiry":
        assert world.runner.approve(1, 1, True) == (False, "no plan awaits approval", 0)
    assert world.plan_now.status == (PlanStatus.FAILED if first == "expiry" else PlanStatus.RUNNING)


def test_time_that_a_person_holds_the_robot_does_not_count_when_it_is_tried_again():
    world = begun(settings=THRICE, held=100.0, plan=100.0)
    world.wait(LIMITS.subtask + 1.0)
    assert world.plan_now.history[-1].what == '"pick up" is tried again'
    world.wait(1.0)
    world.moves = False
    world.wait(3 * LIMITS.subtask)
    assert world.plan_now.active_text == A and world.plan_now.revision == 2
    world.moves = True
    world.until_over()
    assert [change.by for change in world.plan_now.history].count(By.CLOCK) == 4, "again, anew, again, given up"
    assert "tried again and planned anew once" in world.plan_now.message
    assert 'last judgement was "pick up"' in world.plan_now.message


def test_edits_of_a_plan_that_was_replaced_are_refused():
    world = begun()
    world.instruct("do that instead")
    world.step()
    done, words, _ = world.edit(SKIP, 1, plan_id=1)
    assert not done and words == "plan 1 is not under way, plan 2 is"
    assert world.edit(SKIP, 1)[0]
    world.runner.cancel("enough")
    assert world.edit(SKIP, 0) == (False, "no plan is under way", 0)


def test_of_two_edits_at_once_one_is_made():
    world = begun()
    barrier, answers = threading.Barrier(8), []

    def edit(number):
        barrier.wait(60.0)
        answers.append(world.edit(INSERT, 2, 0, [f"wait {number}"], revision=1))

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert sorted(done for done, _, _ in answers) == [False] * 7 + [True]
    assert all(revision == 2 for _, _, revision in answers) and len(world.plan_now.subtasks) == 3


def test_nobody_waits_for_a_model_that_hangs():
    world = begun([(A, 0.0), (A, 0.0), (A, 3.0), (A, 1e3)], approval="plan", settings=ONCE)
    done = []

    def act():
        done.append(world.edit(SKIP, 0)[0])
        done.append(world.runner.approve(1, 2, True)[0])
        done.append(world.edit(INSERT, 1, 0, [B])[0])

    world.meanwhile = act
    world.until_judged()
    assert done == [True, True, True] and world.plan_now.revision == 4
    world.meanwhile = lambda: setattr(world, "steady", world.steady + LIMITS.model + 1.0) or world.runner.tick()
    while not world.tickets[0].over:
        world.step()
    assert "not answered for more than 5 s" in world.plan_now.message
    world.every_plan_ended_once()


def test_a_monitor_fails_only_what_it_has_watched():
    world = begun(settings=THRICE)
    plan = world.plan_now
    assert not world.runner.fail_subtask("grip", "it slipped", plan.id, 1, plan.active_revision)[0]
    assert not world.runner.fail_subtask("grip", "it slipped", plan.id, 0, plan.active_revision + 1)[0]
    assert world.runner.fail_subtask("grip", "it slipped", plan.id, 0, plan.active_revision)[0]
    assert world.plan_now.active == -1 and world.plan_now.history[-1].name == "grip"
    assert not world.runner.fail_subtask("grip", "it slipped", plan.id, 0, plan.active_revision)[0], "once"


HOSTILE = "\x1b[2J go\x00 \ud800 \x9b31m "


def plain(text: str) -> bool:
    """Whether any message can carry a text, and no terminal obeys it."""
    return text.encode().decode() == text and all(sign.isprintable() or sign in "\n\t\xa0" for sign in text)


def texts_of(plan):
    yield from (
        plan.instruction,
        plan.reasoning,
        plan.thought,
        plan.message,
        plan.judgement.words,
        plan.judgement.about,
    )
    yield from (text for line in plan.subtasks for text in (line.text, line.acting))
    yield from (text for one in plan.history for text in (one.what, one.why, one.name))


@pytest.mark.parametrize(
    "instruction, answer",
    [(HOSTILE, A), ("go", HOSTILE), (HOSTILE * 99, A), ("go", HOSTILE * 999), ("go", ValueError(HOSTILE * 9999))],
)
def test_whatever_is_said_to_the_planner_or_by_its_model_messages_can_carry_it(instruction, answer):
    world = begun([(answer, 0.0)], settings=THRICE)
    world.instruct(instruction)
    world.runner.approve(1, 0, False, HOSTILE * 99, HOSTILE * 99)
    world.runner.fail_subtask(HOSTILE, HOSTILE, 1, 0, 1)
    world.until_over()
    texts = [text for plan in world.shown for text in texts_of(plan)]
    assert all(plain(text) and len(text) < 3000 for text in texts)


@pytest.mark.parametrize("before", [False, True])
def test_an_instruction_of_ten_thousand_letters_is_refused_and_not_put_to_the_model(before):
    world = Interrupted([(A, 0.0)])
    if before:
        world.instruct()
        world.wait(1.0)
    calls = world.calls
    ticket = world.instruct("go on " * 1667)
    world.step()
    assert ticket.over and ticket.plan.status == PlanStatus.FAILED and world.calls == calls
    assert ticket.plan.message == "The instruction has 10002 letters, and may have 2000."
    assert world.runner.ask("why " * 2500, 0.1) == (None, "the question has 10000 letters, and may have 2000")
    world.until_over()
    world.every_plan_ended_once()
