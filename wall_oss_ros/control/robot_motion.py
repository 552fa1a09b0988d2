# SPDX-License-Identifier: Apache-2.0
"""From action chunks to what is sent to a robot's arms, one or several: they move together, and hold together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wall_oss_ros.control.arm_motion import ArmMotion
from wall_oss_ros.control.chunk_queue import ChunkQueue
from wall_oss_ros.control.lateness import Lateness, PartsPace
from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.control.stopping_check import RestPostures
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.chunk import Chunk, of_arm
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

_OUTSIDE = 0.1  # m: a target farther outside the workspace than this is a mistake; a nearer one is clipped
_NEAR = 0.01  # rad: a way through postures that ends so near its end has reached it
_AHEAD = 0.5  # s: an observation this far in the future was made on another clock, or before the clock was set back


class RobotMotion:
    """Keeps a robot's arms moving along chunks, or brings them to rest. What stops one of them stops all.

    They also keep time together: where the limits of one arm, or of head, lift or base, do not let it follow in time,
    all targets are put off, so that none leaves its path or gets ahead of the others.

    Joints are given and taken arm by arm, in the order of the profile's: (n,) is all of them in one vector.

    What is read of the arms is given to ``hear`` as it comes, and judged there (:class:`Anchor`). Callers who know
    where the arms are, as a simulation does, may hand that in as ``measured`` in place of it; the first counts as
    known.

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
        anchors: tie each arm's commands to its readings.
        moves: (A,) bool, the entries of the layout that the model decides; None is all of them.
        late: s by which the targets that are followed have been put off.
        slowed_by: what the last cycle put them off for; empty when nothing did.

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
        self.queue = ChunkQueue(self.layout.angles, [layout.gripper for layout in self.layout.arms], blend_s, joining)
        self.fault = ""
        self.anchors = tuple(motion.anchor for motion in self._motions)
        self.moves: np.ndarray | None = None
        self._lateness, self._parts_pace = Lateness(), PartsPace(profile)
        self._dt = 1.0 / rates[0]
        self.late, self.slowed_by = 0.0, ""
        self._goal: np.ndarray | None = None  # (n,) where a way through postures ends, which nobody will send again

    def hear(self, arm: int, stamp: float, q: np.ndarray) -> None:
        """The arm of that number was read to be at joints (k,) rad, finite numbers, at ``stamp`` (s)."""
        self.anchors[arm].hear(stamp, q)

    @property
    def believed(self) -> np.ndarray | None:
        """The newest joints (n,) rad that are believed; None when those of an arm are not known."""
        found = [anchor.trust.believed for anchor in self.anchors]
        return None if any(q is None for q in found) else np.concatenate(found)

    def accept(self) -> bool:
        """A person has looked at readings that jumped, or an arm that did not follow. Whether any waited for that."""
        waited = max([anchor.accept() for anchor in self.anchors])  # all of them
        if waited:
            self.fault = ""
        return waited

    def forget(self) -> None:
        """The clock has leapt: all targets are dropped, and readings start over."""
        self.drop()
        self._lateness.forget()
        for anchor in self.anchors:
            anchor.forget()

    @property
    def moving(self) -> bool:
        """Whether the commanded motion of any arm has not come to rest."""
        return any(motion.moving for motion in self._motions)

    def feel(self, arm: str, newtons: float) -> None:
        """How hard the arm of that name is pushed now: it presses no further against what it has met."""
        for one, motion in zip(self._profiles, self._motions):
            if one.arm.name == arm:
                motion.feel(newtons)

    def drop(self) -> None:
        """Forgets all targets; the following steps come to rest."""
        self.queue.clear()
        self._goal = None
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

    def follow_chunk(self, now: float, chunk: Chunk, measured: np.ndarray | None = None) -> bool:
        """Follows a new chunk from now on; or comes to rest, with ``fault`` saying why.

        Args:
            now: s.
            chunk: absolute targets; they are looked through once more.
            measured: (n,) the joints now, rad, where they are known otherwise than by ``hear``.

        Returns:
            Whether it is a chunk of targets within the workspace.
        """
        self.fault = self._wrong(now, chunk)
        if self.fault:
            self.drop()
            return False
        self._goal = None
        late = self._lateness.since(chunk.stamp)
        if self.queue.put(chunk, now, late):
            self.late = late
            self._see(now, measured)
            self._follow(now)
        elif chunk.end + late <= now:
            self.fault = f"the model is too slow: its actions were over {now - chunk.end - late:.1f} s before they came"
        return True

    def follow_joints(
        self, now: float, times: np.ndarray, joints: np.ndarray, measured: np.ndarray | None = None
    ) -> None:
        """Goes through postures instead of a chunk's targets, within the same limits; the way has been checked before.

        Args:
            now: s.
            times: (k,) s from now, increasing.
            joints: (k, n) rad at these times.
            measured: as in ``follow_chunk``.
        """
        self.queue.clear()
        self.late = 0.0
        self._see(now, measured)
        ways = zip(self._motions, np.split(joints, self._ends, axis=1))
        self.fault = of_arm(self.layout, [motion.follow_joints(now, now + times, knots) for motion, knots in ways])
        self._goal = joints[-1]
        if self.fault:
            self.drop()

    def step(
        self, now: float, running: bool, measured: np.ndarray | None = None, lost: float = 0.0
    ) -> list[list[Setpoint] | None]:
        """What to send each arm this cycle; None for one that is at rest and needs no command.

        Args:
            now: s.
            running: whether they may move; if not, they decelerate and hold.
            measured: as in ``follow_chunk``.
            lost: see :class:`~wall_oss_ros.control.beat.Tick`.
        """
        unreadable = self._see(now, measured)
        sent, running = [], running and not unreadable
        headway = self._headway(now) if running else 1.0
        for motion in self._motions:
            sent.append(motion.step(now, running, lost, headway))
            running = running and not motion.fault
        self._put_off(now, (1.0 - headway) * self._dt)
        if unreadable:
            self.fail(unreadable)
        if any(motion.fault for motion in self._motions):
            self.fail(of_arm(self.layout, [motion.fault for motion in self._motions]))
        elif lost and running and self._stranded:
            self.fail(f"control stood still for {lost:.1f} s, and the motion came to rest on its way")
        return sent

    @property
    def _stranded(self) -> bool:
        """Whether arms have come to rest on a way through postures, which is over for them before its end."""
        if self._goal is None or all(motion.following for motion in self._motions):
            return False
        return np.abs(np.concatenate([anchor.command for anchor in self.anchors]) - self._goal).max() > _NEAR

    def openings(self, now: float) -> list[float | None]:
        """The opening of each arm's gripper wanted now, m, within what it can do; None when there is no target."""
        target = self.queue.target(now)
        if target is None:
            return [None] * len(self._profiles)
        grippers = [(layout.gripper, one.gripper) for layout, one in zip(self.layout.arms, self._profiles)]
        return [float(np.clip(target[entry], gripper.closed, gripper.open)) for entry, gripper in grippers]

    def _headway(self, now: float) -> float:
        """How fast all can follow their targets in this cycle, as a share of the time that passes."""
        self.slowed_by = ""
        if not np.isfinite(now):
            return 1.0
        shares = [motion.headway(now) for motion in self._motions]
        headway = min(shares)
        if headway < 1.0:
            reasons = [motion.slowed_by if share == headway else "" for motion, share in zip(self._motions, shares)]
            self.slowed_by = of_arm(self.layout, reasons)
        if self._parts_pace.none or (before := self.queue.target(now)) is None:
            return headway
        span = 1.0 / self._profile.rate_hz
        after = self.queue.target(min(now + span, self.queue.end))
        of_parts, reason = self._parts_pace.headway(before, after, span, self.moves)
        if of_parts < headway:
            headway, self.slowed_by = of_parts, reason
        return headway

    def _put_off(self, now: float, seconds: float) -> None:
        """All targets by so much, s."""
        if seconds > 0 and np.isfinite(now):
            self._lateness.add(now, seconds)
            self.queue.delay(seconds)
            self.late += seconds

    def _wrong(self, now: float, chunk: Chunk) -> str:
        """Why a chunk cannot be followed; empty when nothing speaks against it."""
        size, targets = self.layout.size, np.asarray(chunk.targets)
        if targets.ndim != 2 or targets.shape[1] != size or len(targets) == 0 or np.shape(chunk.start) != (size,):
            return f"the action chunk has shape {targets.shape}, expected (steps, {size})"
        if not (np.isfinite(targets).all() and np.isfinite(chunk.start).all()):
            return "the action chunk holds a number that is not finite"
        if not (np.isfinite(chunk.rate_hz) and chunk.rate_hz > 0):
            return f"the action chunk has {chunk.rate_hz:g} steps a second"
        if faults := of_arm(self.layout, [own.fault(np.vstack([targets, chunk.start])) for own in self.layout.arms]):
            return faults
        if not chunk.stamp <= now + _AHEAD:  # not a number counts as ahead
            return f"the action chunk is for a time {chunk.stamp - now:.1f} s ahead"
        outside = [
            self._outside(one, layout, targets, chunk.start) for one, layout in zip(self._profiles, self.layout.arms)
        ]
        return of_arm(self.layout, outside)

    @staticmethod
    def _outside(profile: RobotProfile, layout: Layout, targets: np.ndarray, state: np.ndarray) -> str:
        box = profile.arm.workspace
        if (outside := box.outside(layout.tool_positions(targets))) <= _OUTSIDE:
            return ""
        if (away := box.outside(layout.tool_positions(state))) > _OUTSIDE:  # no action could help
            return f"the tool is {away:.2f} m outside the workspace: end the plan, and call the service home"
        return f"the action chunk leaves the workspace by {outside:.2f} m"

    def _see(self, now: float, measured: np.ndarray | None) -> str:
        """Takes in joints (n,) rad that are known otherwise than by ``hear``; why they are none, if so."""
        if measured is None or not np.isfinite(now):
            return ""
        parts = zip(self.anchors, np.split(np.array(measured, float), self._ends))
        return next(filter(None, [anchor.know(now, q) for anchor, q in parts]), "")

    def _follow(self, now: float) -> None:
        times, targets = self.queue.ahead(now)
        plans = [motion.plan(now, times, targets) for motion in self._motions]
        self.fault = of_arm(self.layout, [plan.reason for plan in plans])
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
