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
        self.a, self.now = np.zeros_like(self.v), 0.0

    def run(self, seconds: float, row, follows: bool = True) -> None:
        for _ in range(round(seconds / self.dt)):
            self.now += self.dt
            setpoints = self.motion.step(self.now, row, self.moves, self.q)
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
        motion = standing(MobileBaseMotion(profile), np.zeros(3))
        speeds = [motion.step(0.0, target(car_pose=[9.0, 0.0, 0.0])) for _ in range(40)]
        assert speeds[-1][0] == pytest.approx(motion.velocity[0], rel=1e-3)
        for _ in range(round(HOLD * profile.base.rate_hz)):
            motion.step(0.0, None)
        assert not motion.moving


def test_without_a_target_it_is_sent_on_until_it_rests():
    head = JointGroupMotion(ROBOT, HEAD)
    q = np.array(HEAD.home)
    assert head.step(0.0, None, measured=q) is None
    for n in range(8):
        q = head.step(0.04 * n + 0.04, target(head_actions=[0.2, 0.0]), measured=q)[0].position
    sent, now = [], 0.32
    while (setpoints := head.step(now := now + 0.04, None, measured=q)) is not None:
        sent.append(setpoints[0])
        q = setpoints[0].position
    assert len(sent) > 1 and np.abs(sent[0].velocity).max() > 0.1 and np.abs(sent[-1].velocity).max() < 1e-3


def test_joints_that_somebody_has_moved_meanwhile_begin_where_they_are():
    lift = Part(LIFT)
    lift.run(1.0, target(height=LIFT.home[0] - 0.02))
    lift.run(HOLD, None)
    before = lift.q
    while lift.q[0] > -0.4:
        lift.q = lift.q - 0.003
        lift.run(lift.dt, None)
    motion = lift.motion
    assert motion.step(lift.now + 0.01, target(height=-0.4), measured=lift.q) is None
    assert "away from its last command and not at rest" in motion.fault
    lift.run(0.24, None)
    first = motion.step(lift.now + lift.dt, target(height=-0.4), measured=lift.q)[0]
    assert first.position == pytest.approx(lift.q) and first.velocity == pytest.approx([0.0])
    assert f"{(before - lift.q)[0]:.2f} m (lift_joint) away from its last command" in motion.anchor.told[0]


@pytest.mark.parametrize("seconds, lost", [(0.9, False), (1.1, True)])
def test_one_joint_more_than_a_second_behind_at_its_full_speed_is_lost(seconds, lost):
    head = JointGroupMotion(ROBOT, HEAD)
    q, now = np.array(HEAD.home), 0.0
    commanded = head.step(now, target(head_actions=HEAD.home), measured=q)[0].position
    for share in np.linspace(0.0, seconds, 40):  # somebody turns it away, no faster than it can be
        now += 0.04
        head.step(now, target(head_actions=HEAD.home), measured=commanded - [0.0, share * head.velocity[1]])
    assert ("(head_joint2): it does not follow" in head.fault) == lost
    assert bool(head.fault) == lost == head.anchor.accept()


def test_entries_that_the_model_does_not_decide_stay_where_they_are():
    moves = ALL.copy()
    moves[Layout(ROBOT).slots["head_actions"].start] = False
    head = Part(HEAD, moves)
    head.run(6.0, target(head_actions=[0.1, 0.2]))
    assert head.q == pytest.approx([HEAD.home[0], 0.2], abs=1e-4)


def test_a_part_that_does_not_follow_is_named_and_stays_where_it_is():
    lift = Part(LIFT)
    lift.run(0.2, target(height=-0.45))
    stuck, told = lift.q, [lift.q]
    for n in range(100):
        lift.q = stuck + 1e-5 * (n % 2)  # an encoder trembles
        lift.run(lift.dt, target(height=-0.45), follows=False)
        told.append(lift.motion.anchor.command)
    assert "the lift is 0.08 m away from its command (lift_joint): it does not follow" in lift.motion.fault
    assert not lift.motion.moving and np.abs(np.diff(told, axis=0)).max() <= LIFT.limits.velocity[0] * lift.dt + 1e-9
    assert abs(told[-1][0] - stuck[0]) > 0.07, "it braked from its last command and stays there"


@pytest.mark.parametrize("reading", [0.0, -0.45, 0.3])
def test_a_stray_reading_of_the_lift_is_no_command(reading):
    lift = Part(LIFT)
    lift.run(0.6, target(height=LIFT.home[0] - 0.1))
    told = [lift.q]
    for n in range(60):
        right, lift.q = lift.q, np.array([reading]) if n == 3 else lift.q
        lift.run(lift.dt, target(height=LIFT.home[0] - 0.1), follows=False)
        lift.q = right if n == 3 else lift.motion.anchor.command
        told.append(lift.motion.anchor.command)
        if n == 3:
            assert "the lift cannot be where it reads: lift_joint jumped" in lift.motion.fault
    assert np.abs(np.diff(told, axis=0)).max() <= LIFT.limits.velocity[0] * lift.dt + 1e-9
    assert lift.q == pytest.approx([LIFT.home[0] - 0.1], abs=2e-3), "a glitch heals by itself"


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


def standing(motion: MobileBaseMotion, pose) -> MobileBaseMotion:
    """A base whose odometry has been read at rest."""
    for n in range(6):
        motion.hear(-0.3 + 0.05 * n, np.array(pose, float))
    return motion


