# SPDX-License-Identifier: Apache-2.0
"""The way home: free where it is said to be, within every limit, and refused where there is none."""

import numpy as np
import pytest
from homing_support import reachable, robot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.stopping_check import holdable_speed
from wall_oss_ros.homing.builtin import BuiltinPlanner
from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.homing.timing import pace

pytestmark = pytest.mark.timeout(600)
FOLDED = np.array([0.0, -1.7, 0.0, -3.0, 0.0, 0.6, 0.785])  # the Franka's fingers in its own shoulder


def check(name: str, q: np.ndarray, knots: np.ndarray) -> None:
    """Looks at the way as it is paced, each 0.05 s, with other means than the planner's."""
    profile, clearance, shapes = robot(name)
    times, joints = pace(profile, clearance.arms, knots)
    assert joints[0] == pytest.approx(q) and joints[-1] == pytest.approx(clearance.home)
    assert times[0] == 0.0 and (np.diff(times) > 0).all()
    speeds = np.abs(np.diff(joints, axis=0) / np.diff(times)[:, None])
    start = 0
    for one, arm in zip(profile.arms, clearance.arms):
        own = slice(start, start := start + len(arm.home))
        limits = one.arm.limits
        fastest = holdable_speed(arm.velocity, limits.acceleration, limits.jerk, 1 / one.command.rate_hz)
        assert (speeds[:, own] <= fastest + 1e-6).all()
        tools = np.array([arm.fk(posture)[0] for posture in joints[:, own]])
        box = one.arm.workspace
        assert (tools > np.array(box.min) - 0.011).all() and (tools < np.array(box.max) + 0.011).all()
        paces = np.linalg.norm(np.diff(tools, axis=0), axis=1) / np.diff(times)
        assert paces.max() <= one.arm.max_tcp_speed
    assert not any(shapes.touching(posture) for posture in joints)


@pytest.mark.parametrize("name", ["franka", "ur", pytest.param("dual_arm", marks=pytest.mark.slow)])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6))
def test_there_is_a_way_home_from_where_an_arm_works(name, seed):
    q = reachable(name, seed, spread=0.3)
    way = BuiltinPlanner(robot(name)[1]).plan(q)
    assert way.knots is not None, way.reason
    check(name, q, way.knots)


def test_it_goes_straight_up_first():
    """The tool leaves what it is among upwards, turning nothing, before it goes sideways."""
    _, clearance, _ = robot("franka")
    arm = clearance.arms[0]
    low = arm.ik([0.55, 0.2, 0.05], arm.fk(arm.home)[1], arm.home).q
    knots = BuiltinPlanner(clearance).plan(low).knots
    tools = np.array([arm.fk(posture)[0] for posture in knots])
    rising = tools[:, 2] < arm.fk(arm.home)[0][2] - 1e-3
    assert rising.sum() > 10
    assert np.abs(tools[rising][:, :2] - [0.55, 0.2]).max() < 1e-3


def test_at_home_there_is_nothing_to_do():
    profile, clearance, _ = robot("franka")
    way = BuiltinPlanner(clearance).plan(clearance.home)
    times, joints = pace(profile, clearance.arms, way.knots)
    assert times.tolist() == [0.0] and joints.shape == (1, 7)


def test_the_same_start_has_the_same_way():
    q = reachable("franka", 3, spread=1.0)
    ways = [BuiltinPlanner(robot("franka")[1]).plan(q).knots for _ in range(2)]
    assert np.array_equal(*ways)


def test_from_where_the_arm_touches_itself_there_is_no_way():
    way = BuiltinPlanner(robot("franka")[1]).plan(FOLDED)
    assert way.knots is None and "touch itself" in way.reason


