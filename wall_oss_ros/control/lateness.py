# SPDX-License-Identifier: Apache-2.0
"""How far a robot is behind the times of its targets, where its limits do not let it follow them in time."""

from __future__ import annotations

from collections import deque

import numpy as np

from wall_oss_ros.control.stopping_check import holdable_speed
from wall_oss_ros.robots.components import Base, JointGroup
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.urdf import velocity_limits

_REMEMBERED = 10.0  # s: chunks come from observations no older than that
_SHARE = 0.95  # of their speed that head, lift and base are counted on for, so that they do not fall behind


class Lateness:
    """Adds up by how much targets were put off, and remembers when.

    A chunk begins where the arms were at its observation. What they have been put off since then is how late they are
    in it when it comes.
    """

    def __init__(self):
        self._total, self._steps = 0.0, deque()  # s; and (time, total after it), both s

    def add(self, now: float, seconds: float) -> None:
        """Everything was put off by ``seconds``, at ``now`` s."""
        if seconds <= 0:
            return
        self._total += seconds
        self._steps.append((now, self._total))
        while self._steps[0][0] < now - _REMEMBERED:
            self._steps.popleft()

    def since(self, time: float) -> float:
        """By how much everything was put off after ``time`` (s), s."""
        before = next((total for then, total in reversed(self._steps) if then <= time), None)
        if before is None:  # none is as old as that
            return self._total - self._steps[0][1] if self._steps else 0.0
        return self._total - before

    def forget(self) -> None:
        """The clock has leapt, or nothing is followed any more."""
        self._steps.clear()
        self._total = 0.0


class PartsPace:
    """How fast a robot's targets can be gone through without its head, lift and base falling behind.

    Args:
        profile: the robot.
    """

    def __init__(self, profile: RobotProfile):
        slots = Layout(profile).slots
        self._joints = [
            (part.name, slots[part.dof], self._most(part, velocity_limits(profile, part.joints), part.command.rate_hz))
            for part in profile.parts
        ]
        base = profile.base
        self._base = None if base is None else (slots[base.dof], self._most(base, np.inf, base.rate_hz))

    @staticmethod
    def _most(part: JointGroup | Base, velocity: np.ndarray | float, rate: float) -> np.ndarray:
        limits = part.limits
        velocity = np.minimum(limits.velocity, velocity)
        return _SHARE * holdable_speed(velocity, limits.acceleration, limits.jerk, 1.0 / rate)

    @property
    def none(self) -> bool:
        """Whether the robot has no such parts."""
        return not self._joints and self._base is None

    def headway(
        self, before: np.ndarray, after: np.ndarray, seconds: float, moves: np.ndarray | None
    ) -> tuple[float, str]:
        """The share of the time that passes (1 is in time), and what it is for; empty where nothing is slowed.

        Args:
            before, after: (A,) targets that lie ``seconds`` apart.
            moves: (A,) bool, the entries that the model decides; all of them when None.
        """
        speed = (after - before) / seconds
        if moves is not None:
            speed = np.where(moves, speed, 0.0)
        shares = [(1.0, "")]
        for name, slot, most in self._joints:
            shares.append((_share(np.abs(speed[slot]), most), f"the {name}'s speed"))
        if self._base is not None:
            slot, most = self._base
            x, y, yaw = speed[slot]
            turn = (yaw * seconds + np.pi) % (2 * np.pi) - np.pi
            shares.append((_share(np.array([np.hypot(x, y), abs(turn) / seconds]), most[[0, 2]]), "the base's speed"))
        return min(shares, key=lambda share: share[0])


def _share(speed: np.ndarray, most: np.ndarray) -> float:
    return float((most / np.maximum(speed, most)).min())
