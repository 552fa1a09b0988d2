"""Where each quantity sits in the model's state and action vectors, and how to get in and out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotations import euler_from_matrix, matrix_from_euler, matrix_from_quaternion


class Layout:
    """The vector layout of a profile's ``dof_config``; ``size`` is 20 for the released models.

    The tool's rotation is written relative to the profile's ``tool_rotation``: Euler angles of R R_ref^T. A tool that
    points straight down then has angles near zero instead of near the jump at +-pi.

    Attributes:
        arms: the layout of each arm alone, in the order of the profile's; ``position``, ``rotation``, ``gripper``,
            ``pack`` and ``unpack`` are those of the first.
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
        self.position = self.slots[profile.arm.position_dof]
        self.rotation = self.slots[profile.arm.rotation_dof]
        self.gripper = self.slots[profile.gripper.dof].start
        self._reference = matrix_from_quaternion(profile.arm.tool_rotation)
        self.mask = np.zeros(self.size, bool)
        self.optional = np.zeros(self.size, bool)
        self._relative = np.zeros(self.size, bool)  # entries that a relative chunk gives as displacements
        self.arms = (self,) if len(profile.arms) == 1 else tuple(Layout(one) for one in profile.arms)
        for one in profile.arms:
            for name in (one.arm.position_dof, one.arm.rotation_dof):
                self.mask[self.slots[name]] = self._relative[self.slots[name]] = True
            self.mask[self.slots[one.gripper.dof]] = True
        for dof in (*(part.dof for part in profile.parts), *([profile.base.dof] if profile.base else ())):
            self.mask[self.slots[dof]] = self.optional[self.slots[dof]] = True
        if profile.base is not None:
            self._relative[self.slots[profile.base.dof]] = True

    @property
    def arm_mask(self) -> np.ndarray:
        """(size,) bool: the entries of the first arm and its gripper."""
        mask = np.zeros(self.size, bool)
        mask[self.position] = mask[self.rotation] = True
        mask[self.gripper] = True
        return mask

    def state_rotation(self, rotation: np.ndarray) -> np.ndarray:
        """Euler angles (3,) of the tool's rotation (3, 3), as the state holds them."""
        return euler_from_matrix(rotation @ self._reference.T)

    def tool_rotation(self, angles) -> np.ndarray:
        """The tool's rotation (3, 3) in the base frame for the state's Euler angles (3,)."""
        return matrix_from_euler(angles) @ self._reference

    def pack(self, position, rotation, opening: float) -> tuple[np.ndarray, np.ndarray]:
        """State vector (size,) float32 and its mask (size,) bool from TCP position (3,), rotation (3, 3), opening (m)."""
        state = np.zeros(self.size, np.float32)
        state[self.position] = position
        state[self.rotation] = self.state_rotation(rotation)
        state[self.gripper] = opening
        return state, self.arm_mask

    def pack_all(self, poses: Sequence[tuple], parts: Mapping[str, Sequence[float]] = {}) -> tuple[np.ndarray, np.ndarray]:
        """State vector (size,) float32 and its mask (size,) bool of all arms.

        Args:
            poses: for each arm, in the order of the profile's: position (3,), rotation (3, 3), opening (m).
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
        return vector[self.position].copy(), self.tool_rotation(vector[self.rotation]), float(vector[self.gripper])

    def absolute(self, chunk, state) -> np.ndarray:
        """Absolute targets (horizon, size) of a chunk in the profile's action mode; ``state`` (size,) is what it began at.

        A base's displacements are along its own axes at the observation, its targets along those of its odometry.
        """
        return self._turned(chunk, state, 1.0) + self._offset(state)

    def relative(self, chunk, state) -> np.ndarray:
        """The inverse of ``absolute``."""
        return self._turned(np.asarray(chunk, np.float64) - self._offset(state), state, -1.0)

    def _turned(self, chunk, state, sense: float) -> np.ndarray:
        """A copy with the base's x and y turned by its yaw in ``state``, where they are displacements."""
        chunk = np.array(chunk, np.float64)
        if self.profile.base is not None and self.profile.action_mode == "relative":
            x = self.slots[self.profile.base.dof].start
            yaw = sense * float(state[x + 2])
            turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])  # of rows, from the right
            chunk[..., x : x + 2] = chunk[..., x : x + 2] @ turn
        return chunk

    def _offset(self, state) -> np.ndarray:
        if self.profile.action_mode == "absolute":
            return np.zeros(self.size)
        return np.where(self._relative, np.asarray(state, np.float64), 0.0)
