# SPDX-License-Identifier: Apache-2.0
"""An arm that has met something presses no further, whichever way its targets lead; and is free to leave."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.follower import CartesianFollower
from wall_oss_ros.control.pressing import Pressing
from wall_oss_ros.robots.components import Force
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile

FORCE = Force(topic="/wrench", max_force=100.0, max_torque=15.0)
DT, EYE = 0.02, np.eye(3)
STIFFNESS = 8000.0  # N/m at the tool: what the simulated Franka's servos give when it is pressed on a table


def free(pressing, speed, present=None):
    return pressing.shape(np.array(speed, float), np.array(speed if present is None else present, float), EYE, DT)


def test_nothing_is_taken_away_while_nothing_is_felt_or_measured():
    pressing = Pressing(FORCE, 0.6)
    assert free(pressing, [0.1, 0.0, -0.4]) == pytest.approx([0.1, 0.0, -0.4])
    blind = Pressing(None, 0.6)
    blind.feel(500.0)
    assert free(blind, [0.1, 0.0, -0.4]) == pytest.approx([0.1, 0.0, -0.4])


def test_the_way_in_is_slowed_stopped_and_led_back_and_all_others_are_free():
    pressing = Pressing(FORCE, 0.6)
    free(pressing, [0.0, 0.0, -0.2])
    into = []
    for newtons in (15.0, 25.0, 39.0, 41.0, 80.0):
        pressing.feel(newtons)
        into.append(-free(pressing, [0.0, 0.0, -0.2])[2])
    assert into == sorted(into, reverse=True) and into[0] == pytest.approx(0.2) and 0 < into[2] < 0.02 and into[-1] < 0
    assert free(pressing, [0.1, 0.0, -0.2])[0] == pytest.approx(0.1), "across"
    assert free(pressing, [0.0, 0.0, 0.3])[2] == pytest.approx(0.3), "away"
    pressing.feel(1.0)
    assert free(pressing, [0.0, 0.0, -0.2])[2] == pytest.approx(-0.05), "it comes back to it slowly"
    for _ in range(50):
        free(pressing, [0.0, 0.0, 0.0])
    assert free(pressing, [0.0, 0.0, -0.2])[2] == pytest.approx(-0.2), "and forgets it"


def test_what_an_estimate_shows_of_an_arm_that_moves_freely_slows_it_little():
    pressing = Pressing(FORCE, 0.25)
    free(pressing, [0.0, 0.0, -0.2])
    pressing.feel(12.0)
    assert free(pressing, [0.0, 0.0, -0.2])[2] == pytest.approx(-0.2)


def test_it_is_led_back_no_farther_than_it_came():
    pressing = Pressing(FORCE, 0.6)
    free(pressing, [0.0, 0.0, -0.2])
    pressing.feel(90.0)
    depth, present = 0.0, np.array([0.0, 0.0, -0.2])
    for _ in range(500):
        depth -= present[2] * DT
        present = free(pressing, [0.0, 0.0, -0.2], present)
    assert -0.1 * DT - 1e-9 <= depth <= 0.2 * DT, "a sensor that is stuck moves nothing for long"


def test_one_that_is_pushed_where_it_stands_may_go_anywhere():
    pressing = Pressing(FORCE, 0.6)
    free(pressing, [0.0, 0.0, 0.0])
    pressing.feel(60.0)
    assert free(pressing, [0.0, 0.2, 0.0])[1] == pytest.approx(0.2)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 300) | st.sampled_from([math.nan, math.inf, -5.0]),
            st.lists(st.floats(-0.6, 0.6), min_size=3, max_size=3),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_it_adds_no_more_than_the_way_back(readings):
    pressing = Pressing(FORCE, 0.6)
    present = np.zeros(3)
    for newtons, wanted in readings:
        pressing.feel(newtons)
        left = free(pressing, wanted, present)
        assert np.isfinite(left).all()
        assert np.linalg.norm(left) <= np.linalg.norm(wanted) + 0.1 + 1e-9
        present = left


def pressed(follower: CartesianFollower, speed: float) -> np.ndarray:
    """The force (n,) in each cycle at a tool that is led 30 cm down at ``speed`` onto a table 10 cm below it."""
    arm = Arm(load_profile("franka"))
    start, rotation = arm.fk(arm.home)
    follower.reset(arm.home)
    table, felt, forces = start[2] - 0.1, deque([0.0, 0.0], maxlen=2), []
    for cycle in range(150):
        now = cycle * DT
        if cycle % 25 == 0:  # a chunk leads on from where the tool is seen to be: on the table
            here = arm.fk(follower.q)[0]
            here[2] = max(here[2], table)
            steps = np.arange(1, 11) * 0.1
            way = np.minimum(speed * steps, 0.3)[:, None] * [[0.0, 0.0, -1.0]]
            follower.follow(follower.plan(now, now + steps, here + way, np.repeat(rotation[None], 10, 0)))
        follower.pressing.feel(felt[0])  # it takes a reading and a command
        follower.step(now)
        felt.append(STIFFNESS * max(0.0, table - arm.fk(follower.q)[0][2]))
        forces.append(felt[-1])
    return np.array(forces)


@pytest.mark.parametrize("speed", [0.05, 0.1, 0.2])
def test_a_tool_that_is_led_through_the_table_soon_presses_no_more(speed):
    profile = load_profile("franka", simulated=True)
    deaf = profile.model_copy(update={"arm": profile.arm.model_copy(update={"force": None})})
    without = pressed(CartesianFollower(deaf, Arm(profile)), speed)
    forces = pressed(CartesianFollower(profile, Arm(profile)), speed)
    met = int(np.flatnonzero(forces)[0])
    assert without.max() > 200.0, "which would have been a stop"
    assert forces.max() < {0.05: 60.0, 0.1: 80.0, 0.2: 190.0}[speed]
    assert forces[met + 15 :].max() < 70.0, "0.3 s later, and from then on"


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(forces=st.lists(st.floats(0, 400) | st.just(math.nan), min_size=1, max_size=20), speed=st.floats(0.05, 0.6))
def test_whatever_is_felt_the_joints_keep_their_limits(forces, speed):
    profile = load_profile("franka")
    arm = Arm(profile)
    follower = CartesianFollower(profile, arm)
    start, rotation = arm.fk(arm.home)
    steps = np.arange(1, 11) * 0.1
    way = (speed * steps)[:, None] * [[0.0, 0.0, -1.0]]
    follower.follow(follower.plan(0.0, steps, np.maximum(start + way, 0.05), np.repeat(rotation[None], 10, 0)))
    qd, qdd = follower.qd, np.zeros(len(arm.home))
    limits = profile.arm.limits
    for cycle in range(60):
        follower.pressing.feel(forces[cycle % len(forces)])
        command = follower.step(cycle * DT)
        acceleration = (command.qd - qd) / DT
        assert (np.abs(command.qd) <= np.array(limits.velocity) + 1e-6).all()
        assert (np.abs(acceleration) <= np.array(limits.acceleration) + 1e-6).all()
        assert (np.abs(acceleration - qdd) / DT <= np.array(limits.jerk) + 1e-3).all()
        qd, qdd = command.qd, acceleration
