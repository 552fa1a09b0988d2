# SPDX-License-Identifier: Apache-2.0
"""Subscribes to whatever is to be recorded, as soon as somebody publishes it, and hands on bytes as they come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2
from wall_oss_ros.commands.graph import hearing_all
from wall_oss_ros.commands.topic_values import message_class
from wall_oss_ros.data.bags.recorder import EpisodeRecorder
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.qos import EVENTS

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from wall_oss_msgs.msg import SubtaskPlan

_EVERY = 0.25  # s between two looks for publishers
_DEPTH = 50  # messages that may wait


class Subscriptions:
    """Of a recorder.

    Args:
        node: that subscribes; it is spun elsewhere.
        topics: that are recorded.
        recorder: gets their messages.
        words: topic on which is said what to do.
        ask: is given these words.
    """

    def __init__(
        self, node: Any, topics: list[str], recorder: EpisodeRecorder, words: str, ask: Callable[[list[str]], None]
    ):
        self._node, self._recorder = node, recorder
        self._missing = [topic for topic in topics if topic != words]
        self._looked = 0.0
        node.create_subscription(String, words, lambda message: ask(message.data.lower().split()), EVENTS)

    def follow(self, topic: str, hear: Callable[[str, int, int, float], None]) -> None:
        """Has ``hear`` called with planner, number, status and time of each plan."""
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
        self._node.create_subscription(
            SubtaskPlan, topic, lambda m: hear(m.planner, m.plan_id, m.status, time.time()), qos
        )

    def look(self) -> None:
        """Subscribes to what has turned up."""
        if (now := time.monotonic()) - self._looked < _EVERY or not self._missing:
            return
        self._looked = now
        there = dict(self._node.get_topic_names_and_types())
        for topic in [topic for topic in self._missing if there.get(topic)]:
            offers = [one.qos_profile for one in self._node.get_publishers_info_by_topic(topic)]
            if not offers:
                continue
            self._missing.remove(topic)
            kind = there[topic][0]
            try:
                message_type = message_class(kind)
            except WallOSSError as error:
                print(f"{topic} is not recorded: {error}", flush=True)
                continue
            qos = hearing_all(offers, _DEPTH)
            self._recorder.offered(topic, [_offered(offer) for offer in offers])
            if qos.durability == DurabilityPolicy.TRANSIENT_LOCAL:
                self._recorder.repeat(topic)
            self._subscribe(topic, kind, message_type, qos)

    def _subscribe(self, topic: str, kind: str, message_type: Any, qos: QoSProfile) -> None:
        def take(data: bytes) -> None:
            self._recorder.take(topic, kind, bytes(data), time.time())

        self._node.create_subscription(message_type, topic, take, qos, raw=True)


def _offered(profile: QoSProfile) -> Qos:
    """A publisher's quality of service, as bags hold it."""
    sec_nsec = [divmod(span.nanoseconds, 10**9) for span in (
        profile.deadline, profile.lifespan, profile.liveliness_lease_duration,
    )]  # fmt: skip
    deadline, lifespan, lease = (QosTime(*map(int, span)) for span in sec_nsec)
    return Qos(
        QosHistory(int(profile.history)),
        int(profile.depth),
        QosReliability(int(profile.reliability)),
        QosDurability(int(profile.durability)),
        deadline,
        lifespan,
        QosLiveliness(int(profile.liveliness)),
        lease,
        bool(profile.avoid_ros_namespace_conventions),
    )
