# SPDX-License-Identifier: Apache-2.0
"""The last check of each command: where the arm would come to rest, by limits, workspace and links that touch."""

import numpy as np
import pytest
from control_support import robot

from wall_oss_ros.control.stopping_check import HOLD, RestPostures, StoppingCheck, holdable_speed, velocity_motion

FRANKA = robot("franka")
PROFILE, ARM, BOX = FRANKA.profile, FRANKA.arms[0], FRANKA.profile.arm.workspace
LIMITS = PROFILE.arm.limits
FOLDED = np.array([0.0, -1.7, 0.0, -3.0, 0.0, 0.6, 0.785])  # the fingers in the arm's own shoulder


def check() -> StoppingCheck:
    return StoppingCheck(PROFILE, ARM, RestPostures(PROFILE, FRANKA.apart), 0)


def braking(q, qd=0.0):
    """The motion after a command that leads to joints q (7,) at speeds qd."""
    motion = velocity_motion(LIMITS, np.array(LIMITS.velocity))
    motion.current_position, motion.current_velocity = list(q), (np.zeros(7) + qd).tolist()
    return motion


def outside(metres: float) -> np.ndarray:
    """Joints with the tool so far beyond the workspace's upper end of y."""
    position, rotation = ARM.fk(ARM.home)
    found = ARM.ik([position[0], BOX.max[1] + metres, position[2]], rotation, ARM.home, tolerance=1e-6)
    assert found.ok
    return found.q


def test_speeds_are_those_from_which_the_arm_rests_in_time():
    velocity, acceleration, jerk, dt = 9.0, np.array([5.0, 0.1]), np.array([200.0, 200.0]), 0.02
    speed = holdable_speed([velocity] * 2, acceleration, jerk, dt)
    assert speed[0] / acceleration[0] + 2 * acceleration[0] / jerk[0] + dt == pytest.approx(HOLD) and HOLD == 0.2
    assert speed[1] == 0.05, "an arm whose limits leave no speed may creep"
    assert holdable_speed([0.3], [5.0], [200.0], dt) == [0.3], "never faster than the limit"


def test_a_command_may_leave_if_the_arm_can_rest_and_is_remembered():
    one = check()
    assert one.objection(ARM.home, braking(ARM.home)) is None
    q = ARM.home + [0.1, 0, 0, 0, 0, 0, 0]
    assert one.objection(ARM.home, braking(q)) is None and one._postures._rest[0] == pytest.approx(q)
    moving = braking(q, 0.1)
    assert one.objection(ARM.home, moving) is None
    assert (one._postures._rest[0] > q + 1e-4).all(), "where it would rest, not where it is"
    one.rests(ARM.home)
    assert one._postures._rest[0] == pytest.approx(ARM.home)


@pytest.mark.parametrize("end", ["lower", "upper"])
def test_an_arm_that_would_pass_a_joints_end_brakes_without_a_fault(end):
    one, side = check(), 1.0 if end == "upper" else -1.0
    q = ARM.home.copy()
    q[0] = getattr(ARM, end)[0] - side * 0.01
    one._workspace = type("Anywhere", (), {"outside": staticmethod(lambda _: -1.0)})
    speed = np.eye(7)[0] * side * 0.5
    assert one.objection(ARM.home, braking(q, speed)) == "" and one.objection(ARM.home, braking(q)) is None


def test_the_tool_may_leave_the_workspace_by_two_centimetres_and_come_back_from_anywhere():
    one = check()
    assert one.strays(outside(0.019), ARM.home) == 0.0
    assert one.strays(outside(0.021), ARM.home) == pytest.approx(0.021, abs=1e-3)
    assert one.strays(outside(0.05), ARM.home) == pytest.approx(0.05, abs=1e-3)
    assert one.strays(outside(0.05), outside(0.06)) == 0.0, "on the way back"
    assert one.strays(outside(0.06), outside(0.05)) == pytest.approx(0.06, abs=1e-3)
    assert one.objection(ARM.home, braking(outside(0.05))) == "the tool would leave the workspace by 0.05 m"


def test_links_that_would_touch_are_named_and_the_posture_is_not_taken_up():
    one = check()
    one._workspace = type("Anywhere", (), {"outside": staticmethod(lambda _: -1.0)})
    assert one.objection(ARM.home, braking(FOLDED)).endswith("would touch")
    assert one._postures.all_touching() == "", "it still rests at home"
