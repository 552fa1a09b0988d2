"""From action chunks to what is sent to the arm: nothing leaves that breaks a limit, and everything ends at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wall_oss_ros.control.chunk_queue import Chunk, ChunkQueue
from wall_oss_ros.control.follower import CartesianFollower
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

_OUTSIDE = 0.1  # m: a target farther outside the workspace than this is a mistake; a nearer one is clipped
_BRAKE = 0.8  # share of the acceleration limit used to come to rest
_AHEAD = 0.5  # s: an observation this far in the future was made on another clock, or before the clock was set back
_AWAY = 0.3  # rad: an arm that is this far from its command is told to stay where it is


@dataclass(frozen=True)
class Setpoint:
    """One point for the trajectory controller: s from the command's time, (n,) rad, (n,) rad/s."""

    time: float
    position: np.ndarray
    velocity: np.ndarray


class Motion:
    """Keeps the arm moving along chunks, or brings it to rest.

    Args:
        profile: the robot.
        arm: its kinematics.
        blend_s: seconds to go over from one chunk to the next.
        joining: how chunks are joined, see :class:`ChunkQueue`.
    """

    def __init__(self, profile: RobotProfile, arm: Arm, blend_s: float = 0.15, joining: str = "blend"):
        self._profile, self._arm = profile, arm
        self._layout = Layout(profile)
        self._follower = CartesianFollower(profile, arm)
        self._queue = ChunkQueue([self._layout.rotation], [self._layout.gripper], blend_s, joining)
        self._deceleration = _BRAKE * np.array(profile.arm.limits.acceleration)
        self._live = False  # whether the arm follows our commands; if not, they start anew from where it is
        self.fault = ""  # what was wrong with the last chunk or step; empty when all was well

    @property
    def queue(self) -> ChunkQueue:
        """The targets at hand."""
        return self._queue

    @property
    def moving(self) -> bool:
        """Whether the commanded motion has not come to rest."""
        return self._follower.moving

    def drop(self) -> None:
        """Forgets all targets; the following steps come to rest."""
        self._queue.clear()
        self._follower.stop()

    def take(
        self, now: float, stamp: float, state: np.ndarray, actions: np.ndarray, measured: np.ndarray
    ) -> np.ndarray | None:
        """Follows a new chunk from now on; or comes to rest, with ``fault`` saying why.

        Args:
            now: s.
            stamp: when the chunk's observation was made, s.
            state: (A,) the state then.
            actions: (horizon, A) what the model put out, in the profile's action mode.
            measured: (n,) the joints now, rad.

        Returns:
            The chunk's absolute targets (horizon, A); None when it is refused.
        """
        rows, self.fault = self._absolute(state, actions)
        if rows is not None and not stamp <= now + _AHEAD:  # not a number counts as ahead
            rows, self.fault = None, f"the action chunk is for a time {stamp - now:.1f} s ahead"
        if rows is None:
            self.drop()
            return None
        chunk = Chunk(stamp, np.asarray(state, float), rows, self._profile.rate_hz)
        if not self._queue.put(chunk, now):
            if chunk.end <= now:
                self.fault = f"the model is too slow: its actions were over {now - chunk.end:.1f} s before they came"
            return rows
        if not self._live and not self._follower.moving:
            self._follower.reset(measured)  # somebody may have moved the arm meanwhile
        times, targets = self._queue.ahead(now)
        poses = [self._layout.unpack(target) for target in targets]
        report = self._follower.set_targets(now, times, [pose[0] for pose in poses], [pose[1] for pose in poses])
        if not report.ok:
            self.fault = report.reason
            self.drop()
        return rows

    def remaining(self, stamp: float, state: np.ndarray) -> np.ndarray:
        """What a chunk from an observation would have to say to go on as before.

        Args:
            stamp: when the observation was made, s.
            state: (A,) the state then.

        Returns:
            (n, A) in the profile's action mode; row k is for stamp + (k + 1) / rate. n is 0 when nothing is left.
        """
        rows = self._queue.remaining(stamp)
        if not len(rows):
            return np.empty((0, self._layout.size))
        rows = self._layout.relative(rows, state)
        if self._profile.action_mode == "relative":
            angles = rows[:, self._layout.rotation]
            rows[:, self._layout.rotation] = (angles + np.pi) % (2 * np.pi) - np.pi
        return rows

    def _absolute(self, state, actions) -> tuple[np.ndarray | None, str]:
        size = self._layout.size
        actions = np.asarray(actions)
        if actions.ndim != 2 or actions.shape[1] != size or len(actions) == 0 or np.shape(state) != (size,):
            return None, f"the action chunk has shape {actions.shape}, expected (rows, {size})"
        with np.errstate(all="ignore"):
            rows = self._layout.absolute(actions, state)
        if not (np.isfinite(rows).all() and np.isfinite(state).all()):
            return None, "the action chunk holds a number that is not finite"
        box, positions = self._profile.arm.workspace, rows[:, self._layout.position]
        outside = np.maximum(np.array(box.min) - positions, positions - np.array(box.max)).max()
        if outside > _OUTSIDE:
            return None, f"the action chunk leaves the workspace by {outside:.2f} m"
        return rows, ""

    def step(self, now: float, running: bool, measured: np.ndarray | None) -> list[Setpoint] | None:
        """What to send this cycle; None when the arm is at rest and nothing is to be said.

        Args:
            now: s.
            running: whether it may move; if not, it decelerates and holds.
            measured: (n,) the joints now, rad; None when they are not known.
        """
        if not np.isfinite(now):
            running, self.fault = False, "the time is not a finite number"
        if not running:
            self._follower.stop()
        if not self._live and not (running or self._follower.moving):
            return None
        command = self._follower.step(now, measured)
        q, qd = command.q, command.qd
        if not command.ok:
            self.fault = command.reason
            self._queue.clear()
            if measured is not None and np.isfinite(measured).all() and np.abs(measured - q).max() > _AWAY:
                self._follower.reset(measured)
                q, qd = self._follower.q, self._follower.qd
        self._live = running or self._follower.moving
        return self._setpoints(q, qd)

    def gripper(self, now: float) -> float | None:
        """The opening wanted now, m, within what the gripper can do; None when there is no target."""
        target = self._queue.target(now)
        if target is None:
            return None
        return float(np.clip(target[self._layout.gripper], self._profile.gripper.closed, self._profile.gripper.open))

    def _setpoints(self, q: np.ndarray, qd: np.ndarray) -> list[Setpoint]:
        """The next point; one cycle at that speed, should the next command be late; then rest, should none come."""
        dt = self._follower.dt
        low, high = self._arm.lower, self._arm.upper
        qd = np.where((q <= low) & (qd < 0) | (q >= high) & (qd > 0), 0.0, qd)
        next_point = Setpoint(dt, q, qd)
        if not np.any(qd):
            return [next_point, Setpoint(10 * dt, q, qd)]  # long enough not to be over when it comes late
        brake = max(float((np.abs(qd) / self._deceleration).max()), dt)
        rest = q + qd * (dt + brake / 2)
        # A joint that would pass its limit brakes at once.
        coast = np.where((rest < low) | (rest > high), 0.0, qd)
        coasted = np.clip(q + (qd + coast) / 2 * dt, low, high)
        rest = np.clip(coasted + coast * brake / 2, low, high)
        return [next_point, Setpoint(2 * dt, coasted, coast), Setpoint(2 * dt + brake, rest, np.zeros_like(qd))]
