# SPDX-License-Identifier: Apache-2.0
"""Whether arms could still come to rest where they may be: the last limit check before a command leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import ruckig

from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.robots.components import Limits
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile

HOLD = 0.2  # s from a reason to hold until an arm rests
_EDGE = 0.02  # m outside the workspace that rounding and the way between two targets may lead
_SPEED_FLOOR = 0.05  # rad/s


def holdable_speed(velocity, acceleration, jerk, dt: float) -> np.ndarray:
    """The joint speeds (n,) rad/s from which the arm comes to rest within ``HOLD`` s, and at most ``velocity``.

    From speed v, accelerating at most at a, with jerk j, that takes no more than v/a + 2 a/j, and a cycle ``dt`` may
    pass before it begins. An arm whose limits leave no speed at all may creep.
    """
    velocity, acceleration, jerk = (np.asarray(x, float) for x in (velocity, acceleration, jerk))
    return np.minimum(velocity, np.maximum(acceleration * (HOLD - dt - 2 * acceleration / jerk), _SPEED_FLOOR))


def velocity_motion(limits: Limits, velocity: np.ndarray) -> ruckig.InputParameter:
    """A motion by target velocities, at first 0, within ``velocity`` (n,) and the limits of acceleration and jerk."""
    motion = ruckig.InputParameter(len(velocity))
    motion.max_velocity, motion.target_velocity = velocity.tolist(), [0.0] * len(velocity)
    motion.max_acceleration, motion.max_jerk = list(limits.acceleration), list(limits.jerk)
    motion.synchronization, motion.control_interface = ruckig.Synchronization.No, ruckig.ControlInterface.Velocity
    return motion


class RestPostures:
    """Where each of a robot's arms comes to rest by its last command, and which links touch there.

    Args:
        profile: the robot.
        collisions: of its links; None computes them.

    Attributes:
        parts: where the joints of head and lift are, by name, rad or m; those not named are at home.
    """

    def __init__(self, profile: RobotProfile, collisions: SelfCollision | None = None):
        self._collisions = SelfCollision(profile) if collisions is None else collisions
        self.parts: dict[str, float] = {}
        self._rest = [np.array(one.arm.home) for one in profile.arms]

    def rest(self, arm: int, q) -> None:
        """The arm of that number comes to rest at joints (n,) rad."""
        self._rest[arm] = np.asarray(q, float)

    def touching(self, arm: int, q) -> str:
        """Two links that touch with one arm at joints (n,) rad and the others where they come to rest; or empty."""
        return self._touching([q if number == arm else rest for number, rest in enumerate(self._rest)])

    def all_touching(self, postures: Sequence[np.ndarray] | None = None) -> str:
        """Two links that touch with each arm at its joints (n,) rad; empty when none do.

        Args:
            postures: None is where they come to rest.
        """
        return self._touching(self._rest if postures is None else postures)

    def _touching(self, postures: Sequence[np.ndarray]) -> str:
        return self._collisions.touching(np.concatenate(postures), self.parts)


class StoppingCheck:
    """Checks where an arm would come to rest if it braked right after the next command.

    As long as each command passes, the arm can brake at any time: its way to rest was checked with the command before.
    So it is with several arms, for each command is compared with where the others come to rest by theirs.

    Args:
        profile: the robot with this arm alone.
        arm: its kinematics.
        postures: of all arms.
        number: this one's.
    """

    def __init__(self, profile: RobotProfile, arm: Arm, postures: RestPostures, number: int):
        self._workspace, self._arm, self._postures, self._number = profile.arm.workspace, arm, postures, number
        joints = len(profile.arm.joints)
        self._generator, self._way = ruckig.Ruckig(joints), ruckig.Trajectory(joints)

    def rests(self, q) -> None:
        """The arm is at rest at joints (n,) rad."""
        self._postures.rest(self._number, q)

    def objection(self, q: np.ndarray, braking: ruckig.InputParameter) -> str | None:
        """Why a command must not leave; empty when the arm has to brake without anything being wrong.

        Args:
            q: (n,) joints at present, rad.
            braking: the motion after the command, with velocity 0 as its target.

        Returns:
            None when the command may leave; from then on it counts as sent.
        """
        if int(self._generator.calculate(braking, self._way)) < 0:
            return "no way to come to rest was found"
        rest = np.array(self._way.at_time(self._way.duration)[0])
        if ((rest < self._arm.lower) | (rest > self._arm.upper)).any():
            return ""  # near a joint's end the arm is slower
        if outside := self.strays(rest, q):
            return f"the tool would leave the workspace by {outside:.2f} m"
        if touching := self._postures.touching(self._number, rest):
            return f"{touching} would touch"
        self._postures.rest(self._number, rest)
        return None

    def strays(self, q: np.ndarray, before: np.ndarray) -> float:
        """How far the tool is outside the workspace at joints (n,) rad, m; 0 if that is little or on the way back."""
        outside = self._outside(q)
        return outside if outside > _EDGE and outside > self._outside(before) else 0.0

    def _outside(self, q: np.ndarray) -> float:
        return self._workspace.outside(self._arm.fk(q)[0])
