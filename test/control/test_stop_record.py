# SPDX-License-Identifier: Apache-2.0
"""A stop, whoever made it, outlasts restarts; only a person lifts it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.state_machine import ControlStateMachine, Limits, Situation, State
from wall_oss_ros.control.stop_record import StopRecord

LIMITS = Limits(1.0, 0.3, 2.0, 3.0)
WELL = Situation("go", "", 0.1, 0.1, 0.01, 0.2, False)


def test_a_stop_outlasts_any_number_of_restarts(tmp_path):
    path = tmp_path / "deep" / "stop.json"
    ControlStateMachine(LIMITS, StopRecord(path)).stop("stopped by a person")
    for _ in range(3):
        state, reason = ControlStateMachine(LIMITS, StopRecord(path)).judge(WELL)
        assert state == State.STOPPED and "stopped by a person" in reason and "resume" in reason
    again = ControlStateMachine(LIMITS, StopRecord(path))
    assert again.needs_resume and again.resume()
    assert again.judge(WELL) == (State.RUNNING, "")
    assert ControlStateMachine(LIMITS, StopRecord(path)).judge(WELL)[0] == State.RUNNING


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stopped": 3}', "\x00", '{"moved": true}'])
def test_a_record_that_is_damaged_counts_as_a_stop(tmp_path, content):
    path = tmp_path / "stop.json"
    path.write_text(content)
    machine = ControlStateMachine(LIMITS, StopRecord(path))
    assert machine.judge(WELL)[0] == State.STOPPED
    assert machine.resume() and not path.exists()


def test_a_stop_that_cannot_be_written_holds_all_the_same_and_is_told(tmp_path, monkeypatch):
    machine = ControlStateMachine(LIMITS, StopRecord(tmp_path / "stop.json"))
    assert machine.judge(WELL)[0] == State.RUNNING

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    machine.stop("stopped by a person")
    assert machine.judge(WELL)[0] == State.STOPPED and "cannot be written" in machine.problem


def test_a_force_and_the_button_are_written_down_too(tmp_path):
    path = tmp_path / "stop.json"
    machine = ControlStateMachine(LIMITS, StopRecord(path))
    machine.stop("stopped by a force of 120 N at the arm, 100 N permitted")
    assert "120 N" in json.loads(path.read_text())["stopped"]
    machine.resume()
    machine.emergency(True)
    assert "emergency" in json.loads(path.read_text())["stopped"]
    machine.emergency(False)
    assert path.exists() and machine.resume() and not path.exists()


@given(st.lists(st.sampled_from(["stop", "press", "release", "resume", "restart"]), max_size=30))
@settings(max_examples=200, deadline=None)
def test_it_moves_after_a_stop_only_when_a_person_has_resumed(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("record") / "stop.json"
    machine, stopped, pressed = ControlStateMachine(LIMITS, StopRecord(path)), False, False
    for event in events:
        if event == "stop":
            machine.stop("stopped by a person")
            stopped = True
        elif event in ("press", "release"):
            pressed = event == "press"
            machine.emergency(pressed)
            stopped = stopped or pressed
        elif event == "resume":
            resumed = machine.resume()
            assert resumed == (stopped and not pressed)
            stopped = stopped and pressed
        else:  # the button is not heard anew until it says something
            machine, pressed = ControlStateMachine(LIMITS, StopRecord(path)), False
        assert (machine.judge(WELL)[0] == State.STOPPED) == stopped
