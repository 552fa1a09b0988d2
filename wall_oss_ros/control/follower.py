# SPDX-License-Identifier: Apache-2.0
"""From a chunk of tool poses, or of joints, to commands that the arm can follow: within reach, workspace and limits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pinocchio
import ruckig

from wall_oss_ros.control.pressing import Pressing
from wall_oss_ros.control.stopping_check import RestPostures, StoppingCheck, holdable_speed, velocity_motion
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile

_LOOKAHEAD = 0.12  # s: steering to where the path will be then follows without lag and rounds its corners
_REACH = 0.03  # m or rad: a pose farther out of reach is refused; a nearer one is replaced by the closest pose
_STILL = 1e-3  # rad/s
_PIECE, _TURN = 0.06, 0.3  # m and rad: the tool's way between two targets is straight, in pieces no longer than this
_HALVINGS = 7  # in looking for how fast the path can be followed
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

    A path that asks for more than a joint or the tool may do is followed more slowly, all joints by one factor, and its
    later targets come later: no limit leads the arm off it.

    Args:
        profile: a robot with this arm alone.
        arm: its kinematics.
        postures: of all the robot's arms; None where this is the only one.
        number: this one's among them.

    Attributes:
        dt: s between commands.
        velocity: (n,) rad/s, the most.
        pressing: told how hard the arm is pushed, keeps it from pressing on.
        slowed_by: what kept it from following in time in the last cycle; empty when nothing did.
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
        self._known_jacobian: np.ndarray | None = None
        self._late, self.slowed_by = 0.0, ""  # s that the path's times have been put off
        self._stopping_check.rests(self.q)

    def goes_on(self, q, qd) -> None:
        """The arm has gone on by what it was sent, to joints (n,) rad at (n,) rad/s; the targets stay."""
        self._state.current_position = np.clip(q, self._arm.lower, self._arm.upper).tolist()
        self._state.current_velocity = np.clip(qd, -self.velocity, self.velocity).tolist()
        self._known_jacobian = None
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
                workspace. The way ends where the tool is in the time that there is, at ``max_tcp_speed``.
        """
        times, positions, rotations = (np.asarray(x, float) for x in (times, positions, rotations))
        if positions.shape != (len(times), 3) or rotations.shape != (len(times), 3, 3):
            return TrackingPlan.refused(f"shapes {positions.shape} and {rotations.shape} do not fit {len(times)} times")
        if reason := self._unfit(now, times, positions, rotations):
            return TrackingPlan.refused(reason)
        ahead = self._ahead(now, times)
        box = self._profile.arm.workspace
        times, positions, rotations = times[ahead], np.clip(positions[ahead], box.min, box.max), rotations[ahead]
        at, knots, left = [now], [self.q], self._profile.arm.max_tcp_speed * (times[-1] - now)
        (here, turned), before = self._arm.fk(knots[0]), now
        for time, position, rotation in zip(times, positions, rotations):
            way, turn = position - here, pinocchio.log3(turned.T @ rotation)
            far = float(np.linalg.norm(way))
            reached = min(1.0, left / max(far, 1e-9))
            pieces = int(np.ceil(reached * max(far / _PIECE, np.linalg.norm(turn) / _TURN) - 1e-9))
            for share in np.linspace(0.0, reached, max(pieces, 1) + 1)[1:]:
                solution = self._arm.ik(here + share * way, turned @ pinocchio.exp3(share * turn), knots[-1])
                if solution.error > _REACH:
                    where = np.round(here + share * way, 3).tolist()
                    return TrackingPlan.refused(f"the pose at {where} m is {solution.error:.3f} m or rad out of reach")
                if reason := self._leap(solution.q - knots[-1], time - before):
                    return TrackingPlan.refused(reason)
                at.append(before + share * (time - before))
                knots.append(solution.q)
            left -= far
            if left <= 0:
                break
            here, turned, before = position, rotation, time
        return TrackingPlan(np.array(at), np.array(knots))

    def plan_joints(self, now: float, times, joints) -> TrackingPlan:
        """As ``plan``, through joints instead of tool poses.

        Args:
            now: the present time.
            times: (n,) increasing, when they are to be reached; those that have passed are skipped.
            joints: (n, J) rad. They are clipped to the joints' range. The way ends as that through poses.
                The tool cannot be clipped to the workspace: joints that lead it out are refused, save on its way back.
        """
        times, joints = np.asarray(times, float), np.asarray(joints, float)
        if joints.shape != (len(times), len(self._arm.home)):
            return TrackingPlan.refused(f"joints of shape {joints.shape} do not fit {len(times)} times")
        if reason := self._unfit(now, times, joints):
            return TrackingPlan.refused(reason)
        ahead = self._ahead(now, times)
        at, knots, before, last = [now], [self.q], now, self.q
        left = self._profile.arm.max_tcp_speed * (times[-1] - now)
        for time, wanted in zip(times[ahead], joints[ahead]):
            beyond = np.maximum(self._arm.lower - wanted, wanted - self._arm.upper)
            if beyond.max() > _REACH:
                name = self._profile.arm.joints[int(np.argmax(beyond))]
                return TrackingPlan.refused(f"{name} would have to go {beyond.max():.2f} rad beyond its range")
            if reason := self._leap(wanted - last, time - before):
                return TrackingPlan.refused(reason)
            way = np.clip(wanted, self._arm.lower, self._arm.upper) - knots[-1]
            tool = float(np.linalg.norm(self._arm.fk(knots[-1] + way)[0] - self._arm.fk(knots[-1])[0]))
            share = min(1.0, left / max(tool, 1e-9))
            at.append(before + share * (time - before))
            knots.append(knots[-1] + share * way)
            if outside := self._stopping_check.strays(knots[-1], knots[-2]):
                return TrackingPlan.refused(
                    f"the joints wanted would lead the tool {outside:.2f} m out of the workspace"
                )
            left -= tool
            if left <= 0:
                break
            before, last = time, wanted
        return TrackingPlan(np.array(at), np.array(knots))

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

    def _leap(self, way: np.ndarray, seconds: float) -> str:
        """Why the joints must not go that way (J,) rad at once; empty when they may."""
        far = np.abs(way)
        if (far > _STEP + _STEPS * self.velocity * seconds).any():
            return f"a joint would have to move {far.max():.2f} rad in {seconds:.2f} s"
        return ""

    def follow(self, plan: TrackingPlan) -> None:
        """Replaces the targets by those of a plan made in this cycle; by none when it was refused."""
        self._path, self._late = _Path(plan.times, plan.knots, self.qd) if plan.ok else None, 0.0

    def headway(self, now: float) -> float:
        """How fast it can follow its path in this cycle, as a share of the time that passes: 1 is in time.

        What is steered to lies ahead on the path by that share of the lookahead. So the speed that leads there is about
        that share of the path's own, and it is the most that every joint and the tool may have. An arm that presses on
        something falls behind for that, which no slower path would help.
        """
        self.slowed_by = ""
        if self._path is None or self.pressing.holds_back:
            return 1.0
        here, jacobian, time = self.q, self._jacobian(), now - self._late

        def excess(share: float) -> np.ndarray:
            speed = self._towards(self._path.at(time + share * _LOOKAHEAD), here)
            tool = np.linalg.norm(jacobian @ speed) / self._profile.arm.max_tcp_speed
            return np.append(np.abs(speed) / self.velocity, tool)

        at_full = excess(1.0)
        if at_full.max() <= 1.0:
            return 1.0
        most, low, high = int(np.argmax(at_full)), 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if excess(middle).max() <= 1.0 else (low, middle)
        joints = self._profile.arm.joints
        self.slowed_by = f"{joints[most]}'s speed" if most < len(joints) else "the tool's speed"
        return low

    def step(self, now: float, headway: float | None = None) -> JointCommand:
        """The joint targets for ``now + dt``; call it once a cycle.

        Args:
            now: the present time.
            headway: how fast the path is followed, where others decide that, too; None is as fast as it can be.
        """
        reason, goal = "", None
        if self._path is not None:
            if headway is None:
                headway = self.headway(now)
            goal = self._path.at(now - self._late + headway * _LOOKAHEAD)
            self._late += (1.0 - headway) * self.dt
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
        self._known_jacobian = None
        return JointCommand(np.clip(self.q, self._arm.lower, self._arm.upper), self.qd, reason)

    def _jacobian(self) -> np.ndarray:
        """(3, n) of the tool's position, where the arm is by its last command; computed once a cycle."""
        if self._known_jacobian is None:
            self._known_jacobian = self._arm.jacobian(self.q)[:3]
        return self._known_jacobian

    def _towards(self, goal: np.ndarray, here: np.ndarray) -> np.ndarray:
        """The joint speeds (n,) rad/s that lead to a goal (n,) rad in the lookahead."""
        return (np.clip(goal, self._arm.lower, self._arm.upper) - here) / _LOOKAHEAD

    def _steer(self, goal) -> int:
        """Turns towards where the path will be in ``_LOOKAHEAD`` (None: brakes); the generator bounds the change.

        Only velocities are handed to the generator: asked for a position with a velocity, it may first back away from
        a near goal to gather speed. All joints take as long for their change as the one that needs longest, so that
        none turns the tool aside by being there first; to come to rest, each brakes as hard as it may.
        """
        speed = np.zeros(len(self._arm.home))
        if goal is not None:
            speed, jacobian = self._towards(goal, self.q), self._jacobian()
            tool = float(np.linalg.norm(jacobian @ speed))
            fastest = float((np.abs(speed) / self.velocity).max())
            speed /= max(1.0, fastest, tool / self._profile.arm.max_tcp_speed)  # as a whole, or it would turn aside
            speed = self.pressing.shape(speed, self.qd, jacobian, self.dt)
        together = ruckig.Synchronization.No if goal is None else ruckig.Synchronization.Time
        self._state.synchronization = together
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
