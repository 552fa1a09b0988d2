# SPDX-License-Identifier: Apache-2.0
"""What is published on a view's topic, against what the view expects there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from wall_oss_ros.robots.components import View

Kind = Literal["raw", "compressed"]
TYPES: dict[str, Kind] = {"sensor_msgs/msg/Image": "raw", "sensor_msgs/msg/CompressedImage": "compressed"}
_OF = {kind: name for name, kind in TYPES.items()}
COMPRESSED = "/compressed"  # what image_transport appends


class Publisher(NamedTuple):
    """Somebody who publishes on a topic: the node, the type such as sensor_msgs/msg/Image, and the quality."""

    node: str
    type: str
    reliable: bool


def kind_of(view: View, publishers: Sequence[Publisher]) -> Kind:
    """Which type to subscribe to: the view's, or what is there, or what the topic's name says."""
    if view.transport != "auto":
        return view.transport
    there = {TYPES[publisher.type] for publisher in publishers if publisher.type in TYPES}
    if len(there) == 1:
        return there.pop()
    return "compressed" if view.image_topic.endswith(COMPRESSED) else "raw"


def complaints(view: View, topic: str, publishers: Sequence[Publisher], beside: Sequence[Publisher]) -> list[str]:
    """What is wrong with a view's topic, in words.

    Args:
        view: with what it expects.
        topic: the view's topic as ROS resolved it.
        publishers: those on it.
        beside: those on the topic with ``/compressed`` after its name, or without.
    """
    expected, where = _OF[kind_of(view, publishers)], f"{view.name} at {topic}"
    if not publishers:
        if any(publisher.type in TYPES for publisher in beside):
            other = topic.removesuffix(COMPRESSED) if topic.endswith(COMPRESSED) else topic + COMPRESSED
            return [f"nobody publishes {where}, but {other} is there: set the view's image_topic"]
        return [f"nobody publishes {where}"]
    if strange := sorted({publisher.type for publisher in publishers} - {expected}):
        known = strange[0] in TYPES
        hint = f"set the view's transport to {TYPES[strange[0]] if known else 'raw or compressed'}"
        return [
            f"{where}: {', '.join(strange)} is published, {expected} was expected; "
            + (hint if known and view.transport != "auto" else "name another topic")
        ]
    if view.reliability == "reliable" and (best := [p.node for p in publishers if not p.reliable]):
        return [f"{where}: {', '.join(best)} publishes best effort, the view's reliability is reliable: nothing comes"]
    if len(publishers) > 1:
        return [f"{where} has {len(publishers)} publishers: {', '.join(sorted(p.node for p in publishers))}"]
    return []
