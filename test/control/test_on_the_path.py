# SPDX-License-Identifier: Apache-2.0
"""Limits slow motion down and never lead it aside: the tool stays on its way, and what moves keeps time together."""

from __future__ import annotations

import numpy as np
import pytest
from control_support import robot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.lateness import Lateness, PartsPace
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.chunk import Chunk
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile, load_profile

ASIDE, BEYOND = 0.002, 0.0005  # m that a straight way may be left to the side and at its ends


def limited(profile: RobotProfile, **limits) -> RobotProfile:
    """The profile with other limits of its first arm: a number for all joints, or one for each."""

    def of(arm):
        count = len(arm.joints)
        new = {key: tuple(np.broadcast_to(value, count).tolist()) for key, value in limits.items()}
        return arm.model_copy(update={"limits": arm.limits.model_copy(update=new)})

    return profile.model_copy(update={"arm": of(profile.arm)})


def one_slow(name: str, joint: int, speed: float) -> RobotProfile:
    profile = robot(name).profile
    velocity = np.array(profile.arm.limits.velocity)
    velocity[joint] = speed
    return limited(profile, velocity=velocity)


class Ride:
    """A robot led along one chunk that nobody replaces, by commands that are followed exactly."""

    def __init__(self, name: str, profile: RobotProfile | None = None, joining: str = "blend"):
        self.known, self.profile = robot(name), profile or robot(name).profile
        self.arms = [Arm(one) for one in self.profile.arms]
        self.motion = RobotMotion(self.profile, self.arms, joining=joining, collisions=self.known.apart)
        self.q, self.now = self.known.home.copy(), 0.0
        self.start = self.state()
        for part in self.profile.parts:
            self.start[self.known.layout.slots[part.dof]] = part.home
        self.tools = [self._tools()]

    def state(self) -> np.ndarray:
        return self.known.state(self.q)

    def _tools(self) -> np.ndarray:
        return np.array([arm.fk(own)[0] for arm, own in zip(self.arms, self.known.split(self.q))])

    def take(self, offsets, stamp: float | None = None, **entries) -> None:
        """A chunk (H, 3) of each arm's tool from its start, m; ``entries``: (H, n) of parts by their place."""
        offsets = np.asarray(offsets, float)
        rows = np.tile(self.start, (offsets.shape[-2], 1))
        for layout, way in zip(self.known.layout.arms, np.broadcast_to(offsets, (len(self.arms), *offsets.shape[-2:]))):
            rows[:, layout.position] += way
        for place, values in entries.items():
            rows[:, self.known.layout.slots[place]] = values
        chunk = Chunk(self.now if stamp is None else stamp, self.start, rows, self.profile.rate_hz)
        assert self.motion.follow_chunk(self.now, chunk, self.q) and self.motion.fault == ""

    def run(self, seconds: float) -> np.ndarray:
        """The tools (cycles, arms, 3), from where they started, m."""
        for _ in range(round(seconds / self.known.dt)):
            sent = self.motion.step(self.now, True, self.q)
            assert self.motion.fault == ""
            before = zip(sent, self.known.split(self.q))
            self.q = np.concatenate([own if points is None else points[0].position for points, own in before])
            self.tools.append(self._tools())
            self.now += self.known.dt
        return np.array(self.tools) - self.tools[0]

    def finish(self) -> np.ndarray:
        """The same, until they rest."""
        self.run(0.2)
        while self.motion.moving and self.now < 12.0:
            self.run(0.2)
        return np.array(self.tools) - self.tools[0]


def straight(way, steps: int = 10) -> np.ndarray:
    return np.linspace(0, 1, steps + 1)[1:, None] * np.asarray(way, float)


