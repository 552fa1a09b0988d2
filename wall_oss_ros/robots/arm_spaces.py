# SPDX-License-Identifier: Apache-2.0
"""How a model says where an arm is and is to go: its tool's pose, with Euler angles or 6-D rotations, or its joints.

Each way is a class that knows one arm's entries in the layout's vectors, all but its gripper's. Positions are m in the
arm's base frame, angles rad. Rotations are written relative to the profile's ``tool_rotation`` R_ref: as R R_ref^T.

Displacements are measured from the state that a chunk begins at. Those of positions, Euler angles and joints are
differences. That of a 6-D rotation is the rotation from the observed tool to the wanted one about the axes of the base
frame, R_target R_observed^T: the identity, (1, 0, 0, 0, 1, 0), when nothing moves. The public WALL-OSS code composes
in the same order (github.com/X-Square-Robot/wall-x, ``wall_x/_vendor/x2robot_utils/geometry.py``). Where targets are
absolute, ``start`` is what :meth:`ArmSpace.rest` writes, from which every displacement leads to itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotations import (
    euler_from_matrix,
    matrix_from_euler,
    matrix_from_quaternion,
    matrix_from_six,
    six_from_matrix,
)


class ArmSpace(ABC):
    """One arm's entries. ``rows`` are (..., A) float64 and changed in place; ``start`` is (A,).

    Attributes:
        entries: (m,) int, all of them.
        added: (m',) int, those whose displacements are differences.
        position: where the tool's position is; None where the joints are.
        rotation: where the tool's rotation is; None where the joints are.
        angles: those of the entries that jump at +-pi.
        joints: where the joints are; None where the tool's pose is.
    """

    rotation: slice | None = None
    position: slice | None = None
    joints: slice | None = None
    angles: tuple[slice, ...] = ()
    entries: np.ndarray
    added: np.ndarray

    @abstractmethod
    def write(self, vector: np.ndarray, position, rotation, joints) -> None:
        """Puts an arm with its tool at position (3,), rotation (3, 3) and its joints (n,) into a vector (A,)."""

    @abstractmethod
    def pose(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tool's position (3,) and rotation (3, 3) in a vector (A,); not numbers where ``fault`` objects."""

    @abstractmethod
    def positions(self, rows: np.ndarray) -> np.ndarray:
        """The tool's positions (..., 3)."""

    def rest(self, vector: np.ndarray) -> None:
        """Writes the displacement of an arm that stays into a vector (A,) of zeros."""

    def fault(self, rows: np.ndarray) -> str:
        """Why these finite numbers mean nothing, in words; empty when they do."""
        return ""

    def absolute(self, rows: np.ndarray, start: np.ndarray) -> None:
        """From displacements to targets."""
        rows[..., self.added] += start[self.added]

    def relative(self, rows: np.ndarray, start: np.ndarray) -> None:
        """From targets to displacements."""
        rows[..., self.added] -= start[self.added]


class _ToolPose(ArmSpace):
    def __init__(self, profile: RobotProfile, slots: dict[str, slice]):
        self.position, self.rotation = slots[profile.arm.position_dof], slots[profile.arm.rotation_dof]
        self.entries = np.concatenate([_indices(self.position), _indices(self.rotation)])
        self._reference = matrix_from_quaternion(profile.arm.tool_rotation)

    def write(self, vector, position, rotation, joints) -> None:
        vector[self.position] = position
        vector[self.rotation] = self._numbers(rotation @ self._reference.T)

    def pose(self, vector) -> tuple[np.ndarray, np.ndarray]:
        return vector[self.position].copy(), self._matrices(vector[self.rotation]) @ self._reference

    def positions(self, rows) -> np.ndarray:
        return rows[..., self.position]

    @abstractmethod
    def _numbers(self, rotations: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _matrices(self, numbers: np.ndarray) -> np.ndarray: ...


class EulerPose(_ToolPose):
    """Position and Euler angles; displacements of angles are differences."""

    def __init__(self, profile: RobotProfile, slots: dict[str, slice]):
        super().__init__(profile, slots)
        self.added, self.angles = self.entries, (self.rotation,)

    def _numbers(self, rotations) -> np.ndarray:
        return euler_from_matrix(rotations)

    def _matrices(self, numbers) -> np.ndarray:
        return matrix_from_euler(numbers)


class SixNumberPose(_ToolPose):
    """Position and 6-D rotation: by ``arm.rotation_6d`` the matrix's first column, then its second, as in Zhou et al.,
    "On the Continuity of Rotation Representations in Neural Networks", arXiv 1812.07035; or its first row, then its
    second, as the public WALL-OSS code has them.

    Targets are made orthonormal, so what leaves :meth:`absolute` is a rotation.
    """

    def __init__(self, profile: RobotProfile, slots: dict[str, slice]):
        super().__init__(profile, slots)
        self.added, self._rows = _indices(self.position), profile.arm.rotation_6d == "rows"

    def rest(self, vector) -> None:
        vector[self.rotation] = self._numbers(np.eye(3))

    def fault(self, rows) -> str:
        if np.isfinite(self._matrices(rows[..., self.rotation])).all():
            return ""
        return "the action chunk or its state holds six numbers that are no rotation: zero or nearly parallel vectors"

    def absolute(self, rows, start) -> None:
        super().absolute(rows, start)
        turned = self._matrices(rows[..., self.rotation]) @ self._matrices(start[self.rotation])
        rows[..., self.rotation] = self._numbers(turned)

    def relative(self, rows, start) -> None:
        super().relative(rows, start)
        turned = self._matrices(rows[..., self.rotation]) @ self._matrices(start[self.rotation]).T
        rows[..., self.rotation] = self._numbers(turned)

    def _numbers(self, rotations) -> np.ndarray:
        return six_from_matrix(np.swapaxes(rotations, -1, -2) if self._rows else rotations)

    def _matrices(self, numbers) -> np.ndarray:
        matrices = matrix_from_six(numbers)
        return np.swapaxes(matrices, -1, -2) if self._rows else matrices


class Joints(ArmSpace):
    """The arm's joints, in the profile's order. Their angles do not jump: joints have ends."""

    def __init__(self, profile: RobotProfile, slots: dict[str, slice]):
        self._profile = profile
        self.joints = slots[profile.arm.joints_dof]
        self.entries = self.added = _indices(self.joints)

    def write(self, vector, position, rotation, joints) -> None:
        if joints is None:
            raise ValueError(f"the {self._profile.arm.name}'s state is its joints; they must be given")
        vector[self.joints] = joints

    def pose(self, vector) -> tuple[np.ndarray, np.ndarray]:
        return self._kinematics.fk(vector[self.joints])

    def positions(self, rows) -> np.ndarray:
        flat = rows[..., self.joints].reshape(-1, len(self.entries))
        return np.array([self._kinematics.fk(q)[0] for q in flat]).reshape(*rows.shape[:-1], 3)

    @cached_property
    def _kinematics(self) -> Arm:
        return Arm(self._profile)  # only where a tool's pose is asked for: it takes some milliseconds to read the URDF


def arm_space(profile: RobotProfile, slots: dict[str, slice]) -> ArmSpace:
    """The way that a profile chooses for its first arm. ``slots``: where each part of ``dof_config`` is."""
    if profile.arm.joints_dof is not None:
        return Joints(profile, slots)
    return (SixNumberPose if profile.dof_config[profile.arm.rotation_dof] == 6 else EulerPose)(profile, slots)


def _indices(slot: slice) -> np.ndarray:
    return np.arange(slot.start, slot.stop)
