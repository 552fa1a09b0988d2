# SPDX-License-Identifier: Apache-2.0
"""Going home by control's own motion: no command breaks a limit, and it ends at home, or stops in time."""

import numpy as np
import pytest
from homing_support import reachable, robot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.state_machine import ControlStateMachine, Limits, Situation, State
from wall_oss_ros.control.stopping_check import HOLD
from wall_oss_ros.homing.builtin import BuiltinPlanner
from wall_oss_ros.homing.timing import pace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROBOTS = ["franka", "ur", pytest.param("dual_arm", marks=pytest.mark.slow)]


class Bench:
    """A body on its way home, arms that follow exactly, and a check of every command."""

    def __init__(self, name: str, q: np.ndarray):
        self.profile, self.clearance, self.shapes = robot(name)
        self.body, self.q, self.now = RobotMotion(self.profile), q, 10.0
        self.dt = 1.0 / self.profile.command.rate_hz
        way = BuiltinPlanner(self.clearance).plan(q)
        assert way.knots is not None, way.reason
        times, joints = pace(self.profile, self.clearance.arms, way.knots)
        self.takes = times[-1]
        self.body.follow_joints(self.now, times, joints, q)
        limits = [one.arm.limits for one in self.profile.arms]
        self.velocity = np.concatenate([arm.velocity for arm in self.clearance.arms])
        self.acceleration = np.concatenate([x.acceleration for x in limits])
        self.jerk = np.concatenate([x.jerk for x in limits])
        self.history = [np.zeros_like(q)] * 2

    def run(self, seconds: float, running: bool = True) -> None:
        for _ in range(round(seconds / self.dt)):
            sent = self.body.step(self.now, running, self.q)
            self.now += self.dt
            q, qd = self.q.copy(), np.zeros_like(self.q)
            for own, points in zip(self.clearance.slices, sent):
                if points is not None:
                    q[own], qd[own] = points[0].position, points[0].velocity
                    assert not points[-1].velocity.any(), "what is sent ends at rest"
            self.check(q, qd)

    def check(self, q: np.ndarray, qd: np.ndarray) -> None:
        before, last = self.history
        acceleration, earlier = (qd - last) / self.dt, (last - before) / self.dt
        assert (q >= self.clearance.lower - 1e-9).all() and (q <= self.clearance.upper + 1e-9).all()
        assert (np.abs(qd) <= self.velocity + 1e-6).all()
        assert (np.abs(acceleration) <= self.acceleration + 1e-4).all()
        assert (np.abs(acceleration - earlier) / self.dt <= self.jerk + 0.5).all()
        assert self.shapes.touching(q) == ""
        for one, arm, own in zip(self.profile.arms, self.clearance.arms, self.clearance.slices):
            tool, box = arm.fk(q[own])[0], one.arm.workspace
            assert (tool > np.array(box.min) - 0.03).all() and (tool < np.array(box.max) + 0.03).all()
        self.history, self.q = [last, qd], q


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6))
def test_it_ends_at_home(name, seed):
    bench = Bench(name, reachable(name, seed, spread=0.3))
    bench.run(bench.takes + 1.0)
    assert bench.body.fault == "" and not bench.body.moving
    assert bench.q == pytest.approx(bench.clearance.home, abs=2e-3)


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 0.95))
def test_it_stops_in_time_wherever_it_is(name, seed, share):
    bench = Bench(name, reachable(name, seed, spread=0.3))
    bench.run(bench.takes * share)
    bench.run(HOLD, running=False)
    assert not bench.body.moving
    stopped = bench.q
    bench.run(1.0, running=False)
    assert bench.q == pytest.approx(stopped), "it does not go on by itself"


@pytest.mark.parametrize("trembles, words", [(True, "away from its command"), (False, "are frozen")])
def test_an_arm_that_is_held_back_stops_and_so_does_one_whose_readings_are_frozen(trembles, words):
    bench = Bench("franka", reachable("franka", 1, spread=0.3))
    faults = set()
    for n in range(round(bench.takes / bench.dt)):
        tremble = 1e-5 * (n % 2) if trembles else 0.0
        bench.body.step(bench.now, not bench.body.fault, bench.q + tremble)
        faults.add(bench.body.fault)
        bench.now += bench.dt
    assert any(words in fault for fault in faults) and not bench.body.moving


def situation(**changes) -> Situation:
    known = {"subtask": None, "plan": "no plan yet", "planner_silence": None, "observation_age": None}
    return Situation(**{**known, "joint_state_age": 0.0, "chunk_age": None, "chunk_used_up": True, **changes})


def test_going_home_is_a_state_of_its_own_that_a_stop_ends():
    supervisor = ControlStateMachine(Limits(1.0, 0.3, 2.0, 3.0))
    assert supervisor.judge(situation(homing="going home, 3 %")) == (State.HOMING, "going home, 3 %")
    assert supervisor.against_homing(0.0, "") == ""
    assert "joint states" in supervisor.against_homing(0.5, "") and "joint states" in supervisor.against_homing(
        None, ""
    )
    assert supervisor.against_homing(0.0, "no controller listens") == "no controller listens"
    supervisor.emergency(True)
    assert supervisor.judge(situation(homing="going home, 4 %"))[0] == State.STOPPED
    assert "release it" in supervisor.against_homing(0.0, "")
    supervisor.emergency(False)
    assert "resume" in supervisor.against_homing(0.0, "")
    supervisor.resume()
    assert supervisor.against_homing(0.0, "") == ""


@pytest.mark.parametrize("name", ["franka", "dual_arm"])
def test_a_way_that_control_stood_still_on_is_over_and_says_so(name):
    """What was sent last has come to rest meanwhile; nobody sends the rest of the way again."""
    bench = Bench(name, reachable(name, 3, spread=0.3))
    bench.run(0.3 * bench.takes)
    bench.body.step(bench.now + 0.25, True, bench.q, lost=0.25)
    assert bench.body.fault == "control stood still for 0.2 s, and the motion came to rest on its way"
    assert not bench.body.moving


def test_at_its_end_a_standstill_of_control_is_none_of_its_business():
    bench = Bench("franka", reachable("franka", 3, spread=0.3))
    bench.run(bench.takes + bench.body.late + 0.3)
    bench.body.step(bench.now + 0.25, True, bench.q, lost=0.25)
    assert bench.body.fault == ""
