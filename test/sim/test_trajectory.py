# SPDX-License-Identifier: Apache-2.0
"""The simulated trajectory controller follows and refuses as ros2_control's does."""

import numpy as np
import pytest

from wall_oss_ros.sim.joint_trajectory_controller import Point, Trajectory, TrajectoryError

JOINTS = ("a", "b")
REST = np.zeros(2)


def make(points, names=JOINTS, start=1.0, now=1.0, position=REST, velocity=REST, partial=False) -> Trajectory:
    return Trajectory(JOINTS, names, points, start, now, position, velocity, partial)


def test_cubic_segments_meet_positions_and_velocities():
    trajectory = make([Point(1.0, [1.0, 2.0], [0.5, 0.0]), Point(2.0, [1.5, 2.0], [0.0, 0.0])])
    for time, position, velocity in ((1.0, (0, 0), (0, 0)), (2.0, (1, 2), (0.5, 0)), (3.0, (1.5, 2), (0, 0))):
        q, v = trajectory.sample(time)
        assert q == pytest.approx(position) and v == pytest.approx(velocity)
    step = 1e-6
    for time in (1.3, 1.9, 2.4):
        slope = (trajectory.sample(time + step)[0] - trajectory.sample(time - step)[0]) / (2 * step)
        assert trajectory.sample(time)[1] == pytest.approx(slope, abs=1e-4)


def test_without_velocities_segments_are_straight():
    trajectory = make([Point(1.0, [1.0, 0.0])])
    assert trajectory.sample(1.25)[0] == pytest.approx([0.25, 0.0])
    assert trajectory.sample(1.25)[1] == pytest.approx([1.0, 0.0])


def test_the_last_point_is_held():
    trajectory = make([Point(0.5, [1.0, 1.0], [3.0, 3.0])])
    q, v = trajectory.sample(9.0)
    assert q == pytest.approx([1.0, 1.0]) and v == pytest.approx([0.0, 0.0])


def test_joints_are_put_in_the_controllers_order():
    assert make([Point(1.0, [7.0, 8.0])], names=("b", "a")).goal == pytest.approx([8.0, 7.0])


def test_joints_may_be_left_out_only_where_partial_goals_are_allowed():
    trajectory = make([Point(1.0, [7.0], [2.0])], names=("b",), position=np.array([3.0, 4.0]), partial=True)
    assert trajectory.goal == pytest.approx([3.0, 7.0]), "a stays where it was told to be"
    for time in (1.2, 1.9):
        q, v = trajectory.sample(time)
        assert q[0] == pytest.approx(3.0) and v[0] == pytest.approx(0.0)
    for names, partial in ((("b",), False), ((), True), (("b", "b"), True), (("b", "c"), True)):
        with pytest.raises(TrajectoryError, match="some of" if partial else "expected"):
            make([Point(1.0, [7.0] * len(names))], names=names, partial=partial)


def test_points_in_the_past_are_left_out():
    trajectory = make([Point(0.5, [5.0, 5.0]), Point(1.5, [1.0, 1.0])], start=0.0, now=1.0)
    assert trajectory.sample(1.25)[0] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    "points, names, message",
    [
        ([Point(1.0, [0.0, 0.0])], ("a", "c"), "expected"),
        ([], JOINTS, "no points"),
        ([Point(1.0, [0.0])], JOINTS, "1 positions, expected 2"),
        ([Point(1.0, [0.0, np.nan])], JOINTS, "finite"),
        ([Point(1.0, [0.0, 0.0], [0.0, np.inf])], JOINTS, "finite"),
        ([Point(1.0, [0.0, 0.0]), Point(1.0, [1.0, 0.0])], JOINTS, "increase"),
        ([Point(-1.0, [0.0, 0.0])], JOINTS, "at least 0"),
    ],
)
def test_bad_trajectories_are_refused(points, names, message):
    with pytest.raises(TrajectoryError, match=message):
        make(points, names)


def test_a_trajectory_that_has_ended_is_refused():
    with pytest.raises(TrajectoryError, match="ended"):
        make([Point(0.5, [0.0, 0.0])], start=0.0, now=1.0)
