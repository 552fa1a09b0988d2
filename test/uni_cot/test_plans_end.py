# SPDX-License-Identifier: Apache-2.0
"""Every plan ends, once and in bounded time, whatever the model answers and whoever falls silent or holds the robot."""

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from plan_support import FASTEST, LIMIT, LIMITS, ONCE, THRICE, A, B, World

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.control_watch import SILENCE, ControlReport, ControlWatch
from wall_oss_ros.uni_cot.plan import APPROVALS, Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_edits import Edit
from wall_oss_ros.uni_cot.plan_runner import PlanRunner
from wall_oss_ros.uni_cot.plan_time import FASTEST
from wall_oss_ros.uni_cot.planner import UniCoTPlanner
from wall_oss_ros.uni_cot.questions import MOST_QUESTIONS

HAPPEN = ["instruct", "cancel", "cancel oldest", "approve", "blindly", "reject", "refuse", "fail"]
TEXTS = [A, B, "put it back", "nonsense", "", "\0", "x" * 10**5]
answers = st.lists(
    st.tuples(
        st.sampled_from(
            [A, B, A, B, prompts.DONE, "sing", "dance", "", prompts.NOT_UNDERSTOOD, None, 7, "\ud800", "x\n" * 9999,
             RuntimeError("out of memory")]
        ),
        st.sampled_from([0.0, 0.0, 0.0, 0.3, 2.0, 12.0]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip
happenings = st.lists(
    st.tuples(st.just("wait"), st.sampled_from([0.1, 0.5, 2.0, 7.0]))
    | st.tuples(st.sampled_from(HAPPEN))
    | st.builds(
        Edit, st.integers(-1, 7), st.integers(-1, 5), st.integers(-1, 5), st.lists(st.sampled_from(TEXTS), max_size=3)
    ).map(lambda edit: ("edit", edit))
    | st.tuples(st.sampled_from(["cameras", "alive", "moves", "second", "foreign"]), st.booleans())
    | st.tuples(st.just("pace"), st.sampled_from([0.0, 0.05, 1.0, 20.0, 1e4, -3.0]))
    | st.tuples(st.just("leap"), st.sampled_from([1e6, -1e6, 1.0, -1.0])),
    min_size=1, max_size=14,
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@example(
    answers=[("sing", 0.0), ("dance", 0.0)],
    approval="none",
    settings=THRICE,
    confirmations=2,
    happenings=[("moves", False)],
)
@example(answers=[(A, 0.0), (B, 0.0)], approval="none", settings=THRICE, confirmations=2, happenings=[("pace", 0.05)])
@example(
    answers=[(A, 0.0)], approval="none", settings=THRICE, confirmations=2, happenings=[("wait", 2.0), ("alive", False)]
)
@example(
    answers=[(A, 0.0)], approval="none", settings=THRICE, confirmations=2, happenings=[("wait", 2.0), ("pace", 0.0)]
)
@given(
    answers=answers,
    approval=st.sampled_from(APPROVALS),
    settings=st.sampled_from([ONCE, THRICE]),
    confirmations=st.sampled_from([1, 2]),
    happenings=happenings,
)
def test_whatever_happens_every_plan_ends_once_and_in_time(answers, approval, settings, confirmations, happenings):
    world = World(answers, approval, confirmations, settings)
    steady_clock = True
    world.instruct()
    for name, *what in happenings:
        if name == "wait":
            world.wait(*what)
        elif name == "instruct":
            world.instruct()
        elif name == "cancel":
            world.runner.cancel("no more")
        elif name == "cancel oldest":
            world.runner.cancel("no more", world.tickets[0])
        elif name in ("approve", "reject"):
            world.runner.approve(0, 0, name == "approve")
        elif name == "blindly":
            world.runner.approve(0, 1, True)
        elif name == "refuse":
            world.runner.approve(0, 0, False, "not so fast")
        elif name == "fail":
            plan = world.plan_now or Plan(0, "")
            world.runner.fail_subtask("watcher", "it fell", plan.id, plan.active, plan.active_revision)
        elif name == "edit":
            plan = world.plan_now
            world.runner.edit(plan.id if plan else 1, plan.revision if plan else 1, *what)
        elif name == "leap":
            world.now += what[0]
            steady_clock = False
        else:
            setattr(world, name, what[0])
            steady_clock &= world.pace == 1.0
    world.until_over()
    world.every_plan_ended_once()
    for ticket in world.tickets:
        if ticket.time is not None:
            most = world.truly.get(ticket.plan.id, 0.0) + 1e-6
            assert ticket.time.worked <= most * (1.0 if steady_clock else FASTEST), "time that was held counted"


@pytest.mark.parametrize("answers", [[("sing", 0.0), ("dance", 0.0)], [(A, 0.0)], [(A, 0.0), ("sing", 0.0)]])
def test_the_subtasks_time_counts_whatever_the_answers_are(answers):
    world = World([(A, 0.0), (A, 0.0), *answers * 100], confirmations=2)
    ticket = world.instruct()
    assert world.until_over() == pytest.approx(LIMITS.subtask, abs=0.5)
    assert ticket.plan.status == PlanStatus.FAILED and "pick up" in ticket.plan.message
    assert "longer than 4 s" in ticket.plan.message


def test_a_subtask_that_begins_again_and_again_ends_with_the_plan():
    world = World([(A, 0.0), (A, 0.0), *[(B, 0.0), (A, 0.0)] * 100])
    ticket = world.instruct()
    assert world.until_over() == pytest.approx(LIMITS.plan, abs=0.5)
    assert ticket.plan.message == "The plan took longer than 10 s."


def test_time_that_the_robot_is_stopped_does_not_count():
    world = World()
    ticket = world.instruct()
    world.wait(3.0)
    world.moves = False
    world.wait(5.0)
    assert not ticket.over and ticket.time.subtask == pytest.approx(3.0, abs=0.3)
    assert ticket.holding == "holding: no joint states"
    world.moves = True
    world.wait(0.2)
    assert ticket.holding == ""
    assert world.until_over() == pytest.approx(0.8, abs=0.4)
    assert "longer than 4 s" in ticket.plan.message


def test_a_plan_that_is_held_too_long_fails_with_controls_reason():
    world = World()
    ticket = world.instruct()
    world.moves = False
    assert world.until_over() == pytest.approx(LIMITS.held, abs=0.5)
    assert ticket.plan.message == "The plan was held for more than 6 s: holding: no joint states."


def test_a_plan_that_is_held_most_of_the_time_fails_too():
    world = World(plan=1e6, subtask=1e6)
    ticket = world.instruct()
    for step in range(1000):
        world.moves = step % 3 == 0
        world.step()
    assert ticket.over and "held for more than 6 s" in ticket.plan.message


def test_control_that_falls_silent_counts_as_held_from_its_last_word():
    world = World()
    ticket = world.instruct()
    world.wait(2.0)
    worked = ticket.time.worked
    world.alive = False
    world.wait(SILENCE + 0.2)
    assert ticket.holding == "control has been silent for more than 3 s" and ticket.time.worked == worked
    world.until_over()
    assert "control has been silent" in ticket.plan.message


def test_a_robot_without_control_is_held_and_that_is_said():
    world = World()
    world.runner._tickets._control = ControlWatch("here", "me")
    world.alive = False
    ticket = world.instruct()
    world.step()
    assert ticket.holding == "nothing has been heard of control"
    world.foreign = True
    world.wait(0.2)
    assert ticket.holding == "the control that speaks is of another robot, elsewhere"
    world.until_over()
    assert ticket.time.worked == 0.0


def test_two_controls_are_not_believed_until_one_is_gone():
    world = World()
    ticket = world.instruct()
    world.wait(2.0)
    world.moves, world.second = False, True
    world.wait(2.0)
    assert ticket.holding == "several control nodes speak: one, two"
    assert ticket.time.worked <= 2.0
    world.moves, world.second = True, False
    world.wait(SILENCE + 0.2)
    assert ticket.holding == ""


def test_a_control_that_starts_anew_is_no_second_one():
    watch = ControlWatch("here", "me")
    for when, control in ((0.0, "one"), (0.2, "one"), (0.9, "two"), (1.1, "two")):
        watch.hear(ControlReport(control, "here", "me", 1, True, "running"), when)
        assert watch.holding(1, when) == ""


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (ControlReport("one", "here", "other", 1, True, ""), "another plan: 1 of planner other"),
        (ControlReport("one", "here", "me", 2, True, ""), "another plan: 2 of planner me"),
        (ControlReport("one", "here", "", 0, True, ""), "no plan"),
        (ControlReport("one", "", "me", 1, True, ""), "of another robot, which it does not name"),
        (ControlReport("one", "here", "me", 1, False, ""), "no plan"),
    ],
)
def test_only_a_control_of_this_robot_on_this_plan_works_on_it(report, says):
    watch = ControlWatch("here", "me")
    watch.hear(report, 0.0)
    assert says in watch.holding(1, 0.1)


def test_dead_cameras_end_the_plan_and_are_named():
    world = World()
    ticket = world.instruct()
    world.wait(1.0)
    world.cameras = False
    assert world.until_over() == pytest.approx(LIMITS.blind, abs=0.3)
    assert "No observation came for 3 s" in ticket.plan.message
    late = world.instruct()
    assert world.until_over() <= LIMITS.observation + 0.3
    assert "No observation came for 1 s" in late.plan.message, "the last picture of a dead camera begins nothing"


def test_pictures_that_repeat_or_bear_no_time_are_none():
    for frozen in (0.0, float("nan")):
        world = World()
        ticket = world.instruct()
        world.wait(1.0)
        if frozen == frozen:
            world.pace = frozen  # the same stamp for ever
        else:
            world.now = frozen
        assert world.until_over() < 2 * LIMITS.blind + 1.0
        assert "No observation" in ticket.plan.message


def test_a_model_that_never_answers_ends_what_is_under_way_and_what_comes_later():
    entered, gate, shown = threading.Event(), threading.Event(), []

    class Hangs:
        def understood(self, text, kind):
            entered.set()
            gate.wait(LIMIT)
            return text, ""

    time = [0.0]
    runner = PlanRunner(
        UniCoTPlanner(Hangs()), lambda *_: "", lambda: time[0], shown.append, limits=LIMITS, steady=lambda: time[0]
    )
    runner.observe(Observation(0.1, {}, None, None))
    ticket = runner.instruct("do it")
    assert entered.wait(LIMIT)
    time[0] += LIMITS.model - 0.1
    runner.tick()
    assert not ticket.over, "it may think, also when no picture comes meanwhile"
    time[0] += 0.2
    runner.tick()
    assert ticket.over and "not answered for more than 5 s" in ticket.plan.message
    later = runner.instruct("again")
    runner.tick()
    assert later.over and runner.model_silence > LIMITS.model
    runner.close(timeout=0.0)
    gate.set()
    assert [plan.status for plan in shown] == [PlanStatus.FAILED] * 2
    assert runner.instruct("too late").over, "nothing waits for a planner that is closed"


def test_a_model_that_ends_its_thread_loses_no_plan():
    world = World([(A, 0.0), (A, 0.0), (SystemExit("bye"), 0.0)])
    ticket = world.instruct()
    assert world.until_over() < 2.0 and "SystemExit" in ticket.plan.message
    world.every_plan_ended_once()


@pytest.mark.parametrize("takes", [0.0, 0.6, 3.0])
def test_judgements_have_their_turn_however_many_ask(takes):
    world = World([(A, 0.0)])
    world.instruct()
    world.step()
    asked = []
    world.runner._ask_model = lambda *_: asked.append(world.steady) or world.wait(takes, within=True) or "yes"
    judged, reason = [], world.reason
    world.reason = lambda *arguments: judged.append(len(asked)) or reason(*arguments)
    threads = []
    while len(judged) < 8 and not world.tickets[0].over:
        with world.runner._condition:
            while not world.runner._questions.full:
                threads.append(threading.Thread(target=world.runner.ask, args=("where?", LIMIT), daemon=True))
                threads[-1].start()
                world.runner._condition.wait_for(lambda: world.runner._questions.full, 0.01)
        world.moves = False  # time stands still for the plan
        world.step()
        world.runner._tickets.followed and setattr(world.runner._tickets.followed.time, "held", 0.0)
    apart = np.diff(judged)
    assert len(judged) == 8 and len(asked) >= 8
    if takes > 0.5:
        assert (apart <= 1).all(), "with judgements due, at most one question between two"
    world.runner.close()
    for thread in threads:
        thread.join(LIMIT)


def test_questions_do_not_queue_without_bound():
    world = World()
    waiting = [
        threading.Thread(target=world.runner.ask, args=("where?", LIMIT), daemon=True) for _ in range(MOST_QUESTIONS)
    ]
    for thread in waiting:
        thread.start()
    with world.runner._condition:
        assert world.runner._condition.wait_for(lambda: world.runner._questions.full, LIMIT)
    answer, why = world.runner.ask("me too?", LIMIT)
    assert answer is None and "others are asking" in why
    world.runner.close()
    for thread in waiting:
        thread.join(LIMIT)
        assert not thread.is_alive()
