# SPDX-License-Identifier: Apache-2.0
"""Whether a command is safe after the one before it, whoever sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim.joint_trajectory_controller import Point, Trajectory

# How far above a limit is still rounding: share of the limit.
TOLERANCE = {"step": 1.02, "velocity": 1.02, "acceleration": 1.05, "jerk": 1.1, "at_controller": 1.05, "anchor": 1.0}
_ANCHOR = 0.02  # rad or m that a command which begins anew may be beside where the joints really are
_STILL = 0.05  # rad/s or m/s: joints slower than this rest
_LATE = 1.5 - 1e-6  # periods after the command before, from which on that has led the joints on by itself
_EDGE = 1e-3  # rad or m beyond a joint's range: rounding


@dataclass(frozen=True)
class Sink:
    """One topic of commands, and what bounds them.

    Attributes:
        topic: where trajectories go.
        joints: (n) their joints, as the driver calls them.
        names: the same, as joint states call them.
        lower, upper: (n,) ranges, rad or m.
        velocity, acceleration, jerk: (n,) limits; infinite where the profile has none.
        period: s between commands.
    """

    topic: str
    joints: tuple[str, ...]
    names: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    period: float


def sinks(profile: RobotProfile) -> list[Sink]:
    """All topics of a robot's trajectories, of arms, head and lift."""
    found = []
    for one in profile.arms:
        arm, limits, gripper = Arm(one), one.arm.limits, one.gripper
        fingers = gripper.joints if gripper.in_trajectory else ()
        speed = abs(gripper.joint_velocity(gripper.speed)) if fingers else 0.0
        ends = sorted(gripper.joint_position(x) for x in (gripper.closed, gripper.open)) if fingers else (0, 0)
        unbounded = [np.inf] * len(fingers)
        names = (*one.arm.joints, *fingers)
        found.append(
            Sink(
                one.command.topic, tuple(one.driver_names(names)), names,
                np.append(arm.lower, [ends[0]] * len(fingers)), np.append(arm.upper, [ends[1]] * len(fingers)),
                np.append(arm.velocity, [speed] * len(fingers)), np.append(limits.acceleration, unbounded),
                np.append(limits.jerk, unbounded), 1.0 / one.command.rate_hz,
            )
        )  # fmt: skip
    for part in profile.parts:
        free, limits = np.full(len(part.joints), np.inf), part.limits
        found.append(
            Sink(
                part.command.topic, tuple(profile.driver_names(part.joints)), tuple(part.joints), -free, free,
                *(np.array(x, float) for x in (limits.velocity, limits.acceleration, limits.jerk)),
                1.0 / part.command.rate_hz,
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Sent:
    """One command.

    Attributes:
        at: s, steady, when it came.
        stamp: s of the robot's clock, from which its points count.
        points: its trajectory.
        now: s of the controller's clock when it came, by which a trajectory that is over is refused.
    """

    at: float
    stamp: float
    points: Sequence[Point]
    now: float = -np.inf


@dataclass
class Verdict:
    """What was found of one command: shares of its limits, by what is limited, and what is wrong in any case.

    ``worst`` names the joint with the largest share.
    """

    shares: dict[str, float] = field(default_factory=dict)
    worst: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    passed: tuple[float, float] = (0.0, 0.0)

    @property
    def unsafe(self) -> list[str]:
        """Why the command should not have been sent; empty when it may."""
        beyond = [
            f"{what} {share:.2f} ({self.worst.get(what, 'any joint')})"
            for what, share in self.shares.items()
            if not share <= TOLERANCE[what]
        ]
        since = [f"{self.passed[0]:.3f} s by its stamp and {self.passed[1]:.3f} s really after the one before"]
        return self.faults + beyond + (since if self.faults or beyond else [])


class CommandJudge:
    """Compares each command of one sink with the one before.

    A command is compared with the one before; where that is longer ago than a cycle, with where its trajectory has led
    the joints since. Where commands begin anew, at rest, they may also begin where the joints really are. In any case
    the controller, which follows the former trajectory until the new one comes, must not have to hurry.

    Attributes:
        moving: whether the last command was to move.
    """

    def __init__(self, sink: Sink):
        self.sink, self.moving = sink, False
        self._last: Sent | None = None
        self._speeds = np.zeros((2, len(sink.joints)))  # of the last two commands

    def judge(self, sent: Sent, joints: Mapping[str, tuple[float, float]]) -> Verdict:
        """Judges the next command.

        Args:
            sent: the command, in the order of the sink's joints.
            joints: position and velocity of the real joints now, rad and rad/s or m and m/s, by name.
        """
        sink, verdict = self.sink, Verdict()
        if not sent.points:
            verdict.faults.append("no points")
            return verdict
        verdict.faults += self._form(sent)
        if sent.stamp + sent.points[-1].time < sent.now:
            return verdict  # the controller refuses it, and goes on with the one before
        position, velocity = np.array(sent.points[0].positions), np.array(sent.points[0].velocities)
        if verdict.faults and not (np.isfinite(position).all() and np.isfinite(velocity).all()):
            return verdict
        with np.errstate(invalid="ignore"):
            self._note(verdict, "velocity", _shares(velocity, sink.velocity))
            speeds, anchor = self._speeds, self._beside(position, joints)
            if self._last is None:
                self._note(verdict, "anchor", anchor)
                speeds = np.zeros_like(speeds)
            else:
                passed = self._passed(sent)
                verdict.passed = sent.stamp - self._last.stamp, sent.at - self._last.at
                before, speed = self._last.points[0].positions, speeds[1]
                if passed > _LATE * sink.period:  # it has gone on by itself since
                    before, speed = self._led(passed)
                    speeds = np.array([speed, speed])
                steps = _shares(position - before, sink.velocity * sink.period)
                beside = anchor if np.abs(speed).max() < 1e-3 else np.full_like(anchor, np.inf)
                anew = (steps > TOLERANCE["step"]) & np.isfinite(beside)  # joints that begin where they really are
                if anew.any():
                    self._note(verdict, "anchor", np.where(anew, beside, 0.0))
                    speeds = np.where(anew, 0.0, speeds)
                self._note(verdict, "step", np.where(anew, 0.0, steps))
                hurry = _shares(position - self._led(passed)[0], sink.velocity * sent.points[0].time)
                self._note(verdict, "at_controller", np.where(anew, 0.0, hurry))
            change = velocity - speeds[1]
            self._note(verdict, "acceleration", _shares(change, sink.acceleration * sink.period))
            self._note(verdict, "jerk", _shares(change - (speeds[1] - speeds[0]), sink.jerk * sink.period**2))
        self._speeds = np.array([speeds[1], velocity])
        self._last, self.moving = sent, bool(np.abs(velocity).max() > 1e-3)
        return verdict

    def _note(self, verdict: Verdict, what: str, shares: np.ndarray) -> None:
        verdict.shares[what], verdict.worst[what] = float(shares.max()), self.sink.names[int(shares.argmax())]

    def _form(self, sent: Sent) -> list[str]:
        sink, faults = self.sink, []
        for point in sent.points:
            values = np.concatenate([point.positions, point.velocities])
            if not np.isfinite(values).all():
                return ["a number that is not finite"]
            beyond = np.maximum(sink.lower - point.positions, point.positions - sink.upper)
            if beyond.max() > _EDGE:
                faults.append(f"{sink.joints[int(beyond.argmax())]} {beyond.max():.3f} beyond its range")
        if np.any(sent.points[-1].velocities):
            faults.append("it does not end at rest")
        return faults[:1]

    def _passed(self, sent: Sent) -> float:
        """Seconds from the command before to this one, for which the controller follows the former.

        By their stamps, as it takes both by these, also if late ones; what is over when it comes was refused before.
        Where stamps go back, by the controller's clock: where that stands still, so does the robot.
        """
        if (passed := sent.stamp - self._last.stamp) > 0:
            return passed
        passed = sent.now - self._last.now
        known = np.isfinite(passed) and passed >= 0  # it may have been started again
        return passed if known else sent.at - self._last.at

    def _led(self, passed: float) -> tuple[np.ndarray, np.ndarray]:
        """Where the controller has been led since the command before, and how fast it is there."""
        first = self._last.points[0]
        start = Point(0.0, first.positions - first.velocities * first.time, first.velocities)
        points = [start, *self._last.points]
        names, rest = self.sink.joints, np.zeros_like(start.positions)
        return Trajectory(names, names, points, 0.0, 0.0, start.positions, rest).sample(max(passed, 0.0))

    def _beside(self, position: np.ndarray, joints: Mapping[str, tuple[float, float]]) -> np.ndarray:
        """(n,) how far each joint is from the real one, as a share of what is permitted; infinite while these move."""
        real = [joints.get(name) for name in self.sink.names]
        if None in real or max(abs(speed) for _, speed in real) > _STILL:
            return np.full(len(real), np.inf)
        return np.abs(position - [place for place, _ in real]) / (_ANCHOR + self.sink.velocity * self.sink.period)


def _shares(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.abs(values) / limits, nan=np.inf)
