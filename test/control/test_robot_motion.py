# SPDX-License-Identifier: Apache-2.0
"""Two arms as one body: they move in one cycle, stop together, and keep apart."""

import numpy as np
import pytest
from control_support import Bench, follow_actions, robot, steps_left

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.stopping_check import HOLD
from wall_oss_ros.errors import WallOSSError

DUAL = robot("dual_arm")
PROFILE, LAYOUT, DT = DUAL.profile, DUAL.layout, DUAL.dt
RIGHT, LEFT = LAYOUT.arms
APART = [(0.40, -0.25, -0.30), (0.35, 0.25, -0.30)]  # of the right and the left tool, m
CROSSED = [(0.40, 0.10, -0.25), (0.40, -0.10, -0.25)]  # each beyond the other


def tools(q) -> list[np.ndarray]:
    return [arm.fk(own)[0] for arm, own in zip(DUAL.arms, DUAL.split(q))]


def drift(bench: Bench) -> None:
    """Both arms are well on their way."""
    bench.go(APART)
    bench.run(20)
    assert all(np.abs(own).max() > 0.05 for own in DUAL.split(bench.history[-1]))


def test_each_arm_goes_where_its_own_entries_say():
    bench = Bench("dual_arm")
    bench.go(APART)
    bench.run(90)
    assert bench.motion.fault == ""
    for tool, goal in zip(tools(bench.q), APART):
        assert tool == pytest.approx(goal, abs=3e-3)
    assert bench.motion.joints == PROFILE.arms[0].arm.joints + PROFILE.arms[1].arm.joints


def test_each_gripper_is_its_own():
    bench = Bench("dual_arm")
    rows = DUAL.towards(bench.q, APART)
    rows[:, RIGHT.gripper], rows[:, LEFT.gripper] = 0.03, 9.0
    follow_actions(bench.motion, 0.0, 0.0, DUAL.state(bench.q), rows, bench.q)
    assert bench.motion.openings(0.1) == [pytest.approx(0.03), PROFILE.arms[1].gripper.open]
    bench.motion.drop()
    assert bench.motion.openings(0.1) == [None, None]


def test_what_is_wrong_elsewhere_brings_both_arms_to_rest_and_is_said_until_the_next_chunk():
    bench = Bench("dual_arm")
    drift(bench)
    bench.motion.fail("the lift does not follow")
    assert bench.motion.queue.target(bench.now) is None and bench.motion.moving
    for _ in range(round(HOLD / DT)):
        bench.send(bench.motion.step(bench.now, True, bench.q))
        bench.now += DT
    assert not bench.motion.moving and bench.motion.fault == "the lift does not follow"
    bench.go(APART)
    assert bench.motion.fault == ""


def test_it_moves_while_either_arm_does():
    bench = Bench("dual_arm")
    bench.go([APART[0], tools(bench.q)[1]])
    bench.run(20)
    right, left = DUAL.split(bench.history[-1])
    assert np.abs(right).max() > 0.05 and np.abs(left).max() < 1e-3 and bench.motion.moving


def test_a_chunk_that_would_make_the_arms_touch_is_refused_by_the_names_of_the_links():
    bench = Bench("dual_arm")
    bench.go(CROSSED)
    assert "would touch on the way that the action chunk goes" in bench.motion.fault
    assert "_r_" in bench.motion.fault and "_l_" in bench.motion.fault, "a link of each arm"
    bench.run(5)
    assert bench.moved == 0.0 and bench.motion.queue.target(0.0) is None


def test_between_targets_too_they_stop_before_they_touch():
    """The last look at each command alone: that at the chunk's targets is taken away."""
    bench = Bench("dual_arm")
    bench.motion._postures.all_touching = lambda postures=None: ""
    bench.go(CROSSED)
    assert bench.motion.fault == ""
    start = tools(bench.q)
    bench.run(100)  # the bench looks at each posture
    assert "would touch" in bench.motion.fault and not bench.motion.moving
    assert "_r_" in bench.motion.fault and "_l_" in bench.motion.fault, "a link of each arm"
    moved = [np.linalg.norm(now - before) for now, before in zip(tools(bench.q), start)]
    assert min(moved) > 0.02, "both had set out"
    assert DUAL.apart.touching(bench.q) == ""


