# SPDX-License-Identifier: Apache-2.0
"""The ROS graph: what this process announces of its nodes, and what it has heard of others'.

ROS 2 nodes are not DDS entities: every process says on the topic ``ros_discovery_info`` which of its readers and
writers belong to which node. Topics and services are read from DDS discovery itself.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription
from cyclonedds.core import InstanceState, ReadCondition, SampleState, ViewState

from wall_oss_ros.embedded import dds, wire
from wall_oss_ros.embedded.dds import profile_from_dds
from wall_oss_ros.embedded.exceptions import NodeNameNonExistentError
from wall_oss_ros.embedded.interfaces import get_interface, register_message
from wall_oss_ros.embedded.naming import service_to_dds, type_from_dds
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
                self._hear(taken[0])
            alive = {endpoint.participant_key.bytes for endpoint in self._publications.known()}
            alive.add(self._participant.guid)
            heard = [message.node_entities_info_seq for guid, message in self._heard.items() if guid in alive]
            return [info for infos in heard for info in infos]

    def _hear(self, data: bytes) -> None:
        """Takes in what a participant says of its nodes; what nobody can read changes nothing."""
        for kind in (self._info, _long_gids()):
            try:
                message = wire.deserialize(data, kind, exactly=True)
            except ValueError:  # foreign: of another version, or damaged
                continue
            guid = message.gid.data.tobytes()[:16]
            self._heard[guid] = message
            return

    def node(self, name: str, namespace: str) -> Any:
        """A node's rmw_dds_common/NodeEntitiesInfo.

        Raises:
            NodeNameNonExistentError: there is no such node.
        """
        namespace = namespace or "/"
        for info in self.nodes():
            if (info.node_name, info.node_namespace) == (name, namespace):
                return info
        raise NodeNameNonExistentError(f"Cannot find node '{name}' in namespace '{namespace}'")

    def of_node(self, name: str, namespace: str, writers: bool) -> dict[str, set[str]]:
        """DDS names of the topics to which a node has writers, or readers, and DDS names of their types."""
        info = self.node(name, namespace)
        own = {_guid(gid) for gid in (info.writer_gid_seq if writers else info.reader_gid_seq)}
        found: dict[str, set[str]] = defaultdict(set)
        for end in (self._publications if writers else self._subscriptions).known():
            if end.key.bytes in own:
                found[end.topic_name].add(end.type_name)
        return dict(found)

    def dds_topics(self) -> dict[str, set[str]]:
        """DDS names of all topics, and of their types."""
        found: dict[str, set[str]] = defaultdict(set)
        for endpoint in self._publications.known() + self._subscriptions.known():
            found[endpoint.topic_name].add(endpoint.type_name)
        return dict(found)

    def topics(self) -> dict[str, set[str]]:
        """Absolute topic names and their types, such as ``std_msgs/msg/String``."""
        return as_topics(self.dds_topics())

    def services(self) -> dict[str, set[str]]:
        """Absolute names of the services that are offered and their types."""
        return as_services({end.topic_name: {end.type_name} for end in self._subscriptions.known()})

    def servers(self, service: str) -> int:
        """How many servers a service has, by its absolute name."""
        topic, _ = service_to_dds(service)
        return sum(end.topic_name == topic for end in self._subscriptions.known())

    def clients(self, service: str) -> int:
        """How many clients a service has, by its absolute name."""
        topic, _ = service_to_dds(service)
        return sum(end.topic_name == topic for end in self._publications.known())

    def endpoints(self, topic: str, publishers: bool) -> list[TopicEndpointInfo]:
        """The publishers of a topic, by its absolute name, or its subscriptions."""
        known = (self._publications if publishers else self._subscriptions).known()
        ends = [end for end in known if end.topic_name == f"rt{topic}"]
        keys, owner = {end.key.bytes for end in ends}, {}
        for info in self.nodes() if ends else ():
            for gid in [*info.writer_gid_seq, *info.reader_gid_seq]:
                if (key := _guid(gid)) in keys:
                    owner[key] = (info.node_name, info.node_namespace)
        return [
            TopicEndpointInfo(
                *owner.get(end.key.bytes, ("_NODE_NAME_UNKNOWN_", "_NODE_NAMESPACE_UNKNOWN_")),
                type_from_dds(end.type_name),
                list(end.key.bytes),
                profile_from_dds(end.qos),
                TopicEndpointTypeEnum.PUBLISHER if publishers else TopicEndpointTypeEnum.SUBSCRIPTION,
                TypeHash.from_user_data(dds.user_data(end)),
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


@lru_cache(maxsize=1)
def _long_gids() -> type:
    """ParticipantEntitiesInfo as ROS 2 Humble sends it: its identifiers have 24 bytes, of which the last 8 are 0."""
    package = "rmw_dds_common_humble"
    register_message(package, "Gid", "uint8[24] data")
    ends = "".join(f"{package}/Gid[] {end}_gid_seq\n" for end in ("reader", "writer"))
    register_message(package, "NodeEntitiesInfo", f"string<=256 node_namespace\nstring<=256 node_name\n{ends}")
    whole = f"{package}/Gid gid\n{package}/NodeEntitiesInfo[] node_entities_info_seq"
    register_message(package, "ParticipantEntitiesInfo", whole)
    return get_interface(package, "msg", "ParticipantEntitiesInfo")


def _guid(gid: Any) -> bytes:
    return gid.data.tobytes()[:16]


def as_topics(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Of topics by their DDS names those of ROS 2, with their absolute names and types."""
    return {
        name[2:]: {type_from_dds(kind) for kind in types} for name, types in found.items() if name.startswith("rt/")
    }


def as_services(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Of topics by their DDS names the requests to services, as absolute names and types of those."""
    services: dict[str, set[str]] = {}
    for name, types in found.items():
        kinds = {type_from_dds(kind) for kind in types}
        if name.startswith("rq/") and name.endswith("Request"):
            kinds = {kind.removesuffix("_Request") for kind in kinds if kind.endswith("_Request")}
            if kinds:
                services[name[2 : -len("Request")]] = kinds
    return services


class TopicEndpointTypeEnum(IntEnum):
    INVALID = 0
    PUBLISHER = 1
    SUBSCRIPTION = 2


@dataclass
class TypeHash:
    """The hash of a type: the version of its kind, -1 where none is known, and 32 bytes."""

    version: int = -1
    value: bytes = bytes(32)

    @classmethod
    def from_user_data(cls, data: bytes) -> TypeHash:
        """What an endpoint's user data say of its type."""
        found = re.search(rb"typehash=RIHS(\d\d)_([0-9a-f]{64});", data)
        return cls(int(found[1]), bytes.fromhex(found[2].decode())) if found else cls()

    def __str__(self) -> str:
        return f"RIHS{self.version:02}_{self.value.hex()}" if self.version > 0 else "INVALID"


@dataclass
class TopicEndpointInfo:
    """A publisher or subscription somewhere in the graph."""

    node_name: str
    node_namespace: str
    topic_type: str
    endpoint_gid: list[int]
    qos_profile: QoSProfile
    endpoint_type: TopicEndpointTypeEnum = TopicEndpointTypeEnum.INVALID
    topic_type_hash: TypeHash = field(default_factory=TypeHash)
