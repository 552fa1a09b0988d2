# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the scripted experts: what counts as a success, what it tells, and both tasks once."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import expert

from wall_oss_ros.sim.closed_loop import Episode
from wall_oss_ros.sim.evaluate import Case, instructed_cases
from wall_oss_ros.sim.registry import task_of


def run(form, success, status, force, number):
    case = Case(number, None, (), f"do {number}", form)
    episode = Episode(case.instruction, [], success=success, status=status, greatest_force=force, seconds=3.0)
    episode.events = [(0.0, "truth", "pick it up"), (2.0, "truth", "place it")]
    return case, episode


def test_what_is_not_ended_or_not_so_is_no_success_and_forces_are_told_by_form():
    runs = [
        run("a", True, "over", 10.0, 0),
        run("a", True, "running", 70.0, 1),  # it was there, but the truth called for more
        run("a", False, "over", 20.0, 2),
        run("b", True, "over", 5.0, 3),
    ]
    told = expert.summary(*zip(*runs))
    assert told["a"]["success"]["hits"] == 1 and told["a"]["success"]["of"] == 3
    assert [one["number"] for one in told["a"]["failed"]] == [1, 2] and told["a"]["failed"][0]["last"] == "place it"
    assert told["a"]["force_N"]["most"] == 70.0 and told["a"]["force_N"]["above_60"]["hits"] == 1
    assert told["b"]["success"]["share"] == 1.0 and told["b"]["failed"] == []


@pytest.mark.parametrize(
    "arguments",
    [["--scenes", "0"], ["--robot", "nobody"], ["--forms", "juggle"], ["--forms", "senseless"], ["--seed", "-1"]],
)
def test_what_makes_no_sense_is_refused(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["expert.py", *arguments])
    try:
        code = expert.main()
    except SystemExit as end:  # argparse's
        code = end.code
    assert code == 2 and "error:" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("robot", "form"), [("franka", "table"), ("dual_arm", "up and down")])
def test_the_expert_does_what_is_asked_for(robot, form):
    (case,) = instructed_cases(task_of(robot), 1, 4, [form])
    loop = expert.blind_loop(robot)
    episode = loop.run(case.scene, case.instruction, list(case.goals), 0, expert.Called())
    loop.environment.simulator.close()
    assert episode.success and episode.status == "over" and 0.1 < episode.greatest_force < 60
    assert np.isfinite(episode.seconds)
