# SPDX-License-Identifier: Apache-2.0
"""What moves beside the arms: head and lift, a driving base, and grippers that ride in their arm's trajectories."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.joint_group import JointGroupMotion
from wall_oss_ros.control.mobile_base import LOOKAHEAD, MobileBaseMotion
from wall_oss_ros.control.setpoints import Setpoint, StreamedGripper
from wall_oss_ros.control.stopping_check import HOLD
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.components import Base, Limits
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

ROBOT = load_profile("dual_arm")
HEAD, LIFT = ROBOT.parts
ALL = np.ones(20, bool)
ARM_RESTS = [Setpoint(0.02, np.zeros(7), np.zeros(7)), Setpoint(0.2, np.zeros(7), np.zeros(7))]


def driving(holonomic: bool = True, **fields):
    """The robot on a base that can brake in time."""
    limits = Limits(velocity=(0.3, 0.3, 0.6), acceleration=(3.0, 3.0, 6.0), jerk=(100.0, 100.0, 200.0))
    base = Base(
        dof="car_pose", frame="base_link", holonomic=holonomic, limits=limits, topic="/cmd_vel", stamped=True,
        odometry="/odom", rate_hz=20.0, **fields,
    )  # fmt: skip
    return ROBOT.model_copy(update={"base": base})


def target(**values) -> np.ndarray:
    """A row (20,) of the layout with these entries."""
    row, slots = np.zeros(20), Layout(ROBOT).slots
    for name, value in values.items():
        row[slots[name]] = value
    return row


class Part:
    """A part that follows exactly what its controller is sent, and a look at each command."""

    def __init__(self, part, moves=ALL, profile=ROBOT):
        self.motion, self.q, self.moves = JointGroupMotion(profile, part), np.array(part.home), moves
        self.dt, self.limits, self.sent, self.v = 1 / part.command.rate_hz, part.limits, 0, np.zeros(len(part.joints))
        self.a = np.zeros_like(self.v)

    def run(self, seconds: float, row, follows: bool = True) -> None:
        for _ in range(round(seconds / self.dt)):
            setpoints = self.motion.step(row, self.q, self.moves)
            if setpoints is None:
                assert (np.abs(self.v) < 1e-3).all(), "it falls silent only at rest"
                self.v = self.a = np.zeros_like(self.v)
                continue
            self.sent += 1
            assert not np.any(setpoints[-1].velocity), "what is sent ends at rest"
            v = setpoints[0].velocity
            a = (v - self.v) / self.dt
            assert (np.abs(v) <= np.array(self.limits.velocity) + 1e-6).all()
            assert (np.abs(a) <= np.array(self.limits.acceleration) + 1e-6).all()
            assert (np.abs(a - self.a) / self.dt <= np.array(self.limits.jerk) + 1e-3).all()
            self.v, self.a = v, a
            if follows:
                self.q = setpoints[0].position


def test_a_part_goes_where_it_is_told_within_its_limits_and_holds_there():
    lift = Part(LIFT)
    lift.run(6.0, target(height=-0.3))
    assert lift.q == pytest.approx([-0.3], abs=1e-4) and not lift.motion.moving
    head = Part(HEAD)
    head.run(6.0, target(head_actions=[0.2, 9.0]))
    assert head.q == pytest.approx([0.2, 0.35], abs=1e-4), "the second stops at its end"


def test_it_comes_to_rest_and_falls_silent_when_there_is_no_target():
    head = Part(HEAD)
    head.run(0.4, target(head_actions=[0.2, 0.0]))
    assert head.motion.moving and abs(head.v[0]) > 0.3
    head.run(HOLD, None)
    assert not head.motion.moving
    sent = head.sent
    head.run(1.0, None)
    assert head.sent == sent


@pytest.mark.parametrize("name", ["dual_arm:ffw", "dual_arm:tiago_dual"])
def test_what_ships_rests_in_time_from_its_fastest(name):
    profile = load_profile(name)
    for entry in profile.parts:
        part = Part(entry, profile=profile)
        part.run(0.6, target(**{entry.dof: np.array(entry.home) - 9.0}))
        assert np.abs(part.v) == pytest.approx(part.motion.velocity, rel=1e-3)
        part.run(HOLD, None)
        assert not part.motion.moving
    if profile.base is not None:
        motion, pose = MobileBaseMotion(profile), np.zeros(3)
        speeds = [motion.step(target(car_pose=[9.0, 0.0, 0.0]), pose) for _ in range(40)]
        assert speeds[-1][0] == pytest.approx(motion.velocity[0], rel=1e-3)
        for _ in range(round(HOLD * profile.base.rate_hz)):
            motion.step(None, pose)
        assert not motion.moving


def test_without_a_target_it_is_sent_on_until_it_rests():
    head = JointGroupMotion(ROBOT, HEAD)
    q = np.array(HEAD.home)
    assert head.step(None, q) is None
    for _ in range(8):
        q = head.step(target(head_actions=[0.2, 0.0]), q)[0].position
    sent = []
    while (setpoints := head.step(None, q)) is not None:
        sent.append(setpoints[0])
        q = setpoints[0].position
    assert len(sent) > 1 and np.abs(sent[0].velocity).max() > 0.1 and np.abs(sent[-1].velocity).max() < 1e-3


def test_joints_that_somebody_has_moved_meanwhile_begin_where_they_are():
    lift = JointGroupMotion(ROBOT, LIFT)
    assert lift.step(None, np.array([-0.4])) is None
    first = lift.step(target(height=-0.4), np.array([-0.4]))[0]
    assert first.position == pytest.approx([-0.4]) and first.velocity == pytest.approx([0.0])


@pytest.mark.parametrize("seconds, lost", [(0.9, False), (1.1, True)])
def test_one_joint_more_than_a_second_behind_at_its_full_speed_is_lost(seconds, lost):
    head = JointGroupMotion(ROBOT, HEAD)
    q = np.array(HEAD.home)
    commanded = head.step(target(head_actions=HEAD.home), q)[0].position
    behind = commanded - [0.0, seconds * head.velocity[1]]
    head.step(target(head_actions=HEAD.home), behind)
    assert head.fault == ("head_joint2 of the head does not follow its commands" if lost else "")
    head.step(None, behind)
    assert head.fault == "", "told once"


def test_entries_that_the_model_does_not_decide_stay_where_they_are():
    moves = ALL.copy()
    moves[Layout(ROBOT).slots["head_actions"].start] = False
    head = Part(HEAD, moves)
    head.run(6.0, target(head_actions=[0.1, 0.2]))
    assert head.q == pytest.approx([HEAD.home[0], 0.2], abs=1e-4)


def test_a_part_that_does_not_follow_is_named_and_stays_where_it_is():
    lift = Part(LIFT)
    lift.run(0.2, target(height=-0.45))
    for _ in range(100):
        setpoints = lift.motion.step(target(height=-0.45), np.array(LIFT.home))
        if lift.motion.fault:
            break
    assert lift.motion.fault == "lift_joint of the lift does not follow its commands"
    assert setpoints is None or setpoints[0].position == pytest.approx(LIFT.home)


@settings(max_examples=20, deadline=None)
@given(goals=st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.05, 1.0)), min_size=1, max_size=6))
def test_whatever_a_part_is_told_it_keeps_its_limits(goals):
    head = Part(HEAD)
    for tilt, turn, seconds in goals:
        head.run(seconds, target(head_actions=[tilt, turn]))
        assert (-0.2317 <= head.q[0] <= 0.6951) and abs(head.q[1]) <= 0.35
    head.run(HOLD, None)
    assert not head.motion.moving


def test_a_part_of_joints_that_the_urdf_lacks_is_refused():
    with pytest.raises(WallOSSError, match="no joint neck"):
        JointGroupMotion(ROBOT, HEAD.model_copy(update={"joints": ("neck", "head_joint2")}))


class Wheels:
    """A base that drives as it is told, with its odometry, and a look at each command."""

    def __init__(self, holonomic: bool = True, pose=(1.0, 2.0, 3.0)):
        profile = driving(holonomic)
        self.motion, self.pose, self.dt, self.limits = (
            MobileBaseMotion(profile),
            np.array(pose),
            0.05,
            profile.base.limits,
        )
        self.v, self.a, self.sent = np.zeros(3), np.zeros(3), []

    def run(self, seconds: float, aim) -> None:
        """``aim`` gives the row for a time from now on, s; or is None."""
        for n in range(round(seconds / self.dt)):
            speed = self.motion.step(None if aim is None else aim(n * self.dt + LOOKAHEAD), self.pose)
            self.sent.append(speed)
            v = np.zeros(3) if speed is None else speed
            a = (v - self.v) / self.dt
            assert (np.abs(v) <= np.array(self.limits.velocity) + 1e-9).all()
            assert (np.abs(a) <= np.array(self.limits.acceleration) + 1e-6).all()
            assert (np.abs(a - self.a) / self.dt <= np.array(self.limits.jerk) + 1e-3).all()
            c, s, (x, y, turn) = np.cos(self.pose[2]), np.sin(self.pose[2]), (self.v + v) / 2 * self.dt
            self.pose = self.pose + [c * x - s * y, s * x + c * y, turn]
            self.v, self.a = v, a


def test_a_base_drives_to_displacements_along_its_own_axes():
    layout, wheels = Layout(driving()), Wheels()
    state = np.zeros(20)
    state[17:] = wheels.pose
    row = layout.absolute(target(car_pose=[0.3, -0.1, 0.4])[None], state)[0]
    assert layout.relative(row[None], state)[0, 17:] == pytest.approx([0.3, -0.1, 0.4])
    wheels.run(6.0, lambda _: row)
    ahead, aside = np.array([np.cos(3.0), np.sin(3.0)]), np.array([-np.sin(3.0), np.cos(3.0)])
    assert wheels.pose[:2] == pytest.approx([1.0, 2.0] + 0.3 * ahead - 0.1 * aside, abs=2e-3)
    assert wheels.pose[2] == pytest.approx(3.4, abs=2e-3), "through pi, the short way round"


@pytest.mark.parametrize(
    "pose, aim, along",
    [
        ([0, 0, np.pi / 2], [0.1, 0, np.pi / 2], (0, -1, 0)),
        ([0, 0, np.pi / 2], [0, 0.1, np.pi / 2], (1, 0, 0)),
        ([0, 0, np.pi / 6], [0.1, 0, np.pi / 6], (np.cos(np.pi / 6), -0.5, 0)),
        ([0, 0, np.pi / 6], [0, 0.1, np.pi / 6], (0.5, np.cos(np.pi / 6), 0)),
        ([0, 0, 3.1], [0, 0, -3.1], (0, 0, 1)),
        ([0, 0, -3.1], [0, 0, 3.1], (0, 0, -1)),
    ],
)
def test_its_velocities_are_along_its_own_axes_and_turn_the_short_way(pose, aim, along):
    motion = MobileBaseMotion(driving())
    speed = [motion.step(target(car_pose=aim), np.array(pose, float)) for _ in range(20)][-1]
    assert speed / np.linalg.norm(speed) == pytest.approx(along, abs=1e-6) and motion.moving


def test_it_follows_a_moving_target_without_lag():
    wheels = Wheels(pose=(0.0, 0.0, 0.0))
    wheels.run(2.0, lambda time: target(car_pose=[0.2 * time, 0.0, 0.0]))
    assert wheels.pose[0] == pytest.approx(0.4, abs=0.02)


def test_a_base_that_cannot_move_sideways_is_not_told_to():
    wheels = Wheels(holonomic=False, pose=(0.0, 0.0, 0.0))
    wheels.run(3.0, lambda _: target(car_pose=[0.2, 0.3, 0.0]))
    assert wheels.pose == pytest.approx([0.2, 0.0, 0.0], abs=1e-3)


@pytest.mark.parametrize("wrong", ["no target", "no odometry", "odometry is no number"])
def test_it_brakes_in_time_says_so_for_a_while_and_leaves_its_topic_to_others(wrong):
    wheels = Wheels(pose=(0.0, 0.0, 0.0))
    wheels.run(1.5, lambda _: target(car_pose=[5.0, 0.0, 0.0]))
    assert wheels.v[0] > 0.15
    row = None if wrong == "no target" else target(car_pose=[5.0, 0.0, 0.0])
    pose = {"no target": wheels.pose, "no odometry": None}.get(wrong, np.full(3, np.nan))
    speeds = [wheels.motion.step(row, pose) for _ in range(40)]
    assert not np.any(speeds[3]), "0.2 s"
    assert [speed is not None for speed in speeds[-20:]] == [False] * 20
    assert sum(speed is not None and not np.any(speed) for speed in speeds) >= 8


def test_a_base_that_was_never_told_to_move_is_told_nothing():
    assert [Wheels().motion.step(None, np.zeros(3)) for _ in range(3)] == [None] * 3


class Fingers:
    """A gripper in its arm's trajectories that follows, and a look at each command."""

    def __init__(self, opening: float):
        self.profile, self.opening = ROBOT.gripper, opening
        self.rider, self.sent = StreamedGripper(self.profile), 0

    def run(self, cycles: int, wanted: float | None, arm=ARM_RESTS, blocked_at: float = 0.0) -> None:
        for _ in range(cycles):
            points = self.rider.append_to(arm, wanted, self.opening)
            self.told = self.profile.opening(points[0].position[7:])
            for point in points:
                low, high = sorted(self.profile.joint_position(x) for x in (self.profile.closed, self.profile.open))
                assert point.position.shape == point.velocity.shape == (8,)
                assert low - 1e-9 <= point.position[7] <= high + 1e-9
                assert abs(point.velocity[7]) <= abs(self.profile.joint_velocity(self.profile.speed)) + 1e-9
            assert not np.any(points[-1].velocity), "what is sent ends at rest"
            times = [point.time for point in points]
            assert times == sorted(set(times))
            self.opening = max(self.told, blocked_at)