@pytest.mark.parametrize("one, name", [(0, "right arm"), (1, "left arm")])
def test_what_stops_one_arm_stops_both_and_is_told_by_its_name(one, name):
    bench = Bench("dual_arm")
    drift(bench)
    goals = list(APART)
    goals[one] = (3.0, 0.0, 0.0)
    bench.go(goals)
    assert bench.motion.fault.startswith(f"{name}: the action chunk leaves the workspace")
    bench.rest()
    drift(bench)
    measured = bench.q.copy()
    measured[7 * one] += 0.4
    bench.motion.step(bench.now, True, measured)
    assert bench.motion.fault.startswith(f"{name}: the {name} cannot be where it reads: ")
    for n in range(round(HOLD / DT)):
        bench.motion.step(bench.now + n * DT, False, None)
    assert not bench.motion.moving


def test_an_arm_that_stands_outside_its_workspace_is_told_how_it_comes_back():
    bench = Bench("dual_arm")
    state = DUAL.state(bench.q)
    state[LEFT.position.start] += 0.5
    follow_actions(bench.motion, 0.0, 0.0, state, np.zeros((PROFILE.horizon, LAYOUT.size)), bench.q)
    told = bench.motion.fault
    assert (
        told.startswith("left arm: the tool is 0.3")
        and "m outside the workspace" in told
        and "the service home" in told
    )
    back = np.zeros((PROFILE.horizon, LAYOUT.size))
    back[:, LEFT.position.start] = -0.5
    follow_actions(bench.motion, 0.0, 0.0, state, back, bench.q)
    assert "outside the workspace" not in bench.motion.fault, "actions that lead back are followed"


def test_what_remains_has_the_rows_of_both_arms():
    """A new chunk that repeats it, from the state of a later observation, has the same absolute targets."""
    bench = Bench("dual_arm")
    state = DUAL.state(bench.q)
    rows = DUAL.towards(bench.q, APART)
    targets = LAYOUT.absolute(rows, state)
    follow_actions(bench.motion, 0.0, 0.0, state, rows, bench.q)
    bench.run(20)
    later = DUAL.state(bench.q)
    left = steps_left(bench.motion, 0.4, later)
    for layout in LAYOUT.arms:
        assert LAYOUT.absolute(left, later)[:, layout.position] == pytest.approx(targets[4:, layout.position])
        assert np.abs(left[:, layout.position]).max() > 0.01


def test_an_arm_that_was_moved_by_hand_starts_from_where_it_is():
    bench = Bench("dual_arm")
    drift(bench)
    bench.rest()
    bench.run(2, running=False)  # silent
    for _ in range(20):
        bench.q = bench.q + np.where(np.arange(14) == 7, 0.01, 0.0)
        bench.run(1, running=False)
    bench.go(APART)
    assert "left arm is 0.20 rad away from its last command and not at rest" in bench.motion.fault
    bench.run(12, running=False)
    bench.go(APART)
    bench.run(20)
    assert bench.motion.fault == ""
    assert bench.motion.anchors[1].told == [
        "The left arm starts from where it is, 0.20 rad (arm_l_joint1) away from its last command."
    ]


def test_the_lifts_and_heads_places_are_told_to_the_look_at_links():
    class Links:
        def touching(self, q, parts) -> str:
            self.seen = dict(parts)
            return "a and b"

    links = Links()
    body = RobotMotion(PROFILE, DUAL.arms, collisions=links)
    body.place(["lift_joint"], [-0.3])
    assert body.touching() == "a and b" and links.seen == {"lift_joint": -0.3}


def test_arms_of_different_rates_are_refused():
    slow = PROFILE.more_arms[0].command.model_copy(update={"rate_hz": 25.0})
    limb = PROFILE.more_arms[0].model_copy(update={"command": slow})
    with pytest.raises(WallOSSError, match="one rate for all"):
        RobotMotion(PROFILE.model_copy(update={"more_arms": (limb,)}))
