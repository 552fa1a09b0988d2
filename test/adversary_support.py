# SPDX-License-Identifier: Apache-2.0
"""A whole robot on the plain logic, a plant that follows exactly, readings that lie, and a look at each command."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
from control_support import robot

from wall_oss_ros.control.input_monitor import InputMonitor
from wall_oss_ros.control.joint_group import JointGroupMotion
from wall_oss_ros.control.mobile_base import LOOKAHEAD, MobileBaseMotion
from wall_oss_ros.control.readings import ArmReadings, BaseReadings, PartReadings, joints_of
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.setpoints import StreamedGripper
from wall_oss_ros.policy.chunk import Chunk

READINGS = 2  # messages of joint states in a control cycle
_NOISE = 2e-5  # rad or m
Message = tuple[float, list[str], np.ndarray]  # stamp, names, positions


class Sink:
    """One receiver of commands: each is compared with the one before, whatever happened in between.

    Attributes:
        worst: the greatest step, speed change and change of that, as shares of what the limits permit.
    """

    def __init__(self, what: str, limits, velocity, dt: float):
        self.what, self.dt = what, dt
        self.velocity = np.asarray(velocity, float)
        self.acceleration = None if limits is None else np.asarray(limits.acceleration, float)
        self.jerk = None if limits is None else np.asarray(limits.jerk, float)
        self.position: np.ndarray | None = None
        self.v, self.a = np.zeros(len(self.velocity)), np.zeros(len(self.velocity))
        self.worst, self.count, self.moved = np.zeros(3), 0, 0.0

    def silent(self) -> None:
        assert (np.abs(self.v) < 2e-3).all(), f"{self.what}: it falls silent only at rest"
        self.v = self.a = np.zeros(len(self.velocity))

    def send(self, position: np.ndarray | None, v: np.ndarray, anchored: bool = False) -> None:
        """``anchored``: it is said to begin elsewhere."""
        self.count += 1
        step = np.zeros(len(v)) if self.position is None or position is None else position - self.position
        if anchored:
            assert not np.any(self.v), f"{self.what}: it begins anew only at rest"
            step = np.zeros(len(v))
        change, jerk = (v - self.v) / self.dt, ((v - self.v) / self.dt - self.a) / self.dt
        shares = [(np.abs(step) - 1e-6).max() / (self.velocity * self.dt).max()]
        shares[0] = float((np.abs(step) / (self.velocity * self.dt + 1e-6)).max())
        if self.acceleration is not None:
            shares.append(float((np.abs(change) / (self.acceleration + 1e-3)).max()))
            shares.append(float((np.abs(jerk) / (self.jerk + 2.5)).max()))
        self.worst[: len(shares)] = np.maximum(self.worst[: len(shares)], shares)
        assert max(shares) <= 1.0 + 1e-3, f"{self.what}: step, speed, its change: {np.round(shares, 2)} of the limits"
        self.moved += float(np.abs(step).max())
        self.position, self.v, self.a = position, v, change


class Cell:
    """The robot, from joint state messages to commands, in steps of a control cycle."""

    def __init__(self, name: str, seed: int = 0):
        self.known = known = robot(name)
        profile = self.profile = known.profile
        self.rng, self.dt, self.now, self.steady = np.random.default_rng(seed), known.dt, 100.0, 0.0
        self.motion = RobotMotion(profile, known.arms, joining="switch", collisions=known.apart)
        self.monitor = InputMonitor(profile, 0.0)
        self.arms = ArmReadings(profile, self.motion)
        self.monitor.watch(self.arms)
        self.sinks = [
            Sink(one.arm.name, one.arm.limits, arm.velocity, self.dt) for one, arm in zip(profile.arms, known.arms)
        ]
        self.grippers = [
            StreamedGripper(one.gripper, one.gripper_stands) if one.gripper.streamed else None for one in profile.arms
        ]
        self.finger_sinks = [
            Sink(f"gripper of the {one.arm.name}", None, [one.gripper.speed or 1.0], self.dt) for one in profile.arms
        ]
        self.groups = [JointGroupMotion(profile, part) for part in profile.parts]
        self.parts = [PartReadings(profile, group.group, group) for group in self.groups]
        self.group_sinks = [
            Sink(g.group.name, g.group.limits, g.group.limits.velocity, 1 / g.group.command.rate_hz)
            for g in self.groups
        ]
        self.base = None if profile.base is None else MobileBaseMotion(profile)
        if self.base is not None:
            self.odometry = BaseReadings(profile.base.odometry, self.base)
            self.base_sink = Sink("base", profile.base.limits, profile.base.limits.velocity, 1 / profile.base.rate_hz)
            self.monitor.watch(self.odometry)
            self.pose, self.pose_lie = np.zeros(3), None
        for readings in self.parts:
            self.monitor.watch(readings)
        self.names = joints_of(profile)
        self.place = dict.fromkeys(self.names, 0.0)
        for one in profile.arms:
            self.place |= dict(zip(one.arm.joints, one.arm.home))
            self.place |= dict.fromkeys(one.gripper.joints, one.gripper.joint_position(0.7 * one.gripper.open))
        for part in profile.parts:
            self.place |= dict(zip(part.joints, part.home))
        self.due = {sink.what: 0.0 for sink in (*self.group_sinks, *([self.base_sink] if self.base else []))}
        self.lies: list[Iterator] = []
        self.fed, self.anchored = 0, []
        self.heard = deque(maxlen=READINGS * 40)  # what was fed, as the arms see it
        self.reason = ""
        # Arms of six joints have places where a small turn of the tool is a large one of a joint.
        self.pace = 0.012 if len(profile.arm.joints) > 6 or name == "ur" else 0.002

    # What is fed.

    def messages(self) -> list[Message]:
        """What is sent at the present moment: the truth, gone through all lies."""
        truth = np.array([self.place[name] for name in self.names])
        sent = [(self.now, self.names, truth + self.rng.normal(0, _NOISE, len(truth)))]
        for lie in list(self.lies):
            try:
                sent = lie.send(sent)
            except StopIteration:
                self.lies.remove(lie)
        return sent

    def lie(self, kind: str, count: int, amount: float) -> None:
        """From now on ``count`` messages are as ``LIES[kind]`` makes them."""
        lie = LIES[kind](self, count, amount)
        next(lie)
        self.lies.append(lie)

    # What is commanded.

    def aim(self, size: float) -> None:
        """A chunk from where everything is, that wanders by ``size`` m a step; head, lift and base wander, too."""
        known, q = self.known, self.q
        start = known.state(q)
        rows = np.tile(start, (known.profile.horizon, 1))
        for layout in known.layout.arms:
            if layout.joints is not None:
                rows[:, layout.joints] += np.cumsum(self.rng.normal(0, size, (len(rows), len(start[layout.joints]))), 0)
            else:
                rows[:, layout.position] += np.cumsum(self.rng.normal(0, size, (len(rows), 3)), axis=0)
            rows[:, layout.gripper] = self.rng.uniform(0, 0.1)
        for part in (*self.profile.parts, *([self.profile.base] if self.base else [])):
            slot = known.layout.slots[part.dof]
            at = self.pose if part is self.profile.base else np.array(part.home)
            rows[:, slot] = at + np.cumsum(self.rng.normal(0, size, (len(rows), len(at))), axis=0)
        self.motion.follow_chunk(self.now, Chunk(self.now, start, rows, self.profile.rate_hz))

    @property
    def q(self) -> np.ndarray:
        """Where the arms' joints are indeed, (n,) rad."""
        return np.array([self.place[joint] for joint in self.motion.joints])

    def cycle(self, wants: bool = True) -> None:
        """One control cycle: readings come, and everything is sent its command. ``wants``: a plan is there."""
        for _ in range(READINGS):
            self.now += self.dt / READINGS
            self.steady += self.dt / READINGS
            for stamp, names, positions in self.messages():
                self.fed += 1
                self.arms.hear(self.now, stamp, names, positions)
                for part in self.parts:
                    part.hear(self.now, stamp, names, positions)
        if self.base is not None:
            lie = np.zeros(3) if self.pose_lie is None else self.pose_lie
            self.odometry.hear(self.now, self.now, self.pose + lie + self.rng.normal(0, _NOISE, 3))
        self.monitor.cycle(self.now, self.steady)
        age = self.arms.stamp is None or self.now - self.arms.stamp > self.profile.watchdog.joint_state_age
        self.reason = self.monitor.fault(self.now, self.steady) or ("no joint states" if age else "")
        runs = wants and not self.reason and not self.motion.fault
        target = self.motion.queue.target(self.now) if runs else None
        sent = self.motion.step(self.now, target is not None)
        openings = self.motion.openings(self.now) if target is not None else [None] * len(sent)
        for number in range(len(sent)):
            self._arm(number, sent[number], openings[number])
        for group, sink in zip(self.groups, self.group_sinks):
            if self._is_due(sink):
                self._group(group, sink, target)
        if self.base is not None and self._is_due(self.base_sink):
            self._drive(None if target is None else self.motion.queue.target(self.now + LOOKAHEAD))

    def _is_due(self, sink: Sink) -> bool:
        if self.now < self.due[sink.what] - 1e-9:
            return False
        self.due[sink.what] = max(self.due[sink.what] + sink.dt, self.now)
        return True

    def _arm(self, number: int, setpoints, opening) -> None:
        one, sink, anchor = self.profile.arms[number], self.sinks[number], self.motion.anchors[number]
        told, anchor.told[:] = list(anchor.told), []
        begins = any("starts from where it is" in words for words in told)
        self.anchored += [words for words in told if "starts from" in words]
        gripper = self.grippers[number]
        if gripper is not None:
            measured, rests = self.arms.opening(number)
            setpoints = gripper.append_to(setpoints, opening, measured, rests)
        if setpoints is None:
            sink.silent()
            return
        assert not np.any(setpoints[-1].velocity), "what is sent ends at rest"
        count = len(one.arm.joints)
        q, v = setpoints[0].position[:count], setpoints[0].velocity[:count]
        arm = self.known.arms[number]
        assert (q >= arm.lower - 1e-9).all() and (q <= arm.upper + 1e-9).all()
        sink.send(q, v, begins)
        self.place |= dict(zip(one.arm.joints, q))
        if gripper is not None:
            told = one.gripper.opening(setpoints[0].position[count:])
            self.finger_sinks[number].send(np.array([told]), np.zeros(1))
            self.place |= dict.fromkeys(one.gripper.joints, one.gripper.joint_position(told))

    def _group(self, group: JointGroupMotion, sink: Sink, target) -> None:
        setpoints = group.step(self.now, target)
        begins = any("starts from where it is" in words for words in group.anchor.told)
        self.anchored += [words for words in group.anchor.told if "starts from" in words]
        group.anchor.told.clear()
        if group.fault:
            self.motion.fail(group.fault)
        if setpoints is None:
            sink.silent()
            return
        sink.send(setpoints[0].position, setpoints[0].velocity, begins)
        self.place |= dict(zip(group.group.joints, setpoints[0].position))

    def _drive(self, target) -> None:
        speed = self.base.step(self.now, target)
        speed = np.zeros(3) if speed is None else speed
        self.base_sink.send(None, speed)
        c, s = np.cos(self.pose[2]), np.sin(self.pose[2])
        step = speed * self.base_sink.dt
        self.pose = self.pose + [c * step[0] - s * step[1], s * step[0] + c * step[1], step[2]]

    @property
    def moving(self) -> bool:
        return self.motion.moving or any(group.moving for group in self.groups) or bool(self.base and self.base.moving)

    def all_sinks(self) -> list[Sink]:
        fingers = [sink for sink, gripper in zip(self.finger_sinks, self.grippers) if gripper is not None]
        return [*self.sinks, *fingers, *self.group_sinks, *([self.base_sink] if self.base else [])]


