# SPDX-License-Identifier: Apache-2.0
"""From a chunk of tool poses, or of joints, to commands that the arm can follow: within reach, workspace and limits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import ruckig

from wall_oss_ros.control.pressing import Pressing
from wall_oss_ros.control.stopping_check import RestPostures, StoppingCheck, holdable_speed, velocity_motion
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile

_LOOKAHEAD = 0.12  # s: steering to where the path will be then follows without lag and rounds its corners
_REACH = 0.03  # m or rad: a pose farther out of reach is refused; a nearer one is replaced by the closest pose
_STILL = 1e-3  # rad/s
_STEP, _STEPS = 0.3, 3.0  # rad, and times its fastest: a joint that would move more than both between two targets


class TrackingPlan(NamedTuple):
    """How an arm would go through targets: times (k,) s and joints there (k, n) rad, from now on; or why it cannot."""

    times: np.ndarray
    knots: np.ndarray
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether it can be followed."""
        return not self.reason

    @classmethod
    def refused(cls, reason: str) -> TrackingPlan:
        """No way, and why."""
        return cls(np.empty(0), np.empty((0, 0)), reason)


class JointCommand(NamedTuple):
    """Joint targets for the next cycle: positions (n,) rad, velocities (n,) rad/s; and what is wrong, if anything."""

    q: np.ndarray
    qd: np.ndarray
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reason


