# SPDX-License-Identifier: Apache-2.0
"""The ROS graph: what this process announces of its nodes, and what it has heard of others'.

ROS 2 nodes are not DDS entities: every process says on the topic ``ros_discovery_info`` which of its readers and
writers belong to which node. Topics and services are read from DDS discovery itself.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription
from cyclonedds.core import InstanceState, ReadCondition, SampleState, ViewState

from wall_oss_ros.embedded import dds, wire
from wall_oss_ros.embedded.dds import profile_from_dds
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.naming import type_from_dds
from wall_oss_ros.embedded.qos import DurabilityPolicy, HistoryPolicy, QoSProfile

_TOPIC = "ros_discovery_info"
_LIMIT = 10_000  # endpoints or participants read at once


class Graph:
    """The ROS graph as one participant announces and sees it."""

    def __init__(self, participant: dds.Participant):
        self._participant = participant
        self._lock = threading.RLock()
        self._nodes: dict[int, Any] = {}
        self._info = get_interface("rmw_dds_common", "msg", "ParticipantEntitiesInfo")
        self._node_info = get_interface("rmw_dds_common", "msg", "NodeEntitiesInfo")
        self._gid = get_interface("rmw_dds_common", "msg", "Gid")
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        everything = QoSProfile(history=HistoryPolicy.KEEP_ALL, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        struct = wire.struct_type(self._info._key)
        self._writer = dds.Writer(participant, _TOPIC, struct, latched, wire.user_data(self._info))
        self._reader = dds.Reader(participant, _TOPIC, struct, everything, wire.user_data(self._info))
        self._publications = _Endpoints(participant, BuiltinTopicDcpsPublication)
        self._subscriptions = _Endpoints(participant, BuiltinTopicDcpsSubscription)
        self._heard: dict[bytes, Any] = {}  # participant guid -> its latest message

    def update(self, node: Any, present: bool = True) -> None:
        """Announces a node's endpoints as they are now, or that the node has been destroyed."""
        with self._lock:
            if present:
                self._nodes[id(node)] = node
            else:
                self._nodes.pop(id(node), None)
            message = self._info(gid=self._make_gid(self._participant.guid))
            message.node_entities_info_seq = [self._describe(each) for each in self._nodes.values()]
            self._writer.write(wire.serialize(message))

    def _describe(self, node: Any) -> Any:
        info = self._node_info(node_name=node.get_name(), node_namespace=node.get_namespace())
        info.reader_gid_seq, info.writer_gid_seq = ([self._make_gid(guid) for guid in ends] for ends in node._guids())
        return info

    def _make_gid(self, guid: bytes) -> Any:
        return self._gid(data=np.frombuffer(guid, np.uint8))

    def nodes(self) -> list[Any]:
        """rmw_dds_common/NodeEntitiesInfo of every node known, ours too."""
        with self._lock:
            while (taken := self._reader.take_sample()) is not None:
                message = wire.deserialize(taken[0], self._info)
                self._heard[message.gid.data.tobytes()] = message
            alive = {endpoint.participant_key.bytes for endpoint in self._publications.known()}
            alive.add(self._participant.guid)
            heard = [message.node_entities_info_seq for guid, message in self._heard.items() if guid in alive]
            return [info for infos in heard for info in infos]

    def topics(self) -> dict[str, set[str]]:
        """Absolute topic names and their types, such as ``std_msgs/msg/String``."""
        found: dict[str, set[str]] = defaultdict(set)
        for endpoint in self._publications.known() + self._subscriptions.known():
            if endpoint.topic_name.startswith("rt/"):
                found[endpoint.topic_name[2:]].add(type_from_dds(endpoint.type_name))
        return dict(found)

    def services(self) -> dict[str, set[str]]:
        """Absolute names of the services that are offered and their types."""
        found: dict[str, set[str]] = defaultdict(set)
        for endpoint in self._subscriptions.known():
            name, kind = endpoint.topic_name, type_from_dds(endpoint.type_name)
            if name.startswith("rq/") and name.endswith("Request") and kind.endswith("_Request"):
                found[name[2 : -len("Request")]].add(kind[: -len("_Request")])
        return dict(found)

    def endpoints(self, topic: str, publishers: bool) -> list[TopicEndpointInfo]:
        """The publishers of a topic, by its absolute name, or its subscriptions."""
        known = (self._publications if publishers else self._subscriptions).known()
        ends = [end for end in known if end.topic_name == f"rt{topic}"]
        keys, owner = {end.key.bytes for end in ends}, {}
        for info in self.nodes() if ends else ():
            for gid in [*info.writer_gid_seq, *info.reader_gid_seq]:
                if (key := gid.data.tobytes()) in keys:
                    owner[key] = (info.node_name, info.node_namespace)
        return [
            TopicEndpointInfo(
                *owner.get(end.key.bytes, ("_NODE_NAME_UNKNOWN_", "_NODE_NAMESPACE_UNKNOWN_")),
                type_from_dds(end.type_name),
                list(end.key.bytes),
                profile_from_dds(end.qos),
            )
            for end in ends
        ]


