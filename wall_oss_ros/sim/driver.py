# SPDX-License-Identifier: Apache-2.0
"""A robot driver's behaviour around the simulator: controllers, grippers, a clock that never runs back."""

from __future__ import annotations

import threading

import numpy as np

from wall_oss_ros.sim.joint_trajectory_controller import ArmWithGripper, JointController
from wall_oss_ros.sim.task import Task
from wall_oss_ros.sim.world import World

CONTROL_PERIOD = 0.002  # s, how often a setpoint goes to the servos: the trajectory controllers' cycle
_STILL = 0.002  # m/s of the opening; slower than this, the fingers have stopped
_SETTLE = 0.1  # s the fingers must be still before a goal counts as ended
_ARRIVED = 0.002  # m between opening and goal
RESET_LEAP = 10.0  # s: a clock that leaps by so much is noticed on a busy machine, too


class SimulatedGripper:
    """A gripper that has an action of its own. Safe to call from several threads.

    Args:
        arm: of the simulator.
        lock: held while the simulator changes.
    """

    def __init__(self, arm, lock: threading.Lock):
        self._arm, self._lock = arm, lock
        self.restart()

    def move(self, opening: float) -> None:
        """Sends the fingers to an opening, m."""
        with self._lock:
            self._arm.set_gripper(opening)
            self._goal, self._still = opening, 0.0

    def state(self) -> tuple[float, bool, bool]:
        """Opening (m), whether the goal is reached, and whether the fingers were stopped by something before it."""
        with self._lock:
            opening = self._arm.gripper_width
            reached = abs(opening - self._goal) < _ARRIVED
            return opening, reached, self._still >= _SETTLE and not reached

    def advanced(self, duration: float) -> None:
        """Notes whether the fingers have moved during these seconds. With the lock held."""
        moving = abs(self._arm.gripper_speed) > _STILL
        self._still = 0.0 if moving else self._still + duration

    def restart(self) -> None:
        """Makes the fingers' present place the goal. With the lock held."""
        self._goal, self._still = self._arm.gripper_width, 0.0


class SimulatedDriver:
    """Drives a simulator as a real robot's controllers drive the robot. Safe to call from several threads.

    Args:
        simulator: nobody else may touch it.
        task: its robot's.

    Attributes:
        lock: held while the simulator changes; take it to read several things of one moment.
        controllers: a joint trajectory controller for each arm and each part, in the profile's order.
        grippers: for each arm; None for one that moves with its arm's trajectories.
    """

    def __init__(self, simulator: World, task: Task):
        self._simulator, self._task, self._profile = simulator, task, simulator.profile
        self.lock = threading.Lock()
        self._time_base = 0.0  # added to the simulator's time, so that a reset does not turn the clock back
        controllers, grippers = [], []
        for arm, one in zip(simulator.arms, self._profile.arms):
            joint, joints = one.gripper.in_trajectory, one.arm.joints
            servos = ArmWithGripper(arm, one.gripper) if joint else arm
            controllers.append(
                self._controller(one.command, (*joints, *one.gripper.joints) if joint else joints, servos)
            )
            grippers.append(None if joint else SimulatedGripper(arm, self.lock))
        # The one joint trajectory controller known to take partial goals is a head's, the AI Worker's.
        for part in self._profile.parts:
            controllers.append(self._controller(part.command, part.joints, simulator.parts[part.name], partial=True))
        self.controllers: tuple[JointController, ...] = tuple(controllers)
        self.grippers: tuple[SimulatedGripper | None, ...] = tuple(grippers)

    def _controller(self, command, joints, servos, partial: bool = False) -> JointController:
        return JointController(command, joints, servos, partial, self.lock, lambda: self.time)

    @property
    def time(self) -> float:
        """Simulated time since the start, s."""
        return self._time_base + self._simulator.time

    def joints(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Names, positions and velocities of all joints as the robot's own driver gives them; rad or m, and per s."""
        profile, simulator = self._profile, self._simulator
        moved = [
            ([*p.arm.joints, *p.gripper.joints], ArmWithGripper(a, p.gripper))
            for p, a in zip(profile.arms, simulator.arms)
        ]
        moved += [(part.joints, simulator.parts[part.name]) for part in profile.parts]
        with self.lock:
            names = [name for joints, _ in moved for name in joints]
            return names, np.concatenate([one.q for _, one in moved]), np.concatenate([one.qd for _, one in moved])

    def wrench(self, arm: int) -> tuple[np.ndarray, np.ndarray]:
        """What an arm feels of whatever touches it: force (3,) N, torque (3,) N m about its tool, in its base frame."""
        with self.lock:
            return self._simulator.arms[arm].external_wrench

    def tick(self, duration: float) -> None:
        """Advances the simulation by ``duration`` seconds."""
        with self.lock:
            for _ in range(max(1, round(duration / CONTROL_PERIOD))):
                for controller in self.controllers:
                    controller.advance(self.time + CONTROL_PERIOD)
                self._simulator.step(CONTROL_PERIOD)
            for gripper in filter(None, self.grippers):
                gripper.advanced(duration)

    def reset(self, spec) -> None:
        """Robot at home, the scene as ``spec`` says. Time leaps ahead by ``RESET_LEAP``.

        An arm that is elsewhere at once is a wrong reading to whoever watches it; that all starts over is told by the
        clock.
        """
        with self.lock:
            self._time_base = self.time + RESET_LEAP
            self._simulator.reset(spec)
            for one in (*self.controllers, *filter(None, self.grippers)):
                one.restart()

    def ground_truth(self) -> dict:
        """Where everything really is, for verdicts and tests: time (s), and what the task tells."""
        with self.lock:
            return {"time": round(self.time, 3), **self._task.truth(self._simulator)}