def assert_straight(tool: np.ndarray, way, aside: float = ASIDE) -> None:
    """A tool (n, 3) went straight along a way (3,) m, from one end to the other, and was never beyond either."""
    way = np.asarray(way, float)
    far = np.linalg.norm(way)
    along = tool @ way / far
    assert np.linalg.norm(tool - along[:, None] * way / far, axis=1).max() < aside, "aside"
    assert along.min() > -BEYOND and along.max() < far + BEYOND, "beyond an end"
    assert along[-1] > far - 0.001, "it comes to its end"
    assert np.diff(along).min() > -1e-4, "nor does it turn back"


WAYS = [(0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.0, 0.0, -0.08), (0.0, 0.0, 0.1), (0.06, -0.06, -0.05)]


@pytest.mark.parametrize("name, way", [*(("franka", way) for way in WAYS), ("ur", WAYS[0]), ("ur", WAYS[4])])
def test_with_low_limits_a_straight_chunk_stays_straight_and_is_slower(name, way):
    for limits in ({"velocity": 0.2}, {"velocity": 0.2, "acceleration": 0.5}, {"acceleration": 1.0, "jerk": 60.0}):
        ride = Ride(name, limited(robot(name).profile, **limits))
        ride.take(straight(way))
        assert_straight(ride.finish()[:, 0], way)


@pytest.mark.parametrize("name, joint", [("franka", 1), ("franka", 3), ("franka", 5), ("ur", 0), ("ur", 2), ("ur", 3)])
def test_one_slow_joint_slows_all_and_is_named(name, joint):
    ride, named = Ride(name, one_slow(name, joint, 0.1)), set()
    for way in WAYS[0:1] if joint == 1 else WAYS[1:2] if joint == 0 else WAYS[3:4]:
        ride.take(straight(way))
        while ride.motion.moving or ride.now == 0.0:
            tools = ride.run(0.1)
            named.add(ride.motion.slowed_by)
        assert_straight(tools[:, 0], way)
    assert named == {"", f"{ride.profile.arm.joints[joint]}'s speed"} and ride.motion.late > 0.5


def test_an_arm_that_its_limits_let_follow_keeps_time():
    ride = Ride("franka")
    ride.take(straight(WAYS[0]))
    ride.run(2.0)
    assert ride.motion.late == 0.0 and ride.motion.slowed_by == ""


shares = st.lists(st.floats(0.05, 1.0), min_size=7, max_size=7)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    way=st.tuples(*[st.floats(-0.08, 0.08)] * 3),
    velocity=shares,
    acceleration=shares,
    name=st.sampled_from(["franka", "ur"]),
)
def test_whatever_the_limits_it_stays_between_the_ends(way, velocity, acceleration, name):
    if np.linalg.norm(way) < 0.02:
        return
    profile, count = robot(name).profile, len(robot(name).home)
    of = profile.arm.limits
    ride = Ride(name, limited(profile, velocity=np.array(velocity[:count]) * of.velocity,
                              acceleration=np.array(acceleration[:count]) * of.acceleration))  # fmt: skip
    ride.take(straight(way))
    tool = ride.run(1.5)[:, 0]
    along = np.clip(tool @ way / (np.array(way) @ way), 0, 1)
    assert np.linalg.norm(tool - along[:, None] * way, axis=1).max() < 0.003


def test_around_corners_it_is_no_farther_off_than_at_full_speed():
    corner = np.vstack([straight((0.05, 0, 0), 5), (0.05, 0, 0) + straight((0, 0.05, 0), 5)])
    off = []
    for profile in (robot("franka").profile, limited(robot("franka").profile, velocity=0.1)):
        ride = Ride("franka", profile)
        ride.take(corner)
        tool = ride.finish()[:, 0]
        legs = [np.abs(tool[:, 1]) + np.maximum(tool[:, 0] - 0.05, 0), np.abs(tool[:, 0] - 0.05) + np.abs(tool[:, 2])]
        off.append(np.minimum(*legs).max())
        assert tool[-1] == pytest.approx([0.05, 0.05, 0.0], abs=1e-3)
    assert off[1] <= off[0] < 0.01


