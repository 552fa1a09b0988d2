# SPDX-License-Identifier: Apache-2.0
"""Where each quantity sits in the model's state and action vectors, and how to get in and out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wall_oss_ros.robots.arm_spaces import arm_space
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotations import euler_from_matrix, matrix_from_euler, matrix_from_quaternion


class Layout:
    """The vector layout of a profile's ``dof_config``; ``size`` is 20 for the released models.

    The tool's rotation is written relative to the profile's ``tool_rotation``: that of R R_ref^T. A tool that points
    straight down then has Euler angles near zero instead of near the jump at +-pi.

    Attributes:
        arms: the layout of each arm alone, in the order of the profile's; what is said of one arm here is of the first.
        space: how the model says where that arm is, see :mod:`wall_oss_ros.robots.arm_spaces`.
        position, rotation, joints: where it says so; None for what it does not say.
        gripper: index of its opening.
        mask: (size,) bool, the entries that this robot has.
        optional: (size,) bool, those of them that a model may leave alone: head, lift and base.
    """

    def __init__(self, profile: RobotProfile):
        self.profile = profile
        self.slots: dict[str, slice] = {}
        start = 0
        for name, size in profile.dof_config.items():
            self.slots[name] = slice(start, start + size)
            start += size
        self.size = start
        self.space = arm_space(profile, self.slots)
        self.position, self.rotation, self.joints = self.space.position, self.space.rotation, self.space.joints
        self.gripper = self.slots[profile.gripper.dof].start
        self._reference = matrix_from_quaternion(profile.arm.tool_rotation)
        self.mask = np.zeros(self.size, bool)
        self.optional = np.zeros(self.size, bool)
        self.arms = (self,) if len(profile.arms) == 1 else tuple(Layout(one) for one in profile.arms)
        self._still = np.zeros(self.size)  # the displacement that leaves everything as it is
        for own in self.arms:
            self.mask[own.arm_mask] = True
            own.space.rest(self._still)
        for dof in (*(part.dof for part in profile.parts), *([profile.base.dof] if profile.base else ())):
            self.mask[self.slots[dof]] = self.optional[self.slots[dof]] = True
        self._driven = self.slots[profile.base.dof] if profile.base is not None else slice(0)

    @property
    def angles(self) -> list[slice]:
        """Where the arms' and the base's angles are, which may be mixed the short way round."""
        found = [angles for own in self.arms for angles in own.space.angles]
        if (base := self.profile.base) is not None:
            found.append(slice(self.slots[base.dof].stop - 1, self.slots[base.dof].stop))
        return found

    @property
    def arm_mask(self) -> np.ndarray:
        """(size,) bool: the entries of the first arm and its gripper, without a rotation that never changes."""
        mask = np.zeros(self.size, bool)
        mask[self.space.entries] = True
        if self.profile.arm.keeps_rotation:
            mask[self.rotation] = False
        mask[self.gripper] = True
        return mask

    def state_rotation(self, rotation: np.ndarray) -> np.ndarray:
        """Euler angles (3,) of the tool's rotation (3, 3), measured from ``tool_rotation``."""
        return euler_from_matrix(rotation @ self._reference.T)

    def tool_rotation(self, angles) -> np.ndarray:
        """The tool's rotation (3, 3) in the base frame for Euler angles (3,) measured from ``tool_rotation``."""
        return matrix_from_euler(angles) @ self._reference

    def pack(self, position, rotation, opening: float, joints=None) -> tuple[np.ndarray, np.ndarray]:
        """State vector (size,) float32 and its mask (size,) bool of one arm.

        Args:
            position: (3,) m and rotation: (3, 3), of the TCP.
            opening: m.
            joints: (n,) rad; needed where the model moves them.
        """
        state = np.zeros(self.size, np.float32)
        self.space.write(state, position, rotation, joints)
        state[self.gripper] = opening
        return state, self.arm_mask

    def pack_all(
        self, poses: Sequence[tuple], parts: Mapping[str, Sequence[float] | np.ndarray] = {}
    ) -> tuple[np.ndarray, np.ndarray]:
        """State vector (size,) float32 and its mask (size,) bool of all arms.

        Args:
            poses: for each arm, in the order of the profile's, what ``pack`` takes.
            parts: values by the name of their entries in ``dof_config``; those not given are not in the mask.
        """
        state, mask = np.zeros(self.size, np.float32), np.zeros(self.size, bool)
        for layout, pose in zip(self.arms, poses, strict=True):
            own = layout.arm_mask
            state[own] = layout.pack(*pose)[0][own]
            mask |= own
        for name, values in parts.items():
            state[self.slots[name]] = values
            mask[self.slots[name]] = True
        return state, mask

    def unpack(self, vector) -> tuple[np.ndarray, np.ndarray, float]:
        """TCP position (3,), rotation (3, 3) and opening (m) from an absolute state or action vector (size,)."""
        vector = np.asarray(vector, float)
        return *self.space.pose(vector), float(vector[self.gripper])

    def tool_positions(self, vectors) -> np.ndarray:
        """TCP positions (..., 3) m in absolute vectors (..., size)."""
        return self.space.positions(np.asarray(vectors, float))

    def fault(self, rows) -> str:
        """Why finite numbers (..., size) for the arms mean nothing, in words; empty when they do."""
        return next((words for own in self.arms if (words := own.space.fault(np.asarray(rows, float)))), "")

    def absolute(self, chunk, state) -> np.ndarray:
        """Absolute targets (horizon, size) of a chunk in the profile's action mode that began at ``state`` (size,).

        A base's displacements are along its own axes at the observation, its targets along those of its odometry.
        Targets are not numbers where ``fault`` objects to chunk or state.
        """
        rows, start = self._turned(chunk, state, 1.0), self._start(state)
        for own in self.arms:
            own.space.absolute(rows, start)
        rows[..., self._driven] += start[self._driven]
        return rows

    def relative(self, chunk, state) -> np.ndarray:
        """The inverse of ``absolute``."""
        rows, start = np.array(chunk, np.float64), self._start(state)
        for own in self.arms:
            own.space.relative(rows, start)
        rows[..., self._driven] -= start[self._driven]
        return self._turned(rows, state, -1.0)

    def _start(self, state) -> np.ndarray:
        """What displacements are counted from."""
        return np.asarray(state, np.float64) if self.profile.action_mode == "relative" else self._still

    def _turned(self, chunk, state, sense: float) -> np.ndarray:
        """A copy with the base's x and y turned by its yaw in ``state``, where they are displacements."""
        chunk = np.array(chunk, np.float64)
        if self.profile.base is not None and self.profile.action_mode == "relative":
            x = self.slots[self.profile.base.dof].start
            yaw = sense * float(state[x + 2])
            turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])  # of rows, from the right
            chunk[..., x : x + 2] = chunk[..., x : x + 2] @ turn
        return chunk