class Wheels:
    """A base that drives as it is told, with its odometry, and a look at each command."""

    def __init__(self, holonomic: bool = True, pose=(1.0, 2.0, 3.0)):
        profile = driving(holonomic)
        self.motion, self.pose, self.dt, self.limits = (
            standing(MobileBaseMotion(profile), pose),
            np.array(pose, float),
            0.05,
            profile.base.limits,
        )
        self.v, self.a, self.sent, self.now = np.zeros(3), np.zeros(3), [], 0.0

    def run(self, seconds: float, aim) -> None:
        """``aim`` gives the row for a time from now on, s; or is None."""
        for n in range(round(seconds / self.dt)):
            self.now += self.dt
            self.motion.hear(self.now, self.pose)
            speed = self.motion.step(self.now, None if aim is None else aim(n * self.dt + LOOKAHEAD))
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
    motion = standing(MobileBaseMotion(driving()), pose)
    speed = [motion.step(0.0, target(car_pose=aim)) for _ in range(20)][-1]
    assert speed / np.linalg.norm(speed) == pytest.approx(along, abs=1e-6) and motion.moving


def test_it_follows_a_moving_target_without_lag():
    wheels = Wheels(pose=(0.0, 0.0, 0.0))
    wheels.run(2.0, lambda time: target(car_pose=[0.2 * time, 0.0, 0.0]))
    assert wheels.pose[0] == pytest.approx(0.4, abs=0.02)


def test_a_base_that_cannot_move_sideways_is_not_told_to():
    wheels = Wheels(holonomic=False, pose=(0.0, 0.0, 0.0))
    wheels.run(3.0, lambda _: target(car_pose=[0.2, 0.3, 0.0]))
    assert wheels.pose == pytest.approx([0.2, 0.0, 0.0], abs=1e-3)


@pytest.mark.parametrize("wrong", ["no target", "odometry jumps"])
def test_it_brakes_in_time_says_so_for_a_while_and_leaves_its_topic_to_others(wrong):
    wheels = Wheels(pose=(0.0, 0.0, 0.0))
    wheels.run(1.5, lambda _: target(car_pose=[5.0, 0.0, 0.0]))
    assert wheels.v[0] > 0.15
    row = None if wrong == "no target" else target(car_pose=[5.0, 0.0, 0.0])
    if row is not None:
        wheels.motion.hear(wheels.now + 0.01, wheels.pose + [0.0, 5.0, 0.0])
    speeds = [wheels.motion.step(wheels.now + 0.05 * n, row) for n in range(40)]
    assert not np.any(speeds[3]), "0.2 s"
    assert [speed is not None for speed in speeds[-20:]] == [False] * 20
    assert sum(speed is not None and not np.any(speed) for speed in speeds) >= 8


def test_a_base_that_was_never_told_to_move_is_told_nothing():
    assert [Wheels().motion.step(0.0, None) for _ in range(3)] == [None] * 3


def test_a_jump_of_the_odometry_does_not_steer_the_base_and_waits_for_a_person():
    wheels = Wheels(pose=(0.0, 0.0, 0.0))
    wheels.run(1.5, lambda _: target(car_pose=[5.0, 0.0, 0.0]))
    wheels.pose = wheels.pose + [0.0, 3.0, 1.0]
    wheels.run(1.0, lambda _: target(car_pose=[5.0, 0.0, 0.0]))
    assert not any(np.any(speed[1:]) for speed in wheels.sent if speed is not None), "straight on, then none"
    assert not wheels.motion.moving and "stays there; call the service resume" in wheels.motion.reason
    assert wheels.motion.accept()
    wheels.run(1.0, lambda _: target(car_pose=[5.0, 0.0, 0.0]))
    assert wheels.motion.moving and wheels.motion.reason == ""


def test_frozen_odometry_stops_the_base():
    wheels = Wheels(pose=(0.0, 0.0, 0.0))
    wheels.run(1.5, lambda _: target(car_pose=[5.0, 0.0, 0.0]))
    for n in range(12):
        wheels.motion.hear(wheels.now + 0.05 * n + 0.01, wheels.pose)
        wheels.motion.step(wheels.now + 0.05 * n + 0.05, target(car_pose=[5.0, 0.0, 0.0]))
    assert not wheels.motion.moving and "the readings of the base are frozen" in wheels.motion.reason


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
    assert ROBOT.gripper.opening(fingers.rider.append_to(ARM_RESTS, None, 0.0, rests=False)[0].position[7:]) == (
        pytest.approx(0.1)
    ), "a reading that does not last"
    fingers.rider.append_to(None, None, 0.03)
    fingers.opening = 0.03
    fingers.run(1, 0.1)
    assert fingers.told == pytest.approx(0.03 + 0.02 * ROBOT.gripper.speed)


def test_nor_where_somebody_has_opened_it_meanwhile_as_a_simulation_that_begins_anew():
    fingers = Fingers(0.1)
    fingers.run(100, 0.0, blocked_at=0.02)
    for opening in (0.02, 0.019, 0.1, 0.1):
        fingers.rider.append_to(None, None, opening)
    fingers.opening = 0.1
    fingers.run(1, 0.0)
    assert fingers.told == pytest.approx(0.1 - 0.02 * ROBOT.gripper.speed)


def test_fingers_that_lag_behind_are_on_their_way_and_still_close_on_what_they_meet():
    fingers = Fingers(0.1)
    fingers.run(100, 0.0, blocked_at=0.09)
    for opening in (0.08, 0.06, 0.04, 0.04):
        fingers.rider.append_to(None, None, opening)
    fingers.opening = 0.04
    fingers.run(1, 0.0, blocked_at=0.04)
    assert fingers.told == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-1.0, 1.0)), min_size=2, max_size=30), st.floats(0.0, 0.1))
def test_whatever_a_riding_gripper_is_told_it_keeps_its_speed(wishes, opening):
    fingers = Fingers(opening)
    for wanted in wishes:
        before = fingers.opening
        fingers.run(1, wanted)
        assert abs(fingers.told - before) <= ROBOT.gripper.speed * 0.02 + 1e-9
