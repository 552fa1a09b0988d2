# SPDX-License-Identifier: Apache-2.0
"""Transforms from /tf and /tf_static for logic that knows no ROS."""

from __future__ import annotations

from wall_oss_ros.nodes.conversions import seconds, transform_pose
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.perception.calibration import Transform

from rclpy.time import Time
from tf2_ros import Buffer, ExtrapolationException, TransformException, TransformListener

_NEAR = 0.1  # s: between the time that is asked for and the newest transform


class CameraFrames:
    """Listens to tf as long as the node is active."""

    def __init__(self, node: WallOSSNode):
        self._buffer = Buffer()
        node.keep(TransformListener(self._buffer, node), TransformListener.unregister)

    def look_up(self, target: str, source: str, stamp: float | None) -> Transform | None:
        """The pose of ``source`` in ``target`` at ``stamp`` (s), or the newest one for None; None if tf has none."""
        try:
            if stamp is not None:
                try:
                    return self._at(target, source, Time(nanoseconds=round(stamp * 1e9)))
                except ExtrapolationException:  # tf comes later than images, or less often
                    pass
            return self._at(target, source, Time(), stamp)
        except TransformException:
            return None

    def _at(self, target: str, source: str, time: Time, near: float | None = None) -> Transform | None:
        found = self._buffer.lookup_transform(target, source, time)
        stamp = seconds(found.header.stamp)
        if near is not None and stamp and abs(stamp - near) > _NEAR:
            return None
        return Transform(transform_pose(found), stamp == 0)
