# SPDX-License-Identifier: Apache-2.0
"""Names of nodes, topics and services: validation, expansion, and their form on the wire."""

from __future__ import annotations

import re
from typing import Literal

from wall_oss_ros.embedded.exceptions import (
    InvalidNamespaceException,
    InvalidNodeNameException,
    InvalidParameterException,
    InvalidServiceNameException,
    InvalidTopicNameException,
    NameValidationException,
)

HIDDEN_TOPIC_PREFIX, TOPIC_SEPARATOR_STRING = "_", "/"
_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def validate_node_name(node_name: str) -> Literal[True]:
    """Raises InvalidNodeNameException unless the name is one token."""
    if not _TOKEN.fullmatch(node_name):
        text = "node name must be letters, digits and '_', not starting with a digit"
        raise InvalidNodeNameException(node_name, text)
    return True


def validate_namespace(namespace: str) -> Literal[True]:
    """Raises InvalidNamespaceException unless the namespace is absolute and made of tokens."""
    if namespace != "/" and not (
        namespace.startswith("/") and all(_TOKEN.fullmatch(part) for part in namespace[1:].split("/"))
    ):
        if namespace.startswith("/") and not namespace.endswith("/"):
            reason = "each part must be letters, digits and '_', not empty and not starting with a digit"
        else:
            reason = "namespace must be '/' or begin with '/' and not end with it"
        raise InvalidNamespaceException(namespace, reason)
    return True


def validate_topic_name(name: str, *, is_service: bool = False) -> Literal[True]:
    """Raises InvalidTopicNameException or InvalidServiceNameException unless a node could use the name."""
    expand(name, "node", "/", is_service)
    return True


def validate_full_topic_name(name: str, *, is_service: bool = False) -> Literal[True]:
    """As `validate_topic_name`, for names that are absolute and expanded."""
    if not name.startswith("/") or "{" in name:
        kind = InvalidServiceNameException if is_service else InvalidTopicNameException
        raise kind(name, "name must begin with '/' and have no substitutions")
    return validate_topic_name(name, is_service=is_service)


def validate_parameter_name(name: str) -> Literal[True]:
    """Raises InvalidParameterException for an empty name."""
    if not name:
        raise InvalidParameterException(name)
    return True


def topic_or_service_is_hidden(name: str) -> bool:
    """Whether a part of the name begins with an underscore."""
    return any(part.startswith(HIDDEN_TOPIC_PREFIX) for part in name.split("/"))


def expand_topic_name(topic_name: str, node_name: str, node_namespace: str) -> str:
    """The absolute name of a topic; raises ValueError where one of the three is not valid."""
    try:
        validate_node_name(node_name)
        validate_namespace(node_namespace)
        return expand(topic_name, node_name, node_namespace)
    except NameValidationException as error:
        raise ValueError(str(error)) from error


def expand(name: str, node_name: str, namespace: str, is_service: bool = False) -> str:
    """The absolute name of a topic or service as a node sees it.

    Args:
        name: absolute, relative, or private (``~/name``).
        node_name: the node's name, without namespace.
        namespace: the node's namespace, ``/`` or ``/a/b``.
        is_service: chooses the exception.

    Raises:
        InvalidTopicNameException, InvalidServiceNameException: not a name that ROS 2 allows.
    """
    error = InvalidServiceNameException if is_service else InvalidTopicNameException
    if not name:
        raise error(name, "name must not be empty")
    base = "" if namespace == "/" else namespace
    if name == "~" or name.startswith("~/"):
        full = f"{base}/{node_name}{name[1:]}"
    elif name.startswith("/"):
        full = name
    else:
        full = f"{base}/{name}"
    full = full.replace("{node}", node_name).replace("{ns}", base).replace("{namespace}", base)
    for part in full[1:].split("/"):
        if not _TOKEN.fullmatch(part):
            raise error(name, "each part must be letters, digits and '_', not empty and not starting with a digit")
    return full


def topic_to_dds(name: str) -> str:
    """Absolute topic name to its DDS topic."""
    return f"rt{name}"


def service_to_dds(name: str) -> tuple[str, str]:
    """Absolute service name to the DDS topics of its requests and its replies."""
    return f"rq{name}Request", f"rr{name}Reply"


def type_to_dds(ros_name: str) -> str:
    """ROS type name, ``package/kind/Name``, to DDS's."""
    package, kind, name = ros_name.split("/")
    return f"{package}::{kind}::dds_::{name}_"


def type_from_dds(name: str) -> str:
    """DDS type name to ROS's; other names unchanged."""
    match = re.fullmatch(r"(\w+)::(\w+)::dds_::(\w+)_", name)
    return "/".join(match.groups()) if match else name
