# SPDX-License-Identifier: Apache-2.0
"""What a node can ask about the ROS graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wall_oss_ros.embedded.dds import profile_from_dds
from wall_oss_ros.embedded.naming import type_from_dds


@dataclass
class TopicEndpointInfo:
    """A publisher or subscription somewhere in the graph."""

    node_name: str
    node_namespace: str
    topic_type: str
    endpoint_gid: list[int] = field(default_factory=list)
    qos_profile: Any = None


class NodeGraph:
    """Mixed into Node."""

    def _announce(self) -> None:
        if self._announced and not self._destroyed and self._context.ok():
            self._context.graph.update(self)

    def _reader_guids(self) -> list[bytes]:
        guids = [subscription._reader.guid for subscription in self._subscriptions]
        guids += [service._endpoint.request_reader.guid for service in self._services]
        return guids + [client._reader.guid for client in self._clients]

    def _writer_guids(self) -> list[bytes]:
        guids = [publisher._writer.guid for publisher in self._publishers]
        guids += [service._endpoint.reply_writer.guid for service in self._services]
        return guids + [client._writer.guid for client in self._clients]

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """(name, namespace) of every node in the graph."""
        return self._context.graph.nodes()

    def get_node_names(self) -> list[str]:
        return [name for name, _ in self.get_node_names_and_namespaces()]

    def get_fully_qualified_node_names(self) -> list[str]:
        return [f"{'' if ns == '/' else ns}/{name}" for name, ns in self.get_node_names_and_namespaces()]

    def _knows_node(self, full_name: str) -> bool:
        return f"/{full_name.lstrip('/')}" in self.get_fully_qualified_node_names()

    def get_topic_names_and_types(self, no_demangle: bool = False) -> list[tuple[str, list[str]]]:
        """Topics in the graph with their types."""
        return [(name, sorted(types)) for name, types in sorted(self._context.graph.topics().items())]

    def get_service_names_and_types(self) -> list[tuple[str, list[str]]]:
        """Services that somebody offers, with their types."""
        return [(name, sorted(types)) for name, types in sorted(self._context.graph.services().items())]

    def get_publishers_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        return self._endpoint_infos(topic_name, True)

    def get_subscriptions_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        return self._endpoint_infos(topic_name, False)

    def _endpoint_infos(self, topic_name: str, publishers: bool) -> list[TopicEndpointInfo]:
        found = self._context.graph.endpoints(self.resolve_topic_name(topic_name), publishers)
        return [
            TopicEndpointInfo(
                name, namespace, type_from_dds(end.type_name), list(end.key.bytes), profile_from_dds(end.qos)
            )
            for end, name, namespace in found
        ]

    def count_publishers(self, topic_name: str) -> int:
        return len(self._endpoint_infos(topic_name, True))

    def count_subscribers(self, topic_name: str) -> int:
        return len(self._endpoint_infos(topic_name, False))

    def count_services(self, service_name: str) -> int:
        return int(self.resolve_service_name(service_name) in self._context.graph.services())
