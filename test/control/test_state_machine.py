# SPDX-License-Identifier: Apache-2.0
"""The arm moves only while everything it relies on is alive, and the reason for a hold is said."""

from dataclasses import replace

import pytest

from wall_oss_ros.control.state_machine import ControlStateMachine, Limits, Situation, State
from wall_oss_ros.robots.profile import load_profile

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
    supervisor = ControlStateMachine(LIMITS)
    state, said = supervisor.judge(replace(GOOD, **change))
    assert state == State.HOLDING and reason in said
    assert supervisor.judge(GOOD)[0] == State.RUNNING, "it goes on when the cause has gone"


def test_without_a_subtask_it_is_idle_whatever_else_is_wrong():
    idle = replace(GOOD, subtask=None, plan="no plan yet", observation_age=None)
    assert ControlStateMachine(LIMITS).judge(idle) == (State.IDLE, "no plan yet")


def test_a_persons_stop_lasts_until_a_person_resumes():
    supervisor = ControlStateMachine(LIMITS)
    supervisor.stop("stopped by a person")
    state, reason = supervisor.judge(GOOD)
    assert state == State.STOPPED and reason.startswith("stopped by a person; call the service resume")
    assert supervisor.judge(replace(GOOD, subtask=None))[0] == State.STOPPED
    assert supervisor.resume() and supervisor.judge(GOOD)[0] == State.RUNNING
    assert not supervisor.resume(), "nothing was stopped"


def test_the_profile_says_how_long_each_may_be_silent_and_whether_a_hold_ends_by_itself():
    profile = load_profile("franka")
    assert Limits.of(profile, 3.0) == LIMITS
    manual = profile.model_copy(update={"resume": "manual"})
    assert Limits.of(manual, 3.0) == replace(LIMITS, automatic=False)


def test_a_manual_profile_waits_for_resume_after_a_fault():
    supervisor = ControlStateMachine(replace(LIMITS, automatic=False))
    assert supervisor.judge(replace(GOOD, chunk_age=None))[0] == State.HOLDING
    assert supervisor.judge(GOOD)[0] == State.RUNNING, "waiting for the first actions is no fault"
    supervisor.judge(replace(GOOD, joint_state_age=9.0))
    state, reason = supervisor.judge(GOOD)
    assert state == State.HOLDING and "resume" in reason and "joint states" in reason
    assert supervisor.resume() and supervisor.judge(GOOD)[0] == State.RUNNING


def test_releasing_the_emergency_stop_moves_nothing_by_itself():
    supervisor = ControlStateMachine(LIMITS)
    supervisor.emergency(False)
    assert supervisor.judge(GOOD)[0] == State.RUNNING, "a button that was never pressed stops nothing"
    supervisor.emergency(True)
    state, reason = supervisor.judge(GOOD)
    assert state == State.STOPPED and "emergency stop; release it, then" in reason
    assert not supervisor.resume() and supervisor.judge(GOOD)[0] == State.STOPPED, "not while it is pressed"
    supervisor.stop("stopped by a person")
    assert "emergency" in supervisor.judge(GOOD)[1]
    supervisor.emergency(False)
    state, reason = supervisor.judge(GOOD)
    assert state == State.STOPPED and "emergency stop; call the service resume" in reason
    assert supervisor.resume() and supervisor.judge(GOOD)[0] == State.RUNNING
