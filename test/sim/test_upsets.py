# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in simulated runs, who directs them, and a monitor that is heeded; the scripted expert acts."""

import numpy as np
import pytest
from sim_support import Expert

from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.closed_loop import ClosedLoop
from wall_oss_ros.sim.cubes.upsets import KINDS, CubeUpset
from wall_oss_ros.sim.directing import FirstPlan, InstructionAlone, Reasoning
from wall_oss_ros.sim.evaluate import random_cases
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.uni_cot.watching.monitor import FailureMonitor

LAYOUT = Layout(load_profile("franka"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def loop():
    environment = task_of("franka").environment(np.random.default_rng(0))
    environment.simulator.render = lambda view: np.zeros((8, 8, 3), np.uint8)  # pictures take time
    yield ClosedLoop(Expert(environment), environment)
    environment.simulator.close()


def run(loop, kind=None, number=0, **options):
    case = random_cases(loop.task, number + 1, seed=4)[number]
    upset = None if kind is None else CubeUpset(kind, case.goals[0], np.random.default_rng(number))
    return loop.run(case.scene, case.instruction, list(case.goals), seed=0, upset=upset, **options)


def events(episode, who):
    return [(at, what) for at, who_it_was, what in episode.events if who_it_was == who]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_upset_is_put_right_by_whoever_looks(loop, kind):
    """And the truth tells what it has changed."""
    episode = run(loop, kind)
    ((at, what),) = events(episode, "upset")
    assert (episode.success and episode.goals[0].colour in what) or kind == "tray"
    called = [called for when, called in events(episode, "truth") if when >= at]
    assert called[-1] == "done"
    if kind == "lost":
        assert f"pick up the {episode.goals[0].colour} cube" in called


def test_a_plan_that_is_made_once_does_not_go_back(loop):
    """Though the truth tells it when each subtask is over: what was lost stays lost."""
    assert run(loop, director=FirstPlan(loop.policy, seconds=None)).success
    episode = run(loop, "lost", director=FirstPlan(loop.policy, seconds=None))
    number = [what for _, what in events(episode, "plan")].index(episode.goals[0].subtasks()[1])
    assert not episode.success and len(events(episode, "plan")) == number + 1


def test_a_plan_by_the_clock_begins_each_subtask_in_time(loop):
    episode = run(loop, director=FirstPlan(loop.policy, seconds=5.0))
    assert [at for at, _ in events(episode, "plan")] == pytest.approx([0.0, 5.0, 10.0], abs=0.05)
    assert episode.success and episode.status == "over" and episode.judgements == 0


def test_an_instruction_alone_is_acted_on_until_time_is_over(loop):
    case = random_cases(loop.task, 1, seed=4)[0]
    text = case.goals[0].subtasks()[0]
    episode = loop.run(case.scene, text, loop.task.language.parse(text), seed=0, director=InstructionAlone())
    assert episode.success and episode.seconds == pytest.approx(loop.settings.time_limit_s, abs=0.1)
    assert episode.plan_right is None and episode.status == "running"


class Stubborn(Expert):
    """Does nothing at first, and goes on once it was asked for a subtask a second time."""

    def __init__(self, environment):
        super().__init__(environment)
        self.begun = 0

    def act(self, obs, subtask, steps, seed, previous):
        self.begun += previous is None
        actions = super().act(obs, subtask, steps, seed, previous)
        if self.begun == 1:
            actions[:, LAYOUT.position], actions[:, LAYOUT.gripper] = 0.0, actions[0, LAYOUT.gripper]
        return actions


def test_who_heeds_the_monitor_tries_again(loop):
    monitor, policy = FailureMonitor(LAYOUT), Stubborn(loop.environment)
    stubborn = ClosedLoop(policy, loop.environment)
    episode = run(stubborn, monitor=monitor, director=Reasoning(policy))
    (at, what), *_ = events(episode, "monitor")
    assert what.startswith("convergence: its chunks have asked for nearly no motion for ")
    again = [words for when, words in events(episode, "plan") if when >= at]
    assert "tried again" in again[0] and "nearly no motion" in again[0]
    assert episode.success and episode.status == "succeeded"


def test_who_does_not_heed_it_hears_the_same(loop):
    monitor, policy = FailureMonitor(LAYOUT), Stubborn(loop.environment)
    stubborn = ClosedLoop(policy, loop.environment)
    episode = run(stubborn, monitor=monitor, director=Reasoning(policy), heeded=False)
    assert events(episode, "monitor") and not episode.success
    assert len(events(episode, "plan")) == 1 and episode.cpu_seconds["watch"]
