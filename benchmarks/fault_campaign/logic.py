# SPDX-License-Identifier: Apache-2.0
"""Random inputs for the plain logic of motion, without nodes and processes; every command is judged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fault_campaign.judge import CommandJudge, Sent, sinks
from wall_oss_ros.control.beat import Beat
from wall_oss_ros.control.chunk_queue import JOININGS
from wall_oss_ros.control.joint_group import JointGroupMotion
from wall_oss_ros.control.readings import ArmReadings, PartReadings
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.policy.chunk import Chunk
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.joint_trajectory_controller import Point, Trajectory

_LIFE = 400  # cycles of one control, before the next begins


@dataclass
class Fed:
    """What came of it."""

    inputs: int = 0
    commands: int = 0
    moved: int = 0
    worst: dict[str, float] = field(default_factory=dict)
    unsafe: list[str] = field(default_factory=list)


class Limb:
    """One arm that follows its trajectories exactly, as its controller would, and the judge of its commands."""

    def __init__(self, sink, joints: int, home: np.ndarray):
        self.q, self.qd, self._judge = np.array(home, float), np.zeros(joints), CommandJudge(sink)
        self._names, self._way = sink.joints[:joints], None
        self.count = joints

    def advance(self, now: float) -> None:
        if self._way is not None:
            self.q, self.qd = (np.array(x) for x in self._way.sample(now))

    def obey(self, now: float, stamp: float, setpoints: list[Setpoint], fed: Fed) -> None:
        points = [Point(one.time, one.position, one.velocity) for one in setpoints]
        real = {name: (q, v) for name, q, v in zip(self._names, self.q, self.qd)}
        verdict = self._judge.judge(Sent(now, stamp, points), real)
        fed.commands += 1
        fed.moved += self._judge.moving
        for what, share in verdict.shares.items():
            fed.worst[what] = max(fed.worst.get(what, 0.0), share)
        if verdict.unsafe:
            fed.unsafe.append(f"cycle {fed.commands}: {', '.join(verdict.unsafe)}")
        elif all(np.isfinite(point.positions).all() for point in points):
            self._way = Trajectory(self._names, self._names, points, stamp, now, self.q, self.qd)


class Bench:
    """A robot's motion as control runs it, and what it is fed."""

    lateness = 0.02  # share of cycles that are late

    def __init__(self, robot: str, rng: np.random.Generator, fed: Fed):
        self.rng, self.fed, self.now = rng, fed, float(rng.uniform(0, 1000))
        self.profile = load_profile(robot, simulated=True)
        self.arms, self.layout = [Arm(one) for one in self.profile.arms], Layout(self.profile)
        self._collisions = None
        counts = [len(one.arm.joints) for one in self.profile.arms]
        topics = sinks(self.profile)
        self.limbs = [Limb(_arm_only(sink, n), n, arm.home) for sink, n, arm in zip(topics, counts, self.arms)]
        self.limbs += [Limb(sink, len(part.joints), np.array(part.home))
                       for sink, part in zip(topics[len(self.arms) :], self.profile.parts)]  # fmt: skip
        self.goal: np.ndarray | None = None
        self.begin()

    def begin(self) -> None:
        """A new control."""
        joining = str(self.rng.choice(JOININGS))
        self.motion = RobotMotion(self.profile, self.arms, joining=joining, collisions=self._collisions)
        self._collisions = self.motion._postures._collisions  # computed once
        self.readings = ArmReadings(self.profile, self.motion)
        self.beat = Beat(1.0 / self.profile.command.rate_hz)
        self.parts = [JointGroupMotion(self.profile, part) for part in self.profile.parts]
        self.part_readings = [PartReadings(self.profile, one.group, one) for one in self.parts]
        self.part_beats = [Beat(1.0 / part.command.rate_hz) for part in self.profile.parts]
        self.fault: Callable | None = None

    def cycle(self) -> None:
        """What comes between two cycles, and one cycle."""
        rng = self.rng
        late = rng.random() < self.lateness
        self.now += 1.0 / self.profile.command.rate_hz + (float(rng.uniform(0.0, 0.4)) if late else 0.0)
        self.now += float(rng.normal(0, 0.002))
        for limb in self.limbs:
            limb.advance(self.now)
        if rng.random() < 0.02:
            self.fault = None if rng.random() < 0.7 else FAULTS[rng.integers(len(FAULTS))]
        for _ in range(rng.integers(1, 3)):
            self.hear()
        if rng.random() < 0.12:
            self.take()
        if rng.random() < 0.01:
            self.fed.inputs += 1
            self.motion.drop()
        if rng.random() < 0.005:
            self.fed.inputs += 1
            for readings in (self.readings, *self.part_readings):
                readings.forget()
        waits = any(one.waits for one in (self.readings, *self.part_readings))
        if rng.random() < (0.05 if waits and self.fault is None else 0.0):  # a person looks before
            self.fed.inputs += 1
            for readings in (self.readings, *self.part_readings):
                readings.accept()
        running = rng.random() > 0.01 and not self.motion.fault and not self.readings.reason
        tick = self.beat.next(self.now)
        if tick is None:
            return
        sent = self.motion.step(tick.time, running, lost=tick.lost)
        for limb, setpoints in zip(self.limbs, sent):
            if setpoints is not None:
                limb.obey(self.now, tick.time, setpoints, self.fed)
        if not any(sent):
            self.beat.forget()
        self.move_parts()

    def move_parts(self) -> None:
        """Head and lift, at their own rates, towards places that change now and then."""
        if self.rng.random() < 0.02:
            self.goal = None if self.rng.random() < 0.3 else self.layout_at(self.rng.normal(0, 0.3))
        for motion, limb, beat in zip(self.parts, self.limbs[len(self.arms) :], self.part_beats):
            tick = beat.next(self.now)
            if tick is None:
                continue
            setpoints = motion.step(tick.time, self.goal, lost=tick.lost)
            if setpoints is None:
                beat.forget()
            else:
                limb.obey(self.now, tick.time, setpoints, self.fed)

    def layout_at(self, by: float) -> np.ndarray:
        """A target (A,) for head and lift, off their home by that much."""
        target = np.zeros(self.layout.size)
        for part in self.profile.parts:
            target[self.layout.slots[part.dof]] = np.array(part.home) + by
        return target

    def hear(self) -> None:
        """A joint state message, with what the present fault makes of it."""
        names, q = [], []
        for one, limb in zip(self.profile.arms, self.limbs):
            names += [*one.arm.joints, *one.gripper.joints]
            q += [*limb.q, *[one.gripper.joint_position(0.05)] * len(one.gripper.joints)]
        for part, limb in zip(self.profile.parts, self.limbs[len(self.arms) :]):
            names += part.joints
            q += [*limb.q]
        q = np.array(q)
        said = [self.now - float(self.rng.uniform(0.0, 0.01)), names, q + self.rng.normal(0, 1e-5, len(q))]
        if self.fault is not None:
            self.fault(self.rng, said)
        self.fed.inputs += 1
        for readings in (self.readings, *self.part_readings):
            readings.hear(self.now, said[0], said[1], list(said[2]))

    def take(self) -> None:
        """A chunk: a way from the present state, sensible or not."""
        rng, rows = self.rng, self.profile.horizon
        poses = [(*arm.fk(limb.q), 0.05, limb.q) for arm, limb in zip(self.arms, self.limbs)]
        start = self.layout.pack_all(poses)[0].astype(float)
        targets = np.repeat(start[None], rows, axis=0)
        size, turn = rng.choice([0.002, 0.02, 0.05, 0.3], p=[0.3, 0.4, 0.2, 0.1]), rng.choice([0.0, 0.05, 1.0])
        for own in self.layout.arms:
            targets[:, own.position] += np.cumsum(rng.normal(0, size, (rows, 3)), axis=0)
            targets[:, own.rotation] += np.cumsum(rng.normal(0, turn, (rows, 3)), axis=0)
            targets[:, own.gripper] = rng.uniform(-1, 1)
        if rng.random() < 0.1:
            strange = rng.choice([np.nan, np.inf, -np.inf, 1e300, -1e300])
            targets[rng.integers(rows), rng.integers(targets.shape[1])] = strange
        late = float(rng.choice([0.0, 0.05, 0.2, 0.5]))
        if rng.random() < 0.1:
            late = float(rng.choice([0.9, 3.0, -0.3, -9.0, np.nan]))
        self.fed.inputs += 1
        with np.errstate(all="ignore"):
            self.motion.follow_chunk(self.now, Chunk(self.now - late, start, targets, self.profile.rate_hz))


