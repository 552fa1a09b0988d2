# SPDX-License-Identifier: Apache-2.0
"""What is read of a robot, from messages to motion: each class is one kind of source that the input monitor watches."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from wall_oss_ros.control.joint_group import JointGroupMotion, possible_readings
from wall_oss_ros.control.mobile_base import MobileBaseMotion
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.trust import Possible, Trust
from wall_oss_ros.robots.components import Gripper, JointGroup
from wall_oss_ros.robots.joint_states import JointStateReader
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.stamps import CERTAIN, Evidence, StampWatch

_OFF, _STILL = 0.01, 0.002  # m that an opening may be off, and openings at rest from each other
_FASTER = 2.0  # times its speed: a gripper that is read to move faster has jumped
_REMEMBERED, _NEAR = 1.0, 0.1  # s that readings are kept, and between a reading and the time that is asked for


class Readings(Protocol):
    """A source that control relies on.

    Attributes:
        reason: what is wrong with it; empty when nothing is.
        waits: whether a person has to look before anything moves.
    """

    @property
    def reason(self) -> str: ...

    @property
    def waits(self) -> bool: ...

    def accept(self) -> bool:
        """A person has looked. Whether anything waited for that."""

    def forget(self) -> None:
        """The clock has leapt: all starts over."""


def joints_of(profile: RobotProfile) -> list[str]:
    """All joints that a robot's profile names: of arms, grippers, head and lift."""
    names = [name for one in profile.arms for name in (*one.arm.joints, *one.gripper.joints)]
    return names + [name for part in profile.parts for name in part.joints]


def _possible_opening(gripper: Gripper) -> Possible:
    """What readings of a gripper's opening may do, m."""
    off, rates = np.array([_OFF]), np.array([_FASTER * (gripper.speed or 1.0)])
    low, high = np.array([gripper.closed]), np.array([gripper.open])
    return Possible(rates, off, off, np.array([_STILL]), low, high, "m", ("its opening",))


class ArmReadings:
    """The joints of all arms, and of grippers that are told their next position in each cycle of their arm.

    Args:
        profile: the robot.
        motion: of its arms, which hears of them.
    """

    def __init__(self, profile: RobotProfile, motion: RobotMotion):
        self._motion, everything = motion, joints_of(profile)
        self._grippers = [one.gripper for one in profile.arms]
        self._counts = [len(one.arm.joints) for one in profile.arms]
        self._readers = [
            JointStateReader(
                (*one.arm.joints, *(one.gripper.joints if one.gripper.streamed else ())),
                f"joint states of the {one.arm.name}",
                everything,
            )
            for one in profile.arms
        ]
        self._openings = [0.0] * len(self._readers)
        self._past = [_Past() for _ in self._readers]
        self._fingers = [
            Trust(f"gripper of the {one.arm.name}", _possible_opening(one.gripper)) for one in profile.arms
        ]

    def hear(self, now: float, stamp: float, names: Sequence[str], positions: Sequence[float]) -> None:
        """Takes in a joint state message that has come at ``now`` with ``stamp``, s."""
        for arm, reader in enumerate(self._readers):
            if not reader.take(stamp, names, positions, (), now):
                continue
            self._motion.hear(arm, stamp, reader.positions[: self._counts[arm]].copy())
            if self._motion.anchors[arm].trust.stamp == stamp:  # it is believed, and the fingers with it
                self._past[arm].add(stamp, self._motion.anchors[arm].trust.believed)
                opening = self._grippers[arm].opening(reader.positions[self._counts[arm] :])
                self._openings[arm] = opening
                self._fingers[arm].hear(stamp, np.array([opening]))
                self._fingers[arm].commanded = True

    @property
    def stamp(self) -> float | None:
        """When the joints of all arms were read last, s; None before."""
        stamps = [reader.stamp for reader in self._readers]
        return None if None in stamps else min(stamps)

    @property
    def newest(self) -> float | None:
        """When those of any arm were read last, s; None before all were."""
        return None if self.stamp is None else max(reader.stamp for reader in self._readers)

    def at(self, stamp: float) -> np.ndarray | None:
        """The joints of all arms that are believed of a time (s) of the last second, (n,) rad; None if not known."""
        found = [past.at(stamp) for past in self._past]
        return None if any(q is None for q in found) else np.concatenate(found)

    def stamp_of(self, arm: int) -> float | None:
        """When the joints of one arm were read last, s; None before."""
        return self._readers[arm].stamp

    def opening(self, arm: int) -> tuple[float, bool]:
        """The opening of an arm's gripper that is believed, m, and whether it rests there."""
        fingers = self._fingers[arm]
        return self._openings[arm], not fingers.reason and fingers.steady.ready

    @property
    def reason(self) -> str:
        sources = [reader.evidence for reader in self._readers] + list(self._motion.anchors)
        return next((source.reason for source in sources if source.reason), "")

    @property
    def waits(self) -> bool:
        return any(anchor.waits for anchor in self._motion.anchors)

    def accept(self) -> bool:
        for fingers in self._fingers:
            fingers.accept()
        return self._motion.accept()

    def forget(self) -> None:
        parts: list[Any] = [*self._readers, *self._fingers, *self._past]
        for part in parts:
            part.forget()
        self._motion.forget()


