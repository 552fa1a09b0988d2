# SPDX-License-Identifier: Apache-2.0
"""The judge of the fault campaign (benchmarks/faults.py) sees what is unsafe, and nothing else."""

import sys
from pathlib import Path

import numpy as np
import pytest

from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.joint_trajectory_controller import Point

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from fault_campaign.judge import CommandJudge, Sent, sinks

SINK = sinks(load_profile("franka"))[0]
HOME = np.array(load_profile("franka").arm.home)
AT_HOME = {name: (q, 0.0) for name, q in zip(SINK.names, HOME)}


def sent(at: float, off: float, speed: float = 0.0, joints: int = 1) -> Sent:
    """A command to go on at a speed, so far off home, that ends at rest."""
    q, qd = HOME.copy(), np.zeros(7)
    q[:joints] += off
    qd[:joints] = speed
    rest = q + qd * 0.1
    return Sent(at, at, [Point(0.02, q, qd), Point(0.04, q + 0.02 * qd, qd), Point(0.2, rest, 0 * qd)])


def judged(*commands: Sent, joints=AT_HOME) -> list[list[str]]:
    judge = CommandJudge(SINK)
    return [judge.judge(command, joints).unsafe for command in commands]


def test_a_motion_within_the_limits_is_safe():
    speeds = [0.0, 0.05, 0.15, 0.25, 0.3, 0.25, 0.15, 0.05, 0.0]
    offs = np.cumsum(speeds) * 0.02
    assert not any(judged(*(sent(0.02 * n, off, speed) for n, (off, speed) in enumerate(zip(offs, speeds)))))


def test_a_leap_is_not():
    assert judged(sent(0.0, 0.0), sent(0.02, 1.0))[1][0].startswith(("step", "anchor"))


@pytest.mark.parametrize("speed", [0.5, -0.5])
def test_nor_is_a_sudden_speed(speed):
    assert any("acceleration" in what for what in judged(sent(0.0, 0.0), sent(0.02, 0.02 * speed, speed))[1])


def test_a_command_that_goes_back_to_where_it_was_before_a_pause_is_not_safe():
    """The controller has gone on meanwhile."""
    first = sent(0.0, 0.0, 1.0)
    moving = {name: (q, 1.0) for name, (q, _) in AT_HOME.items()}
    judge = CommandJudge(SINK)
    judge.judge(first, AT_HOME)
    assert any("step" in what for what in judge.judge(sent(0.3, 0.02, 1.0), moving).unsafe)


def test_one_that_begins_anew_must_begin_where_the_joints_are():
    elsewhere = {name: (q + 0.5, 0.0) for name, (q, _) in AT_HOME.items()}
    assert not judged(sent(0.0, 0.5, joints=7), joints=elsewhere)[0]
    assert "anchor" in judged(sent(0.0, 0.0), joints=elsewhere)[0][0]


@pytest.mark.parametrize("strange", [np.nan, np.inf, 9.0])
def test_what_is_no_number_or_out_of_range_is_never_safe(strange):
    assert judged(sent(0.0, strange))[0]


def test_what_does_not_end_at_rest_is_not_safe():
    assert "rest" in judged(Sent(0.0, 0.0, sent(0.0, 0.0, 0.1).points[:1]))[0][0]
