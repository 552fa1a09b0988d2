# SPDX-License-Identifier: Apache-2.0
"""What the model points at, as messages."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.nodes.conversions import to_stamp
from wall_oss_ros.nodes.observation_messages import image_message
from wall_oss_ros.uni_cot.grounding import Grounded, Grounding

from geometry_msgs.msg import Point
from std_msgs.msg import Header
from wall_oss_msgs.msg import GroundedBox, GroundedPoint
from wall_oss_msgs.msg import Grounding as GroundingMessage


def points_of(grounding: Grounding) -> list[GroundedPoint]:
    """The points of an answer."""
    return [_point(one) for one in grounding.found if len(one.pixels) == 1]


def boxes_of(grounding: Grounding) -> list[GroundedBox]:
    """The boxes of an answer."""
    boxes = []
    for one in grounding.found:
        if len(one.pixels) == 2:
            (left, top), (right, bottom) = one.pixels.tolist()
            box = GroundedBox(x_min=left, y_min=top, x_max=right, y_max=bottom, middle=_point(one))
            box.corners = [] if one.corners is None else [_xyz(corner) for corner in one.corners]
            boxes.append(box)
    return boxes


def grounding_message(grounding: Grounding, frame: str) -> GroundingMessage:
    """An answer with what it points at, and the picture that it was given for.

    Args:
        frame: the robot's base frame.
    """
    obs, view = grounding.observation, grounding.view
    header = Header(stamp=to_stamp(obs.stamp), frame_id=frame)
    message = GroundingMessage(header=header, question=grounding.question, answer=grounding.answer, view=view)
    message.picture = image_message(obs.images[view], Header(stamp=header.stamp))
    message.to_camera = obs.to_camera.get(view, np.eye(3)).ravel().tolist()
    message.points, message.boxes = points_of(grounding), boxes_of(grounding)
    return message


def _point(one: Grounded) -> GroundedPoint:
    x, y = one.middle.tolist()
    message = GroundedPoint(label=one.label, view=one.view, x=x, y=y, method=int(one.place.method))
    message.message, message.has_position = one.place.why, one.place.position is not None
    if message.has_position:
        message.position = _xyz(one.place.position)
    return message


def _xyz(place: np.ndarray) -> Point:
    x, y, z = (float(value) for value in place)
    return Point(x=x, y=y, z=z)
