# SPDX-License-Identifier: Apache-2.0
"""Where a robot is at the moment an image was taken, in the model's layout: arms, grippers, head, lift and base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.perception.joint_history import JointHistory
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

_POSE = ("x", "y", "yaw")


@dataclass(frozen=True)
class RobotState:
    """A robot at one time.

    Attributes:
        state, mask: (A,) float32 and bool, in the layout; what is not in the mask is 0.
        joints: names of the joints it was computed from.
        positions, velocities: of these (n,); rad and rad/s or m and m/s.
        missing: what of the robot was not heard of at that time, in words.
    """

    state: np.ndarray
    mask: np.ndarray
    joints: tuple[str, ...]
    positions: np.ndarray
    velocities: np.ndarray
    missing: tuple[str, ...]


class RobotStateHistory:
    """Remembers what was heard of a robot. Arms and grippers are needed; head, lift and base may be missing.

    Args:
        profile: the robot.
    """

    def __init__(self, profile: RobotProfile):
        self._profile, self._layout = profile, Layout(profile)
        self._arms = [(one, Arm(one)) for one in profile.arms]
        self._joints = JointHistory([name for one, _ in self._arms for name in (*one.arm.joints, *one.gripper.joints)])
        self._parts = {part.dof: JointHistory(part.joints) for part in profile.parts}
        self._names = {part.dof: f"the joints of the {part.name}" for part in profile.parts}
        if profile.base is not None:
            self._parts[profile.base.dof] = JointHistory(_POSE)
            self._names[profile.base.dof] = f"the odometry at {profile.base.odometry}"

    @property
    def stamp(self) -> float | None:
        """When the arms were heard of last, s; None before the first time."""
        return None if self._joints.newest is None else self._joints.newest.stamp

    def add_joint_state(
        self, stamp: float, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float]
    ) -> str:
        """Takes in one joint state; what of the arms it lacks, in words, where it should be one of theirs."""
        for part in self._profile.parts:
            self._parts[part.dof].add_joint_state(stamp, names, positions, velocities)
        if self._joints.add_joint_state(stamp, names, positions, velocities) or self._joints.names[0] not in names:
            return ""
        return f"joint states lack {', '.join(sorted(set(self._joints.names) - set(names))) or 'numbers'}"

    def add_odometry(self, stamp: float, pose: np.ndarray) -> None:
        """Takes in where the base is: x, y (m) and yaw (rad), (3,)."""
        history = self._parts[self._profile.base.dof]
        if (newest := history.newest) is not None:  # the yaw goes on without a leap, so that it can be interpolated
            turns = np.round((newest.positions[2] - pose[2]) / (2 * np.pi))
            pose = pose + np.array([0.0, 0.0, 2 * np.pi * turns])
        history.add_joint_state(stamp, _POSE, pose.tolist(), ())

    def at(self, stamp: float) -> RobotState | None:
        """The robot at ``stamp`` (s); None when its arms were not heard of near enough to it."""
        tolerance = self._profile.watchdog.joint_state_age
        arms = self._joints.at(stamp, tolerance)
        if arms is None:
            return None
        poses, rest = [], arms.positions
        for one, arm in self._arms:
            own, fingers, rest = np.split(rest, np.cumsum([len(one.arm.joints), len(one.gripper.joints)]))
            poses.append((*arm.fk(own), one.gripper.opening(fingers), own))
        parts = {
            dof: sample for dof, joints in self._parts.items() if (sample := joints.at(stamp, tolerance)) is not None
        }
        values = {dof: sample.positions for dof, sample in parts.items()}
        base = self._profile.base
        if base is not None and base.dof in values:
            x, y, yaw = values[base.dof]
            values[base.dof] = (x, y, (yaw + np.pi) % (2 * np.pi) - np.pi)
        state, mask = self._layout.pack_all(poses, values)
        heard = [part for part in self._profile.parts if part.dof in parts]
        return RobotState(
            state,
            mask,
            (*self._joints.names, *(joint for part in heard for joint in part.joints)),
            np.concatenate([arms.positions, *(parts[part.dof].positions for part in heard)]),
            np.concatenate([arms.velocities, *(parts[part.dof].velocities for part in heard)]),
            tuple(name for dof, name in self._names.items() if dof not in parts),
        )
