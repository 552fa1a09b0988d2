# SPDX-License-Identifier: Apache-2.0
"""The robot's state at the moment an image was taken, in the model's layout: arms, grippers, head, lift and base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.perception.joint_history import JointHistory
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.stamps import AHEAD

_POSE = ("x", "y", "yaw")


@dataclass(frozen=True)
class RobotState:
    """A robot at one time.

    Attributes:
        state, mask: (A,) float32 and bool, in the layout; entries outside the mask are 0.
        joints: names of the joints that it was computed from.
        positions, velocities: of these joints, (n,); rad and rad/s or m and m/s.
        missing: the sources that had nothing for that time, in words.
    """

    state: np.ndarray
    mask: np.ndarray
    joints: tuple[str, ...]
    positions: np.ndarray
    velocities: np.ndarray
    missing: tuple[str, ...]


class StateComposer:
    """Puts a robot's state together from where its joints and its base are.

    Attributes:
        names: of the joints of all arms and grippers, arm by arm.
        layout: of the state.
    """

    def __init__(self, profile: RobotProfile):
        self.layout = Layout(profile)
        self._arms = [(one, Arm(one)) for one in profile.arms]
        self.names = tuple(name for one, _ in self._arms for name in (*one.arm.joints, *one.gripper.joints))
        self._base = profile.base

    def pose(self, arm: int, joints: np.ndarray, opening: float) -> tuple:
        """What :meth:`Layout.pack` takes of an arm, by its number: joints (n,) rad, opening m."""
        return *self._arms[arm][1].fk(joints), opening, joints

    def poses(self, positions: np.ndarray) -> list[tuple]:
        """For each arm what :meth:`Layout.pack` takes, by positions (n,) of ``names``, rad or m."""
        poses, rest = [], positions
        for number, (one, _) in enumerate(self._arms):
            own, fingers, rest = np.split(rest, np.cumsum([len(one.arm.joints), len(one.gripper.joints)]))
            poses.append(self.pose(number, own, one.gripper.opening(fingers)))
        return poses

    def pack(self, poses: Sequence[tuple], parts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """State (A,) float32 and mask (A,) bool; ``parts`` by their place in the layout, a base's yaw unwrapped."""
        values = dict(parts)
        if self._base is not None and self._base.dof in values:
            x, y, yaw = values[self._base.dof]
            values[self._base.dof] = np.array([x, y, (yaw + np.pi) % (2 * np.pi) - np.pi])
        return self.layout.pack_all(poses, values)


class RobotStateHistory:
    """A robot's latest joint states and odometry. Arms and grippers are needed; head, lift and base are optional."""

    def __init__(self, profile: RobotProfile):
        self._profile, self._composer = profile, StateComposer(profile)
        self._joints = JointHistory(self._composer.names)
        self._parts = {part.dof: JointHistory(part.joints) for part in profile.parts}
        self._names = {part.dof: f"the joints of the {part.name}" for part in profile.parts}
        if profile.base is not None:
            self._parts[profile.base.dof] = JointHistory(_POSE)
            self._names[profile.base.dof] = f"the odometry at {profile.base.odometry}"

    @property
    def stamp(self) -> float | None:
        """Time of the arms' newest joint state, s; None before the first."""
        return None if self._joints.newest is None else self._joints.newest.stamp

    def add_joint_state(
        self, stamp: float, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float]
    ) -> str:
        """Keeps a joint state. Returns what is wrong with the arms' messages, if this is one and cannot be used."""
        for part in self._profile.parts:
            self._parts[part.dof].add_joint_state(stamp, names, positions, velocities)
        if self._joints.add_joint_state(stamp, names, positions, velocities) or self._joints.names[0] not in names:
            return ""
        return self._joints.problem

    def add_odometry(self, stamp: float, pose: np.ndarray) -> None:
        """Keeps the base's pose (3,): x, y (m) and yaw (rad)."""
        history = self._parts[self._profile.base.dof]
        if (newest := history.newest) is not None:  # unwrapped, so that it can be interpolated
            turns = np.round((newest.positions[2] - pose[2]) / (2 * np.pi))
            pose = pose + np.array([0.0, 0.0, 2 * np.pi * turns])
        history.add_joint_state(stamp, _POSE, pose.tolist(), ())

    def complaints(self, now: float, limit: float) -> list[str]:
        """A phrase if the arms have no joint states yet, none of the last ``limit`` seconds, or some of the future."""
        if self.stamp is None:
            return [f"no joint states on {' and '.join(self._profile.joint_sources)} yet"]
        age = now - self.stamp
        if age < -AHEAD:
            return [f"the last joint states are stamped {-age:.1f} s ahead of now: two clocks disagree"]
        return [f"last joint states are {age:.1f} s old"] if age > limit else []

    def at(self, stamp: float) -> RobotState | None:
        """The robot at ``stamp`` (s); None if the arms have no joint states close enough to that time."""
        tolerance = self._profile.watchdog.joint_state_age
        arms = self._joints.at(stamp, tolerance)
        if arms is None:
            return None
        parts = {
            dof: sample for dof, joints in self._parts.items() if (sample := joints.at(stamp, tolerance)) is not None
        }
        values = {dof: sample.positions for dof, sample in parts.items()}
        state, mask = self._composer.pack(self._composer.poses(arms.positions), values)
        known = [part for part in self._profile.parts if part.dof in parts]
        samples = [arms, *(parts[part.dof] for part in known)]
        return RobotState(
            state,
            mask,
            joints=(*self._joints.names, *(joint for part in known for joint in part.joints)),
            positions=np.concatenate([sample.positions for sample in samples]),
            velocities=np.concatenate([sample.velocities for sample in samples]),
            missing=tuple(name for dof, name in self._names.items() if dof not in parts),
        )
