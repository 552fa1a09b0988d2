# SPDX-License-Identifier: Apache-2.0
"""A robot over the frames of a recording: where it was and what it was told, as joints, poses and layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wall_oss_ros.data.bags.listeners import Listener, PositionsListener, Sampled, TrajectoryListener
from wall_oss_ros.data.bags.sources import ArmReading, Sources
from wall_oss_ros.perception.robot_state import StateComposer
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotations import matrix_from_quaternion

_STEPS = 5  # parts of a frame over which a base's velocities are summed


@dataclass
class ArmTrack:
    """An arm over N frames: joints (N, n) rad, or position (N, 3) m and rotation (N, 4) x, y, z, w; opening (N,) m."""

    joints: np.ndarray | None = None
    position: np.ndarray | None = None
    rotation: np.ndarray | None = None
    opening: np.ndarray | None = None


@dataclass
class RobotTrack:
    """A robot over N frames. ``parts`` by their place in the layout (N, n); the base's pose among them."""

    arms: list[ArmTrack] = field(default_factory=list)
    parts: dict[str, np.ndarray] = field(default_factory=dict)

    def rows(self, composer: StateComposer) -> np.ndarray:
        """In the model's layout, (N, A) float32."""
        count = len(self.arms[0].opening)
        found = np.zeros((count, composer.layout.size), np.float32)
        for row in range(count):
            poses = [self._pose(composer, number, row) for number in range(len(self.arms))]
            found[row] = composer.pack(poses, {dof: values[row] for dof, values in self.parts.items()})[0]
        return found

    def _pose(self, composer: StateComposer, number: int, row: int) -> tuple:
        arm = self.arms[number]
        if arm.joints is not None:
            return composer.pose(number, arm.joints[row], float(arm.opening[row]))
        return arm.position[row], matrix_from_quaternion(arm.rotation[row]), float(arm.opening[row]), None

    def joints(self) -> np.ndarray | None:
        """Of all arms that are known by their joints, (N, n); None where there are none."""
        known = [arm.joints for arm in self.arms if arm.joints is not None]
        return np.concatenate(known, axis=1) if known else None

    def poses(self) -> np.ndarray | None:
        """Of all arms that are known by their tools, (N, 7 each): position, quaternion; None where there are none."""
        known = [np.hstack([arm.position, arm.rotation]) for arm in self.arms if arm.joints is None]
        return np.concatenate(known, axis=1) if known else None

    def cut(self, rows: slice) -> RobotTrack:
        """Some of the frames."""
        arms = [
            ArmTrack(**{name: None if value is None else value[rows] for name, value in vars(arm).items()})
            for arm in self.arms
        ]
        return RobotTrack(arms, {dof: values[rows] for dof, values in self.parts.items()})


def measured(sources: Sources, profile: RobotProfile, times: np.ndarray) -> RobotTrack:
    """Where the robot was at times (N,) s."""
    track, at = RobotTrack(), 0
    joints = None if sources.joints is None else sources.joints.samples.at(times).values
    for one, reading in zip(profile.arms, sources.arms):
        arm = _mapped(reading, times)
        if reading.joints is None and reading.position is None:
            arm.joints, at = joints[:, at : at + len(one.arm.joints)], at + len(one.arm.joints)
        if reading.gripper is None:
            fingers, at = joints[:, at : at + len(one.gripper.joints)], at + len(one.gripper.joints)
            arm.opening = np.array([one.gripper.opening(each) for each in fingers])
        track.arms.append(arm)
    track.parts = {dof: listener.samples.at(times).values for dof, listener in sources.parts.items()}
    if sources.base is not None:
        track.parts[profile.base.dof] = sources.base.samples.at(times).values
    return track