def test_a_riding_gripper_closes_at_its_speed_from_where_it_is():
    fingers = Fingers(0.1)
    fingers.run(10, 0.0)
    assert fingers.told == pytest.approx(0.1 - 10 * 0.02 * ROBOT.gripper.speed)
    fingers.run(100, 0.0)
    assert fingers.told == pytest.approx(0.0, abs=1e-9)
    fingers.run(100, 5.0)
    assert fingers.told == pytest.approx(ROBOT.gripper.open)


def test_it_stops_where_it_is_without_a_target_and_the_arms_points_stay_as_they_are():
    fingers = Fingers(0.1)
    fingers.run(10, 0.0)
    told = fingers.told
    moving = [Setpoint(t, np.full(7, t), np.full(7, v)) for t, v in ((0.02, 0.3), (0.04, 0.3), (0.2, 0.0))]
    points = fingers.rider.append_to(moving, None, fingers.opening)
    assert [point.time for point in points] == [0.02, 0.04, 0.2]
    assert all((new.position[:7] == old.position).all() for new, old in zip(points, moving))
    assert ROBOT.gripper.opening(points[-1].position[7:]) == pytest.approx(told, abs=0.002)
    fingers.run(3, None)
    assert fingers.told == pytest.approx(told, abs=0.002)


