# SPDX-License-Identifier: Apache-2.0
"""The arm moves only while everything it relies on is alive, and the reason for a hold is said."""

from dataclasses import replace

import pytest

import wall_oss_ros.nodes  # noqa: F401  gives messages
from wall_oss_ros.control.state_machine import ControlStateMachine, Limits, Situation, State
from wall_oss_ros.robots.profile import load_profile

from wall_oss_msgs.msg import ControlStatus

LIMITS = Limits(observation_age=1.0, joint_state_age=0.3, chunk_age=2.0, planner_silence=3.0)
GOOD = Situation("pick up the red cube", "", 0.5, 0.1, 0.02, 0.3, chunk_used_up=False)


def test_all_well():
    assert ControlStateMachine(LIMITS).judge(GOOD) == (State.RUNNING, "")


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"observation_age": 1.2}, "no observations for 1.2 s"),
        ({"observation_age": None}, "no observations yet"),
        ({"observation_age": float("nan")}, "no observations"),
        ({"observation_age": -3.0}, "dated 3.0 s ahead"),
        ({"observation_age": -0.6}, "dated 0.6 s ahead"),
        ({"joint_state_age": 0.4}, "no joint states for 0.4 s"),
        ({"planner_silence": 3.5}, "nothing from the planner for 3.5 s"),
        ({"chunk_age": 2.5}, "the actions are 2.5 s old"),
        ({"chunk_age": None}, "waiting for the first actions"),
        ({"chunk_used_up": True}, "used up"),
        ({"fault": "the pose is out of reach"}, "the pose is out of reach"),
        ({"fault": "something would touch", "chunk_age": 2.5}, "something would touch"),
    ],
)
def test_each_fault_holds_the_arm_and_is_named(change, reason):
    machine = ControlStateMachine(LIMITS)
    state, said = machine.judge(replace(GOOD, **change))
    assert state == State.HOLDING and reason in said
    assert machine.judge(GOOD)[0] == State.RUNNING, "it goes on when the cause has gone"


def test_ages_up_to_their_limits_are_fine():
    oldest = replace(GOOD, planner_silence=3.0, observation_age=1.0, joint_state_age=0.3, chunk_age=2.0)
    assert ControlStateMachine(LIMITS).judge(oldest)[0] == State.RUNNING
    assert ControlStateMachine(LIMITS).judge(replace(GOOD, observation_age=-0.5))[0] == State.RUNNING


def test_states_are_those_of_the_status_message():
    assert {state.name: int(state) for state in State} == {
        name: getattr(ControlStatus, name) for name in ("IDLE", "RUNNING", "HOLDING", "STOPPED", "HOMING")
    }


def test_without_a_subtask_it_is_idle_whatever_else_is_wrong():
    idle = replace(GOOD, subtask=None, plan="no plan yet", observation_age=None)
    assert ControlStateMachine(LIMITS).judge(idle) == (State.IDLE, "no plan yet")


def test_a_persons_stop_lasts_until_a_person_resumes():
    machine = ControlStateMachine(LIMITS)
    machine.stop("stopped by a person")
    state, reason = machine.judge(GOOD)
    assert state == State.STOPPED and reason.startswith("stopped by a person; call the service resume")
    assert machine.judge(replace(GOOD, subtask=None))[0] == State.STOPPED
    assert machine.resume() and machine.judge(GOOD)[0] == State.RUNNING
    assert not machine.resume(), "nothing was stopped"


def test_the_profile_says_how_long_each_may_be_silent_and_whether_a_hold_ends_by_itself():
    profile = load_profile("franka")
    assert Limits.of(profile.simulated(), 3.0) == LIMITS
    assert Limits.of(profile, 3.0) == replace(LIMITS, automatic=False)


def test_a_manual_profile_waits_for_resume_after_a_fault():
    machine = ControlStateMachine(replace(LIMITS, automatic=False))
    assert machine.judge(replace(GOOD, chunk_age=None))[0] == State.HOLDING
    assert machine.judge(GOOD)[0] == State.RUNNING, "waiting for the first actions is no fault"
    machine.judge(replace(GOOD, joint_state_age=9.0))
    state, reason = machine.judge(GOOD)
    assert state == State.HOLDING and "resume" in reason and "joint states" in reason
    assert machine.resume() and machine.judge(GOOD)[0] == State.RUNNING
    machine.judge(replace(GOOD, joint_state_age=9.0))
    machine.judge(replace(GOOD, subtask=None))
    assert machine.judge(GOOD)[0] == State.RUNNING, "a fault ends with the plan that it stopped"


def test_homing_is_refused_for_a_stop_without_joint_states_and_for_a_fault():
    machine = ControlStateMachine(LIMITS)
    assert machine.against_homing(0.1, "") == ""
    assert "no joint states yet" in machine.against_homing(None, "")
    assert "no joint states for 0.4 s" in machine.against_homing(0.4, "a fault")
    assert machine.against_homing(0.1, "a fault") == "a fault"
    machine.stop("stopped by a person")
    assert "stopped by a person" in machine.against_homing(0.1, "")


def test_releasing_the_emergency_stop_moves_nothing_by_itself():
    machine = ControlStateMachine(LIMITS)
    machine.emergency(False)
    assert machine.judge(GOOD)[0] == State.RUNNING, "a button that was never pressed stops nothing"
    machine.emergency(True)
    state, reason = machine.judge(GOOD)
    assert state == State.STOPPED and "emergency stop; release it, then" in reason
    assert not machine.resume() and machine.judge(GOOD)[0] == State.STOPPED, "not while it is pressed"
    machine.stop("stopped by a person")
    assert "emergency" in machine.judge(GOOD)[1]
    machine.emergency(False)
    state, reason = machine.judge(GOOD)
    assert state == State.STOPPED and "emergency stop; call the service resume" in reason
    assert machine.resume() and machine.judge(GOOD)[0] == State.RUNNING
