# SPDX-License-Identifier: Apache-2.0
"""Shows what the model pointed at: in the picture that it was given for, and in space."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import seconds
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.observation_messages import image_array, image_message
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.perception.ages import LastHeard
from wall_oss_ros.perception.annotation import Mark, annotated
from wall_oss_ros.uni_cot.grounding import Method

from geometry_msgs.msg import Point
from sensor_msgs.msg import Image
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker
from wall_oss_msgs.msg import GroundedPoint, Grounding

POINTED_FRESH = 15.0  # s after which what was pointed at may have been moved
_LOOK = 1.0  # s between two looks whether somebody new wants the picture
_STYLES = {
    Method.DEPTH: ((1.0, 0.3, 0.8), ""),
    Method.FLOOR: ((1.0, 0.7, 0.2), " (on the floor)"),
    Method.UNPLACED: ((0.8, 0.8, 0.8), " (no place)"),
}


class Pointing:
    """Topics ``pointed_at`` in, ``annotated_image`` out, drawn when it comes and for whoever subscribes later.

    Args:
        node: that publishes.
        changed: called when there is something new for ``markers``.
    """

    def __init__(self, node: WallOSSNode, changed: Callable[[], None]):
        self._node, self._changed = node, changed
        self._newest: Grounding | None = None
        self._heard, self._watchers = LastHeard(POINTED_FRESH), 0
        self._out = node.publish_to(Image, "annotated_image", EVENTS)
        node.listen(Grounding, "pointed_at", self._on_pointed, LATCHED)
        node.every(_LOOK, self._look)

    def markers(self) -> list[Marker]:
        """What was pointed at in space; nothing once it may have been moved."""
        if self._newest is None or self._heard.stale(self._node.steady()):
            return []
        return pointing_markers(self._newest)

    def _on_pointed(self, message: Grounding) -> None:
        self._newest = message
        self._heard = LastHeard(POINTED_FRESH)
        self._heard.hear(self._node.steady(), sent_ago=self._node.now() - seconds(message.header.stamp))
        self._watchers = self._out.get_subscription_count()
        self._draw()
        self._changed()

    def _look(self) -> None:
        watchers, self._watchers = self._watchers, self._out.get_subscription_count()
        if self._watchers > watchers:
            self._draw()

    def _draw(self) -> None:
        if self._newest is not None and self._watchers:
            try:
                self._out.publish(annotated_message(self._newest))
            except WallOSSError as error:
                self._node.get_logger().error(str(error), throttle_duration_sec=5.0)


def annotated_message(message: Grounding) -> Image:
    """The picture that the model was given, with its points and boxes, the question and the answer."""
    back = _inverse(np.reshape(message.to_camera, (3, 3)))

    def mark(point: GroundedPoint, corners: list) -> Mark:
        spots = np.column_stack([np.array(corners, float), np.ones(len(corners))]) @ back.T
        pixels = spots[:, :2] / spots[:, 2:]
        colour, words = _style(point)
        return Mark(point.label + words, np.sort(pixels, axis=0), tuple(int(255 * part) for part in colour))

    marks = [mark(point, [(point.x, point.y)]) for point in message.points]
    marks += [mark(box.middle, [(box.x_min, box.y_min), (box.x_max, box.y_max)]) for box in message.boxes]
    picture = annotated(image_array(message.picture), marks, (message.question, message.answer))
    return image_message(picture, message.picture.header)


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """The way back; of what has none, numbers that are not drawn."""
    usable = np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-12
    return np.linalg.inv(matrix) if usable else np.full((3, 3), np.nan)


def _style(point: GroundedPoint) -> tuple[tuple[float, float, float], str]:
    """The colour of how a place was found, and words that say it."""
    return _STYLES.get(point.method, _STYLES[Method.UNPLACED])


def pointing_markers(message: Grounding) -> list[Marker]:
    """A ball and its words at each place, and the outline of each box."""
    return [*_balls(message), *_outlines(message)]


def _balls(message: Grounding) -> Iterator[Marker]:
    placed = [point for point in (*message.points, *(box.middle for box in message.boxes)) if point.has_position]
    for number, point in enumerate(placed):
        ball = _marker(message, "pointed", number, Marker.SPHERE, point)
        ball.scale.x = ball.scale.y = ball.scale.z = 0.02
        ball.pose.position = point.position
        text = _marker(message, "pointed_words", number, Marker.TEXT_VIEW_FACING, point)
        text.text, text.scale.z, text.scale.x = point.label + _style(point)[1], 0.025, 0.015
        at = point.position
        text.pose.position = Point(x=at.x, y=at.y, z=at.z + 0.03)
        yield from (ball, text)


def _outlines(message: Grounding) -> Iterator[Marker]:
    for number, box in enumerate(message.boxes):
        if len(box.corners) == 4:
            outline = _marker(message, "pointed_box", number, Marker.LINE_STRIP, box.middle)
            outline.scale.x = 0.003
            outline.points = [*box.corners, box.corners[0]]
            yield outline


def _marker(message: Grounding, namespace: str, number: int, kind: int, point: GroundedPoint) -> Marker:
    marker = Marker(ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.header.frame_id = message.header.frame_id  # with a zero stamp, rviz uses the newest transform
    marker.pose.orientation.w = 1.0
    (red, green, blue), _ = _style(point)
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=0.9)
    return marker
