# SPDX-License-Identifier: Apache-2.0
"""Recorded frames and the profile's, and poses in either."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.data.mapping.spec import ArmFrames, Pose
from wall_oss_ros.robots.rotations import matrix_from_quaternion


class Frames:
    """From recorded frames to the profile's, and back."""

    def __init__(self, frames: ArmFrames):
        self._plain = frames == ArmFrames()
        self._base, self._tool = _pose(frames.base), _pose(frames.tool)

    def ours(self, position: np.ndarray | None, rotation: np.ndarray | None):
        """Recorded poses in the profile's frames; a position without a rotation is that of the recorded tool."""
        if self._plain or (position is None and rotation is None):
            return position, rotation
        (shift, turn), (tip, twist) = self._base, self._tool
        turned = None if rotation is None else turn @ rotation
        if position is not None:
            position = position @ turn.T + shift
            if turned is not None:
                position = position + turned @ tip
        return position, None if turned is None else turned @ twist

    def recorded(self, position: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inverse of ``ours``."""
        if self._plain:
            return position, rotation
        (shift, turn), (tip, twist) = self._base, self._tool
        turned = rotation @ twist.T
        return (position - turned @ tip - shift) @ turn, turn.T @ turned


def _pose(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    return np.array(pose.position), matrix_from_quaternion(pose.rotation)
