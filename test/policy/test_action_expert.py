# SPDX-License-Identifier: Apache-2.0
"""The model's side of moving: the newest request is answered, once, from a fresh observation of the right robot."""

import queue
import threading

import numpy as np
import pytest

from wall_oss_ros.policy import action_expert
from wall_oss_ros.policy.action_expert import ActionExpert
from wall_oss_ros.policy.chunk import Chunk, ChunkRequest, Task
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

LAYOUT = Layout(load_profile("franka"))
ROBOT, TASK = "franka@12345678", Task("planner#1", 1, 0, "go")
SOON = 30.0  # s; every wait is for an event


class Scripted:
    """A policy that notes what it is asked, and waits to be let go where that is wanted."""

    def __init__(self):
        self.calls, self.go, self.result = [], threading.Event(), np.zeros((10, LAYOUT.size))
        self.go.set()

    def act(self, obs, subtask, **options):
        self.calls.append((obs.stamp, subtask, options))
        assert self.go.wait(SOON)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class Bench:
    """An expert with a clock of the test's own."""

    def __init__(self, monkeypatch, patience=SOON):
        monkeypatch.setattr(action_expert, "_PATIENCE", patience)
        self.now, self.policy, self.answers = 100.0, Scripted(), queue.Queue()
        self.expert = ActionExpert(self.policy, LAYOUT, ROBOT, lambda: self.now, self.answers.put, oldest=1.0)

    def see(self, stamp, robot=ROBOT):
        state = np.zeros(LAYOUT.size, np.float32)
        self.expert.observe(robot, Observation(stamp, {}, state, LAYOUT.mask))

    def ask(self, number, robot=ROBOT, **fields):
        self.expert.ask(ChunkRequest("control#1", number, robot, TASK, **fields))

    def answer(self):
        return self.answers.get(timeout=SOON)


@pytest.fixture
def bench(monkeypatch):
    made = Bench(monkeypatch)
    yield made
    made.policy.go.set()
    made.expert.close()


@pytest.fixture
def hurried(monkeypatch):
    """One that soon says that there is nothing to see."""
    made = Bench(monkeypatch, patience=0.05)
    yield made
    made.expert.close()


def test_a_request_waits_for_an_observation_and_each_is_used_once(bench):
    bench.ask(1)
    bench.see(99.9)
    first = bench.answer()
    assert (first.control, first.number, first.task, first.robot) == ("control#1", 1, TASK, ROBOT)
    assert first.error == "" and first.stamp == 99.9 and first.chunk.targets.shape == (10, LAYOUT.size)
    bench.ask(2)
    bench.see(99.9)  # the same again
    bench.see(100.0)
    assert bench.answer().stamp == 100.0
    assert [call[0] for call in bench.policy.calls] == [99.9, 100.0]


def test_only_the_newest_request_is_answered(bench):
    bench.policy.go.clear()
    bench.see(99.8)
    bench.ask(1)
    while not bench.policy.calls:
        threading.Event().wait(0.001)
    for number in (2, 3, 4):
        bench.ask(number)
    bench.see(99.9)
    bench.policy.go.set()
    assert [bench.answer().number, bench.answer().number] == [1, 4]


def test_the_policy_is_told_what_the_robot_is_doing(bench):
    rows = np.zeros((11, LAYOUT.size))
    rows[:, LAYOUT.position.start] = 0.01 * np.arange(11)
    bench.ask(1, previous=Chunk(99.5, rows[0], rows[1:], 10.0), committed_until=100.15)
    bench.see(99.9)
    bench.answer()
    previous = bench.policy.calls[0][2]["previous"]
    assert len(previous.steps) == 6 and previous.committed == 3
    assert previous.steps[:, LAYOUT.position.start] == pytest.approx(0.01 * np.arange(5, 11))


@pytest.mark.parametrize(
    "result, said",
    [
        (ValueError("out of memory"), "the model failed: out of memory"),
        (np.full((10, LAYOUT.size), np.nan), "not finite"),
        (np.zeros((10, 7)), "has shape (10, 7)"),
        (np.zeros((0, LAYOUT.size)), "has shape"),
        (np.zeros(LAYOUT.size), "has shape"),
    ],
)
def test_what_a_model_does_wrong_is_answered_in_words(bench, result, said):
    bench.policy.result = result
    bench.ask(1)
    bench.see(99.9)
    answer = bench.answer()
    assert answer.chunk is None and said in answer.error
    bench.policy.result = np.zeros((10, LAYOUT.size))
    bench.ask(2)
    bench.see(100.0)
    assert bench.answer().error == "", "and it goes on"


def test_another_robot_is_named_at_once(bench):
    bench.ask(1, robot="ur:ur10e@87654321")
    assert "loaded for robot franka@12345678, control moves ur:ur10e@87654321" in bench.answer().error
    bench.ask(2)
    bench.see(99.9, robot="ur:ur5e@00000000")
    assert "observations are of robot ur:ur5e@00000000" in bench.answer().error
    assert not bench.policy.calls


def test_blindness_is_named(hurried):
    hurried.ask(1)
    assert "no observation yet" in hurried.answer().error
    hurried.see(90.0)
    hurried.ask(2)
    assert "newest observation is 10.0 s old" in hurried.answer().error
    hurried.see(105.0)  # from the future
    hurried.ask(3)
    assert "is -5.0 s old" in hurried.answer().error
    assert not hurried.policy.calls


def test_a_clock_that_was_set_back_does_not_blind_it(bench):
    bench.ask(1)
    bench.see(100.0)
    bench.answer()
    bench.now = 10.0
    bench.ask(2)
    bench.see(10.0)
    assert bench.answer().stamp == 10.0
