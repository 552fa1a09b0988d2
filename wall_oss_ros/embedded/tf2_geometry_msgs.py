# SPDX-License-Identifier: Apache-2.0
"""Points, vectors, poses and polygons in another frame, with tf2_geometry_msgs' names; importing it registers them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.tf2_buffer_interface import ConvertRegistration, TransformRegistration

_NAMES = ("PointStamped", "PolygonStamped", "Pose", "PoseStamped", "PoseWithCovarianceStamped", "Vector3Stamped")
PointStamped, PolygonStamped, Pose, PoseStamped, PoseWithCovarianceStamped, Vector3Stamped = (
    get_interface("geometry_msgs", "msg", name) for name in _NAMES
)
Point, Point32, Quaternion, TransformStamped = (
    get_interface("geometry_msgs", "msg", name) for name in ("Point", "Point32", "Quaternion", "TransformStamped")
)


def _xyz(message: Any) -> list[float]:
    return [message.x, message.y, message.z]


def _rotation(quaternion: Any) -> Rotation:
    """Not turned where the quaternion is all zeros, as in tf2."""
    values = [*_xyz(quaternion), quaternion.w]
    return Rotation.from_quat(values) if any(values) else Rotation.identity()


def _moved(position: Any, transform: Any) -> dict[str, float]:
    """x, y and z of a position after a TransformStamped."""
    transform = transform.transform
    place = _rotation(transform.rotation).apply(_xyz(position)) + _xyz(transform.translation)
    return dict(zip("xyz", place.tolist()))


def do_transform_point(point: Any, transform: Any) -> Any:
    """A PointStamped after a TransformStamped, whose header it gets, as do those that follow."""
    return PointStamped(header=transform.header, point=Point(**_moved(point.point, transform)))


def do_transform_vector3(vector3: Any, transform: Any) -> Any:
    """A Vector3Stamped, which is turned and not moved."""
    turned = _rotation(transform.transform.rotation).apply(_xyz(vector3.vector)).tolist()
    result = Vector3Stamped(header=transform.header)
    result.vector.x, result.vector.y, result.vector.z = turned
    return result


def do_transform_pose(pose: Any, transform: Any) -> Any:
    """A Pose."""
    turn = _rotation(transform.transform.rotation) * _rotation(pose.orientation)
    orientation = Quaternion(**dict(zip("xyzw", turn.as_quat(canonical=True).tolist())))
    return Pose(position=Point(**_moved(pose.position, transform)), orientation=orientation)


def do_transform_pose_stamped(pose: Any, transform: Any) -> Any:
    """A PoseStamped."""
    return PoseStamped(header=transform.header, pose=do_transform_pose(pose.pose, transform))


def transform_covariance(cov_in: Any, transform: Any) -> Any:
    """A covariance of position and rotation, 6x6 by rows, in the frame that a TransformStamped leads to."""
    turn = np.kron(np.eye(2), _rotation(transform.transform.rotation).as_matrix())
    return (turn @ np.reshape(cov_in, (6, 6)) @ turn.T).ravel()


def do_transform_pose_with_covariance_stamped(pose: Any, transform: Any) -> Any:
    """A PoseWithCovarianceStamped."""
    result = PoseWithCovarianceStamped(header=transform.header)
    result.pose.pose = do_transform_pose(pose.pose.pose, transform)
    result.pose.covariance = transform_covariance(pose.pose.covariance, transform)
    return result


def do_transform_polygon_stamped(polygon: Any, transform: Any) -> Any:
    """A PolygonStamped."""
    result = PolygonStamped(header=transform.header)
    result.polygon.points = [Point32(**_moved(point, transform)) for point in polygon.polygon.points]
    return result


def to_msg_msg(msg: Any) -> Any:
    return msg


from_msg_msg = to_msg_msg

for _kind, _function in (
    (PointStamped, do_transform_point),
    (Vector3Stamped, do_transform_vector3),
    (PoseStamped, do_transform_pose_stamped),
    (PoseWithCovarianceStamped, do_transform_pose_with_covariance_stamped),
    (PolygonStamped, do_transform_polygon_stamped),
):
    TransformRegistration().add(_kind, _function)
for _kind in (Vector3Stamped, PoseStamped, PointStamped):
    ConvertRegistration().add_to_msg(_kind, to_msg_msg)
    ConvertRegistration().add_from_msg(_kind, from_msg_msg)