def _each(change: Callable[[Message, int], list[Message]]):
    """A lie that changes each of ``count`` moments' messages by itself."""

    def lie(cell: Cell, count: int, amount: float):
        def told():
            sent = yield
            for k in range(count):
                sent = yield [new for message in sent for new in change(cell, message, k, amount)]

        return told()

    return lie


def _moved(message: Message, by) -> Message:
    return message[0], message[1], message[2] + by


def _late(cell: Cell, count: int, amount: float):
    """Two neighbours in the wrong order."""

    def told():
        sent, kept = (yield), []
        for k in range(count):
            if k % 2 == 0:
                kept, sent = sent, (yield [])
            else:
                sent = yield [*sent, *kept]
                kept = []

    return told()


def _frozen(stamps: bool):
    def lie(cell: Cell, count: int, amount: float):
        def told():
            sent = yield
            first = sent
            for _ in range(count):
                sent = yield (first if stamps else [(now[0], then[1], then[2]) for now, then in zip(sent, first)])

        return told()

    return lie


def _with(message: Message, place: int, value: float) -> Message:
    positions = message[2].copy()
    positions[place % len(positions)] = value
    return message[0], message[1], positions


def _without(message: Message, place: int) -> Message:
    place %= len(message[1])
    names = [name for k, name in enumerate(message[1]) if k != place]
    return message[0], names, np.delete(message[2], place)