def test_what_a_chunk_asks_for_beyond_the_tools_speed_is_gone_straight_as_far_as_there_is_time():
    profile = load_profile("franka")  # 0.25 m/s
    ride = Ride("franka", profile)
    corner = np.vstack([straight((0.15, 0, 0), 3), (0.15, 0, 0) + straight((0, 0.2, 0), 7)])
    ride.take(corner)
    tool = ride.run(3.0)[:, 0]
    on = np.minimum(np.linalg.norm(tool[:, 1:], axis=1), np.hypot(tool[:, 0] - 0.15, tool[:, 2]))
    assert on.max() < 0.012, "it does not cut across to where it should be by now"
    assert tool[-1] == pytest.approx([0.15, 0.1, 0.0], abs=5e-3)
    assert np.linalg.norm(np.diff(tool, axis=0), axis=1).max() / ride.known.dt < 1.05 * profile.arm.max_tcp_speed


def test_where_one_arm_is_slow_the_other_waits_for_it():
    profile = robot("dual_arm").profile
    ride, way = Ride("dual_arm", limited(profile, velocity=0.15)), (0.1, 0.0, 0.0)
    ride.take(straight(way))
    tools = ride.finish()
    for one in (0, 1):
        assert_straight(tools[:, one], way)
    assert np.abs(tools[:, 0] - tools[:, 1]).max() < 0.004, "as if they carried a tray"
    assert ride.motion.late > 1.0


@pytest.mark.parametrize("moved, late", [(True, True), (False, False)])
def test_arms_wait_for_a_lift_that_the_model_moves(moved, late):
    """Its 0.08 m/s carry the arms: those that did not wait would be beside the way that the model meant."""
    ride = Ride("dual_arm")
    (lift,) = (part for part in ride.profile.parts if part.dof == "height")
    slot = ride.known.layout.slots[lift.dof]
    ride.motion.moves = np.ones(ride.known.layout.size, bool)
    ride.motion.moves[slot] = moved
    down = lift.home[0] - np.linspace(0, 0.16, 11)[1:, None]
    ride.take(straight((0.1, 0.0, 0.0)), height=down)
    half = np.inf
    while ride.now < 4.0:
        tools = ride.run(ride.known.dt)
        if tools[-1, 0, 0] > 0.05 and half == np.inf:
            half = ride.now
    assert (ride.motion.late > 0.9) == late
    assert half > 1.0 if late else half < 0.8
    assert tools[-1, 0, 0] == pytest.approx(0.1, abs=1e-3)


def test_grippers_close_where_the_chunk_says_and_not_before_the_arm_is_there():
    ride = Ride("franka", limited(robot("franka").profile, velocity=0.1))
    way = straight((0, 0, -0.08))
    rows = np.tile(ride.start, (10, 1))
    layout = ride.known.layout
    rows[:, layout.position] += way
    rows[:, layout.gripper] = np.where(np.arange(10) >= 8, 0.0, 0.08)
    ride.motion.follow_chunk(0.0, Chunk(0.0, ride.start, rows, ride.profile.rate_hz), ride.q)
    closed_at = None
    while ride.now < 4.0 and closed_at is None:
        depth = -ride.run(ride.known.dt)[-1, 0, 2]
        (opening,) = ride.motion.openings(ride.now)
        if opening is not None and opening < 0.04:
            closed_at = depth
    assert ride.now > 1.0 and closed_at > 0.055, "at eight of ten steps, 64 mm down"


