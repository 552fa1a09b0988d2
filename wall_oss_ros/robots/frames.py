# SPDX-License-Identifier: Apache-2.0
"""Where a frame is: by the robot's URDF and joints, and by fixed transforms such as a camera's calibration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pinocchio

from wall_oss_ros.robots.kinematics import JointPlaces, read_model
from wall_oss_ros.robots.profile import RobotProfile

ROOT = "universe"
"""Pinocchio's name for the frame of the URDF's first link."""


class Frames:
    """Poses of frames against each other. A pose is a homogeneous matrix (4, 4), m.

    Args:
        profile: the robot's, for its URDF.
    """

    def __init__(self, profile: RobotProfile):
        self._model = read_model(profile)
        self._data = self._model.createData()
        self._mounts: dict[str, tuple[str, np.ndarray]] = {}  # by child: parent and pose in it

    @property
    def links(self) -> list[str]:
        """The URDF's links, from the root on."""
        return [frame.name for frame in self._model.frames if frame.type == pinocchio.FrameType.BODY]

    def mount(self, parent: str, child: str, pose: np.ndarray) -> None:
        """Fixes a frame to another, of the URDF or fixed in this way itself."""
        self._mounts[child] = (parent, pose)

    def pose(self, frame: str, base: str, positions: Mapping[str, float]) -> np.ndarray | None:
        """The pose of ``frame`` in ``base``.

        Args:
            positions: of joints by name, rad or m.

        Returns:
            (4, 4); None where it is not known: a frame is fixed to nothing in the URDF, or a joint has no position.
        """
        ends = [self._on_link(name) for name in (frame, base)]
        if None in ends:
            return None
        (link, offset), (base_link, base_offset) = ends
        q = self._configuration(link, base_link, positions)
        if q is None:
            return None
        pinocchio.framesForwardKinematics(self._model, self._data, q)
        here, there = (self._data.oMf[self._model.getFrameId(name)].homogeneous for name in (link, base_link))
        to_base = pinocchio.SE3(there @ base_offset).inverse()  # of a rigid pose: no inverse of a matrix
        return to_base.homogeneous @ here @ offset

    def _on_link(self, frame: str) -> tuple[str, np.ndarray] | None:
        """The link of the URDF that a frame is fixed to, and its pose in it."""
        offset, left = np.eye(4), dict(self._mounts)
        while not self._model.existFrame(frame):
            if frame not in left:
                return None
            frame, pose = left.pop(frame)
            offset = pose @ offset
        return frame, offset

    def _configuration(self, link: str, base: str, positions: Mapping[str, float]) -> np.ndarray | None:
        """Joints for Pinocchio; None when one between the two links has no position."""
        paths = [
            set(self._model.supports[joint_of(self._model.frames[self._model.getFrameId(n)])]) for n in (link, base)
        ]
        names = [self._model.names[index] for index in paths[0] ^ paths[1]]
        if any(name not in positions for name in names):
            return None
        return JointPlaces(self._model, names).configuration([positions[name] for name in names])


def joint_of(frame: pinocchio.Frame) -> int:
    """The joint that a frame hangs on. Pinocchio 2, the last one for NumPy 1, has another name for it."""
    return frame.parentJoint if hasattr(frame, "parentJoint") else frame.parent


def on_plane(camera: np.ndarray, direction: np.ndarray, height: float) -> np.ndarray | None:
    """Where a camera's ray meets a level plane.

    Args:
        camera: (4, 4) its pose.
        direction: (3,) in its optical axes.
        height: z of the plane, m.

    Returns:
        (3,) m; None when the ray does not go down to the plane.
    """
    origin, way = camera[:3, 3], camera[:3, :3] @ direction
    if way[2] >= 0 or origin[2] <= height:
        return None
    return origin + (height - origin[2]) / way[2] * way
