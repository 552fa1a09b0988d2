# SPDX-License-Identifier: Apache-2.0
"""The terminal shows how old what it shows is; nothing that is stale looks like the present."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2
from wall_oss_ros.commands.display import Display, plan_lines
from wall_oss_ros.page.status_text import age_words, control_words, plan_words
from wall_oss_ros.perception.ages import PLAN_FRESH, STATUS_FRESH, VIEWS_FRESH, LastHeard
from wall_oss_ros.perception.rates import RateMeter

from wall_oss_msgs.msg import ControlStatus, Subtask, SubtaskPlan


def a_monitor():
    """A system that works, as a monitor has heard of it at 100 s."""
    monitor = SimpleNamespace(simulated_time=7.0, observations=RateMeter(3.0), chunks=RateMeter(3.0))
    monitor.status = ControlStatus(
        state=ControlStatus.RUNNING, command_rate_hz=50.0, observation_age_s=0.12, inference_s=0.02
    )
    monitor.plan = SubtaskPlan(plan_id=1, instruction="tidy up", status=SubtaskPlan.RUNNING, active=0)
    monitor.plan.subtasks = [Subtask(text="pick up the red cube", status=Subtask.ACTIVE)]
    for name, fresh in (("status", STATUS_FRESH), ("plan", PLAN_FRESH), ("observation", VIEWS_FRESH)):
        setattr(monitor, f"{name}_heard", LastHeard(fresh))
        getattr(monitor, f"{name}_heard").hear(100.0)
    for step in range(10):
        monitor.observations.tick(99.1 + 0.1 * step)
        monitor.chunks.tick(99.1 + 0.1 * step)
    return monitor


def shown_at(now, monitor):
    console = Console(file=io.StringIO(), width=400)
    display = Display(console, started=90.0, clock=lambda: now)
    display.show(monitor)
    return console.file.getvalue() + display._plan(monitor)[0].plain


def test_while_everybody_speaks_states_and_rates_are_shown():
    shown = shown_at(100.1, a_monitor())
    assert "control running" in shown and "50 Hz" in shown and "observations 10.0 Hz" in shown
    assert '"tidy up"  running' in shown and "0.22 s old" in shown and "silent" not in shown


def test_a_frozen_system_is_said_to_be_silent_and_shows_no_rates():
    shown = shown_at(130.0, a_monitor())
    assert "control silent for 30 s" in shown and "before that: running" in shown
    assert "planner silent for 30 s" in shown and "observation 30 s old" in shown
    assert "observations 0.0 Hz" in shown and "50 Hz" not in shown
    assert "control running" not in shown and '"tidy up"  running' not in shown


def test_control_alone_may_be_frozen():
    monitor = a_monitor()
    monitor.plan_heard.hear(129.5)
    monitor.observation_heard.hear(129.9)
    shown = shown_at(130.0, monitor)
    assert "control silent for 30 s" in shown and '"tidy up"  running' in shown


def test_a_stale_plan_is_dim():
    lines = plan_lines(a_monitor().plan, "silent for 12 s")
    assert "planner silent for 12 s" in lines[0].plain and lines[1].style == "dim"


@pytest.mark.parametrize(
    ("at_report", "since", "own", "says"),
    [
        (0.12, 0.05, 0.1, "0.17 s old"),
        (0.12, 30.0, 0.1, "30 s old"),
        (0.12, 0.1, 40.0, "40 s old"),  # simulated time stands still, by which control tells its age
        (-1.0, 30.0, float("inf"), "none yet"),
        (-1.0, 30.0, 1.0, "1.00 s old"),
    ],
)
def test_the_observations_age_is_the_greater_of_both(at_report, since, own, says):
    assert age_words(at_report, since, own) == says


def test_unknown_states_are_not_good():
    assert control_words(77, "", "")[1] == "bad" and plan_words(77, "")[1] == "bad"


def test_the_model_s_judgement_stands_beside_what_is_done_until_it_is_confirmed():
    plan = a_monitor().plan
    plan.judgement, plan.judgement_confidence, plan.judgement_repeats, plan.confirmations = "done", 0.914, 1, 2
    assert 'the model says "done", probability 0.91, 1 of 2 times' in plan_lines(plan)[1].plain
    plan.judgement_repeats, plan.judgement_confidence = 2, float("nan")
    assert plan_lines(plan)[1].plain.endswith('the model says "done"')


def test_a_plan_that_waits_says_which_revision_would_begin_with_what():
    plan = a_monitor().plan
    plan.status, plan.active, plan.next, plan.revision = SubtaskPlan.AWAITING_APPROVAL, -1, 0, 3
    shown = "\n".join(line.plain for line in plan_lines(plan))
    assert 'revision 3 would begin with "pick up the red cube"' in shown
    plan.next = 7
    assert "would begin" not in "\n".join(line.plain for line in plan_lines(plan)), "it says what is none"
