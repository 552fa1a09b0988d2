# SPDX-License-Identifier: Apache-2.0
"""What a node can ask about the graph."""

from __future__ import annotations

from wall_oss_ros.embedded.graph import TopicEndpointInfo, as_services, as_topics


class NodeGraph:
    """Mixed into Node."""

    def _announce(self) -> None:
        if self._announced and not self._destroyed and self.context.ok():
            self.context.graph.update(self)

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """(name, namespace) of every node in the graph."""
        return [(info.node_name, info.node_namespace) for info in self.context.graph.nodes()]

    def get_node_names_and_namespaces_with_enclaves(self) -> list[tuple[str, str, str]]:
        """(name, namespace, enclave) of every node; nothing here has another enclave than "/"."""
        return [(name, namespace, "/") for name, namespace in self.get_node_names_and_namespaces()]

    def get_node_names(self) -> list[str]:
        return [name for name, _ in self.get_node_names_and_namespaces()]

    def get_fully_qualified_node_names(self) -> list[str]:
        return [f"{'' if ns == '/' else ns}/{name}" for name, ns in self.get_node_names_and_namespaces()]

    def wait_for_node(self, fully_qualified_node_name: str, timeout: float) -> bool:
        """Waits up to `timeout` seconds until a node is there."""
        name = f"/{fully_qualified_node_name.lstrip('/')}"
        return self.context.poll(lambda: name in self.get_fully_qualified_node_names(), timeout)

    def get_topic_names_and_types(self, no_demangle: bool = False) -> list[tuple[str, list[str]]]:
        """Topics in the graph with their types; with `no_demangle` as DDS has them."""
        graph = self.context.graph
        return _listed(graph.dds_topics() if no_demangle else graph.topics())

    def get_service_names_and_types(self) -> list[tuple[str, list[str]]]:
        """Services that somebody offers, with their types."""
        return _listed(self.context.graph.services())

    def get_publisher_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> list[tuple[str, list[str]]]:
        """Topics on which a node publishes, with their types; raises NodeNameNonExistentError."""
        found = self.context.graph.of_node(node_name, node_namespace, writers=True)
        return _listed(found if no_demangle else as_topics(found))

    def get_subscriber_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> list[tuple[str, list[str]]]:
        """Topics that a node hears, with their types; raises NodeNameNonExistentError."""
        found = self.context.graph.of_node(node_name, node_namespace, writers=False)
        return _listed(found if no_demangle else as_topics(found))

    def get_service_names_and_types_by_node(self, node_name: str, node_namespace: str) -> list[tuple[str, list[str]]]:
        """Services that a node offers, with their types; raises NodeNameNonExistentError."""
        return _listed(as_services(self.context.graph.of_node(node_name, node_namespace, writers=False)))

    def get_client_names_and_types_by_node(self, node_name: str, node_namespace: str) -> list[tuple[str, list[str]]]:
        """Services that a node calls, with their types; raises NodeNameNonExistentError."""
        return _listed(as_services(self.context.graph.of_node(node_name, node_namespace, writers=True)))

    def get_publishers_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        return self.context.graph.endpoints(self.resolve_topic_name(topic_name), publishers=True)

    def get_subscriptions_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        return self.context.graph.endpoints(self.resolve_topic_name(topic_name), publishers=False)

    def count_publishers(self, topic_name: str) -> int:
        return len(self.get_publishers_info_by_topic(topic_name))

    def count_subscribers(self, topic_name: str) -> int:
        return len(self.get_subscriptions_info_by_topic(topic_name))

    def count_services(self, service_name: str) -> int:
        """How many servers a service has."""
        return self.context.graph.servers(self.resolve_service_name(service_name))

    def count_clients(self, service_name: str) -> int:
        """How many clients a service has."""
        return self.context.graph.clients(self.resolve_service_name(service_name))


def _listed(found: dict[str, set[str]]) -> list[tuple[str, list[str]]]:
    return [(name, sorted(types)) for name, types in sorted(found.items())]
