# SPDX-License-Identifier: Apache-2.0
"""One joint trajectory controller of the simulated robot: what it follows, and where its joints are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wall_oss_ros.robots.parts import Command, Gripper
from wall_oss_ros.sim.trajectory import Point, Trajectory


class Servos(Protocol):
    """What a controller drives: an arm or a part of the simulator, joints (n,) in rad or m."""

    q: np.ndarray
    qd: np.ndarray

    def set_joint_targets(self, q, qd=None) -> None: ...


class ArmWithGripper:
    """An arm whose gripper's joints are the last ones of its trajectories.

    Args:
        arm: of the simulator; it has ``gripper_width``, ``gripper_speed`` (m, m/s) and ``set_gripper``, too.
        gripper: the profile's, for the units of its joints.
    """

    def __init__(self, arm, gripper: Gripper):
        self._arm, self._gripper = arm, gripper

    @property
    def q(self) -> np.ndarray:
        fingers = [self._gripper.joint_position(self._arm.gripper_width)] * len(self._gripper.joints)
        return np.concatenate([self._arm.q, fingers])

    @property
    def qd(self) -> np.ndarray:
        fingers = [self._gripper.joint_velocity(self._arm.gripper_speed)] * len(self._gripper.joints)
        return np.concatenate([self._arm.qd, fingers])

    def set_joint_targets(self, q, qd=None) -> None:
        count = len(self._gripper.joints)
        self._arm.set_joint_targets(q[:-count], None if qd is None else qd[:-count])
        self._arm.set_gripper(self._gripper.opening(q[-count:]))


@dataclass(frozen=True)
class JointsState:
    """One reading of a controller: setpoint and measured joints, each (n,); rad and rad/s, or m and m/s."""

    desired_position: np.ndarray
    desired_velocity: np.ndarray
    position: np.ndarray
    velocity: np.ndarray


class JointController:
    """Follows trajectories as ros2_control's joint_trajectory_controller does. Safe to call from several threads.

    Args:
        command: the profile's: what the controller is called, and its topics.
        joints: in the controller's order.
        servos: what it drives.
        partial: whether a trajectory may leave joints out, which then stay where they are.
        lock: held while the simulator changes.
        clock: the simulated time, s.
    """

    def __init__(
        self,
        command: Command,
        joints: Sequence[str],
        servos: Servos,
        partial: bool,
        lock: threading.Lock,
        clock: Callable[[], float],
    ):
        self.command, self.joints, self.partial = command, tuple(joints), partial
        self._servos, self._lock, self._clock = servos, lock, clock
        self.restart()

    @property
    def time(self) -> float:
        """The simulated time, s."""
        return self._clock()

    def follow(self, names: Sequence[str], points: Sequence[Point], start: float | None) -> Trajectory:
        """Replaces the running trajectory by a new one.

        Args:
            names: joints of the points.
            points: the trajectory.
            start: when it starts, s; None is now.

        Returns:
            The trajectory, whose identity tells whether it is still the running one.

        Raises:
            TrajectoryError: the trajectory is refused; the running one goes on.
        """
        with self._lock:
            now = self.time
            start = now if start is None else start
            self._trajectory = Trajectory(self.joints, names, points, start, now, *self._desired, self.partial)
            return self._trajectory

    def is_running(self, trajectory: Trajectory) -> bool:
        """Whether it has not been replaced, nor cancelled."""
        return self._trajectory is trajectory

    def hold(self, trajectory: Trajectory | None = None) -> None:
        """Stops at the present setpoint; only if ``trajectory`` is the running one, when it is given."""
        with self._lock:
            if trajectory is None or self._trajectory is trajectory:
                self._trajectory = None
                self._desired = (self._desired[0], np.zeros(len(self.joints)))

    def state(self) -> JointsState:
        """Where the joints should be and where they are."""
        with self._lock:
            return JointsState(*self._desired, np.array(self._servos.q), np.array(self._servos.qd))

    def advance(self, time: float) -> None:
        """Sends the servos the setpoint for ``time``, s. With the lock held."""
        if self._trajectory is not None:
            self._desired = self._trajectory.sample(time)
        self._servos.set_joint_targets(*self._desired)

    def restart(self) -> None:
        """Forgets the trajectory and stays where the joints are. With the lock held."""
        self._trajectory: Trajectory | None = None
        self._desired = (np.array(self._servos.q), np.zeros(len(self.joints)))