class CartesianFollower:
    """Follows chunks of TCP or joint targets with joint motion bounded in velocity, acceleration and jerk.

    Joints move no faster than lets the arm come to rest in 0.2 s, and a command leaves only if the arm could come to
    rest after it within joint limits and workspace and without touching itself or another arm; otherwise it brakes.

    Use: ``reset`` with the joints to start from, then ``plan`` and ``follow`` whenever a chunk arrives and ``step``
    every ``1 / rate_hz``. Chunks join without a jump: a new one starts from the present motion. After the last target,
    after ``stop``, and after anything wrong, the arm decelerates and holds. Times are seconds of one clock, the
    caller's. It knows commands alone: what is read of the arm never enters them here.

    Args:
        profile: a robot with this arm alone.
        arm: its kinematics.
        postures: of all the robot's arms; None where this is the only one.
        number: this one's among them.

    Attributes:
        dt: s between commands.
        velocity: (n,) rad/s, the most.
        pressing: told how hard the arm is pushed, keeps it from pressing on.
    """

    def __init__(self, profile: RobotProfile, arm: Arm, postures: RestPostures | None = None, number: int = 0):
        self._profile, self._arm = profile, arm
        self.dt = 1.0 / profile.command.rate_hz
        joints = len(profile.arm.joints)
        limits = profile.arm.limits
        self.velocity = holdable_speed(arm.velocity, limits.acceleration, limits.jerk, self.dt)
        self._generator, self._next = ruckig.Ruckig(joints, self.dt), ruckig.OutputParameter(joints)
        self._state, self._braking = (velocity_motion(limits, self.velocity) for _ in range(2))
        self._stopping_check = StoppingCheck(profile, arm, postures or RestPostures(profile), number)
        self.pressing = Pressing(profile.arm.force, profile.arm.max_tcp_speed)
        self.reset(arm.home)

    @property
    def q(self) -> np.ndarray:
        """The joint positions commanded last (n,)."""
        return np.array(self._state.current_position)

    @property
    def qd(self) -> np.ndarray:
        """The joint velocities commanded last (n,)."""
        return np.array(self._state.current_velocity)

    @property
    def moving(self) -> bool:
        """Whether the commanded motion has not come to rest."""
        return bool(np.abs(self.qd).max() > _STILL)

    @property
    def following(self) -> bool:
        """Whether it has targets, reached or not."""
        return self._path is not None

    def reset(self, q) -> None:
        """Starts over at rest from joints (n,) rad, and forgets any targets."""
        self._state.current_position = np.clip(np.asarray(q, float), self._arm.lower, self._arm.upper).tolist()
        self._state.current_velocity = [0.0] * len(self._state.current_position)
        self._state.current_acceleration = [0.0] * len(self._state.current_position)
        self._path: _Path | None = None
        self._stopping_check.rests(self.q)

    def goes_on(self, q, qd) -> None:
        """The arm has gone on by what it was sent, to joints (n,) rad at (n,) rad/s; the targets stay."""
        self._state.current_position = np.clip(q, self._arm.lower, self._arm.upper).tolist()
        self._state.current_velocity = np.clip(qd, -self.velocity, self.velocity).tolist()
        self._state.current_acceleration = [0.0] * len(self._state.current_position)

    def stop(self) -> None:
        """Drops the targets: the following steps decelerate and hold."""
        self._path = None

    def stands(self, q) -> None:
        """Somebody has moved the arm, which is at rest, to joints (n,) rad: other arms keep away from it there."""
        self._stopping_check.rests(q)

    def plan(self, now: float, times, positions, rotations) -> TrackingPlan:
        """How to go through targets from the present motion. Nothing changes until it is followed.

        Args:
            now: the present time.
            times: (n,) increasing, when each pose is to be reached; those that have passed are skipped.
            positions: (n, 3) m and rotations (n, 3, 3), of the TCP in the base frame. Positions are clipped to the
                workspace, and slowed to the profile's ``max_tcp_speed``.
        """
        times, positions, rotations = (np.asarray(x, float) for x in (times, positions, rotations))
        if positions.shape != (len(times), 3) or rotations.shape != (len(times), 3, 3):
            return TrackingPlan.refused(f"shapes {positions.shape} and {rotations.shape} do not fit {len(times)} times")
        if reason := self._unfit(now, times, positions, rotations):
            return TrackingPlan.refused(reason)
        ahead = self._ahead(now, times)
        box = self._profile.arm.workspace
        times, positions, rotations = times[ahead], np.clip(positions[ahead], box.min, box.max), rotations[ahead]
        knots = [self.q]
        here, before = self._arm.fk(knots[0])[0], now
        for time, position, rotation in zip(times, positions, rotations):
            way = position - here
            here = here + way * self._share(float(np.linalg.norm(way)), time - before)
            solution = self._arm.ik(here, rotation, knots[-1])
            if solution.error > _REACH:
                where = np.round(here, 3).tolist()
                return TrackingPlan.refused(f"the pose at {where} m is {solution.error:.3f} m or rad out of reach")
            if reason := self._leap(solution.q - knots[-1], time - before):
                return TrackingPlan.refused(reason)
            knots.append(solution.q)
            before = time
        return TrackingPlan(np.concatenate([[now], times]), np.array(knots))

    def plan_joints(self, now: float, times, joints) -> TrackingPlan:
        """As ``plan``, through joints instead of tool poses.

        Args:
            now: the present time.
            times: (n,) increasing, when they are to be reached; those that have passed are skipped.
            joints: (n, J) rad. They are clipped to the joints' range, and slowed to the profile's ``max_tcp_speed``.
                The tool cannot be clipped to the workspace: joints that lead it out are refused, save on its way back.
        """
        times, joints = np.asarray(times, float), np.asarray(joints, float)
        if joints.shape != (len(times), len(self._arm.home)):
            return TrackingPlan.refused(f"joints of shape {joints.shape} do not fit {len(times)} times")
        if reason := self._unfit(now, times, joints):
            return TrackingPlan.refused(reason)
        ahead = self._ahead(now, times)
        knots, before, last = [self.q], now, self.q
        for time, wanted in zip(times[ahead], joints[ahead]):
            beyond = np.maximum(self._arm.lower - wanted, wanted - self._arm.upper)
            if beyond.max() > _REACH:
                name = self._profile.arm.joints[int(np.argmax(beyond))]
                return TrackingPlan.refused(f"{name} would have to go {beyond.max():.2f} rad beyond its range")
            if reason := self._leap(wanted - last, time - before):
                return TrackingPlan.refused(reason)
            way = np.clip(wanted, self._arm.lower, self._arm.upper) - knots[-1]
            tool = float(np.linalg.norm(self._arm.fk(knots[-1] + way)[0] - self._arm.fk(knots[-1])[0]))
            knots.append(knots[-1] + way * self._share(tool, time - before))
            if outside := self._stopping_check.strays(knots[-1], knots[-2]):
                return TrackingPlan.refused(
                    f"the joints wanted would lead the tool {outside:.2f} m out of the workspace"
                )
            before, last = time, wanted
        return TrackingPlan(np.concatenate([[now], times[ahead]]), np.array(knots))

    def _ahead(self, now: float, times: np.ndarray) -> np.ndarray:
        """(n,) bool: which are still to come."""
        return times > now + self.dt / 2

    def _unfit(self, now: float, times: np.ndarray, *targets: np.ndarray) -> str:
        """Why targets cannot be gone through, wherever they lead; empty when they can."""
        if not all(np.isfinite(values).all() for values in (times, *targets)):
            return "the action chunk holds a number that is not finite"
        if (np.diff(times) <= 0).any():
            return "the action chunk's times do not increase"
        if not self._ahead(now, times).any():
            return f"the action chunk ended {now - times[-1]:.2f} s ago"
        return ""

    def _share(self, way: float, seconds: float) -> float:
        """The share of the tool's way (m) that it may go in that time."""
        return min(1.0, self._profile.arm.max_tcp_speed * seconds / max(way, 1e-9))

    def _leap(self, way: np.ndarray, seconds: float) -> str:
        """Why the joints must not go that way (J,) rad at once; empty when they may."""
        far = np.abs(way)
        if (far > _STEP + _STEPS * self.velocity * seconds).any():
            return f"a joint would have to move {far.max():.2f} rad in {seconds:.2f} s"
        return ""

    def follow(self, plan: TrackingPlan) -> None:
        """Replaces the targets by those of a plan made in this cycle; by none when it was refused."""
        self._path = _Path(plan.times, plan.knots, self.qd) if plan.ok else None

    def step(self, now: float) -> JointCommand:
        """The joint targets for ``now + dt``; call it once a cycle."""
        reason = ""
        goal = self._path.at(now + _LOOKAHEAD) if self._path else None
        outcome = self._steer(goal)
        objection = self._objection() if goal is not None and outcome >= 0 else None
        if objection is not None:
            outcome = self._steer(None)
            if objection:
                self._path, reason = None, objection
        if outcome < 0:
            self._path = None
            self._stopping_check.rests(self.q)
            reason = reason or "no motion within the limits was found"
            return JointCommand(self.q, np.zeros_like(self.qd), reason)
        self._next.pass_to_input(self._state)
        return JointCommand(np.clip(self.q, self._arm.lower, self._arm.upper), self.qd, reason)

    def _steer(self, goal) -> int:
        """Turns towards where the path will be in ``_LOOKAHEAD`` (None: brakes); the generator bounds the change.

        Only velocities are handed to the generator: asked for a position with a velocity, it may first back away from
        a near goal to gather speed.
        """
        speed = np.zeros(len(self._arm.home))
        if goal is not None:
            speed = (np.clip(goal, self._arm.lower, self._arm.upper) - self.q) / _LOOKAHEAD
            jacobian = self._arm.jacobian(self.q)[:3]
            tool = float(np.linalg.norm(jacobian @ speed))
            speed *= min(1.0, self._profile.arm.max_tcp_speed / max(tool, 1e-9))
            speed = self.pressing.shape(speed, self.qd, jacobian, self.dt)
        self._state.target_velocity = np.clip(speed, -self.velocity, self.velocity).tolist()
        return int(self._generator.update(self._state, self._next))

    def _objection(self) -> str | None:
        """Why the next command must not leave; see :meth:`StoppingCheck.objection`."""
        self._next.pass_to_input(self._braking)
        return self._stopping_check.objection(self.q, self._braking)


class _Path:
    """A smooth curve through joint knots (cubic Hermite, centred slopes), at rest after the last."""

    def __init__(self, times: np.ndarray, knots: np.ndarray, velocity: np.ndarray):
        self._times, self._knots = times, knots
        self._slopes = np.zeros_like(knots)
        self._slopes[0] = velocity
        self._slopes[1:-1] = (knots[2:] - knots[:-2]) / (times[2:] - times[:-2])[:, None]

    def at(self, time: float) -> np.ndarray:
        """Position (n,)."""
        time = max(time, self._times[0])  # the clock may be set back
        if time >= self._times[-1]:
            return self._knots[-1]
        k = max(0, int(np.searchsorted(self._times, time, side="right")) - 1)
        span = self._times[k + 1] - self._times[k]
        s = (time - self._times[k]) / span
        a, b, u, v = self._knots[k], self._knots[k + 1], self._slopes[k] * span, self._slopes[k + 1] * span
        c, d = 3 * (b - a) - 2 * u - v, 2 * (a - b) + u + v
        return a + s * (u + s * (c + s * d))