class _Past:
    """The readings of the last second."""

    def __init__(self):
        self.forget()

    def forget(self) -> None:
        self._kept: deque[tuple[float, np.ndarray]] = deque()

    def add(self, stamp: float, q: np.ndarray) -> None:
        kept = self._kept
        kept.append((stamp, q))
        while kept[0][0] < stamp - _REMEMBERED:
            kept.popleft()

    def at(self, stamp: float) -> np.ndarray | None:
        """Joints (n,) at a time (s), between two readings or within 0.1 s of one."""
        stamps = [kept[0] for kept in self._kept]
        if not stamps or not stamps[0] - _NEAR <= stamp <= stamps[-1] + _NEAR:
            return None
        after = min(max(bisect_left(stamps, stamp), 1), len(stamps) - 1)
        if after == 0:
            return self._kept[0][1]
        (before, a), (then, b) = self._kept[after - 1], self._kept[after]
        if min(abs(stamp - before), abs(then - stamp)) > _NEAR:
            return None
        share = min(max((stamp - before) / (then - before), 0.0), 1.0)
        return (1 - share) * a + share * b


class PartReadings:
    """The joints of a head or a lift.

    Args:
        profile: the robot.
        part: one of its groups of joints.
        motion: that moves it, and hears of it; None for one that stays where it is.
    """

    def __init__(self, profile: RobotProfile, part: JointGroup, motion: JointGroupMotion | None = None):
        self.part, self._motion = part, motion
        self._reader = JointStateReader(part.joints, f"joint states of the {part.name}", joints_of(profile))
        self._trust = Trust(part.name, possible_readings(profile, part)) if motion is None else motion.anchor.trust

    def hear(self, now: float, stamp: float, names: Sequence[str], positions: Sequence[float]) -> bool:
        """Takes in a joint state message that has come at ``now`` with ``stamp``, s. Whether it reads these joints."""
        if not self._reader.take(stamp, names, positions, (), now):
            return False
        (self._trust if self._motion is None else self._motion.anchor).hear(stamp, self._reader.positions.copy())
        return True

    @property
    def believed(self) -> np.ndarray | None:
        """The newest joints (n,) rad or m that are believed; None before the first."""
        return self._trust.believed

    @property
    def stamp(self) -> float | None:
        """When they were read last, s; None before."""
        return self._reader.stamp

    @property
    def reason(self) -> str:
        return self._reader.evidence.reason or (self._trust if self._motion is None else self._motion.anchor).reason

    @property
    def waits(self) -> bool:
        return self._motion is not None and self._motion.anchor.waits

    def accept(self) -> bool:
        return self._motion is not None and self._motion.anchor.accept()

    def forget(self) -> None:
        self._reader.forget()
        (self._trust if self._motion is None else self._motion.anchor).forget()


class BaseReadings:
    """The odometry of a driving base. Stamps may be zero, as some drivers leave them.

    Args:
        topic: that it comes on.
        motion: of the base, which hears of it.
    """

    def __init__(self, topic: str, motion: MobileBaseMotion):
        self._what, self._motion, self._evidence = f"messages of odometry at {topic}", motion, Evidence()
        self._watch = StampWatch(self._what, self._evidence, unstamped=True)

    def hear(self, now: float, stamp: float, pose: np.ndarray) -> None:
        """Takes in a pose (3,): x, y (m) and yaw (rad), that has come at ``now`` with ``stamp``, s."""
        if not np.isfinite(pose).all():
            self._evidence.against(f"{self._what} hold a number that is not finite", CERTAIN)
        elif self._watch.take(stamp, now):
            self._evidence.fine()
            self._motion.hear(self._watch.newest, pose)

    @property
    def stamp(self) -> float | None:
        """When it was measured last, s; None before."""
        return self._watch.newest

    @property
    def reason(self) -> str:
        return self._evidence.reason or self._motion.reason

    @property
    def waits(self) -> bool:
        return self._motion.waits

    def accept(self) -> bool:
        return self._motion.accept()

    def forget(self) -> None:
        self._watch.forget()
        self._motion.forget()
