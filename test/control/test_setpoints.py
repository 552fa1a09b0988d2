# SPDX-License-Identifier: Apache-2.0
"""What a controller is sent: where it is to be next, and how it comes to rest if nothing follows."""

import numpy as np
import pytest

from wall_oss_ros.control.setpoints import Setpoint, Stopping, StreamedGripper
from wall_oss_ros.robots.profile import load_profile

DT, LOW, HIGH, ACCELERATION = 0.02, np.array([-1.0, -2.0]), np.array([1.0, 2.0]), np.array([5.0, 10.0])
GRIPPER = load_profile("dual_arm").gripper
STEP = GRIPPER.speed * DT  # m of the opening in a cycle


def stop(q, qd) -> list[tuple]:
    points = Stopping(DT, LOW, HIGH, ACCELERATION).setpoints(np.array(q, float), np.array(qd, float))
    return [(point.time, point.position.tolist(), point.velocity.tolist()) for point in points]


def test_at_rest_it_is_sent_to_stay_for_ten_cycles():
    assert stop([0.5, -0.5], [0.0, 0.0]) == [
        (DT, [0.5, -0.5], [0.0, 0.0]),
        (pytest.approx(0.2), [0.5, -0.5], [0.0, 0.0]),
    ]


def test_in_motion_it_coasts_for_a_cycle_and_brakes_at_80_percent_of_its_limit():
    q, qd, brake = [0.1, -0.2], [0.4, -0.2], 0.4 / (0.8 * 5.0)
    first, second, last, end = stop(q, qd)
    assert first == (DT, q, qd)
    assert second == (2 * DT, pytest.approx([0.1 + 0.4 * DT, -0.2 - 0.2 * DT]), qd)
    assert last[0] == pytest.approx(2 * DT + brake) and last[2] == [0.0, 0.0]
    assert last[1] == pytest.approx([0.1 + 0.4 * (DT + brake / 2), -0.2 - 0.2 * (DT + brake / 2)])
    assert end == (pytest.approx(10 * DT), *last[1:]), "so that it is not over when it comes late"
    assert len(stop([0.0, 0.0], [0.9, 0.0])) == 3, "it lasts long enough"


def test_it_takes_at_least_a_cycle_to_brake():
    assert stop([0.0, 0.0], [0.0, 0.01])[2][0] == pytest.approx(3 * DT)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_joint_that_would_pass_its_limit_brakes_at_once_and_others_coast(side):
    _, second, last, _ = stop([side * 0.98, 0.0], [side * 0.4, 0.2])
    assert second[1] == pytest.approx([side * (0.98 + 0.2 * DT), 0.2 * DT]) and second[2] == [0.0, 0.2]
    assert last[1] == pytest.approx([side * (0.98 + 0.2 * DT), 0.2 * (DT + 0.05)])
    brakes_in_time, too_late = (1.0 - 0.4 * (DT + 0.05) + past for past in (-0.002, 0.002))
    assert stop([side * brakes_in_time, 0.0], [side * 0.4, 0.0])[1][2][0] == side * 0.4
    assert stop([side * too_late, 0.0], [side * 0.4, 0.0])[1][2][0] == 0.0
    _, second, last, _ = stop([side * 0.999, 0.0], [side * 0.4, 0.0])
    assert second[1][0] == last[1][0] == side, "never farther than the limit"


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_at_its_limit_a_joint_goes_back_but_no_farther(side):
    assert stop([side, 0.0], [side * 0.4, 0.2])[0][2] == [0.0, 0.2]
    assert stop([side, 0.0], [-side * 0.4, 0.2])[0][2] == [-side * 0.4, 0.2]


def arm(*speeds: float) -> list[Setpoint]:
    """One setpoint a cycle with these speeds; then rest."""
    points = [Setpoint((n + 1) * DT, np.zeros(7), np.full(7, speed)) for n, speed in enumerate(speeds)]
    return [*points, Setpoint(0.2, np.zeros(7), np.zeros(7))]


def openings(points) -> list[tuple]:
    """When the gripper is where (m), and how fast (m/s)."""
    scale = GRIPPER.joint_velocity(1.0)
    return [(p.time, GRIPPER.opening(p.position[7:]), p.velocity[7] / scale) for p in points]


def test_fingers_that_move_are_sent_their_speed_and_rest_within_the_next_cycle():
    gripper = StreamedGripper(GRIPPER)
    first, second, last = openings(gripper.append_to(arm(0.0), 0.0, 0.1))
    assert first == (DT, pytest.approx(0.1 - STEP), pytest.approx(-GRIPPER.speed))
    rest = 0.1 - 1.5 * STEP
    assert second == (pytest.approx(2 * DT), pytest.approx(rest), 0.0), "an arm at rest gets a point in between"
    assert last == (0.2, pytest.approx(rest), 0.0)
    assert [time for time, *_ in openings(gripper.append_to(arm(0.3, 0.3), 0.0, 0.1))] == [DT, 2 * DT, 0.2]
    assert len(gripper.append_to(arm(0.0), None, 0.1)) == 2, "and none when the fingers rest"


def test_fingers_without_a_target_stop_half_a_step_on_and_do_not_begin_anew_with_the_old_speed():
    gripper = StreamedGripper(GRIPPER)
    gripper.append_to(arm(0.0), 0.0, 0.1)
    at, rest = (openings(gripper.append_to(arm(0.0), None, 0.1))[n] for n in (0, -1))
    assert at[1:] == (pytest.approx(0.1 - 1.5 * STEP), 0.0) and rest[1] == pytest.approx(0.1 - 1.5 * STEP)
    gripper.append_to(arm(0.0), 0.0, 0.1)
    assert gripper.append_to(None, None, 0.1) is None
    there = openings(gripper.append_to(arm(0.0), None, 0.1))[0][1]
    assert there == pytest.approx(0.1 - 3.0 * STEP), "where it has come to rest by what it was told"


def test_a_gripper_that_was_never_told_anything_begins_where_it_is_measured():
    assert openings(StreamedGripper(GRIPPER).append_to(arm(0.0), None, 0.04))[0][1] == pytest.approx(0.04)