class _Endpoints:
    """The readers or writers that DDS has discovered. Each is read once: a system has hundreds, and nodes ask often."""

    def __init__(self, participant: dds.Participant, topic: Any):
        self._reader = BuiltinDataReader(participant.dds, topic)
        self._news = ReadCondition(self._reader, SampleState.NotRead | ViewState.Any | InstanceState.Any)
        self._known: dict[bytes, Any] = {}
        self._lock = threading.Lock()

    def known(self) -> list[Any]:
        """Those that are there now."""
        with self._lock:
            for endpoint in self._reader.read(N=_LIMIT, condition=self._news):
                if endpoint.sample_info.instance_state == InstanceState.Alive:
                    self._known[endpoint.key.bytes] = endpoint
                else:
                    self._known.pop(endpoint.key.bytes, None)
            return list(self._known.values())


@dataclass
class TopicEndpointInfo:
    """A publisher or subscription somewhere in the graph."""

    node_name: str
    node_namespace: str
    topic_type: str
    endpoint_gid: list[int]
    qos_profile: QoSProfile


class NodeGraph:
    """What a node can ask about the graph; mixed into Node."""

    def _announce(self) -> None:
        if self._announced and not self._destroyed and self.context.ok():
            self.context.graph.update(self)

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """(name, namespace) of every node in the graph."""
        return [(info.node_name, info.node_namespace) for info in self.context.graph.nodes()]

    def get_node_names(self) -> list[str]:
        return [name for name, _ in self.get_node_names_and_namespaces()]

    def get_fully_qualified_node_names(self) -> list[str]:
        return [f"{'' if ns == '/' else ns}/{name}" for name, ns in self.get_node_names_and_namespaces()]

    def wait_for_node(self, fully_qualified_node_name: str, timeout: float) -> bool:
        """Waits up to `timeout` seconds until a node is there."""
        name = f"/{fully_qualified_node_name.lstrip('/')}"
        return self.context.poll(lambda: name in self.get_fully_qualified_node_names(), timeout)

    def get_topic_names_and_types(self, no_demangle: bool = False) -> list[tuple[str, list[str]]]:
        """Topics in the graph with their types."""
        return [(name, sorted(types)) for name, types in sorted(self.context.graph.topics().items())]

    def get_service_names_and_types(self) -> list[tuple[str, list[str]]]:
        """Services that somebody offers, with their types."""
        return [(name, sorted(types)) for name, types in sorted(self.context.graph.services().items())]

    def get_publishers_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        return self.context.graph.endpoints(self.resolve_topic_name(topic_name), publishers=True)

    def get_subscriptions_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        return self.context.graph.endpoints(self.resolve_topic_name(topic_name), publishers=False)

    def count_publishers(self, topic_name: str) -> int:
        return len(self.get_publishers_info_by_topic(topic_name))

    def count_subscribers(self, topic_name: str) -> int:
        return len(self.get_subscriptions_info_by_topic(topic_name))

    def count_services(self, service_name: str) -> int:
        return int(self.resolve_service_name(service_name) in self.context.graph.services())
