# SPDX-License-Identifier: Apache-2.0
"""Chunks asked for beside control: in time, with what the robot does meanwhile; and which answers count."""

from dataclasses import replace

import numpy as np
import pytest
from control_support import follow_actions
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.chunk_requests import ChunkRequests
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.policy.chunk import Chunk, ChunkAnswer, ChunkRequest, Task
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

PROFILE = load_profile("franka")
ARM, LAYOUT, ROBOT = Arm(PROFILE), Layout(PROFILE), robot_identity(PROFILE)
STATE = LAYOUT.pack(*ARM.fk(ARM.home), 0.08)[0].astype(float)
ACTIONS = np.zeros((PROFILE.horizon, LAYOUT.size))
ACTIONS[:, LAYOUT.position.start] = 0.05 * np.linspace(0.1, 1.0, PROFILE.horizon)
TASK = Task("planner#1", 1, 0, "go")
QUEUE = RobotMotion(PROFILE, [ARM]).queue  # empty


def requests(real_time: bool = True) -> ChunkRequests:
    return ChunkRequests("control#1", ROBOT, LAYOUT, real_time)


def moving(stamp: float) -> RobotMotion:
    motion = RobotMotion(PROFILE, [ARM])
    assert follow_actions(motion, stamp, stamp, STATE, ACTIONS, ARM.home) is not None
    return motion


def ask(one: ChunkRequests, now: float, motion: RobotMotion | None = None, goes_on: bool = False) -> ChunkRequest:
    return one.ask(now, now, TASK, (motion or RobotMotion(PROFILE, [ARM])).queue, goes_on)


def answer(request: ChunkRequest, stamp: float = 0.0, **changes) -> ChunkAnswer:
    chunk = Chunk(stamp, STATE, np.tile(STATE, (PROFILE.horizon, 1)), PROFILE.rate_hz)
    good = ChunkAnswer(request.control, request.number, request.task, ROBOT, stamp, chunk, LAYOUT.mask, seconds=0.1)
    return replace(good, **changes)


def compute(one: ChunkRequests, asked: float, ready: float) -> None:
    assert one.receive(ready, ready, answer(ask(one, asked), asked), TASK) is not None


def test_one_is_asked_for_at_a_time():
    one = requests()
    first = ask(one, 1.0)
    assert (first.control, first.number, first.robot, first.task) == ("control#1", 1, ROBOT, TASK)
    assert ask(one, 1.1) is None and one.unanswered(1.5) == pytest.approx(0.5)
    assert one.receive(1.2, 1.2, answer(first), TASK).number == 1
    assert one.unanswered(2.0) == 0.0 and one.seconds == pytest.approx(0.1)
    assert ask(one, 1.2).number == 2


def test_an_answer_that_does_not_come_is_asked_for_again_and_a_late_one_still_counts():
    one = requests()
    first = ask(one, 1.0)
    assert ask(one, 2.4) is None
    second = ask(one, 2.6)
    assert second.number == 2 and one.unanswered(3.0) == pytest.approx(2.0)
    assert one.receive(3.0, 3.0, answer(first), TASK) is not None
    assert one.receive(3.1, 3.1, answer(second), TASK) is not None


def test_doubled_and_reordered_answers_count_once():
    one = requests()
    first, second = ask(one, 0.0), ask(one, 2.0)
    assert one.receive(2.1, 2.1, answer(second), TASK) is not None
    assert one.receive(2.1, 2.1, answer(second), TASK) is None, "once more"
    assert one.receive(2.2, 2.2, answer(first), TASK) is None, "older"
    assert one.fault == ""


