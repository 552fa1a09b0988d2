# SPDX-License-Identifier: Apache-2.0
"""Whether arms may go through given postures: joint limits, workspace, floor, and each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile

_STEP = 0.02  # m, the most that any point of an arm moves between two postures that are checked
_EDGE = 0.01  # m outside the workspace that a way may lead; control brakes at 0.02
_SINKING = 0.005  # m below the floor that a joint may get by rounding
_LIMIT = 1e-6  # rad
_ROOM = 0.02  # m between the links of several arms on the way; control brakes at half of it, and rounds corners
_LEAVING = 8  # steps within which a way that begins nearer has to get there


class Clearance:
    """Checks ways of one or several arms, whose joints are one vector (n,), arm after arm in the profile's order.

    A way is checked in steps. Between two of them no point between shoulder and tool gets farther than 1 cm from where
    it was checked. Links are kept 1 cm apart, as control does; with several arms, each of which rounds its corners
    in its own way, 2 cm, except in the first steps of a way that begins nearer. The floor is the bottom of the
    workspace: no joint beyond the shoulder may sink below it, as an elbow would that passes through the table. Objects
    are not known here.

    It has kinematics and collision shapes of its own, so that another thread can use it.

    Attributes:
        parts: where joints of head and lift are, rad or m, by name; those not named are at home.

    Raises:
        WallOSSError: the URDF does not fit the profile.
    """

    def __init__(self, profile: RobotProfile):
        self._profiles, self.arms = profile.arms, tuple(Arm(one) for one in profile.arms)
        self._near = SelfCollision(profile)
        self._collisions = SelfCollision(profile, _ROOM) if len(self.arms) > 1 else self._near
        self.parts: dict[str, float] = {}
        ends = np.cumsum([len(arm.home) for arm in self.arms])
        self.slices = tuple(slice(end - len(arm.home), end) for arm, end in zip(self.arms, ends))
        self.lower = np.concatenate([arm.lower for arm in self.arms])
        self.upper = np.concatenate([arm.upper for arm in self.arms])
        self.home = np.concatenate([arm.home for arm in self.arms])
        self._levers = np.concatenate([arm.levers() for arm in self.arms])

    def objection(self, knots) -> str:
        """What is wrong with a way through ``knots`` (m, n) rad, straight from each to the next; empty when nothing is.

        It begins where the arms are: an arm that is outside its workspace or below the floor may come back, but not go
        farther out.
        """
        knots = np.asarray(knots, float)
        allowed, room = np.maximum(self._excess(knots[0]), 0.0), False
        for step, q in enumerate(self._dense(knots)):
            if ((q < self.lower - _LIMIT) | (q > self.upper + _LIMIT)).any():
                return "a joint would pass its limit"
            excess = self._excess(q)
            beyond = np.flatnonzero(excess > allowed + 1e-4)
            if len(beyond):
                return self._told(int(beyond[0]), float(excess[beyond[0]]))
            allowed = np.minimum(allowed, np.maximum(excess, 0.0))
            touching = self._collisions.touching(q, self.parts)
            if touching and not room and step < _LEAVING:
                touching = self._near.touching(q, self.parts)
            else:
                room = True
            if touching:
                who = "the arms would touch" if len(self.arms) > 1 else "the arm would touch itself"
                return f"{who}, {touching}"
        return ""

    def _told(self, which: int, excess: float) -> str:
        """What is wrong, by the number of the entry that ``_excess`` gives."""
        if which % 2:
            return f"a joint would sink below the workspace's floor by {excess + _SINKING:.2f} m"
        who = f"the tool of the {self._profiles[which // 2].arm.name}" if len(self.arms) > 1 else "the tool"
        return f"{who} would leave the workspace by {excess + _EDGE:.2f} m"

    def _excess(self, q: np.ndarray) -> np.ndarray:
        """For each arm: m that the tool is outside the workspace and that the lowest joint is below the floor."""
        values = []
        for one, arm, own in zip(self._profiles, self.arms, self.slices):
            box = one.arm.workspace
            values.append(box.outside(arm.fk(q[own])[0]) - _EDGE)
            values.append(box.min[2] - arm.heights(q[own])[1:].min() - _SINKING)
        return np.array(values)

    def _dense(self, knots: np.ndarray) -> Iterator[np.ndarray]:
        """Postures along the straight lines between knots, near to each other, and all knots."""
        yield knots[0]
        for a, b in zip(knots[:-1], knots[1:]):
            count = max(1, int(np.ceil(self._levers @ np.abs(b - a) / _STEP)))
            for k in range(1, count + 1):
                yield a + (b - a) * (k / count)
