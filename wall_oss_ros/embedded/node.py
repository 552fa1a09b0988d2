# SPDX-License-Identifier: Apache-2.0
"""Nodes."""

from __future__ import annotations

from typing import Any

from wall_oss_ros.embedded import naming
from wall_oss_ros.embedded.arguments import parse
from wall_oss_ros.embedded.clock import Clock, ROSClock, TimeSource
from wall_oss_ros.embedded.context import get_default_context
from wall_oss_ros.embedded.exceptions import NamesWhatIsMissing, NodeNameNonExistentError, NotInitializedException
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.logging import RcutilsLogger, get_logger
from wall_oss_ros.embedded.node_entities import NodeEntities
from wall_oss_ros.embedded.node_graph import NodeGraph
from wall_oss_ros.embedded.node_parameters import NodeParameters
from wall_oss_ros.embedded.node_services import ParameterService, RosoutPublisher, add_logger_services
from wall_oss_ros.embedded.parameter import Parameter

__all__ = ["Node", "NodeNameNonExistentError"]


class Node(NodeParameters, NodeEntities, NodeGraph, NamesWhatIsMissing):
    """A node: a name in the ROS graph that owns publishers, subscriptions, services, clients, timers and parameters.

    Args:
        node_name: letters, digits and underscores.
        context: the default context if not given.
        cli_args: ROS arguments for this node alone, such as ``["--ros-args", "-p", "rate:=5.0"]``.
        namespace: absolute or not; ``/`` by default.
        use_global_arguments: whether those of rclpy.init apply, too.
        enable_rosout: publish the node's log lines on /rosout.
        start_parameter_services: offer the services that ``ros2 param`` calls.
        parameter_overrides: list of `Parameter`, values that go before those declared.
        allow_undeclared_parameters: parameters may be set and read without declaring them.
        automatically_declare_parameters_from_overrides: declare every value given from outside.
        enable_logger_service: offer the services that get and set log levels.

    Raises:
        NotInitializedException: rclpy.init has not been called.
        InvalidNodeNameException, InvalidNamespaceException: as their names say.
    """

    def __init__(
        self,
        node_name: str,
        *,
        context: Any = None,
        cli_args: list[str] | None = None,
        namespace: str | None = None,
        use_global_arguments: bool = True,
        enable_rosout: bool = True,
        start_parameter_services: bool = True,
        parameter_overrides: list[Parameter] | None = None,
        allow_undeclared_parameters: bool = False,
        automatically_declare_parameters_from_overrides: bool = False,
        enable_logger_service: bool = False,
    ):
        self.context = context or get_default_context()
        if not self.context.ok():
            raise NotInitializedException()
        self._arguments = [self.context.arguments] if use_global_arguments else []
        if cli_args:
            self._arguments.append(parse(cli_args))  # last, so that they win
        self._name, self._namespace = self._resolve_own_name(node_name, namespace or "")
        self._executor: Any = None
        self._destroyed = False
        self._init_entities()
        self._announced = False  # held back until the constructor is done: one message instead of thirty
        self._logger = get_logger(self.get_fully_qualified_name().strip("/").replace("/", "."))
        overrides: dict[str, Any] = {}
        for arguments in self._arguments:
            overrides.update(arguments.overrides(self.get_fully_qualified_name()))
        overrides.update({parameter.name: parameter.value for parameter in parameter_overrides or []})
        self._init_parameters(overrides, allow_undeclared_parameters)
        self._clock = ROSClock()
        self._parameter_events = None
        self._rosout = RosoutPublisher(self) if enable_rosout else None
        if automatically_declare_parameters_from_overrides:
            self.declare_parameters("", list(overrides.items()))
        events = get_interface("rcl_interfaces", "msg", "ParameterEvent")
        self._parameter_events = self.create_publisher(events, "/parameter_events", 1000)
        self._time_source = TimeSource(self)
        self._parameter_service = ParameterService(self) if start_parameter_services else None
        if enable_logger_service:
            add_logger_services(self)
        self._announced = True
        self.context.nodes.add(self)
        self._announce()

    # Identity

    def _resolve_own_name(self, name: str, namespace: str) -> tuple[str, str]:
        given = name
        namespace = namespace if namespace.startswith("/") else f"/{namespace}"
        for arguments in self._arguments:
            name = arguments.remap_special("__node", given) or name
            namespace = arguments.remap_special("__ns", given) or namespace
        naming.validate_node_name(name)
        naming.validate_namespace(namespace)
        return name, namespace

    def get_name(self) -> str:
        return self._name

    def get_namespace(self) -> str:
        return self._namespace

    def get_fully_qualified_name(self) -> str:
        return f"{'' if self._namespace == '/' else self._namespace}/{self._name}"

    def get_logger(self) -> RcutilsLogger:
        return self._logger

    def get_clock(self) -> Clock:
        """The node's clock: ROS time."""
        return self._clock

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """The absolute name of a topic after expansion and, unless `only_expand`, remapping."""
        return self._resolve(topic, only_expand, False)

    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        return self._resolve(service, only_expand, True)

    def _resolve(self, name: str, only_expand: bool, is_service: bool) -> str:
        full = naming.expand(name, self._name, self._namespace, is_service)
        for arguments in [] if only_expand else self._arguments:
            remapped = arguments.remap_name(full, self._name, self._namespace)
            if remapped != full:
                return remapped
        return full

    # Ending

    def destroy_node(self) -> None:
        """Ends everything that the node owns and takes its name out of the graph."""
        if self._destroyed:
            return
        self._destroyed = True
        if self._rosout is not None:
            self._rosout.close()
        if self._executor is not None:
            self._executor.remove_node(self)
        self._destroy_all()
        self.context.forget_node(self)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy_node()

    # For the executor

    @property
    def executor(self) -> Any:
        return self._executor

    @executor.setter
    def executor(self, executor: Any) -> None:
        if self._executor is executor:
            return
        if self._executor is not None:
            self._executor.remove_node(self)
        if executor is not None:
            executor.add_node(self)

    def _wake_executor(self) -> None:
        if self._executor is not None:
            self._executor.wake()

    # Parameters and graph

    def _parameters_changed(self, parameters: list[Parameter], declaring: bool) -> None:
        if self._parameter_events is None:
            return
        event = get_interface("rcl_interfaces", "msg", "ParameterEvent")(
            stamp=self._clock.now().to_msg(), node=self.get_fully_qualified_name()
        )
        messages = [p.to_parameter_msg() for p in parameters if p.type_ is not Parameter.Type.NOT_SET]
        setattr(event, "new_parameters" if declaring else "changed_parameters", messages)
        self._parameter_events.publish(event)