def _arm_only(sink, count: int):
    """A sink without what rides on the arm."""
    cut = copy.copy(sink)
    for name in ("joints", "names", "lower", "upper", "velocity", "acceleration", "jerk"):
        object.__setattr__(cut, name, getattr(sink, name)[:count])
    return cut


def _one(rng, said: list, by: float) -> None:
    said[2][rng.integers(len(said[2]))] += by


def _set(place: int, value) -> Callable:
    def fault(_rng, said: list) -> None:
        said[place] = value(said[place])

    return fault


def _sometimes(fault: Callable) -> Callable:
    return lambda rng, said: fault(rng, said) if rng.random() < 0.3 else None


_KINDS = (
    _set(2, lambda q: q * 0.0),
    lambda rng, said: _one(rng, said, 1.0),
    lambda rng, said: _one(rng, said, float(rng.normal(0, 0.3))),
    lambda rng, said: _one(rng, said, np.nan),
    _set(2, lambda q: q + 0.02),
    _set(2, lambda q: q[:-1]),
    _set(1, lambda names: [names[0], *names[:-1]]),
    _set(1, lambda names: [f"other_{name}" for name in names]),
    _set(0, lambda stamp: stamp - 2.0),
    _set(0, lambda stamp: stamp + 2.0),
    _set(0, lambda _stamp: 0.0),
    _set(0, lambda stamp: np.floor(stamp)),
    _set(0, lambda _stamp: np.nan),
    lambda rng, said: said.__setitem__(0, said[0] - float(rng.uniform(0, 0.3))),
)
FAULTS = (*_KINDS, *map(_sometimes, _KINDS))


def feed(robot: str, inputs: int, seed: int) -> Fed:
    """Feeds so many inputs to the motion of a robot's arms.

    Args:
        robot: its profile's name.
        inputs: joint state messages, chunks, leaps, resumes.
        seed: of all that is random.
    """
    fed, rng = Fed(), np.random.default_rng(seed)
    bench = Bench(robot, rng, fed)
    cycles = 0
    while fed.inputs < inputs:
        cycles += 1
        if cycles % _LIFE == 0:
            bench.begin()
        bench.cycle()
    return fed