def test_answers_that_are_for_somebody_else_or_were_never_asked_for_are_left_alone():
    one = requests()
    request = ask(one, 0.0)
    for changes in ({"control": "control#2"}, {"number": 7}, {"number": 0}):
        assert one.receive(0.1, 0.1, answer(request, **changes), TASK) is None
    assert one.fault == ""
    assert one.receive(0.2, 0.2, answer(request), TASK._replace(active=1)) is None, "the subtask is over"
    assert one.receive(0.2, 0.2, answer(ask(one, 0.2)), None) is None, "the plan is over"
    assert one.fault == ""


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"robot": "ur:ur10e@12345678"}, "for robot ur:ur10e@12345678"),
        ({"robot": ""}, "robot unknown"),
        ({"error": "the model failed: out of memory", "chunk": None, "moves": None}, "out of memory"),
        ({"chunk": None, "moves": None}, "degrees of freedom"),
        ({"moves": LAYOUT.mask[:7]}, "7 degrees of freedom"),
        ({"moves": np.zeros(LAYOUT.size, bool)}, "does not decide"),
        ({"chunk": Chunk(0.0, STATE, np.tile(STATE, (10, 1)), 30.0)}, "30 steps a second"),
        ({"chunk": Chunk(0.0, STATE, np.tile(STATE, (10, 1)), float("nan"))}, "nan steps a second"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_and_it_is_asked_again_after_a_pause(changes, said):
    one = requests()
    assert one.receive(0.1, 0.1, answer(ask(one, 0.0), **changes), TASK) is None
    assert said in one.fault
    assert ask(one, 0.2) is None, "not at once"
    again = ask(one, 0.4)
    assert one.receive(0.5, 0.5, answer(again), TASK) is not None and one.fault == ""


def test_an_answer_that_cannot_be_followed_is_not_asked_for_again_at_once():
    one = requests()
    assert one.receive(0.1, 0.1, answer(ask(one, 0.0)), TASK) is not None
    one.refuse(0.1, "it does not start where the arm was")
    assert one.fault and ask(one, 0.2) is None and ask(one, 0.4) is not None


def test_another_task_waits_for_no_answer_and_forgets_what_was_wrong():
    one = requests()
    old = ask(one, 0.0)
    one.fault = "something"
    one.withdraw()
    assert one.fault == "" and one.unanswered(9.0) == 0.0
    other = TASK._replace(active=1)
    new = one.ask(0.1, 0.1, other, RobotMotion(PROFILE, [ARM]).queue, False)
    assert new.task == other
    assert one.receive(0.2, 0.2, answer(old), other) is None
    assert one.receive(0.3, 0.3, answer(new), other) is not None


def test_the_model_is_told_what_the_robot_does_meanwhile():
    one = requests()
    for n in range(3):
        compute(one, float(n), n + 0.25)
    motion = moving(3.0)
    request = ask(one, 3.4, motion, goes_on=True)
    assert request.committed_until == pytest.approx(3.4 + 0.25)
    assert request.previous.stamp == pytest.approx(3.0) and len(request.previous.targets) == PROFILE.horizon
    assert request.previous.targets == pytest.approx(motion.queue.followed().targets)
    assert ask(requests(), 3.4, moving(3.0), goes_on=False).previous is None, "another subtask goes on from nothing"
    assert ask(requests(real_time=False), 3.4, moving(3.0), goes_on=True).previous is None


def test_the_next_is_due_in_time():
    one, motion = requests(), moving(0.0)
    assert one.due(0.0, RobotMotion(PROFILE, [ARM]).queue, 5), "there is none yet"
    assert not one.due(0.4, motion.queue, 5) and one.due(0.5, motion.queue, 5)
    for n in range(3):
        compute(one, float(n), n + 0.7)
    assert one.due(0.25, motion.queue, 9), "no more is left than it takes"


EVENTS = st.lists(st.sampled_from(["ask", "lose", "answer", "again", "old", "wrong", "task", "wait"]), max_size=60)


@given(EVENTS)
@settings(max_examples=200, deadline=None)
def test_whatever_the_network_does_it_asks_on_and_counts_no_answer_twice(events):
    one, now, task, sent, counted = requests(), 0.0, TASK, [], set()

    def receive(request, **changes):
        if (taken := one.receive(now, now, answer(request, **changes), task)) is not None:
            assert taken.number not in counted and taken.task == task and taken.robot == ROBOT
            assert not counted or taken.number > max(counted), "never backwards"
            counted.add(taken.number)

    for event in events:
        now += 0.05
        if event == "task":
            task = task._replace(active=task.active + 1)
            one.withdraw()
        elif event == "wait":
            now += 2.0
        elif event == "ask" and (request := one.ask(now, now, task, QUEUE, False)) is not None:
            sent.append(request)
        elif sent and event in ("answer", "again"):
            receive(sent[-1])
        elif sent and event == "old":
            receive(sent[len(sent) // 2])
        elif sent and event == "wrong":
            receive(sent[-1], robot="another")
    assert one.ask(now + 10.0, now + 10.0, task, QUEUE, False) is not None, "it never gives up"
