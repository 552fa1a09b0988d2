# SPDX-License-Identifier: Apache-2.0
"""Between fixed transforms as ROS tells them and poses (4, 4)."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.robots.rotations import matrix_from_quaternion, quaternion_from_matrix

from geometry_msgs.msg import Quaternion, TransformStamped, Vector3


def transform_message(parent: str, child: str, pose: np.ndarray) -> TransformStamped:
    """The pose (4, 4) of ``child`` in ``parent``, m."""
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.transform.translation = Vector3(**dict(zip("xyz", pose[:3, 3].tolist())))
    message.transform.rotation = Quaternion(**dict(zip("xyzw", quaternion_from_matrix(pose[:3, :3]).tolist())))
    return message


def transform_pose(message: TransformStamped) -> np.ndarray:
    """The inverse: the pose (4, 4)."""
    place, turn = message.transform.translation, message.transform.rotation
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_quaternion((turn.x, turn.y, turn.z, turn.w))
    pose[:3, 3] = place.x, place.y, place.z
    return pose