LIES: dict[str, Callable] = {
    "zeros": _each(lambda cell, m, k, a: [(m[0], m[1], np.zeros(len(m[1])))]),
    "offset": _each(lambda cell, m, k, a: [_moved(m, a)]),
    "one off": _each(lambda cell, m, k, a: [_with(m, int(97 * abs(a)), a)]),
    "stray": _each(lambda cell, m, k, a: [m, (m[0] + 0.001, m[1], np.zeros(len(m[1])))]),
    "stray behind": _each(lambda cell, m, k, a: [m, (m[0] - 0.3, m[1], np.zeros(len(m[1])))]),
    "walk": _each(lambda cell, m, k, a: [_moved(m, 0.3 * a * k)]),
    "drift": _each(lambda cell, m, k, a: [_moved(m, 0.003 * a * k)]),
    "not a number": _each(lambda cell, m, k, a: [_with(m, k, np.nan)]),
    "infinite": _each(lambda cell, m, k, a: [_with(m, 0, np.inf)]),
    "huge": _each(lambda cell, m, k, a: [_with(m, k, 1e300)]),
    "future": _each(lambda cell, m, k, a: [(m[0] + 5.0, m[1], m[2])]),
    "older": _each(lambda cell, m, k, a: [(m[0] - 1.0, m[1], m[2])]),
    "unstamped": _each(lambda cell, m, k, a: [(0.0, m[1], m[2])]),
    "twice": _each(lambda cell, m, k, a: [m, m]),
    "named twice": _each(lambda cell, m, k, a: [(m[0], [m[1][0], *m[1][:-1]], m[2])]),
    "short": _each(lambda cell, m, k, a: [(m[0], m[1], m[2][:-1])]),
    "lacking": _each(lambda cell, m, k, a: [_without(m, 3)]),
    "another robot's": _each(lambda cell, m, k, a: [(m[0], [f"other_{n}" for n in m[1]], m[2])]),
    "silent": _each(lambda cell, m, k, a: []),
    "reordered": _late,
    "frozen": _frozen(stamps=True),
    "frozen figures": _frozen(stamps=False),
}
GRADUAL = {"drift", "walk"}  # by which something can be believed to have been moved


def settle(cell: Cell) -> None:
    """Readings are at rest for a while, and nothing is commanded."""
    for _ in range(15):
        cell.cycle(wants=False)


def get_going(cell: Cell, cycles: int = 30) -> None:
    """All is well, and everything moves."""
    settle(cell)
    for n in itertools.count():
        if n % 12 == 0:
            cell.aim(cell.pace)
        cell.cycle()
        if n >= cycles and cell.motion.moving and not cell.motion.fault:
            return
        assert n < 300, cell.motion.fault
