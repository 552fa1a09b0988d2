# SPDX-License-Identifier: Apache-2.0
"""Offers interactive markers to rviz, where the package interactive_markers is not installed.

The protocol is that package's, of ROS 2: a client asks ``<name>/get_interactive_markers`` for all markers with the
number of the last update, follows ``<name>/update`` from there on, and says on ``<name>/feedback`` what a person does.
Class and methods are named as there, and do what a menu needs; a marker that people move is not among that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wall_oss_ros.nodes.qos import EVENTS

from visualization_msgs.msg import InteractiveMarker, InteractiveMarkerFeedback, InteractiveMarkerUpdate
from visualization_msgs.srv import GetInteractiveMarkers


class InteractiveMarkerServer:
    """The markers of one node.

    Args:
        node: that offers them.
        namespace: before the names of topics and service.
    """

    def __init__(self, node: Any, namespace: str):
        self._node, self._name = node, namespace
        self._markers: dict[str, tuple[InteractiveMarker, Callable]] = {}
        self._new: dict[str, InteractiveMarker] = {}
        self._gone: set[str] = set()
        self._number = 0
        self._updates = node.create_publisher(InteractiveMarkerUpdate, f"{namespace}/update", EVENTS)
        self._feedback = node.create_subscription(
            InteractiveMarkerFeedback, f"{namespace}/feedback", self._on_feedback, EVENTS
        )
        self._service = node.create_service(
            GetInteractiveMarkers, f"{namespace}/get_interactive_markers", self._on_request
        )

    def insert(self, marker: InteractiveMarker, *, feedback_callback: Callable[[Any], None]) -> None:
        """Adds a marker, or changes the one of its name, at the next ``applyChanges``.

        Args:
            feedback_callback: is told what a person does to it, an InteractiveMarkerFeedback.
        """
        self._markers[marker.name] = marker, feedback_callback
        self._new[marker.name] = marker
        self._gone.discard(marker.name)

    def erase(self, name: str) -> bool:
        """Takes a marker away at the next ``applyChanges``. Returns whether it was there."""
        self._new.pop(name, None)
        if self._markers.pop(name, None) is None:
            return False
        self._gone.add(name)
        return True

    def applyChanges(self) -> None:
        """Publishes what has been changed."""
        if not self._new and not self._gone:
            return
        self._number += 1
        update = InteractiveMarkerUpdate(server_id=self._name, seq_num=self._number)
        update.type = InteractiveMarkerUpdate.UPDATE
        update.markers, update.erases = list(self._new.values()), sorted(self._gone)
        self._new, self._gone = {}, set()
        self._updates.publish(update)

    def shutdown(self) -> None:
        """Takes all markers away, and ends."""
        for name in list(self._markers):
            self.erase(name)
        self.applyChanges()
        self._node.destroy_service(self._service)
        self._node.destroy_subscription(self._feedback)
        self._node.destroy_publisher(self._updates)

    def _on_request(self, _request, response):
        response.sequence_number = self._number
        response.markers = [marker for name, (marker, _) in self._markers.items() if name not in self._new]
        return response

    def _on_feedback(self, feedback: InteractiveMarkerFeedback) -> None:
        known = self._markers.get(feedback.marker_name)
        if known is not None:
            known[1](feedback)
