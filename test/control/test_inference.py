# SPDX-License-Identifier: Apache-2.0
"""Inference beside control: asked in time, with what the robot does meanwhile, and without waiting."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from control_support import follow_actions, steps_left

from wall_oss_ros.control.inference import Inference, Request
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

PROFILE = load_profile("franka")
ARM, LAYOUT = Arm(PROFILE), Layout(PROFILE)
STATE = LAYOUT.pack(*ARM.fk(ARM.home), 0.08)[0].astype(float)
CHUNK = np.zeros((PROFILE.horizon, LAYOUT.size))
CHUNK[:, LAYOUT.position.start] = 0.05 * np.linspace(0.1, 1.0, PROFILE.horizon)


class SlowPolicy:
    """Computes until it is let go; notes what it was given."""

    def __init__(self):
        self.go, self.calls = threading.Event(), []

    def act(self, obs, subtask, **options) -> np.ndarray:
        self.calls.append((subtask, options))
        assert self.go.wait(30)
        return CHUNK


@pytest.fixture
def policy():
    policy = SlowPolicy()
    yield policy
    policy.go.set()


def inference(policy, real_time: bool = True) -> Inference:
    return Inference(policy, PROFILE.rate_hz, lambda message: message, real_time)


def request(stamp: float, asked: float) -> Request:
    return Request((1, "go"), SimpleNamespace(state=STATE), stamp, asked)


def compute(
    one: Inference, policy: SlowPolicy, stamp: float, asked: float, ready: float, motion: RobotMotion, goes_on=False
):
    """A chunk asked for at one time and there at another."""
    policy.go.set()
    assert one.ask(request(stamp, asked), goes_on, motion, None)
    while (outcome := one.poll(ready)) is None:
        threading.Event().wait(0.001)
    return outcome


def moving(stamp: float) -> RobotMotion:
    motion = RobotMotion(PROFILE, [ARM])
    assert follow_actions(motion, stamp, stamp, STATE, CHUNK, ARM.home) is not None
    return motion


def test_it_never_blocks_and_takes_each_observation_once(policy):
    one, motion = inference(policy), RobotMotion(PROFILE, [ARM])
    assert one.ask(request(1.0, 1.0), False, motion, 5)
    assert not one.ask(request(1.1, 1.1), False, motion, 5), "busy"
    assert one.poll(1.2) is None
    policy.go.set()
    while (outcome := one.poll(1.3)) is None:
        threading.Event().wait(0.001)
    assert outcome.value[0] is CHUNK and outcome.tag.stamp == 1.0 and one.seconds > 0
    while one._worker.busy:
        threading.Event().wait(0.001)
    assert not one.ask(request(1.0, 1.4), False, motion, 5), "nothing new was seen"
    assert one.ask(request(1.4, 1.4), False, motion, 5)


def test_committed_rows_follow_from_measured_latency_and_the_observations_age(policy):
    one, motion = inference(policy), RobotMotion(PROFILE, [ARM])
    assert one.committed(5.0, 4.95) == 1, "nothing is known yet but the observation's age"
    for n, took in enumerate([9.0, 0.23, 0.23, 0.23, 7.0]):  # the first, and an outlier
        compute(one, policy, 10.0 * n, 10.0 * n, 10.0 * n + took, motion)
        while one._worker.busy:
            threading.Event().wait(0.001)
    assert one.latency.seconds == pytest.approx(0.23)
    assert one.committed(60.0, 60.0) == 3 and one.committed(60.0, 59.9) == 4


def test_the_model_is_told_what_the_robot_does_meanwhile(policy):
    one, motion = inference(policy), moving(3.0)
    compute(one, policy, 3.4, 3.45, 3.6, motion, goes_on=True)
    previous = policy.calls[-1][1]["previous"]
    assert previous.steps == pytest.approx(steps_left(motion, 3.4, STATE)) and previous.committed == 1
    assert previous.steps.shape == (6, LAYOUT.size)


@pytest.mark.parametrize("real_time, goes_on, stamp", [(False, True, 3.4), (True, False, 3.4), (True, True, 9.0)])
def test_but_not_where_there_is_nothing_to_go_on_from(policy, real_time, goes_on, stamp):
    one, motion = inference(policy, real_time), moving(3.0)
    compute(one, policy, stamp, stamp, stamp + 0.1, motion, goes_on)
    assert "previous" not in policy.calls[-1][1]


def test_a_slow_model_is_asked_before_the_chunk_runs_out(policy):
    one = inference(policy)
    for n in range(3):
        compute(one, policy, float(n), float(n), n + 0.45, RobotMotion(PROFILE, [ARM]))
        while one._worker.busy:
            threading.Event().wait(0.001)
    motion = moving(10.0)  # until 11.0
    assert not one.due(10.3, motion, 8) and one.due(10.5, motion, 8) and one.due(10.3, motion, 3)
    assert one.due(10.0, RobotMotion(PROFILE, [ARM]), 8), "there is no chunk"
