# SPDX-License-Identifier: Apache-2.0
"""What the tests of control share: a robot whose arms follow their commands exactly, and a look at each of these."""

from __future__ import annotations

from functools import cache

import numpy as np

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.control.stopping_check import HOLD
from wall_oss_ros.policy.chunk import make_chunk, remaining_steps
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile, load_profile

EDGE = 0.03  # m: the follower's own allowance outside the workspace, and the way between two points
STRANGE = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300])


class Robot:
    """What is known of a robot by its profile, or by that's name."""

    def __init__(self, profile: str | RobotProfile):
        profile = load_profile(profile) if isinstance(profile, str) else profile
        self.profile = profile.simulated() if profile.simulation else profile  # the faster one
        self.arms = [Arm(one) for one in self.profile.arms]
        self.layout = Layout(self.profile)
        self.home = np.concatenate([arm.home for arm in self.arms])
        self.dt = 1.0 / self.profile.command.rate_hz
        self.apart = SelfCollision(self.profile)  # where arms rest
        self.clear = SelfCollision(self.profile, margin=0.0)  # on the way, which is looked at less closely

    def split(self, q) -> list[np.ndarray]:
        """Each arm's part of all joints."""
        return np.split(q, np.cumsum([len(arm.home) for arm in self.arms])[:-1])

    def state(self, q, opening: float = 0.05) -> np.ndarray:
        """The layout's vector (A,) with the arms at joints (n,)."""
        poses = [(*arm.fk(own), opening, own) for arm, own in zip(self.arms, self.split(q))]
        return self.layout.pack_all(poses)[0].astype(float)

    def towards(self, q, goals) -> np.ndarray:
        """A chunk (horizon, A) that leads each arm's tool straight to its goal (3,) m, from the arms at joints (n,)."""
        state, rows = self.state(q), np.zeros((self.profile.horizon, self.layout.size))
        for layout, goal in zip(self.layout.arms, goals):
            share = np.linspace(0.0, 1.0, len(rows) + 1)[1:, None]
            rows[:, layout.position] = share * (np.asarray(goal) - state[layout.position])
        return rows


robot = cache(Robot)


def follow_actions(motion: RobotMotion, now: float, stamp: float, state, actions, measured) -> np.ndarray | None:
    """Has a motion follow what a model put out; its absolute targets (horizon, A), None where it was refused."""
    chunk, motion.fault = make_chunk(motion.layout, stamp, state, actions)
    if chunk is None:
        motion.fail(motion.fault)
        return None
    return chunk.targets if motion.follow_chunk(now, chunk, measured) else None


def steps_left(motion: RobotMotion, stamp: float, state) -> np.ndarray:
    """What a chunk from an observation would have to say to go on as a motion does, (n, A)."""
    return remaining_steps(motion.layout, motion.queue.followed(), stamp, state)


class Bench:
    """A robot's motion, arms that follow it, and a check of every command."""

    def __init__(self, name: str | Robot, joining: str = "blend"):
        self.robot = known = name if isinstance(name, Robot) else robot(name)
        self.now, self.q = 0.0, known.home.copy()
        self.motion = RobotMotion(known.profile, known.arms, joining=joining, collisions=known.apart)
        self.history = [np.zeros_like(self.q)] * 2  # velocities sent
        self.moved = 0.0

    def take(self, seed: int, size: float, strange: int, late: float, turn: float) -> None:
        """A chunk that wanders by ``size`` m and ``turn`` rad, with that many strange numbers, from ``late`` s ago."""
        rng, known = np.random.default_rng(seed), self.robot
        rows, state = np.zeros((known.profile.horizon, known.layout.size)), known.state(self.q)
        for layout in known.layout.arms:
            rows[:, layout.position] = np.cumsum(rng.normal(0, size, (len(rows), 3)), axis=0)
            rows[:, layout.rotation] = np.cumsum(rng.normal(0, turn, (len(rows), 3)), axis=0)
            rows[:, layout.gripper] = rng.uniform(-1, 1)
        for _ in range(strange):
            row = rows[rng.integers(len(rows))] if rng.random() < 0.8 else state
            layout = known.layout.arms[rng.integers(len(known.arms))]
            row[rng.integers(layout.position.start, layout.gripper + 1)] = rng.choice(STRANGE)
        follow_actions(self.motion, self.now, self.now - late, state, rows, self.q)
        for opening, one in zip(self.motion.openings(self.now), known.profile.arms):
            assert opening is None or one.gripper.closed <= opening <= one.gripper.open

    def go(self, goals) -> None:
        """A chunk that leads each arm to its goal (3,) m."""
        known = self.robot
        follow_actions(self.motion, self.now, self.now, known.state(self.q), known.towards(self.q, goals), self.q)

    def run(self, cycles: int, running: bool = True, sees: bool = True) -> None:
        for _ in range(cycles):
            self.send(self.motion.step(self.now, running and not self.motion.fault, self.q if sees else None))
            self.now += self.robot.dt

    def send(self, sent) -> None:
        """Checks and carries out what was sent in one cycle."""
        known, before = self.robot, self.q
        parts = zip(known.profile.arms, known.arms, sent, *map(known.split, (self.q, *self.history)))
        moved = [self._check(*part) for part in parts]
        self.q = np.concatenate([q for q, _ in moved])
        self.history = [self.history[-1], np.concatenate([qd for _, qd in moved])]
        self.moved += float(np.abs(self.q - before).max())
        if len(known.arms) > 1:
            assert known.clear.touching(self.q) == ""

    def _check(self, profile, arm, setpoints, q_before, *speeds) -> tuple[np.ndarray, np.ndarray]:
        """One arm's new joints and velocities."""
        if setpoints is None:
            assert not np.any(np.abs(speeds[-1]) > 1e-3), "it falls silent only at rest"
            return q_before, np.zeros_like(q_before)
        q, qd, dt, limits = setpoints[0].position, setpoints[0].velocity, self.robot.dt, profile.arm.limits
        for point in setpoints:
            assert np.isfinite(point.position).all() and np.isfinite(point.velocity).all()
            assert (point.position >= arm.lower - 1e-9).all() and (point.position <= arm.upper + 1e-9).all()
            assert (np.abs(point.velocity) <= arm.velocity + 1e-6).all()
        assert not np.any(setpoints[-1].velocity), "what is sent ends at rest"
        assert (np.abs(q - q_before) <= arm.velocity * dt + 1e-6).all(), "no leap"
        before, now = (speeds[1] - speeds[0]) / dt, (qd - speeds[1]) / dt
        assert (np.abs(now) <= np.array(limits.acceleration) + 1e-4).all()
        assert (np.abs(now - before) / dt <= np.array(limits.jerk) + 0.5).all()
        tool, box = arm.fk(q)[0], profile.arm.workspace
        assert (tool >= np.array(box.min) - EDGE).all() and (tool <= np.array(box.max) + EDGE).all()
        return q, qd

    def rest(self) -> None:
        """Something is wrong: all arms stop in time, where nothing touches."""
        self.run(round(HOLD / self.robot.dt), running=False)
        assert not self.motion.moving
        assert self.robot.apart.touching(self.q) == ""
