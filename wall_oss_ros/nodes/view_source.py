# SPDX-License-Identifier: Apache-2.0
"""A subscription to one camera, of the type that is published on its topic."""

from __future__ import annotations

from collections.abc import Callable

from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.perception.view_topics import COMPRESSED, Kind, Publisher, complaints, kind_of
from wall_oss_ros.robots.components import View

from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

_MESSAGES = {"raw": Image, "compressed": CompressedImage}
_SELDOM = 5.0  # s
_PATIENCE = 15.0  # s: after which a publisher may be there that cannot be seen


class ViewSource:
    """Subscribes to a view's images once it is known of which type they are.

    Args:
        node: that subscribes.
        view: where from, and in what quality.
        callback: gets each sensor_msgs/Image or CompressedImage.
    """

    def __init__(self, node: WallOSSNode, view: View, callback: Callable):
        self._node, self._view, self._callback = node, view, callback
        self._topic = node.resolve_topic_name(view.image_topic)
        compressed = self._topic.endswith(COMPRESSED)
        self._beside = self._topic.removesuffix(COMPRESSED) if compressed else self._topic + COMPRESSED
        self._kind: Kind | None = None
        self._subscription, self._stuck, self._since = None, "", node.steady()
        self._looked, self._said = float("-inf"), list[str]()
        self.complaints()

    @property
    def waiting(self) -> bool:
        """Whether it is not known yet what to subscribe to; then ``complaints`` looks again, and is to be called."""
        return self._kind is None

    def complaints(self, flowing: bool = False) -> list[str]:
        """What is wrong with the topic, in words. Subscribes, or changes the subscription's type if another one comes.

        Args:
            flowing: whether images come: then it is looked at the graph more seldom, which takes time.
        """
        now = self._node.steady()
        if flowing and now - self._looked < _SELDOM:
            return self._said
        self._looked = now
        publishers = self._publishers(self._topic)
        self._follow(publishers)
        beside = [] if publishers else self._publishers(self._beside)
        self._said = [self._stuck] if self._stuck else complaints(self._view, self._topic, publishers, beside)
        return self._said

    def _follow(self, publishers: list[Publisher]) -> None:
        # A wrong guess would stand in the way of the right type: some middleware has one type of a topic in a process.
        guess = publishers or self._view.transport != "auto" or self._topic.endswith(COMPRESSED)
        if not guess and self._node.steady() - self._since < _PATIENCE:
            return
        if (kind := kind_of(self._view, publishers)) == self._kind:
            return
        self.close()
        self._kind = kind
        try:
            self._subscribe(kind)
        except Exception as error:  # each middleware has its own
            self._stuck = f"{self._view.name} at {self._topic} has another type now: start perception again ({error})"
        else:
            self._stuck = ""

    def close(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _subscribe(self, kind: Kind) -> None:
        reliable = self._view.reliability == "reliable"
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=self._view.depth,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )
        self._subscription = self._node.create_subscription(
            _MESSAGES[kind], self._view.image_topic, self._callback, qos
        )

    def _publishers(self, topic: str) -> list[Publisher]:
        return [
            Publisher(
                f"{info.node_namespace.rstrip('/')}/{info.node_name}",
                info.topic_type,
                info.qos_profile.reliability != ReliabilityPolicy.BEST_EFFORT,
            )
            for info in self._node.get_publishers_info_by_topic(topic)
        ]
