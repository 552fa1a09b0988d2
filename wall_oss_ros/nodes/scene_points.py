# SPDX-License-Identifier: Apache-2.0
"""Publishes the observed scene as a point cloud, as long as somebody looks at it."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.observation_messages import observation_from
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import EVENTS, NEWEST
from wall_oss_ros.perception.scene import scene_points

from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header
from wall_oss_msgs.msg import Observation

SCENE_PARAMETERS = (
    Parameter("scene_rate_hz", 2.0, "How often the observed scene is published as points, Hz.", 0.1, 30.0),
    Parameter("scene_voxel_m", 0.01, "Edge of the cubes of space that keep one point each, m.", 0.001, 0.5, live=True),
)
_FIELDS = [
    PointField(name=name, offset=4 * number, datatype=PointField.FLOAT32, count=1)
    for number, name in enumerate(("x", "y", "z", "rgb"))
]


class ScenePoints:
    """Topics ``observation`` in, ``scene_points`` (sensor_msgs/PointCloud2, in the base frame) out.

    Observations are listened to only while somebody has subscribed to the points: they have pictures, which cost time.

    Args:
        node: that publishes; it has ``SCENE_PARAMETERS``.
    """

    def __init__(self, node: WallOSSNode):
        self._node, self._newest, self._listening = node, None, None
        self._out = node.publish_to(PointCloud2, "scene_points", EVENTS)
        node.keep(self, ScenePoints.close)
        node.every(1.0 / node.value("scene_rate_hz"), self._publish)

    def close(self) -> None:
        if self._listening is not None:
            self._node.destroy_subscription(self._listening)
            self._listening = None

    def _publish(self) -> None:
        if not self._out.get_subscription_count():
            self.close()
            self._newest = None
        elif self._listening is None:
            self._listening = self._node.create_subscription(Observation, "observation", self._on_observation, NEWEST)
        message, self._newest = self._newest, None
        if message is None:
            return
        try:
            places, colours = scene_points(observation_from(message), self._node.value("scene_voxel_m"))
        except WallOSSError as error:
            self._node.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        self._out.publish(cloud_message(places, colours, message.header))

    def _on_observation(self, message: Observation) -> None:
        self._newest = message


def cloud_message(places: np.ndarray, colours: np.ndarray, header: Header) -> PointCloud2:
    """Places (N, 3) float32 and colours (N, 3) uint8 as points with fields x, y, z and rgb, as PCL packs colours."""
    packed = colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    points = np.column_stack([places.astype(np.float32), packed.astype(np.uint32).view(np.float32)])
    return point_cloud2.create_cloud(header, _FIELDS, points)
