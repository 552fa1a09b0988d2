# SPDX-License-Identifier: Apache-2.0
"""Instructions come at any time, replace each other, wait for approval, and can be withdrawn at once."""

import queue
import threading
from dataclasses import replace

import numpy as np
import pytest

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.plan import Plan, PlanStatus, SubtaskStatus
from wall_oss_ros.uni_cot.plan_runner import PlanRunner
from wall_oss_ros.uni_cot.plan_time import PlanLimits
from wall_oss_ros.uni_cot.planner import PlannerSettings, UniCoTPlanner

LIMIT = 60.0  # s; every wait is for an event, this only ends a test that hangs


class Model:
    """Answers like a policy, from a script; ``gate`` holds planning up."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.answer = "pick up"
        self.broken = False
        self.judged = queue.SimpleQueue()

    lists_instructions = True
    judges_plans = False

    def understood(self, text, kind):
        return text, "that is nonsense" if "because" in text else ""

    def plan(self, obs, instruction):
        self.entered.set()
        assert self.gate.wait(LIMIT)
        if self.broken:
            raise RuntimeError("out of memory")
        return "pick up\nplace"

    def reason(self, obs, instruction):
        self.judged.put(obs)
        if self.answer is None:
            raise RuntimeError("out of memory")
        return self.answer

    def ask(self, obs, question):
        return f"{question} yes"


class Bench:
    """A runner, what it published, and observations on demand."""

    def __init__(self, **options):
        self.model, self.published, self.stamp, self.last = Model(), queue.Queue(), 0.0, Plan(0, "")
        options = {"period": 0.0, **options}
        planner = UniCoTPlanner(self.model, PlannerSettings(confirmations=1))
        self.runner = PlanRunner(planner, self.model.ask, lambda: self.stamp, self.published.put, **options)

    def observe(self):
        self.stamp += 0.1
        self.runner.observe(Observation(self.stamp, {}, np.zeros(20, np.float32), np.zeros(20, bool)))

    def plan(self):
        """The next plan that tells more than another judgement."""
        while (plan := self.published.get(timeout=LIMIT)) == replace(self.last, judgement=plan.judgement):
            pass
        self.last = plan
        return plan

    def nothing_new(self):
        """Whether nothing was published since but judgements."""
        return all(
            plan == replace(self.last, judgement=plan.judgement)
            for plan in iter(lambda: None if self.published.empty() else self.published.get(), None)
        )

    def judge(self, answer):
        """Has the model judge a fresh observation with this answer."""
        while not self.model.judged.empty():
            self.model.judged.get()
        self.model.answer = answer
        self.observe()
        self.model.judged.get(timeout=LIMIT)


@pytest.fixture
def bench(request):
    made = Bench(**getattr(request, "param", {}))
    yield made
    made.model.gate.set()
    made.runner.close()


def test_an_instruction_is_followed_to_its_end(bench):
    bench.observe()
    bench.runner.instruct("do it")
    plan = bench.plan()
    assert (plan.id, plan.status, plan.active_text) == (1, PlanStatus.RUNNING, "pick up")
    bench.model.answer = "place"
    bench.observe()
    assert bench.plan().active_text == "place"
    bench.model.answer = prompts.DONE
    bench.observe()
    plan = bench.plan()
    assert plan.status == PlanStatus.SUCCEEDED and plan.progress == 1.0


def test_a_new_instruction_replaces_the_old_which_goes_on_until_then(bench):
    bench.observe()
    first = bench.runner.instruct("one")
    bench.plan()
    bench.model.entered.clear()
    bench.model.gate.clear()
    second = bench.runner.instruct("two")
    assert bench.model.entered.wait(LIMIT)
    assert not first.over and bench.nothing_new(), "the model still thinks"
    bench.model.gate.set()
    replaced, plan = bench.plan(), bench.plan()
    assert (plan.id, plan.instruction) == (2, "two") and replaced is first.plan
    assert first.over and first.plan.status == PlanStatus.CANCELLED and "Replaced" in first.plan.message
    assert bench.runner.follow(second, 0, LIMIT) == 1 and second.plan is plan


def test_only_the_last_of_several_waiting_instructions_is_planned_and_each_ends(bench):
    bench.observe()
    bench.runner.instruct("zero")
    assert bench.plan().status == PlanStatus.RUNNING
    bench.model.entered.clear()
    bench.model.gate.clear()
    skipped = [bench.runner.instruct("one")]
    assert bench.model.entered.wait(LIMIT)
    skipped.append(bench.runner.instruct("two"))
    bench.runner.instruct("three")
    assert all(ticket.over for ticket in skipped) and bench.nothing_new(), "the plan before goes on meanwhile"
    bench.model.gate.set()
    shown = [bench.plan() for _ in range(4)]
    assert [(plan.instruction, plan.status) for plan in shown] == [
        ("one", PlanStatus.CANCELLED), ("two", PlanStatus.CANCELLED), ("zero", PlanStatus.CANCELLED),
        ("three", PlanStatus.RUNNING),
    ]  # fmt: skip


def test_cancelling_does_not_wait_for_the_model(bench):
    bench.observe()
    bench.runner.instruct("one")
    bench.plan()
    bench.model.entered.clear()
    bench.model.gate.clear()
    bench.runner.instruct("two")
    assert bench.model.entered.wait(LIMIT)
    assert bench.runner.cancel("stop")
    assert [(plan.instruction, plan.status, plan.message) for plan in (bench.plan(), bench.plan())] == [
        ("one", PlanStatus.CANCELLED, "stop"), ("two", PlanStatus.CANCELLED, "stop"),
    ]  # fmt: skip
    bench.model.gate.set()
    assert bench.runner.ask("there?", LIMIT) == ("there? yes", ""), "the thread has got past the second instruction"
    assert bench.nothing_new(), "nothing more is heard of the withdrawn instruction"
    assert not bench.runner.cancel("again")


def test_a_plan_that_goes_on_while_the_next_is_thought_about_can_be_withdrawn(bench):
    bench.observe()
    first = bench.runner.instruct("one")
    bench.plan()
    bench.model.entered.clear()
    bench.model.gate.clear()
    second = bench.runner.instruct("two")
    assert bench.model.entered.wait(LIMIT)
    assert bench.runner.cancel("not that", first) and first.over and not second.over
    assert bench.plan().status == PlanStatus.CANCELLED
    bench.model.gate.set()
    assert bench.plan().instruction == "two"


@pytest.mark.parametrize("bench", [{"approval": "plan"}], indirect=True)
@pytest.mark.parametrize("approved", [True, False])
def test_approval(bench, approved):
    bench.observe()
    bench.runner.instruct("one")
    plan = bench.plan()
    assert plan.status == PlanStatus.AWAITING_APPROVAL and plan.active_text == "" and len(plan.subtasks) == 2
    assert bench.runner.approve(7, 0, True)[0] is False
    assert bench.runner.approve(plan.id, plan.revision, approved, "because")[0] is True
    plan = bench.plan()
    assert plan.message == "because"
    assert plan.status == (PlanStatus.RUNNING if approved else PlanStatus.REJECTED)
    assert plan.active_text == ("pick up" if approved else "")
    assert bench.runner.approve(0, 0, True)[0] is False


@pytest.mark.parametrize("bench", [{"approval": "plan"}], indirect=True)
def test_only_a_new_plan_needs_a_new_approval(bench):
    bench.observe()
    bench.runner.instruct("one")
    assert bench.runner.approve(bench.plan().id, 0, True)[0]
    assert bench.plan().active_text == "pick up"
    bench.judge("place")
    plan = bench.plan()
    assert (plan.status, plan.active_text) == (PlanStatus.RUNNING, "place")
    for _ in range(PlannerSettings().stray_answers):
        bench.judge("sing")
    plan = bench.plan()
    assert plan.running and plan.active_text == "" and "planned anew" in plan.message, "nothing moves meanwhile"
    plan = bench.plan()
    assert plan.status == PlanStatus.AWAITING_APPROVAL and plan.active_text == ""
    assert all(subtask.status == SubtaskStatus.PENDING and subtask.started is None for subtask in plan.subtasks)


def test_a_replaced_instruction_cannot_be_cancelled(bench):
    bench.observe()
    first = bench.runner.instruct("one")
    bench.plan()
    second = bench.runner.instruct("two")
    assert [bench.plan().instruction for _ in range(2)] == ["one", "two"]
    assert not bench.runner.cancel("late", first)
    assert not second.over and bench.nothing_new()
    assert bench.runner.cancel("now", second)
    assert bench.plan().message == "now" and second.over


@pytest.mark.parametrize("bench", [{"period": 1e12}], indirect=True)
def test_progress_is_not_judged_sooner_than_the_period(bench):
    bench.observe()
    bench.runner.instruct("one")
    bench.plan()
    bench.model.answer = "place"
    for _ in range(2):
        bench.observe()
        assert bench.runner.ask("there?", LIMIT)[0], "the thread has seen the observation"
    assert bench.nothing_new()


@pytest.mark.parametrize("bench", [{"limits": PlanLimits(observation=0.0)}], indirect=True)
def test_without_an_observation_the_plan_fails_and_says_so(bench):
    bench.runner.instruct("one")
    bench.runner.tick()
    plan = bench.plan()
    assert plan.status == PlanStatus.FAILED and "No observation" in plan.message
    assert bench.runner.ask("what?", LIMIT) == (None, "there is no observation yet")


def test_an_empty_instruction_is_refused(bench):
    bench.runner.instruct("  ")
    assert "empty" in bench.plan().message


def test_a_model_that_fails_ends_the_plan(bench):
    bench.observe()
    bench.model.broken = True
    bench.runner.instruct("one")
    plan = bench.plan()
    assert plan.status == PlanStatus.FAILED and "out of memory" in plan.message
    bench.model.broken = False
    bench.runner.instruct("one")
    assert bench.plan().status == PlanStatus.RUNNING


def test_judging_may_fail_but_not_three_times_in_a_row(bench):
    bench.observe()
    bench.runner.instruct("one")
    bench.plan()
    for answer in (None, None, "pick up", None, None):
        bench.judge(answer)
        assert bench.runner.ask("there?", LIMIT)[0] and bench.nothing_new()
    bench.judge(None)
    plan = bench.plan()
    assert plan.status == PlanStatus.FAILED and "out of memory" in plan.message


class Finder:
    """Knows where things are picked up, and breaks where they are placed."""

    def __init__(self):
        self.asked = []

    def __call__(self, observation, subtask):
        self.asked.append(subtask)
        if subtask == "place":
            raise RuntimeError("out of memory")
        return np.array([0.5, 0.1, 0.0])


@pytest.mark.parametrize("bench", [{"locate": Finder()}], indirect=True)
def test_the_place_of_a_subtask_is_found_once_and_after_the_plan_was_shown(bench):
    def targets():
        return [subtask.target for subtask in bench.plan().subtasks]

    place = (0.5, 0.1, 0.0)
    bench.observe()
    bench.runner.instruct("do it")
    assert [targets(), targets()] == [[None, None], [place, None]], "the arm need not wait for it"
    bench.model.answer = "place"
    bench.observe()
    assert targets() == [place, None], "what breaks there ends nothing"
    bench.model.answer = "pick up"
    bench.observe()
    assert [targets(), targets()] == [[None, None], [place, None]], "things may have moved meanwhile"
    bench.observe()
    bench.model.answer = prompts.DONE
    bench.observe()
    assert bench.plan().status == PlanStatus.SUCCEEDED
    assert bench.runner._jobs._locate.asked == ["pick up", "place", "pick up"], (
        "once for each time that it becomes active"
    )