def told(
    sources: Sources, profile: RobotProfile, times: np.ndarray, lead: float, now: RobotTrack, next_: RobotTrack
) -> RobotTrack:
    """What the robot was told to be at ``times + lead`` (N,) s; where it had been told nothing, its state then.

    Args:
        now, next_: where it was at ``times``, and ``lead`` s later.
    """
    track, when = RobotTrack(), times + lead
    for one, reading, commands, then in zip(profile.arms, sources.told, sources.told_joints, next_.arms):
        arm, count = ArmTrack(opening=then.opening), len(one.arm.joints)
        if commands is not None:
            values, known = references(commands, when)
            arm.joints = _filled(values[:, :count], known[:, :count], then.joints, one)
            if values.shape[1] > count:
                arm.opening = _openings(one, values[:, count:], known[:, count:], then.opening)
        elif reading.joints is not None:
            arm.joints = _filled(*_sampled(reading.joints, when), then.joints, one)
        elif reading.position is not None:
            arm = _told_pose(reading, when, then)
        else:
            arm.joints, arm.position, arm.rotation = then.joints, then.position, then.rotation
        if reading.gripper is not None:
            values, known = references(reading.gripper, when)
            if isinstance(reading.gripper, (TrajectoryListener, PositionsListener)):
                arm.opening = _openings(one, values, known, then.opening)
            else:
                arm.opening = np.where(known[:, 0], values[:, 0], then.opening)
        track.arms.append(arm)
    for dof, values in next_.parts.items():
        listener = sources.told_parts.get(dof)
        if listener is None:
            track.parts[dof] = values
        else:
            said, known = references(listener, when)
            track.parts[dof] = np.where(known, said, values)
    if sources.told_base is not None:
        track.parts[profile.base.dof] = _driven(now.parts[profile.base.dof], velocities(sources, times, lead), lead)
    return track


def velocities(sources: Sources, times: np.ndarray, lead: float) -> np.ndarray:
    """The mean of what the base was told from ``times`` on for ``lead`` s, (N, 3) m/s, rad/s; 0 where it was not."""
    shares = (np.arange(_STEPS) + 0.5) / _STEPS * lead
    told_at = [sources.told_base.samples.at(times + share) for share in shares]
    return np.mean([np.where(one.known[:, None], one.values, 0.0) for one in told_at], axis=0)


def references(listener: Listener, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What was told last (N, n), and what of it had been told by then, (N, n) bool."""
    if isinstance(listener, TrajectoryListener):
        return listener.told.at(times)
    return _sampled(listener, times)


def _sampled(listener: Listener, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(listener, Sampled)
    values, known = listener.samples.at(times)
    return values, np.repeat(known[:, None], values.shape[1], axis=1)


def _mapped(reading: ArmReading, times: np.ndarray) -> ArmTrack:
    def at(listener: Listener | None) -> np.ndarray | None:
        return None if listener is None else references(listener, times)[0]

    opening = at(reading.gripper)
    return ArmTrack(
        at(reading.joints), at(reading.position), at(reading.rotation), None if opening is None else opening[:, 0]
    )


def _told_pose(reading: ArmReading, times: np.ndarray, then: ArmTrack) -> ArmTrack:
    position, known = _sampled(reading.position, times)
    rotation, turned = _sampled(reading.rotation, times)
    known = np.asarray(known[:, :1] & turned[:, :1])
    if then.position is None:  # only joints are known of its state: before the first command the first one stands
        return ArmTrack(None, _backwards(position, known), _backwards(rotation, known), then.opening)
    return ArmTrack(
        None, np.where(known, position, then.position), np.where(known, rotation, then.rotation), then.opening
    )


def _filled(values: np.ndarray, known: np.ndarray, then: np.ndarray | None, one: RobotProfile) -> np.ndarray:
    """Joints that were told; before anything was, those measured, or the first that is told."""
    if then is None:
        values = _backwards(values, known)
        return np.where(np.isfinite(values), values, np.asarray(one.arm.home))
    return np.where(known, values, then)


def _backwards(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    rows = np.asarray(known).all(axis=1)
    if not rows.any():
        return values
    first = int(np.argmax(rows))
    return np.where(np.asarray(rows)[:, None], values, values[first])


def _openings(one: RobotProfile, values: np.ndarray, known: np.ndarray, then: np.ndarray) -> np.ndarray:
    told_at = np.array([one.gripper.opening(each) for each in np.where(known, values, 0.0)])
    return np.where(known.all(axis=1), told_at, then)


def _driven(pose: np.ndarray, velocity: np.ndarray, lead: float) -> np.ndarray:
    """Where a base comes to from poses (N, 3) with velocities (N, 3) along its own axes, at the middle of its turn."""
    yaw = pose[:, 2] + velocity[:, 2] * lead / 2
    cosine, sine = np.cos(yaw), np.sin(yaw)
    x = cosine * velocity[:, 0] - sine * velocity[:, 1]
    y = sine * velocity[:, 0] + cosine * velocity[:, 1]
    return pose + lead * np.stack([x, y, velocity[:, 2]], axis=1)


def knowledge(sources: Sequence[Sampled], times: np.ndarray) -> dict[str, np.ndarray]:
    """By stream of the state: the frames in which it is known, (N,) bool."""
    return {listener.where: listener.samples.at(times).known for listener in sources}