def test_it_does_not_let_go_of_what_it_holds_when_commands_begin_anew():
    fingers = Fingers(0.1)
    fingers.run(100, 0.0, blocked_at=0.02)
    assert fingers.opening == 0.02 and fingers.told == pytest.approx(0.0, abs=1e-9)
    assert fingers.rider.append_to(None, None, fingers.opening) is None
    fingers.run(1, 0.0, blocked_at=0.02)
    assert fingers.told == pytest.approx(0.0, abs=1e-9), "still pressed together"


def test_it_does_not_leap_where_somebody_has_closed_it_meanwhile():
    fingers = Fingers(0.1)
    fingers.run(5, 0.1)
    fingers.rider.append_to(None, None, 0.03)
    fingers.opening = 0.03
    fingers.run(1, 0.1)
    assert fingers.told == pytest.approx(0.03 + 0.02 * ROBOT.gripper.speed)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-1.0, 1.0)), min_size=2, max_size=30), st.floats(0.0, 0.1))
def test_whatever_a_riding_gripper_is_told_it_keeps_its_speed(wishes, opening):
    fingers = Fingers(opening)
    for wanted in wishes:
        before = fingers.opening
        fingers.run(1, wanted)
        assert abs(fingers.told - before) <= ROBOT.gripper.speed * 0.02 + 1e-9
