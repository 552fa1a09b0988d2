"""Whether an arm could still come to rest where it may be: the last question before a command leaves."""

from __future__ import annotations

import numpy as np
import ruckig

from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile

HOLD = 0.2  # s from a reason to hold until the arm rests
_EDGE = 0.02  # m outside the workspace that rounding and the way between two targets may lead
_SPEED_FLOOR = 0.05  # rad/s


def holdable_speed(velocity, acceleration, jerk, dt: float) -> np.ndarray:
    """The joint speeds (n,) rad/s from which the arm comes to rest within ``HOLD`` s, and at most ``velocity``.

    From speed v, accelerating at most at a, with jerk j, that takes no more than v/a + 2 a/j, and a cycle ``dt`` may
    pass before it begins. An arm whose limits leave no speed at all may creep.
    """
    velocity, acceleration, jerk = (np.asarray(x, float) for x in (velocity, acceleration, jerk))
    return np.minimum(velocity, np.maximum(acceleration * (HOLD - dt - 2 * acceleration / jerk), _SPEED_FLOOR))


def bounds(profile: RobotProfile, velocity: np.ndarray) -> ruckig.InputParameter:
    """A motion by target velocities, which are 0, within the profile's limits and ``velocity`` (n,) rad/s."""
    motion = ruckig.InputParameter(len(velocity))
    motion.max_velocity, motion.target_velocity = velocity.tolist(), [0.0] * len(velocity)
    motion.max_acceleration, motion.max_jerk = list(profile.arm.limits.acceleration), list(profile.arm.limits.jerk)
    motion.synchronization, motion.control_interface = ruckig.Synchronization.No, ruckig.ControlInterface.Velocity
    return motion


class Guard:
    """Looks at where an arm would come to rest if it braked right after the next command.

    As long as each command passes, braking is possible at any time: the way to rest from the command before has been
    looked at already.
    """

    def __init__(self, profile: RobotProfile, arm: Arm):
        self._arm, self._collisions = arm, SelfCollision(profile)
        self._low, self._high = np.array(profile.arm.workspace.min), np.array(profile.arm.workspace.max)
        joints = len(profile.arm.joints)
        self._generator, self._way = ruckig.Ruckig(joints), ruckig.Trajectory(joints)

    def touching(self, q) -> str:
        """Two links that touch at joints (n,) rad, in words; an empty text when none do."""
        return self._collisions.touching(q)

    def objection(self, q: np.ndarray, braking: ruckig.InputParameter) -> str | None:
        """Why a command must not leave; None when it may. An empty text: brake, but nothing is wrong.

        Args:
            q: (n,) joints at present, rad.
            braking: the motion after the command, with velocity 0 as its target.
        """
        if int(self._generator.calculate(braking, self._way)) < 0:
            return "no way to come to rest was found"
        rest = np.array(self._way.at_time(self._way.duration)[0])
        if ((rest < self._arm.lower) | (rest > self._arm.upper)).any():
            return ""  # near a joint's end the arm is slower
        outside = self._outside(rest)
        if outside > _EDGE and outside > self._outside(q):  # an arm that was put outside may come back
            return f"the tool would leave the workspace by {outside:.2f} m"
        touching = self._collisions.touching(rest)
        return f"the arm would touch itself, {touching}" if touching else None

    def _outside(self, q: np.ndarray) -> float:
        tool = self._arm.fk(q)[0]
        return float(max(0.0, np.maximum(self._low - tool, tool - self._high).max()))