def test_walls_are_seen(monkeypatch):
    """A planner that is told of a wall right across says that there is no way; one with a gap goes around."""
    _, clearance, _ = robot("franka")
    start = clearance.home.copy()
    start[0] = 0.6
    monkeypatch.setattr(clearance, "_collisions", Wall(lambda q: 0.25 < q[0] < 0.35))
    monkeypatch.setattr("wall_oss_ros.homing.builtin._NODES", 30)
    refused = BuiltinPlanner(clearance).plan(start)
    assert refused.knots is None and "wall" in refused.reason
    monkeypatch.setattr("wall_oss_ros.homing.builtin._NODES", 400)
    monkeypatch.setattr(clearance, "_collisions", Wall(lambda q: 0.25 < q[0] < 0.35 and q[5] < 2.3))
    way = BuiltinPlanner(clearance).plan(start)
    assert way.knots is not None, way.reason
    assert clearance.objection(way.knots) == "" and way.knots[:, 5].max() >= 2.3


def test_arms_that_cannot_go_together_go_one_after_the_other(monkeypatch):
    """Here they would touch whenever both first joints are between, so that one has to wait for the other."""
    _, clearance, _ = robot("dual_arm")
    right, left = (own.start for own in clearance.slices)

    def both_between(q) -> bool:
        return all(0.05 < abs(q[joint] - clearance.home[joint]) < 0.15 for joint in (right, left))

    monkeypatch.setattr(clearance, "_collisions", Wall(both_between))
    start = clearance.home.copy()
    start[[right, left]] += 0.2
    way = BuiltinPlanner(clearance).plan(start)
    assert way.knots is not None, way.reason
    _, joints = pace(robot("dual_arm")[0], clearance.arms, way.knots)
    assert not any(both_between(q) for q in joints) and joints[-1] == pytest.approx(clearance.home)


class Wall:
    """In place of the arm's own shapes: two links touch wherever a condition on the joints holds."""

    def __init__(self, condition):
        self._condition = condition

    def touching(self, q, parts) -> str:
        return "a hand and a wall" if self._condition(q) else ""


@pytest.mark.parametrize(
    "joint, by, reason", [(0, 2.0, "the tool would leave the workspace"), (6, 9.0, "a joint would pass its limit")]
)
def test_what_stands_against_a_way_is_named(joint, by, reason):
    _, clearance, _ = robot("franka")
    away = clearance.home.copy()
    away[joint] += by
    assert reason in clearance.objection(np.array([clearance.home, away]))
    assert clearance.objection(clearance.home[None]) == ""


def test_an_elbow_does_not_go_through_the_table():
    """The tool may be anywhere here, above the table; the way that lets the elbow hang below it is refused."""
    profile = robot("ur")[0]
    anywhere = profile.arm.workspace.model_copy(update={"min": (-3.0, -3.0, 0.01), "max": (3.0, 3.0, 3.0)})
    profile = profile.model_copy(update={"arm": profile.arm.model_copy(update={"workspace": anywhere})})
    clearance = Clearance(profile)
    arm = clearance.arms[0]
    up = arm.ik([0.5, 0.0, 0.1], arm.fk(arm.home)[1], arm.home).q
    down = arm.ik([0.5, 0.0, 0.1], arm.fk(arm.home)[1], [0.0, 0.4, -1.2, -0.8, -1.57, -1.8], homing=0.0)
    assert down.ok and arm.heights(down.q).min() < -0.03 and arm.fk(down.q)[0][2] > 0.05
    assert "below the workspace's floor" in clearance.objection(np.array([up, down.q]))
    assert clearance.objection(np.array([up, arm.home])) == ""


def test_an_arm_that_is_outside_may_come_back_but_not_go_farther():
    _, clearance, _ = robot("franka")
    outside = clearance.home.copy()
    outside[0] = 1.9  # far to the side
    farther = outside.copy()
    farther[0] = 2.1
    assert clearance.objection(np.array([outside, clearance.home])) == ""
    assert "workspace" in clearance.objection(np.array([outside, farther, clearance.home]))


def test_no_point_moves_far_between_two_looks():
    """What the steps are made for: the tool, the farthest point, moves at most 2 cm from one to the next."""
    _, clearance, _ = robot("franka")
    rng, arm = np.random.default_rng(0), clearance.arms[0]
    for _ in range(10):
        ends = rng.uniform(clearance.lower, clearance.upper, (2, 7))
        tools = np.array([arm.fk(q)[0] for q in clearance._dense(ends)])
        assert np.linalg.norm(np.diff(tools, axis=0), axis=1).max() <= 0.02
