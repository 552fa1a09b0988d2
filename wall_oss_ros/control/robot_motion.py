# SPDX-License-Identifier: Apache-2.0
"""From action chunks to what is sent to a robot's arms, one or several: they move together, and hold together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wall_oss_ros.control.arm_motion import ArmMotion
from wall_oss_ros.control.chunk_queue import Chunk, ChunkQueue
from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.control.stopping_check import RestPostures
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

_OUTSIDE = 0.1  # m: a target farther outside the workspace than this is a mistake; a nearer one is clipped
_AHEAD = 0.5  # s: an observation this far in the future was made on another clock, or before the clock was set back


class RobotMotion:
    """Keeps a robot's arms moving along chunks, or brings them to rest. What stops one of them stops all.

    Joints are given and taken arm by arm, in the order of the profile's: (n,) is all of them in one vector.

    Args:
        profile: the robot.
        arms: the kinematics of its arms; None reads them.
        blend_s: seconds to go over from one chunk to the next.
        joining: how chunks are joined, see :class:`ChunkQueue`.
        collisions: of its links; None computes them.

    Attributes:
        joints: names of all arms' joints, arm by arm.
        queue: the chunks being followed.
        fault: what was wrong with the last chunk or step; empty when all was well.

    Raises:
        WallOSSError: the arms' commands have different rates, or the URDF does not fit the profile.
    """

    def __init__(
        self,
        profile: RobotProfile,
        arms: Sequence[Arm] | None = None,
        blend_s: float = 0.15,
        joining: str = "blend",
        collisions: SelfCollision | None = None,
    ):
        self._profile, self._profiles, self.layout = profile, profile.arms, Layout(profile)
        rates = [one.command.rate_hz for one in self._profiles]
        if len(set(rates)) > 1:
            raise WallOSSError(
                f"Profile {profile.name!r}: the arms are commanded at {rates} Hz; one rate for all was expected.",
                "Give each arm's command the same rate_hz: they move in one cycle.",
            )
        self.arms = tuple(Arm(one) for one in self._profiles) if arms is None else tuple(arms)
        self.joints = tuple(joint for one in self._profiles for joint in one.arm.joints)
        self._ends = np.cumsum([len(one.arm.joints) for one in self._profiles])[:-1]
        self._postures = RestPostures(profile, collisions)
        self._motions = [
            ArmMotion(one, arm, self._postures, number)
            for number, (one, arm) in enumerate(zip(self._profiles, self.arms))
        ]
        self._angles = [angles for layout in self.layout.arms for angles in layout.space.angles]
        if profile.base is not None:
            yaw = self.layout.slots[profile.base.dof].stop - 1
            self._angles.append(slice(yaw, yaw + 1))
        self.queue = ChunkQueue(self._angles, [layout.gripper for layout in self.layout.arms], blend_s, joining)
        self.fault = ""

    @property
    def moving(self) -> bool:
        """Whether the commanded motion of any arm has not come to rest."""
        return any(motion.moving for motion in self._motions)

    def drop(self) -> None:
        """Forgets all targets; the following steps come to rest."""
        self.queue.clear()
        for motion in self._motions:
            motion.stop()

    def fail(self, reason: str) -> None:
        """Something else of the robot is wrong: they come to rest, and ``fault`` says why until the next chunk."""
        self.fault = reason
        self.drop()

    def place(self, joints: Sequence[str], positions) -> None:
        """Joints of head or lift are at these positions (n,), rad or m, or come to rest there."""
        self._postures.parts.update(zip(joints, positions))

    @property
    def parts(self) -> dict[str, float]:
        """Where joints of head and lift are or come to rest, rad or m, by name; only those that have been placed."""
        return dict(self._postures.parts)

    def touching(self) -> str:
        """Two links that touch where arms, head and lift come to rest, in words; empty when none do."""
        return self._postures.all_touching()

    def follow_chunk(
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
            The chunk's absolute targets (horizon, A); None when it is no chunk of targets within the workspace.
        """
        targets, self.fault = self._absolute(state, actions)
        if targets is not None and not stamp <= now + _AHEAD:  # not a number counts as ahead
            targets, self.fault = None, f"the action chunk is for a time {stamp - now:.1f} s ahead"
        if targets is None:
            self.drop()
            return None
        chunk = Chunk(stamp, np.asarray(state, float), targets, self._profile.rate_hz)
        if not self.queue.put(chunk, now):
            if chunk.end <= now:
                self.fault = f"the model is too slow: its actions were over {now - chunk.end:.1f} s before they came"
            return targets
        self._follow(now, self._split(measured))
        return targets

    def follow_joints(self, now: float, times: np.ndarray, joints: np.ndarray, measured: np.ndarray) -> None:
        """Goes through postures instead of a chunk's targets, within the same limits; the way has been checked before.

        Args:
            now: s.
            times: (k,) s from now, increasing.
            joints: (k, n) rad at these times.
            measured: (n,) the joints now, rad.
        """
        self.queue.clear()
        self.fault = ""
        for motion, knots, here in zip(self._motions, np.split(joints, self._ends, axis=1), self._split(measured)):
            motion.follow_joints(now, now + times, knots, here)

    def step(self, now: float, running: bool, measured: np.ndarray | None) -> list[list[Setpoint] | None]:
        """What to send each arm this cycle; None for one that is at rest and needs no command.

        Args:
            now: s.
            running: whether they may move; if not, they decelerate and hold.
            measured: (n,) the joints now, rad; None when they are not known.
        """
        sent = []
        for motion, joints in zip(self._motions, self._split(measured)):
            sent.append(motion.step(now, running, joints))
            running = running and not motion.fault
        if any(motion.fault for motion in self._motions):
            self.fail(self._told([motion.fault for motion in self._motions]))
        return sent

    def openings(self, now: float) -> list[float | None]:
        """The opening of each arm's gripper wanted now, m, within what it can do; None when there is no target."""
        target = self.queue.target(now)
        if target is None:
            return [None] * len(self._profiles)
        grippers = [(layout.gripper, one.gripper) for layout, one in zip(self.layout.arms, self._profiles)]
        return [float(np.clip(target[entry], gripper.closed, gripper.open)) for entry, gripper in grippers]

    def remaining(self, stamp: float, state: np.ndarray) -> np.ndarray:
        """What a chunk from an observation would have to say to go on as before.

        Args:
            stamp: when the observation was made, s.
            state: (A,) the state then.

        Returns:
            (n, A) in the profile's action mode; step k is for stamp + (k + 1) / rate. n is 0 when nothing is left.
        """
        left = self.queue.remaining(stamp)
        if not len(left):
            return np.empty((0, self.layout.size))
        left = self.layout.relative(left, state)
        if self._profile.action_mode == "relative":
            for part in self._angles:
                left[:, part] = (left[:, part] + np.pi) % (2 * np.pi) - np.pi
        return left

    def _absolute(self, state, actions) -> tuple[np.ndarray | None, str]:
        size = self.layout.size
        actions = np.asarray(actions)
        if actions.ndim != 2 or actions.shape[1] != size or len(actions) == 0 or np.shape(state) != (size,):
            return None, f"the action chunk has shape {actions.shape}, expected (steps, {size})"
        with np.errstate(all="ignore"):
            targets = self.layout.absolute(actions, state)
        given = np.isfinite(actions).all() and np.isfinite(state).all()
        if given and any(faults := [own.fault(np.vstack([actions, state])) for own in self.layout.arms]):
            return None, self._told(faults)
        if not (given and np.isfinite(targets).all()):
            return None, "the action chunk holds a number that is not finite"
        outside = [self._outside(one, layout, targets, state) for one, layout in zip(self._profiles, self.layout.arms)]
        return (None, self._told(outside)) if any(outside) else (targets, "")

    @staticmethod
    def _outside(profile: RobotProfile, layout: Layout, targets: np.ndarray, state: np.ndarray) -> str:
        box = profile.arm.workspace
        if (outside := box.outside(layout.tool_positions(targets))) <= _OUTSIDE:
            return ""
        if (away := box.outside(layout.tool_positions(state))) > _OUTSIDE:  # no action could help
            return f"the tool is {away:.2f} m outside the workspace: end the plan, and call the service home"
        return f"the action chunk leaves the workspace by {outside:.2f} m"

    def _follow(self, now: float, measured: Sequence[np.ndarray]) -> None:
        times, targets = self.queue.ahead(now)
        plans = [motion.plan(now, times, targets, joints) for motion, joints in zip(self._motions, measured)]
        self.fault = self._told([plan.reason for plan in plans])
        if not self.fault:
            for knots in zip(*(plan.knots[1:] for plan in plans)):
                if touching := self._postures.all_touching(knots):
                    self.fault = f"{touching} would touch on the way that the action chunk goes"
                    break
        if self.fault:
            self.drop()
            return
        for motion, plan in zip(self._motions, plans):
            motion.follow(plan)

    def _split(self, joints: np.ndarray | None) -> Sequence[np.ndarray | None]:
        """Each arm's part of all joints."""
        return [None] * len(self._motions) if joints is None else np.split(np.asarray(joints, float), self._ends)

    def _told(self, reasons: Sequence[str]) -> str:
        """The first reason there is, with the arm's name where there are several."""
        number, reason = next(((n, reason) for n, reason in enumerate(reasons) if reason), (0, ""))
        return reason if not reason or len(reasons) == 1 else f"{self._profiles[number].arm.name}: {reason}"
