"""A robot driver's behaviour around the simulator: trajectories, gripper goals, a clock that never runs back."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.logic.trajectory import Point, Trajectory
from wall_oss_ros.sim.scene import COLOURS, CUBES, SceneSpec

CONTROL_PERIOD = 0.002  # s, how often a setpoint goes to the servos: the trajectory controller's cycle
_STILL = 0.002  # m/s of the opening; slower than this, the fingers have stopped
_SETTLE = 0.1  # s the fingers must be still before a goal counts as ended
_ARRIVED = 0.002  # m between opening and goal


def make_scene(seed: int, colours: str = "") -> SceneSpec:
    """The scene of a seed, with the cubes recoloured when ``colours`` names three ("red,green,blue").

    Raises:
        WallOSSError: not three different colours that the simulation has.
    """
    spec = SceneSpec.random(np.random.default_rng(seed))
    names = [name.strip() for name in colours.split(",") if name.strip()]
    if not names:
        return spec
    if len(names) != CUBES or len(set(names)) != CUBES or not set(names) <= set(COLOURS):
        raise WallOSSError(
            f"The colours {colours!r} cannot be had.",
            f"Name {CUBES} different ones of {', '.join(COLOURS)}, separated by commas.",
        )
    return replace(spec, cubes=tuple(replace(cube, colour=name) for cube, name in zip(spec.cubes, names)))


@dataclass(frozen=True)
class ArmState:
    """One reading of the arm: setpoint and measured joints, each (n,); rad and rad/s."""

    desired_position: np.ndarray
    desired_velocity: np.ndarray
    position: np.ndarray
    velocity: np.ndarray


class SimulatedDriver:
    """Drives a simulator as a real robot's controllers drive the robot. Safe to call from several threads.

    Args:
        simulator: a ``sim.Simulator``; nobody else may touch it.
        joints: names of its arm joints, in its order.
    """

    def __init__(self, simulator, joints: Sequence[str]):
        self._simulator = simulator
        self._joints = tuple(joints)
        self._lock = threading.Lock()
        self._time_base = 0.0  # added to the simulator's time, so that a reset does not turn the clock back
        self._trajectory: Trajectory | None = None
        self._desired = (simulator.q.copy(), np.zeros(len(self._joints)))
        self._gripper_goal = simulator.gripper_width
        self._gripper_still = 0.0

    @property
    def lock(self) -> threading.Lock:
        """Held while the simulator changes; take it to read several things of one moment."""
        return self._lock

    @property
    def time(self) -> float:
        """Simulated time since the start, s."""
        return self._time_base + self._simulator.time

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
            trajectory = Trajectory(self._joints, names, points, now if start is None else start, now, *self._desired)
            self._trajectory = trajectory
            return trajectory

    def is_running(self, trajectory: Trajectory) -> bool:
        """Whether it has not been replaced, nor cancelled."""
        return self._trajectory is trajectory

    def hold(self, trajectory: Trajectory | None = None) -> None:
        """Stops at the present setpoint; only if ``trajectory`` is the running one, when it is given."""
        with self._lock:
            if trajectory is None or self._trajectory is trajectory:
                self._trajectory = None
                self._desired = (self._desired[0], np.zeros(len(self._joints)))

    def move_gripper(self, opening: float) -> None:
        """Sends the fingers to an opening, m."""
        with self._lock:
            self._simulator.set_gripper(opening)
            self._gripper_goal = opening
            self._gripper_still = 0.0

    def gripper(self) -> tuple[float, bool, bool]:
        """Opening (m), whether the goal is reached, and whether the fingers were stopped by something before it."""
        with self._lock:
            opening = self._simulator.gripper_width
            reached = abs(opening - self._gripper_goal) < _ARRIVED
            return opening, reached, self._gripper_still >= _SETTLE and not reached

    def arm(self) -> ArmState:
        """Where the arm should be and where it is. Call with the lock held, or between ticks."""
        return ArmState(*self._desired, self._simulator.q.copy(), self._simulator.qd.copy())

    def tick(self, duration: float) -> None:
        """Advances the simulation by ``duration`` seconds."""
        with self._lock:
            for _ in range(max(1, round(duration / CONTROL_PERIOD))):
                if self._trajectory is not None:
                    self._desired = self._trajectory.sample(self.time + CONTROL_PERIOD)
                self._simulator.set_joint_targets(*self._desired)
                self._simulator.step(CONTROL_PERIOD)
            moving = abs(self._simulator.gripper_speed) > _STILL
            self._gripper_still = 0.0 if moving else self._gripper_still + duration

    def reset(self, spec: SceneSpec) -> None:
        """Robot at home, the scene as ``spec`` says; time goes on."""
        with self._lock:
            self._time_base = self.time
            self._simulator.reset(spec)
            self._trajectory = None
            self._desired = (self._simulator.q.copy(), np.zeros(len(self._joints)))
            self._gripper_goal = self._simulator.gripper_width

    def ground_truth(self) -> dict:
        """Where everything really is, for verdicts and tests: time (s), cubes (m, rad, place) and trays (m)."""
        with self._lock:
            cubes = {}
            for colour, (position, quaternion) in self._simulator.cubes().items():
                x, y, z, w = (float(value) for value in quaternion)
                cubes[colour] = {
                    "position": [round(float(value), 4) for value in position],
                    "yaw": round(float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))), 4),
                    "where": self._simulator.where(colour),
                }
            trays = {tray.side: [tray.x, tray.y] for tray in self._simulator.spec.trays}
            return {"time": round(self.time, 3), "cubes": cubes, "trays": trays}