@pytest.mark.parametrize("joining", ["blend", "switch", "real_time", "ensemble"])
def test_chunks_that_follow_one_another_go_on_from_where_the_arm_has_come(joining):
    """Each is for the way from the observed tool on: a late arm neither skips a part of it nor turns back."""
    ride = Ride("franka", limited(robot("franka").profile, velocity=0.1), joining)
    slot = ride.known.layout.position

    def ahead(at: float) -> np.ndarray:
        """The next 10 steps along two sides of a square, m from home, from so many m of it on."""
        along = at + np.linspace(0.01, 0.1, 10)
        return np.stack([np.minimum(along, 0.05), np.clip(along - 0.05, 0, 0.05), np.zeros(10)], axis=1)

    for _ in range(8):
        seen, stamp = ride.state(), ride.now
        ride.run(0.2)  # inference
        rows = np.tile(ride.start, (10, 1))
        rows[:, slot] += ahead(float((seen - ride.start)[slot][:2].sum()))
        assert ride.motion.follow_chunk(ride.now, Chunk(stamp, seen, rows, ride.profile.rate_hz), ride.q)
        ride.run(0.4)
    tool = np.array(ride.tools)[:, 0] - ride.tools[0][0]
    side = np.minimum(np.hypot(tool[:, 1], tool[:, 2]), np.hypot(tool[:, 0] - 0.05, tool[:, 2]))
    assert side.max() < 0.006 and tool[:, 0].max() < 0.052
    assert np.diff(tool[:, 0] + tool[:, 1]).min() > -2e-4
    assert tool[-1, 1] > 0.01, "around the corner"


def test_what_the_model_is_told_is_as_late_as_the_arm():
    ride = Ride("franka", limited(robot("franka").profile, velocity=0.1), "real_time")
    ride.take(straight((0.1, 0, 0)))
    ride.run(0.6)
    told, late = ride.motion.queue.followed(), ride.motion.late
    assert told.stamp == 0.0 and late > 0.2 and ride.motion.queue.stamp == 0.0
    slot = ride.known.layout.position.start
    at = np.interp(
        0.6, np.arange(len(told.targets) + 1) / told.rate_hz, [told.start[slot], *told.targets[:, slot]]
    )  # when it is asked
    assert at - told.start[slot] == pytest.approx(ride.tools[-1][0, 0] - ride.tools[0][0, 0], abs=0.006)
    assert told.targets[-1, slot] - told.start[slot] == pytest.approx(0.1), "to the same end, later"
    assert ride.motion.queue.steps_done(0.6) == 6, "the next chunk is asked for in time all the same"


def test_lateness_since_a_time():
    late = Lateness()
    assert late.since(0.0) == 0.0
    for now in (1.0, 2.0, 3.0):
        late.add(now, 0.1)
    assert [late.since(t) for t in (3.0, 2.5, 1.0)] == pytest.approx([0.0, 0.1, 0.2])
    late.add(12.5, 0.1)
    assert late.since(5.0) == pytest.approx(0.1)
    late.forget()
    assert late.since(1.0) == 0.0


def test_a_base_sets_the_pace_by_where_it_drives_and_turns():
    profile = load_profile("dual_arm:tiago_dual")
    pace, slot = PartsPace(profile), robot("dual_arm:tiago_dual").layout.slots[profile.base.dof]
    before = np.zeros(robot("dual_arm:tiago_dual").layout.size)
    ways = (((0.1, 0, 0), True), ((0.0, 0.1, 0.0), True), ((0.0, 0, 0.2), True), ((0.001, 0, 2 * np.pi), False))
    for way, slow in ways:
        after = before.copy()
        after[slot] = way
        headway, reason = pace.headway(before, after, 0.1, None)
        assert (headway < 0.5) == slow and (reason == "the base's speed") == slow
        assert pace.headway(before, after, 0.1, np.zeros(len(before), bool)) == (1.0, "")


@pytest.mark.parametrize("speed", ["0", "0.0"])
def test_a_joint_that_the_urdf_lets_move_at_no_speed_is_named(tmp_path, speed):
    profile = load_profile("franka")
    text = profile.urdf_path.read_text().replace('velocity="2.62"', f'velocity="{speed}"', 1)
    assert f'velocity="{speed}"' in text
    path = tmp_path / "slow.urdf"
    path.write_text(text)
    with pytest.raises(WallOSSError, match="fr3_joint1.*no faster than .* rad/s"):
        Arm(profile.model_copy(update={"urdf": str(path)}))
